"""What `advance` asks to have done, and the answers and happenings it is told.

    effect      answer                            performed by
    ------      ------                            ------------
    Note        none: a line of the journal       both performers
    Decide      Decided                           expressions over the profile
    Evaluate    Evaluated                         expressions over the profile
    Reckon      Reckoned                          the calendar where the learner is, and the policy
    Deliver     Delivered, Deferred, Retrying     policy, attention, compose, then a channel (rehearsal: the timeline)
    Request     Answered, Retrying                another system, over HTTP (rehearsal: what it was told of it)
    Enrol       Enrolled                          store (rehearsal: said, not done)
    ArmChosen   none: the assignment stands       store
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
from journeys.program import Expression, Span, Term, Until

NoteKind = Literal[
    "entered", "event", "decided", "waiting", "sent", "skipped", "failed", "deferred", "ended", "passed", "paused",
    "resumed", "moved", "set", "asked", "answered", "called", "assigned", "enrolled",
    "resent",
]  # fmt: skip
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
class Evaluate:
    """What are these worth for the learner as she is now? With `is_in_order` each value that could be told stands as
    `vars.<name>` for those after it.
    """

    node: str
    terms: tuple[Term, ...]
    is_in_order: bool = False
    kind: Literal["evaluate"] = "evaluate"


@dataclass(frozen=True, slots=True)
class Reckon:
    """At which instant is this over, where the learner is: `until`, or `span` counted from `since`?

    `local` is the wall-clock time (ISO, no zone) that an earlier answer fixed: it stays the same where her zone
    changes.
    """

    node: str
    since: datetime
    until: Until | None = None
    span: Span | None = None
    local: str | None = None
    kind: Literal["reckon"] = "reckon"


@dataclass(frozen=True, slots=True)
class Request:
    """Have another system do something: a named webhook (`call`), or an LMS (`lms`). The key is enrolment, node and
    visit; it is retried until `expires_at`.
    """

    node: str
    visit: int
    service: Literal["call", "lms"]
    target: str
    body: Mapping[str, Json]
    asked_at: datetime
    expires_at: datetime
    kind: Literal["request"] = "request"


@dataclass(frozen=True, slots=True)
class Enrol:
    """Start another journey for this learner, with this entry key and data."""

    node: str
    visit: int
    journey: str
    key: str
    data: Mapping[str, Json]
    kind: Literal["enrol"] = "enrol"


@dataclass(frozen=True, slots=True)
class Deliver:
    """Bring this message to the recipient through the first of `via` that can reach her.

    The key of the delivery is enrolment, node, visit and leg. `asked_at` is the run's instant when it was first
    asked for; after `expires_at` it is skipped. `to` is `learner`, `manager`, or an expression yielding an id.
    `is_anytime` passes working hours and days, `local_time` (`09:00`) waits for that time of the recipient's day,
    `is_mandatory` passes the attention budget; `priority` is from 1 to 100. `may_merge` tells whether it may go in a
    digest with others: not where something is awaited of this message alone.
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
    local_time: str | None = None
    is_mandatory: bool = False
    priority: int = 50
    may_merge: bool = True
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


@dataclass(frozen=True, slots=True)
class ArmChosen:
    """The enrolment was assigned to this arm of a split, with the probability that any one had (0 to 1). `unit` is what
    was hashed: a hash itself, it names nobody.
    """

    at: datetime
    split: str
    arm: str
    share: float
    unit: str


Asking = Decide | Evaluate | Reckon | Deliver | Request | Enrol
Effect = Note | ArmChosen | Withdraw | End


@dataclass(frozen=True, slots=True)
class Began:
    """The run takes its first step; at the entry's instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Fired:
    """An event fired a trigger: the row of the inbox. `at` is the event's time, `data` what the trigger keeps of it."""

    at: datetime
    trigger: str
    event: str
    event_type: str
    data: Json = None


HeldBy = Literal["admin", "journey", "learner"]
CatchUp = Literal["continue", "skip", "restart_wait"]


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody holds the run: an admin, the learner, or the pause of the whole journey (its `number`-th, from 1)."""

    at: datetime
    by: HeldBy
    number: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """Who held the run lets it go; it moves again when nobody holds it."""

    at: datetime
    by: HeldBy
    catch_up: CatchUp = "continue"
    number: int = 0


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
    """A delivery reached a final status at `at`, the performer's own instant.

    `draft` is the approved draft whose text went; `undrafted` is why a drafted message went in its own words.
    """

    at: datetime
    status: FinalStatus
    channel: str | None = None
    reason: str | None = None
    draft: str | None = None
    undrafted: str | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A delivery waits until `until` (None: until somebody wakes the run), because. `where` is how the journal says
    that instant: `Monday 2 March, 09:00 in Dublin`. What `is_brief` is not worth a line of the journal.
    """

    at: datetime
    until: datetime | None
    because: str
    where: str | None = None
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class Retrying:
    """A delivery is being tried on its channel's queue; the run is woken when that ends."""

    at: datetime
    channel: str
    because: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The values by name; what could not be told is left out, and `findings` say why."""

    at: datetime
    values: Mapping[str, Json]
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The instant, or None where it cannot be told (`finding` says why).

    `local` is the wall-clock time that it is, where there is one; `where` how the journal says it (`Monday 09:00 in
    Dublin`); `reads` the fields of the profile it depends on: a change of one of them asks again.
    """

    at: datetime
    due_at: datetime | None
    local: str | None = None
    where: str | None = None
    reads: tuple[str, ...] = ()
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What another system said to a request; `reason` says why it was not done."""

    at: datetime
    status: Literal["done", "failed"]
    values: Json = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Whether another journey was started for the learner, and why not."""

    at: datetime
    is_enrolled: bool
    reason: str | None = None


Answer = Decided | Evaluated | Reckoned | Delivered | Deferred | Retrying | Answered | Enrolled
Input = Began | Fired | LimitReached | Due | Paused | Resumed | Answer
