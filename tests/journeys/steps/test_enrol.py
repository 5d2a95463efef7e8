"""The step `enrol`."""

import pytest

from journeys.effects import Enrol, Enrolled
from journeys.events import Json
from tests.journeys.steps.systems import NOW, Asked, problems

STEP = """\
  - enrol: {journey: mentoring, key: vars.position, data: {from: '"first-time-manager"', team: learner.team}}
"""


def test_what_is_asked() -> None:
    """The journey, the key as text, and the data."""
    run = Asked(STEP, facts={"team": "north"}, position=17)
    data: dict[str, Json] = {"from": "first-time-manager", "team": "north"}
    assert Enrol("enrol-mentoring", 1, "mentoring", "17", data) == run.asked


def test_without_a_key_there_is_one_for_each_learner() -> None:
    """And without data there is nothing to be told."""
    assert Enrol("enrol-mentoring", 1, "mentoring", "", {}) == Asked("  - enrol: {journey: mentoring}\n").asked


@pytest.mark.parametrize(("value", "key"), [("17", "17"), ("17.0", "17"), ("true", "true"), ("'\"a b\"'", "a b")])
def test_a_key_is_a_text(value: str, key: str) -> None:
    """A number and true/false are one text each, as at an entry."""
    run = Asked(f"  - enrol: {{journey: mentoring, key: {value}}}\n")
    assert isinstance(run.asked, Enrol)
    assert key == run.asked.key


@pytest.mark.parametrize("position", [None, [1], {"a": 1}], ids=str)
def test_a_key_that_cannot_be_told_enrols_nobody(position: Json) -> None:
    """The journal says why, and the journey goes on."""
    run = Asked(STEP, facts={"team": "north"}, **({} if position is None else {"position": position}))
    assert ["Did not start the journey mentoring: its key could not be told."] == run.texts
    assert 1 == len(run.findings)
    assert "completed" == run.run.outcome


def test_data_that_cannot_be_told_are_left_out() -> None:
    """The journal names the field; the journey is started."""
    run = Asked(STEP, position="p")
    assert Enrol("enrol-mentoring", 1, "mentoring", "p", {"from": "first-time-manager"}) == run.asked
    assert 1 == len(run.findings)


def test_started() -> None:
    """It is not waited for."""
    run = Asked(STEP, facts={"team": "north"}, position="p")
    run.give(Enrolled(NOW, is_enrolled=True))
    assert (["Started the journey mentoring."], "completed") == (run.texts, run.run.outcome)


def test_refused() -> None:
    """The journal says why, and the journey goes on."""
    run = Asked(STEP, facts={"team": "north"}, position="p")
    run.give(Enrolled(NOW, is_enrolled=False, reason="there is no such journey"))
    assert ["Did not start the journey mentoring: there is no such journey."] == run.texts
    assert "completed" == run.run.outcome


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("mentoring", [("wrong_type", "steps[0].enrol")]),
        ("{}", [("missing_key", "steps[0].enrol")]),
        ("{journey: No Name}", [("bad_value", "steps[0].enrol.journey")]),
        ("{journey: m, key: learner.contry}", [("unknown_field", "steps[0].enrol.key")]),
        ("{journey: m, data: {}}", [("wrong_type", "steps[0].enrol.data")]),
        ("{journey: m, data: {a: event.id}}", [("unknown_name", "steps[0].enrol.data.a")]),
        ("{journey: m, keys: 1}", [("unknown_key", "steps[0].enrol.keys")]),
    ],
)
def test_what_cannot_be_written(step: str, expected: list[tuple[str, str]]) -> None:
    """Each with its code and its path."""
    assert expected == problems(f"  - enrol: {step}\n")
