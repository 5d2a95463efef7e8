"""The step `assign`."""

from datetime import timedelta

import pytest

from journeys.compiler import Vocabulary
from journeys.effects import Answered, Reckon, Reckoned, Request
from journeys.events import Json
from journeys.program import Span
from tests.journeys.steps.systems import NOW, Asked, problems

STEP = "  - assign: {lms: moodle, course: MGR-101, due: 21d}\n"
DAY = timedelta(days=1)


def asked(due: str | None) -> Request:
    body: dict[str, Json] = {"course": "MGR-101", "due": due}
    return Request("assign-mgr-101", 1, "lms", "moodle", body, NOW, NOW + DAY)


def test_what_is_asked() -> None:
    """The course, and the instant at which it is due, counted from now; for a day."""
    assert asked("2026-03-23T09:00:00Z") == Asked(STEP).asked


def test_without_a_date() -> None:
    """Then none is told."""
    assert asked(None) == Asked("  - assign: {lms: moodle, course: MGR-101}\n").asked


def test_working_days_are_reckoned_where_she_is() -> None:
    """`5wd`; where that cannot be told, the course is assigned without a date and the journal says so."""
    run = Asked("  - assign: {lms: moodle, course: MGR-101, due: 5wd}\n")
    assert Reckon("assign-mgr-101", NOW, span=Span(working_days=5)) == run.asked
    run.give(Reckoned(NOW, NOW + 7 * DAY))
    assert (asked("2026-03-09T09:00:00Z"), []) == (run.asked, run.texts)
    run = Asked("  - assign: {lms: moodle, course: MGR-101, due: 5wd}\n")
    run.give(Reckoned(NOW, None, finding="she has no working days"))
    assert (asked(None), ["she has no working days"]) == (run.asked, run.findings)


def test_done() -> None:
    """The journal says so, and the journey goes on."""
    run = Asked(STEP)
    run.give(Answered(NOW, "done"))
    assert (["Assigned MGR-101 in moodle."], "completed") == (run.texts, run.run.outcome)


def test_what_the_lms_refuses_is_said_and_the_journey_goes_on() -> None:
    """With its own words."""
    run = Asked(STEP)
    run.give(Answered(NOW, "failed", None, "404 no such course"))
    assert ["moodle did not assign MGR-101: 404 no such course."] == run.texts
    assert ("assigned", "failed") == (run.notes[0].kind, run.notes[0].data["status"])
    assert "completed" == run.run.outcome


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("MGR-101", [("wrong_type", "steps[0].assign")]),
        ("{lms: moodle}", [("missing_key", "steps[0].assign")]),
        ("{course: A}", [("missing_key", "steps[0].assign")]),
        ("{lms: mooodle, course: A}", [("unknown_lms", "steps[0].assign.lms")]),
        ("{lms: moodle, course: 101}", [("wrong_type", "steps[0].assign.course")]),
        ("{lms: moodle, course: A, due: soon}", [("bad_duration", "steps[0].assign.due")]),
        ("{lms: moodle, course: A, until: 3d}", [("unknown_key", "steps[0].assign.until")]),
    ],
)
def test_what_cannot_be_written(step: str, expected: list[tuple[str, str]]) -> None:
    """Each with its code and its path."""
    assert expected == problems(f"  - assign: {step}\n")


def test_which_lms_are_known() -> None:
    """Those that the language or a setting names; one that is not set up here is a warning."""
    other = "  - assign: {lms: our-lms, course: A}\n"
    named = Vocabulary(lms=frozenset({"our-lms"}), lms_set_up=frozenset({"our-lms"}))
    assert [("unknown_lms", "steps[0].assign.lms")] == problems(other)
    assert [] == problems(other, named)
    assert [("lms_not_set_up", "steps[0].assign.lms")] == problems(STEP, named)
