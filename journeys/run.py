"""All that is remembered of one enrolment between two turns.

Theory of operation. A run stands at one node. Its `hold` says what it waits for there:

    Hold(due_at, triggers)   a wait or an await: ended by its instant, or by an event that fires one of `triggers`
    Pending(effect, until)   an effect was asked for and its answer has not come: it is asked for again at `until`
                             (deferred), or whenever the run is woken (`until` is None: another is working on it)
    None                     between two steps, or ended

`at` is the run's own instant: when the last thing took place that moved it. It never goes back. `late` is how far
behind that instant the real world was when the last message went out (see `journeys.timing.due_after`).

Plain data, no behaviour beyond reading; `journeys.codec` turns it to JSON and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from journeys.effects import Asking, HeldBy, Reckon
from journeys.events import Json


@dataclass(frozen=True, slots=True)
class Hold:
    """What a waiting step waits for: an instant, triggers, or both (whichever comes first).

    Where the instant depends on the learner's profile or the policy, `reckon` asks for it again at every waking, and
    `reads` names the fields it depends on.
    """

    since: datetime
    due_at: datetime | None = None
    triggers: tuple[str, ...] = ()
    reckon: Reckon | None = None
    reads: tuple[str, ...] = ()
    kind: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True)
class Pending:
    """An effect without its answer; re-asked at `until`, or at any waking where `until` is None."""

    effect: Annotated[Asking, Field(discriminator="kind")]
    since: datetime
    until: datetime | None = None
    because: str | None = None
    kind: Literal["pending"] = "pending"


@dataclass(frozen=True, slots=True)
class Seen:
    """Event times at which one trigger fired, as far as they can still matter: the first and the last, and what the
    trigger keeps of the latest that brought something (`Trigger.keeps`).
    """

    first: datetime
    last: datetime
    data: Json = None


@dataclass(frozen=True, slots=True)
class Round:
    """The round that a `repeat` is in: its number, from 1, and since when."""

    number: int
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message, as expressions see it (`sent.welcome.status`)."""

    status: str
    channel: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)  # without slots: `but` lives on the instance's dict
class Run:
    """The state of one enrolment. `entered_at` and `at` are UTC; `visits` counts arrivals at each node.

    `begins_at` is set where the entry takes effect later than its time: nothing happens before it. An entry whose time
    merely lies ahead of the clock counts on arrival. `learner` is our id of her, and serves for chance; `arms` are the
    arms of splits she was assigned to; `held_by` says who holds the run, since `held_since`; `journey_pauses` how many
    pauses of the whole journey the run has come through.
    """

    enrolment: str
    entered_at: datetime
    at: datetime
    late: timedelta = timedelta()
    node: str | None = None
    visits: Mapping[str, int] = field(default_factory=dict[str, int])
    hold: Annotated[Hold | Pending, Field(discriminator="kind")] | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict[str, Seen])
    vars: Mapping[str, Json] = field(default_factory=dict[str, Json])
    answers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    sent: Mapping[str, Sent] = field(default_factory=dict[str, Sent])
    begins_at: datetime | None = None
    has_begun: bool = False
    outcome: str | None = None
    learner: str = ""
    arms: Mapping[str, str] = field(default_factory=dict[str, str])
    rounds: Mapping[str, Round] = field(default_factory=dict[str, Round])
    held_by: tuple[HeldBy, ...] = ()
    held_since: datetime | None = None
    journey_pauses: int = 0

    def but(self, **changes: object) -> "Run":
        """The run with these fields changed: `dataclasses.replace` at a tenth of its price, which was most of the price
        of an `advance`.
        """
        new = object.__new__(Run)
        values = new.__dict__
        values.update(self.__dict__)
        values.update(changes)
        if len(values) != _FIELDS:
            raise TypeError(f"a run has no {', '.join(sorted(changes.keys() - self.__dict__.keys()))}")
        return new

    @property
    def is_held(self) -> bool:
        """Whether somebody holds the run: then only exits and the limit act."""
        return bool(self.held_by)

    @property
    def has_ended(self) -> bool:
        """Whether an outcome stands; nothing moves the run after that."""
        return self.outcome is not None


_FIELDS = len(fields(Run))
