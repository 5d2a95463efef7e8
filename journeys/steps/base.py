"""What a step type is to `advance`, and the register of all step types.

A step type is one class in one file of this folder: how its options are compiled from a definition, what happens when a
run arrives at it (`enter`), and what happens when something it asked or waited for came (`resume`). Both return a
`Move`. A step type never performs anything, reads no clock and keeps nothing: all it knows is the `Stand`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from journeys.definition import Cursor
from journeys.drafts import StepDraft, StepSource
from journeys.effects import (
    Answered,
    Asking,
    Decided,
    Delivered,
    Due,
    Effect,
    Enrolled,
    Evaluated,
    Fired,
    Note,
    Reckon,
    Reckoned,
    Resumed,
)
from journeys.plain_words import Label
from journeys.program import Node, Program
from journeys.run import Hold, Pending, Run, Seen

Resuming = Due | Fired | Resumed | Decided | Evaluated | Reckoned | Delivered | Answered | Enrolled


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a run stands: the program, the node it is at, and the run itself."""

    program: Program
    node: Node
    run: Run

    @property
    def at(self) -> datetime:
        """The run's own instant."""
        return self.run.at

    @property
    def visit(self) -> int:
        """How often the run has arrived at this node, from 1."""
        return self.run.visits.get(self.node.id, 0)

    def seen_between(self, trigger: str, earliest: datetime, latest: datetime | None) -> datetime | None:
        """The time of an event that fired `trigger` within these bounds (inclusive), if one is remembered."""
        seen = self.run.seen.get(trigger, None)
        times = () if seen is None else (seen.first, seen.last)
        return next((t for t in times if t >= earliest and (latest is None or t <= latest)), None)

    @property
    def reckoning(self) -> Reckon:
        """The question after an instant that the step has asked, or asks again at every waking."""
        match self.run.hold:
            case Pending(effect=Reckon() as reckon) | Hold(reckon=Reckon() as reckon):
                return reckon
            case _:
                raise AssertionError("only a step that reckons is told an instant")

    def floor(self, repeat: str | None) -> datetime:
        """Since when events count for a step: the entry, or in a `repeat` the beginning of the round."""
        began = None if repeat is None else self.run.rounds.get(repeat)
        return self.run.entered_at if began is None else began.began_at


@dataclass(frozen=True, slots=True)
class Go:
    """The step is over: on by this successor. `run` carries what the step changed, where it did; `effects` are handed
    over with the note.
    """

    by: str = "next"
    note: Note | None = None
    run: Run | None = None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """The step waits. `run` carries what the step changed, where it did."""

    hold: Hold
    note: Note | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """The step wants this done, and goes on with the answer. `run` carries what the step changed, where it did."""

    effect: Asking
    note: Note | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The enrolment ends with this outcome."""

    outcome: str


Move = Go | Stay | Ask | Finish


class StepType(Protocol):
    """One word of the language. `options` is the frozen record that its nodes carry.

    `keys` may stand beside the word, as well as `id` and `when`; `later` are keys of the language that are refused for
    now, each with what it is called in the refusal.
    """

    options: type
    keys: frozenset[str]
    later: Mapping[str, str]

    @staticmethod
    def name(value: Cursor) -> str:
        """What the step is called where it has no `id` of its own."""
        ...

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        """The step's options and where it leads; what is wrong is reported at its cursor."""
        ...

    @staticmethod
    def enter(stand: Stand) -> Move:
        """The run has arrived."""
        ...

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        """Something came that this step asked or waited for. None: it does not concern the step after all."""
        ...

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        """What the run waits for here, in plain words without personal values."""
        ...

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        """The card of the step, for people who have never programmed; its guard is said by who asks."""
        ...


STEP_TYPES: dict[str, type[StepType]] = {}
"""Every step type by its word; filled by `step_type`, complete once `journeys.steps` is imported."""


T = TypeVar("T", bound=type[StepType])


def step_type(word: str) -> Callable[[T], T]:
    """Register a step type under its word; a second one under the same word is an error that names both files."""

    def register(cls: T) -> T:
        other = STEP_TYPES.get(word)
        if other is not None:
            raise TypeError(f"step {word!r} is defined twice: in {inspect.getfile(other)} and {inspect.getfile(cls)}")
        STEP_TYPES[word] = cls
        return cls

    return register


def remember(run_seen: Seen | None, fired: Fired) -> Seen:
    """What is remembered of a trigger after it fired once more."""
    at = fired.at
    if run_seen is None:
        return Seen(at, at, fired.data)
    data = fired.data if at >= run_seen.last and fired.data is not None else run_seen.data
    return Seen(min(run_seen.first, at), max(run_seen.last, at), data)
