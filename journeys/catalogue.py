"""The events every installation knows: the canonical types and the fields of their data.

All fields are optional and unknown ones are kept, so the catalogue only helps: it finds a misspelt type at publish and
says what an event may carry. A source adds types of its own to the compiler's vocabulary.
"""

from collections.abc import Mapping
from typing import Literal

from journeys.profile import PROFILE_FIELDS, FieldKind

DataKind = FieldKind | Literal["number", "true or false", "any"]
DataFields = Mapping[str, DataKind]

_PROFILE: dict[str, DataKind] = dict(PROFILE_FIELDS)
_COURSE: DataFields = {"course": "text", "title": "text", "due": "date", "progress": "number", "score": "number"}
_MESSAGE: DataFields = {"delivery": "text", "message": "text", "channel": "text", "enrolment": "text"}
_ANSWER: DataFields = {
    "enrolment": "text",
    "step": "text",
    "item": "text",
    "answer": "any",
    "correct": "true or false",
}
_LEAVE: DataFields = {"until": "date", "kind": "text"}

EVENT_TYPES: Mapping[str, DataFields] = {
    "hr.learner.hired": _PROFILE,
    "hr.learner.changed": _PROFILE,
    "hr.learner.promoted": {**_PROFILE, "from_level": "text", "to_level": "text", "position_id": "text"},
    "hr.learner.moved": _PROFILE,
    "hr.learner.manager_changed": {"manager": "text"},
    "hr.learner.leave_started": _LEAVE,
    "hr.learner.leave_ended": _LEAVE,
    "hr.learner.left": {"last_day": "date"},
    "lms.course.assigned": _COURSE,
    "lms.course.started": _COURSE,
    "lms.course.progressed": _COURSE,
    "lms.course.completed": _COURSE,
    "lms.course.failed": _COURSE,
    "lms.course.overdue": _COURSE,
    "lms.assessment.scored": {
        "assessment": "text",
        "course": "text",
        "score": "number",
        "passed": "true or false",
        "attempts": "number",
    },
    "lms.certificate.expiring": {"certificate": "text", "expires_on": "date"},
    "performance.measured": {
        "metric": "text",
        "value": "number",
        "period_start": "date",
        "period_end": "date",
        "team": "text",
    },
    "message.delivered": _MESSAGE,
    "message.clicked": _MESSAGE,
    "message.replied": _MESSAGE,
    "message.bounced": _MESSAGE,
    "practice.answered": _ANSWER,
    "survey.answered": _ANSWER,
}
"""Canonical types, each with the fields of its data."""

SHARES = frozenset({"progress", "score"})
"""Fields of canonical events that lie in 0 to 1."""

OUR_OWN = ("message.", "practice.", "survey.")
"""Prefixes of the events that reach only the enrolment they name."""


def is_our_own(event_type: str) -> bool:
    """Whether an event of this type names the one enrolment it concerns."""
    return event_type.startswith(OUR_OWN)
