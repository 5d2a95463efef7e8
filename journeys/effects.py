"""What `advance` asks to have done, and the answers and happenings it is told.

    effect      answer                            performed by
    ------      ------                            ------------
    Note        none: a line of the journal       both performers
    Decide      Decided                           expressions over the profile
    Deliver     Delivered, Deferred, Retrying     compose, then a channel (rehearsal: the timeline)
    Withdraw    none: queued deliveries fall      store
    End         none: the outcome stands          store

What asks for an answer stands in the run (`Pending`) until the answer came; the others are handed over. Every effect
is safe to perform again: `Deliver` by the key of its delivery, the others because they are kept with the run in one
transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from journeys.events import Json
from journeys.program import Expression

NoteKind = Literal["entered", "event", "decided", "waiting", "sent", "skipped", "failed", "deferred", "ended", "passed"]
FinalStatus = Literal["sent", "skipped", "failed", "may_have_gone"]


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the journal. `text` is plain words without personal values; `data` holds the facts."""

    at: datetime
    kind: NoteKind
    step: str | None
    text: str
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class Decide:
    """Which of these expressions is the first to hold for the learner as she is now?

    `is_guard` tells a step's `when`, asked before the step begins, from a question of the step's own.
    """

    node: str
    questions: tuple[Expression, ...]
    is_guard: bool = False
    kind: Literal["decide"] = "decide"


@dataclass(frozen=True, slots=True)
class Deliver:
    """Bring this message to the recipient through the first of `via` that can reach her.

    The key of the delivery is enrolment, node, visit and leg. `asked_at` is the run's instant when it was first
    asked for; after `expires_at` it is skipped. `to` is `learner`, `manager`, or an expression yielding an id.
    """

    node: str
    visit: int
    leg: int
    message: str
    via: tuple[str, ...]
    asked_at: datetime
    expires_at: datetime | None
    is_anytime: bool = False
    to: Expression | Literal["learner", "manager"] = "learner"
    kind: Literal["deliver"] = "deliver"


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Let every delivery of this enrolment that nobody has tried yet fall, with this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The enrolment has ended so."""

    at: datetime
    outcome: str


Asking = Decide | Deliver
Effect = Note | Withdraw | End


@dataclass(frozen=True, slots=True)
class Began:
    """The run takes its first step; at the entry's instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Fired:
    """An event fired a trigger: the row of the inbox. `at` is the event's time."""

    at: datetime
    trigger: str
    event: str
    event_type: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The journey's `limit` is over."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """The instant the run held for has come."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """The first question that holds, by its place from 0, or None; `findings` say why others could not be judged."""

    at: datetime
    choice: int | None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery reached a final status at `at`, the performer's own instant."""

    at: datetime
    status: FinalStatus
    channel: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A delivery waits until `until` (None: until somebody wakes the run), because."""

    at: datetime
    until: datetime | None
    because: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """A delivery is being tried on its channel's queue; the run is woken when that ends."""

    at: datetime
    channel: str
    because: str


Answer = Decided | Delivered | Deferred | Retrying
Input = Began | Fired | LimitReached | Due | Answer
