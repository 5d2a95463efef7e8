"""What the compiler hands a step type, and what the step type makes of it: a step before it is linked to the others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from journeys.definition import Cursor
from journeys.program import Message, Span, Trigger
from journeys.source import Scalar


@dataclass(frozen=True, slots=True)
class StepSource:
    """One step as it was written: its word's `value`, the keys beside it, and the id it has. `repeat` is the id of the
    `repeat` that it stands in, the innermost.
    """

    id: str
    value: Cursor
    fields: Mapping[str, Cursor]
    repeat: str | None = None


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One step, its options compiled (None where they are wrong, which has been reported).

    `arms` are its successors by name: a list of steps, or None for the step that follows. `never` names those that no
    run can take, `loops` those whose list leads back to the step itself. `messages` are messages that the step makes;
    `says` tells whether it can bring a message to anybody.

    `gives` are the facts that stand once the step is left by an arm (`vars.tip`, `answers.pulse.sure`, `sent.hello`);
    those in `may_fail` need not. `takes` is the least time after which it is left by an arm, where it takes any.
    """

    options: object | None
    arms: Mapping[str, Cursor | None] = field(default_factory=dict[str, Cursor | None])
    triggers: tuple[Trigger, ...] = ()
    never: frozenset[str] = frozenset()
    loops: frozenset[str] = frozenset()
    messages: tuple[Message, ...] = ()
    says: bool = False
    gives: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    may_fail: frozenset[str] = frozenset()
    takes: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])


@runtime_checkable
class HearsLater(Protocol):
    """Options of a step that is also ended by what later steps wait for."""

    def hearing(self, later: tuple[str, ...]) -> object:
        """The same options, with the triggers of all later steps, in document order."""
        ...


def at_least(span: Span | None) -> timedelta:
    """How long a span takes at the least: among so many working days there may be no day off at all."""
    return timedelta() if span is None else span.elapsed + timedelta(days=max(span.working_days - 1, 0))


ONWARD: Mapping[str, Cursor | None] = {"next": None}
"""The arms of a step that simply goes on."""


def slug(*words: str) -> str:
    """An id made of what was written: a-z, 0-9 and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")[:60].strip("-")


def said(cursor: Cursor) -> str:
    """The text of a value as far as it has one, for a step's own id."""
    return cursor.node.text if isinstance(cursor.node, Scalar) else ""
