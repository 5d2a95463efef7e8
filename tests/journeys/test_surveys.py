"""What a form says of a survey's questions, and the one event that it becomes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.effects import Deliver
from journeys.links import SurveyRef
from journeys.program import Message, Question
from journeys.run import Hold, Pending, Run
from journeys.surveys import LONGEST_ANSWER, answered, event_id, is_open, read_answers, survey_texts

SURE = Question("sure", "How sure are you?", (1, 5))
BARRIER = Question("barrier", "What stands in the way?", None, ("time", "no room", "42"))
OTHER = Question("other", "Anything else?")
QUESTIONS = (SURE, BARRIER, OTHER)
REF = SurveyRef("enr-1", "ask-confidence", 1)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_sound_answers_are_numbers_and_texts() -> None:
    """A scale gives a number, a choice and a text give texts; a choice that looks like a number stays a text."""
    read = read_answers(QUESTIONS, {"sure": ["4"], "barrier": ["42"], "other": [" two\r\nlines "]})
    assert {"sure": 4, "barrier": "42", "other": "two\nlines"} == read.given
    assert read.is_sound


def test_a_question_may_be_left_out() -> None:
    """Blank and absent are the same; one answer is enough."""
    read = read_answers(QUESTIONS, {"sure": ["2"], "other": ["  \r\n "]})
    assert {"sure": 2} == read.given
    assert read.is_sound


@pytest.mark.parametrize("form", [{}, {"other": [""]}, {"other": [" \0 "], "sure": [""]}])
def test_nothing_at_all_is_no_answer(form: dict[str, list[str]]) -> None:
    """Somebody must have said something."""
    assert not read_answers(QUESTIONS, form).is_sound


@pytest.mark.parametrize("value", ["0", "6", "-1", "1.0", "١", "03", "+3", "three", "3 4"])
def test_a_scale_takes_its_own_numbers_only(value: str) -> None:
    """Nothing outside, nothing that merely reads like a number."""
    read = read_answers(QUESTIONS, {"sure": [value]})
    assert ({"sure": "not_in_scale"}, {}) == (read.faults, read.given)


@pytest.mark.parametrize("value", ["Time", "time, no room", "money"])
def test_a_choice_is_one_of_those_offered(value: str) -> None:
    """To the letter."""
    assert {"barrier": "not_a_choice"} == read_answers(QUESTIONS, {"barrier": [value]}).faults


def test_a_text_has_an_end() -> None:
    """The longest goes; one more does not."""
    assert read_answers(QUESTIONS, {"other": ["é" * LONGEST_ANSWER]}).is_sound
    assert {"other": "too_long"} == read_answers(QUESTIONS, {"other": ["é" * (LONGEST_ANSWER + 1)]}).faults


def test_one_answer_to_one_question() -> None:
    """Two values for one question are not guessed at."""
    assert {"sure": "several"} == read_answers(QUESTIONS, {"sure": ["1", "5"]}).faults


def test_what_is_not_asked_is_not_taken() -> None:
    """An answer to an unknown question is named, and nothing is kept."""
    read = read_answers(QUESTIONS, {"sure": ["1"], "salary": ["1000000"]})
    assert (("salary",), False) == (read.unknown, read.is_sound)


@given(st.dictionaries(st.sampled_from(["sure", "barrier", "other", "x"]), st.lists(st.text(), max_size=3)))
def test_whatever_is_sent_is_judged(form: dict[str, list[str]]) -> None:
    """Every form is read; what is given fits its question."""
    read = read_answers(QUESTIONS, form)
    assert read.given.get("sure") in (None, 1, 2, 3, 4, 5)
    assert read.given.get("barrier") in (None, "time", "no room", "42")
    assert len(str(read.given.get("other", ""))) <= LONGEST_ANSWER
    assert not set(read.given) & set(read.faults)


def test_the_event_names_enrolment_step_and_survey() -> None:
    """As the interface gives it; the subject is the learner, whoever answered."""
    event = answered(REF, survey="confidence", learner="ada", answers={"sure": 4}, at=NOW)
    assert ("survey.answered", "waymark", "ada", NOW) == (event.type, event.source, event.subject, event.time)
    assert {
        "enrolment": "enr-1", "step": "ask-confidence", "item": "confidence", "answer": {"sure": 4},
    } == event.data  # fmt: skip


def test_one_visit_has_one_event() -> None:
    """Two submissions are the same event, so the log keeps the first; another visit is another event."""
    first = answered(REF, survey="confidence", learner="ada", answers={"sure": 4}, at=NOW)
    second = answered(REF, survey="confidence", learner="ada", answers={"sure": 1}, at=NOW + timedelta(days=1))
    assert first.id == second.id == event_id(REF)
    assert event_id(replace(REF, visit=2)) != first.id
    assert event_id(replace(REF, enrolment="enr-2")) != first.id


RUN = Run("enr-1", entered_at=NOW, at=NOW, node="ask-confidence", visits={"ask-confidence": 1}, has_begun=True)
DUE = NOW + timedelta(days=5)
HELD = Hold(NOW, DUE, ("ask-confidence.1",))
GOING = Deliver("ask-confidence", 1, 0, "ask-confidence", ("email",), NOW, None)


@pytest.mark.parametrize(
    ("run", "now", "expected"),
    [
        (replace(RUN, hold=HELD), DUE, True),
        (replace(RUN, hold=HELD), DUE + timedelta(seconds=1), False),
        (replace(RUN, hold=HELD, held_by=("admin",)), DUE + timedelta(days=30), True),
        (replace(RUN, hold=Pending(GOING, NOW)), NOW, True),
        (replace(RUN, hold=HELD, visits={"ask-confidence": 2}), NOW, False),
        (replace(RUN, hold=HELD, node="wait-3d"), NOW, False),
        (replace(RUN, outcome="left"), NOW, False),
    ],
    ids=["in time", "late", "paused", "word that it went is not here yet", "another round", "gone on", "ended"],
)
def test_a_survey_is_open_while_the_run_stands_there(run: Run, now: datetime, *, expected: bool) -> None:
    """Exactly while an answer still meets the step."""
    assert expected == is_open(run, REF, now=now)


def test_texts_are_rendered() -> None:
    """Intro and questions are templates; what cannot be told any more leaves no gap and no *None*."""
    asked = (
        replace(SURE, text="How sure is {{ learner.given_name }}?"),
        replace(OTHER, text="And {{ learner.team }}?"),
    )
    texts = survey_texts(Message("m", body="Hello {{ recipient.given_name }}", questions=asked),
                         {"learner": {"given_name": "Ada"}, "recipient": {"given_name": "Bea"}})  # fmt: skip
    assert "Hello Bea" == texts.intro
    assert ["How sure is Ada?", "other"] == [question.text for question in texts.questions]
