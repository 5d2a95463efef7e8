"""The compiled journey: flat, immutable, named by its hash.

`advance` and everything after it see programs only; what an admin wrote has been judged by then. A program is
plain data: it goes to JSON and comes back the same (`journeys.codec`). Nothing here reads a definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from journeys.events import Json


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked CEL expression, and the fields it reads (`learner.country`, `event.data.course`)."""

    text: str
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A named value: an expression, or a constant as it stands."""

    name: str
    expression: Expression | None = None
    constant: Json = None


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time: elapsed time, and then so many working days of the learner (`5wd`, `1wd 4h`)."""

    elapsed: timedelta = timedelta()
    working_days: int = 0


@dataclass(frozen=True, slots=True)
class Until:
    """An instant that is told where the learner is: a local time (`monday 09:00`, `tomorrow 09:00`, `2026-05-01`,
    `2026-05-01 09:00`, `09:00`) or an expression that yields a date or an instant; then `before` is taken off.
    """

    local: str | None = None
    expression: Expression | None = None
    before: Span = Span()


@dataclass(frozen=True, slots=True)
class Trigger:
    """An `on` with its `when`. Types may end in `.*`; `outcome` is set on exits alone. `keeps` names the field of the
    event's data that comes with the firing (`Fired.data`): an answer.

    `id` is unique in the program: `enter-1`, `exit-2`, or the id of the awaiting step with its number,
    `await-lms-course-started.1`.
    """

    id: str
    on: tuple[str, ...]
    when: Expression | None = None
    outcome: str | None = None
    keeps: str | None = None

    def accepts(self, event_type: str) -> bool:
        """Whether an event of this type may fire the trigger, before `when` is judged."""
        return any(event_type == p or (p.endswith(".*") and event_type.startswith(p[:-1])) for p in self.on)


@dataclass(frozen=True, slots=True)
class EntryRule:
    """One way into the journey: the trigger, and the expression that yields the entry key."""

    trigger: Trigger
    key: Expression | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """May a learner enter again with the same key: never, always, or `after` so long since the last entry's time."""

    rule: Literal["never", "always", "after"] = "never"
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a message; both parts are templates."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A message in one language. All texts are Jinja templates; `channels` has a channel's own wording of the body."""

    subject: str | None = None
    body: str | None = None
    link: Link | None = None
    channels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a survey: `scale` (lowest, highest), `choices`, or a text of her own."""

    id: str
    text: str
    scale: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a writer is to draft for a message: `uses` are the placeholders it may use (`learner.role`), all that it is
    told; for each value of `per` there is a text of its own.
    """

    brief: str
    tone: str | None = None
    max_words: int | None = None
    uses: tuple[str, ...] = ()
    per: Expression | None = None

    @property
    def is_per_learner(self) -> bool:
        """Whether each learner has a text of her own: `per: learner`."""
        return self.per is not None and self.per.text == "learner.id"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said. All texts are Jinja templates; `channels` holds a channel's own wording of the body.

    `languages` are other wordings by BCP 47 tag; what one lacks is taken from the message itself. A message with
    `questions` leads to a page of ours, where they are answered. Of a message with a `draft` an approved draft goes out
    where one is at hand, and else these texts.
    """

    name: str
    subject: str | None = None
    body: str | None = None
    link: Link | None = None
    channels: Mapping[str, str] = field(default_factory=dict[str, str])
    languages: Mapping[str, Wording] = field(default_factory=dict[str, Wording])
    questions: tuple[Question, ...] = ()
    draft: Draft | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One step, compiled: what kind it is, its options, where it leads, and the guard before it.

    `options` is the frozen record of the step type named by `kind`. A successor of `None` is the end of the
    journey (`completed`). `guard` is the step's `when`; where it does not hold, the step is passed over to `skip`
    (without one, to `next`).
    """

    id: str
    kind: str
    options: object
    successors: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    guard: Expression | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """What should change, and how it will be seen."""

    behaviour: str
    metric: str
    direction: Literal["increase", "decrease"]
    window: timedelta


@dataclass(frozen=True, slots=True)
class Program:
    """A journey as it runs. `start` is the first node; `triggers` are those of exits and awaits, by id; `holdout` is
    the share (0 to 1) of entries that get nothing.
    """

    journey: str
    title: str
    enter: tuple[EntryRule, ...]
    nodes: Mapping[str, Node]
    start: str | None
    messages: Mapping[str, Message] = field(default_factory=dict[str, Message])
    exits: tuple[Trigger, ...] = ()
    triggers: Mapping[str, Trigger] = field(default_factory=dict[str, Trigger])
    audience: Expression | None = None
    again: Again = Again()
    limit: timedelta = timedelta(days=365)
    priority: int = 50
    is_mandatory: bool = False
    holdout: float = 0.0
    objective: Objective | None = None
    hash: str = ""

    def in_order(self) -> tuple[str, ...]:
        """The ids of the nodes as the document has them: each before what follows it, one arm after the other.

        The map of nodes itself has no order: as JSON its keys are sorted.
        """
        finished: list[str] = []
        begun: set[str] = set()
        ahead: list[tuple[str, bool]] = [] if self.start is None else [(self.start, False)]
        while ahead:
            id_, is_done = ahead.pop()
            if is_done:
                finished.append(id_)
            elif id_ not in begun:
                begun.add(id_)
                ahead.append((id_, True))
                successors = self.nodes[id_].successors
                ways = [successors[arm] for arm in sorted(successors, key=_arm_order)]
                ahead.extend((to, False) for to in ways if to is not None and to not in begun)
        return (*reversed(finished), *(id_ for id_ in self.nodes if id_ not in begun))

    def exit_order(self, trigger: str) -> int | None:
        """The place of this trigger among the exits, from 0; None where it is no exit."""
        return next((i for i, t in enumerate(self.exits) if t.id == trigger), None)


def _arm_order(arm: str) -> tuple[int, int, str]:
    """Where an arm stands among the arms of its step."""
    number = arm.removeprefix("arm-")
    return (_ARMS.get(arm, 2), int(number) if number.isdigit() else 0, arm)


_ARMS = {"do": 0, "then": 1, "else": 3, "next": 4, "skip": 5}


@dataclass(frozen=True, slots=True)
class Entry:
    """What started an enrolment: the event's data, source and id, or what an admin gave by hand."""

    at: str
    key: str
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])
    event: str | None = None
