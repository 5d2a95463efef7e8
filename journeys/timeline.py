"""What a rehearsal tells: for each learner what happened to her, when, through what, and why or why not.

Plain records; `journeys.rehearse` makes them. Instants are UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from journeys.effects import Note
from journeys.events import Json
from journeys.routing import instant_text


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. `kind` is a note's, or `not_entered` or `not_judged`, which belong to no enrolment.

    `reason` says why or why not; where nothing needs a reason it is the whole in words. For a message that went it is
    None.
    """

    at: datetime
    kind: str
    step: str | None = None
    message: str | None = None
    channel: str | None = None
    status: str | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The entry as `waymark rehearse --json` prints it."""
        return {
            "at": instant_text(self.at),
            "kind": self.kind,
            "step": self.step,
            "message": self.message,
            "channel": self.channel,
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class RehearsedMessage:
    """A message as it would go out, rendered; `text` is Markdown, `recipient` the source's id of who gets it."""

    at: datetime
    step: str
    message: str
    channel: str
    recipient: str
    subject: str
    text: str
    link: str | None = None

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
        }


@dataclass(frozen=True, slots=True)
class RehearsedEnrolment:
    """One enrolment from its entry.

    `outcome` is None where the rehearsal stopped first; then `waiting_for` says what for, and `due_at` until
    when at most.
    """

    key: str
    entered_at: datetime
    outcome: str | None
    waiting_for: str | None
    due_at: datetime | None
    timeline: tuple[TimelineEntry, ...]
    messages: tuple[RehearsedMessage, ...]


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


def entry_of_note(note: Note) -> TimelineEntry:
    """A line of the journal as an entry of the timeline."""
    data = note.data
    status = _text(data, "status")
    reason = _text(data, "reason") if status is not None else note.text + _findings(data)
    return TimelineEntry(note.at, note.kind, note.step, _text(data, "message"), _text(data, "channel"), status, reason)


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
