"""`assign`: assigns a course in an LMS.

    - assign: {lms: moodle, course: MGR-101, due: 21d}

The LMS is told the learner by the id that her source gave her, the course, and the instant at which it is due, counted
from now (`5wd`: her working days). It is tried again for a day while the LMS refuses for now or does not answer; then,
or when it refuses for good, the journal says so and the journey goes on. A learner who has the course already is
assigned. Which LMSs there are, the operator says: `WAYMARK_LMS_MOODLE_URL` and `_TOKEN`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from journeys.definition import Cursor
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
from journeys.effects import Answered, Note, Reckon, Reckoned, Request
from journeys.events import Json
from journeys.plain_words import Label, span_words
from journeys.program import Node, Program, Span
from journeys.routing import instant_text
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type

PATIENCE = timedelta(days=1)
"""How long an LMS is asked again."""


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """Which course in which LMS, and how long she has."""

    lms: str
    course: str
    due: Span | None = None


@step_type("assign")
class Assign:
    """Assigns a course."""

    options = AssignOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        course = value.entries().get("course")
        return slug("assign", "" if course is None else said(course))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.value.fields(("lms", "course", "due"), required=("lms", "course")) or {}
        lms = _lms(fields["lms"]) if "lms" in fields else None
        course = fields["course"].text(wanted="a text, the course as the LMS calls it") if "course" in fields else None
        due = fields["due"].span() if "due" in fields else None
        if lms is None or course is None:
            return StepDraft(None, ONWARD)
        return StepDraft(AssignOptions(lms, course, due), ONWARD)

    @staticmethod
    def enter(stand: Stand) -> Move:
        due = _options(stand).due
        if due is None:
            return Ask(_request(stand, None))
        if due.working_days:
            return Ask(Reckon(stand.node.id, stand.at, span=due))
        return Ask(_request(stand, stand.at + due.elapsed))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Reckoned():
                return Ask(_request(stand, given.due_at), _without_date(stand, given))
            case Answered():
                return Go(note=_note(stand, given))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return f"{_options(stand).lms} to assign {_options(stand).course}"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, AssignOptions)
        due = "" if options.due is None else f", due after {span_words(options.due)}"
        return Label("Assign the course", options.course, (f"in {options.lms}{due}",))


def _lms(given: Cursor) -> str | None:
    vocabulary = given.judging.vocabulary
    name = given.choice(vocabulary.known_lms, code="unknown_lms", what="LMS")
    set_up = vocabulary.lms_set_up
    if name is not None and set_up is not None and name not in set_up:
        setting = f"WAYMARK_LMS_{name.replace('-', '_').upper()}"
        detail = f"the LMS {name!r} is not set up here: set {setting}_URL and {setting}_TOKEN"
        given.report("lms_not_set_up", detail, allowed=sorted(set_up), severity="warning")
    return name


def _request(stand: Stand, due_at: datetime | None) -> Request:
    options = _options(stand)
    body: dict[str, Json] = {"course": options.course, "due": None if due_at is None else instant_text(due_at)}
    return Request(stand.node.id, stand.visit, "lms", options.lms, body, stand.at, stand.at + PATIENCE)


def _without_date(stand: Stand, given: Reckoned) -> Note | None:
    if given.due_at is not None:
        return None
    text = f"Assigning {_options(stand).course} without a date: it cannot be told when it is due."
    findings: list[Json] = [] if given.finding is None else [given.finding]
    return Note(stand.at, "assigned", stand.node.id, text, {"findings": findings})


def _note(stand: Stand, given: Answered) -> Note:
    options = _options(stand)
    data: dict[str, Json] = {"lms": options.lms, "course": options.course}
    if given.status == "done":
        return Note(stand.at, "assigned", stand.node.id, f"Assigned {options.course} in {options.lms}.", data)
    because = f": {given.reason}" if given.reason else ""
    text = f"{options.lms} did not assign {options.course}{because}."
    return Note(stand.at, "assigned", stand.node.id, text, {**data, "status": given.status, "reason": given.reason})


def _options(stand: Stand) -> AssignOptions:
    assert isinstance(stand.node.options, AssignOptions)
    return stand.node.options
