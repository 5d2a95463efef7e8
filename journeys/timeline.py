"""What a rehearsal tells: for each learner what happened to her, when, through what, and why or why not.

Plain records; `journeys.rehearse` makes them. Instants are UTC.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from journeys.drafting.telling import words_data
from journeys.effects import Note
from journeys.events import Json
from journeys.routing import instant_text


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. `kind` is a note's, or `not_entered` or `not_judged`, which belong to no enrolment.

    `reason` says why or why not; where nothing needs a reason it is the whole in words. For a message that went it is
    None. `draft` is the approved draft whose text went; `undrafted` why a drafted message went in its own words.
    """

    at: datetime
    kind: str
    step: str | None = None
    message: str | None = None
    channel: str | None = None
    status: str | None = None
    reason: str | None = None
    draft: str | None = None
    undrafted: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The entry as `waymark rehearse --json` prints it; of drafts it speaks where the message is drafted."""
        return {
            "at": instant_text(self.at),
            "kind": self.kind,
            "step": self.step,
            "message": self.message,
            "channel": self.channel,
            "status": self.status,
            "reason": self.reason,
            **words_data(self),
        }


@dataclass(frozen=True, slots=True)
class RehearsedMessage:
    """A message as it would go out, rendered; `text` is Markdown, `recipient` the source's id of who gets it.

    `draft` is the approved draft whose text it is; `undrafted` is why a drafted message goes in its own words.
    """

    at: datetime
    step: str
    message: str
    channel: str
    recipient: str
    subject: str
    text: str
    link: str | None = None
    draft: str | None = None
    undrafted: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The message as `waymark rehearse --json` prints it, beside the timeline."""
        return {
            "at": instant_text(self.at),
            "step": self.step,
            "message": self.message,
            "channel": self.channel,
            "recipient": self.recipient,
            "subject": self.subject,
            "text": self.text,
            "link": self.link,
            **words_data(self),
        }


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay at a step: since when, and by which arm she left it, None where she has not."""

    step: str
    at: datetime
    arm: str | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RehearsedEnrolment:
    """One enrolment from its entry.

    `outcome` is None where the rehearsal stopped first; then `waiting_for` says what for, and `due_at` until
    when at most. `path` has every step in the order of arrival; `entered_by` is the trigger it came in by, `left_by`
    that of the exit that ended it, or `limit`.
    """

    key: str
    entered_at: datetime
    outcome: str | None
    waiting_for: str | None
    due_at: datetime | None
    timeline: tuple[TimelineEntry, ...]
    messages: tuple[RehearsedMessage, ...]
    path: tuple[Visit, ...] = ()
    entered_by: str | None = None
    left_by: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RehearsedLearner:
    """One learner: her enrolments in order of their making, and what kept her out of others (`remarks`)."""

    learner: str
    enrolments: tuple[RehearsedEnrolment, ...] = ()
    remarks: tuple[TimelineEntry, ...] = ()

    @property
    def outcome(self) -> str | None:
        """How her last enrolment ended; None where it has not, or where there is none."""
        return self.enrolments[-1].outcome if self.enrolments else None

    @property
    def reason(self) -> str | None:
        """Why there is no enrolment; None where there is one."""
        if self.enrolments:
            return None
        refused = [remark.reason for remark in self.remarks if remark.kind == "not_entered"]
        return refused[-1] if refused else "No event of this learner starts the journey."

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """Everything about her in order of time."""
        return _in_order([*self.remarks, *(entry for each in self.enrolments for entry in each.timeline)])

    def to_json(self) -> dict[str, Json]:
        """The learner as `waymark rehearse --json` prints her."""
        return {
            "learner": self.learner,
            "outcome": self.outcome,
            "reason": self.reason,
            "timeline": [entry.to_json() for entry in self.timeline],
            "enrolments": [_enrolment_json(enrolment) for enrolment in self.enrolments],
        }


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Every learner that the rehearsal was given or that an event spoke of, in that order."""

    learners: tuple[RehearsedLearner, ...]

    def to_json(self) -> dict[str, Json]:
        """The body of `waymark rehearse --json`."""
        return {"learners": [learner.to_json() for learner in self.learners]}


@dataclass(frozen=True, slots=True)
class Counts:
    """How often what was done in a rehearsal: enrolments by trigger, arrivals and stays at each step, arms taken, ways
    out, outcomes; deliveries by step and status.
    """

    learners: int
    enrolled: int
    entries: Mapping[str, int] = field(default_factory=dict[str, int])
    arrivals: Mapping[str, int] = field(default_factory=dict[str, int])
    arms: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    standing: Mapping[str, int] = field(default_factory=dict[str, int])
    exits: Mapping[str, int] = field(default_factory=dict[str, int])
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    @property
    def sent(self) -> int:
        """How many messages went."""
        return sum(number for (_, status), number in self.deliveries.items() if status == "sent")


def counted(rehearsal: Rehearsal) -> Counts:
    """The counts over all learners."""
    every = [enrolment for learner in rehearsal.learners for enrolment in learner.enrolments]
    visits = [visit for enrolment in every for visit in enrolment.path]
    delivered = [(entry.step, entry.status) for enrolment in every for entry in enrolment.timeline if entry.message]
    return Counts(
        learners=len(rehearsal.learners),
        enrolled=sum(bool(learner.enrolments) for learner in rehearsal.learners),
        entries=Counter(enrolment.entered_by for enrolment in every if enrolment.entered_by is not None),
        arrivals=Counter(visit.step for visit in visits),
        arms=Counter((visit.step, visit.arm) for visit in visits if visit.arm is not None),
        standing=Counter(each.path[-1].step for each in every if each.outcome is None and each.path),
        exits=Counter(enrolment.left_by for enrolment in every if enrolment.left_by is not None),
        outcomes=Counter(enrolment.outcome for enrolment in every if enrolment.outcome is not None),
        deliveries=Counter((step, status) for step, status in delivered if step is not None and status is not None),
    )


def entry_of_note(note: Note) -> TimelineEntry:
    """A line of the journal as an entry of the timeline."""
    data = note.data
    status = _text(data, "status")
    reason = _text(data, "reason") if status is not None else note.text + _findings(data)
    return TimelineEntry(
        note.at, note.kind, note.step, _text(data, "message"), _text(data, "channel"), status, reason,
        _text(data, "draft"), _text(data, "undrafted"),
    )  # fmt: skip


def _findings(data: Mapping[str, Json]) -> str:
    """Why conditions could not be judged, where some could not."""
    findings = data.get("findings")
    return f" ({'; '.join(map(str, findings))})" if isinstance(findings, list) and findings else ""


def _in_order(entries: Iterable[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.at))


def _text(data: Mapping[str, Json], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) else None


def _enrolment_json(enrolment: RehearsedEnrolment) -> dict[str, Json]:
    return {
        "key": enrolment.key,
        "entered_at": instant_text(enrolment.entered_at),
        "outcome": enrolment.outcome,
        "waiting_for": enrolment.waiting_for,
        "due_at": None if enrolment.due_at is None else instant_text(enrolment.due_at),
        "messages": [message.to_json() for message in enrolment.messages],
    }
