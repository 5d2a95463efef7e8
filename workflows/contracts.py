"""What passes through Temporal. Ids, queue names and instants; never a person, never a text.

One frozen record in, one out. Fields are only added, with defaults: enrolments that started months ago hold the old
form.
"""

from dataclasses import dataclass, field
from datetime import datetime

ENROLMENT_WORKFLOW = "Enrolment"
TAKE_TURN = "take_turn"
RETRY_DELIVERY = "retry_delivery"
POKE = "poke"
DRAFTING_WORKFLOW = "Drafting"
WRITE_DRAFT = "write_draft"
TELL_REVIEWERS = "tell_reviewers"


@dataclass(frozen=True)
class Queues:
    """The task queues of one installation; a prefix keeps installations on one namespace apart."""

    prefix: str = ""

    @property
    def turns(self) -> str:
        """Where enrolments are carried."""
        return f"{self.prefix}turns"

    def deliveries(self, channel: str) -> str:
        """Where a channel's retries are made."""
        return f"{self.prefix}deliver-{channel}"

    def requests(self, system: str) -> str:
        """Where another system (`call-crm`, `lms-moodle`) is asked again."""
        return f"{self.prefix}{system}"

    @property
    def writers(self) -> str:
        """Where texts are drafted, where a writer is set up."""
        return f"{self.prefix}writers"

    def drafting_id(self, draft: str) -> str:
        """The id of the workflow that has this text drafted. Two installations may order the same text: the draft's id
        is made of the order alone.
        """
        return f"{self.prefix}draft-{draft}"


@dataclass(frozen=True)
class Living:
    """The workflow's input: which enrolment it carries. Its id is the workflow's id too."""

    enrolment: str


@dataclass(frozen=True)
class TurnOrder:
    """Take a turn of this enrolment; `now` is the workflow's clock, UTC."""

    enrolment: str
    now: datetime


@dataclass(frozen=True)
class RetryOrder:
    """Try this delivery again, on its channel's queue; or ask another system again, on that system's (`delivery` is the
    request's id then).

    `now` is the instant of the turn that asked; what Temporal says has passed since is added before an attempt is made.
    `really_at` is read by processes of older releases alone. An attempt takes at most `limit_seconds`: after that its
    process is gone, and Temporal lets another one look at it.
    """

    delivery: str
    queue: str
    now: datetime
    really_at: datetime
    limit_seconds: float = 180.0


@dataclass(frozen=True)
class TurnTaken:
    """How a turn ended: with an outcome, or waiting until `due_at` (None: for a poke alone), and all retries
    outstanding.
    """

    outcome: str | None = None
    due_at: datetime | None = None
    retries: list[RetryOrder] = field(default_factory=list[RetryOrder])


@dataclass(frozen=True)
class RetryEnded:
    """How the delivery stands now; a turn looks at it next."""

    status: str


@dataclass(frozen=True)
class Ended:
    """The workflow's result."""

    outcome: str


@dataclass(frozen=True)
class Drafting:
    """The drafting workflow's input: which text is wanted."""

    draft: str


@dataclass(frozen=True)
class WriteOrder:
    """Take this text one call further; `now` is the workflow's clock, UTC."""

    draft: str
    now: datetime


@dataclass(frozen=True)
class WriteEnded:
    """How the draft stands now; while it is `wanted`, from when on it is taken further (None: at once)."""

    state: str
    due_at: datetime | None = None


@dataclass(frozen=True)
class TellOrder:
    """Tell the reviewers that this text, and whatever else is proposed by now, waits for them.

    `claimed_at` is the instant of the claim that an earlier attempt made, and `left` who was not reached then, by
    place.
    """

    draft: str
    now: datetime
    claimed_at: datetime | None = None
    left: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class Told:
    """All is told where there is no `due_at`; else from when on to go on, with the claim and who is left."""

    due_at: datetime | None = None
    claimed_at: datetime | None = None
    left: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class Drafted:
    """The drafting workflow's result: the draft's state."""

    state: str
