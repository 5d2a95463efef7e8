"""A change of what an enrolment waits for moves it at once, in a rehearsal as in the real world; and at its instant,
where it was told before it took effect.
"""

from datetime import UTC, datetime, timedelta

import pytest

from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.identity import enrolment_id
from journeys.policy import Policy
from journeys.program import Program
from journeys.rehearse import rehearse
from tests.support.compiling import compiled

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
REACH = {"email": Reach(is_set_up=True, address_field="email")}
ADA: dict[str, dict[str, Json]] = {"ada": {"email": "ada@example.com", "zone": "Europe/Dublin"}}
POLICY = Policy(budget=None)

LOCAL = compiled(
    """
    waymark: 1
    journey: local
    title: Local
    enter: [{on: hr.learner.promoted}]
    steps:
      - wait: {until: "friday 09:00"}
      - send: hello
        at: anytime
    messages:
      hello: {subject: Hello, body: Hello.}
    """
)
ASKING = compiled(
    """
    waymark: 1
    journey: asking
    title: Asking
    enter: [{on: hr.learner.promoted}]
    steps:
      - ask: confidence
        within: 5d
        intro: How is it going?
        questions:
          - {id: sure, text: "How sure are you?", scale: [1, 5]}
        then:
          - send: praise
            when: answers.confidence.sure > 3
    messages:
      praise: {subject: Well done, body: Well done.}
    """
)
PROMOTED = Event("e-0", "/tests", "hr.learner.promoted", "ada", MONDAY)


def told(at: timedelta, type_: str = "hr.learner.moved", *, effective: timedelta | None = None, **data: Json) -> Event:
    takes_effect = None if effective is None else MONDAY + effective
    return Event(f"e-{at}-{effective}", "/tests", type_, "ada", MONDAY + at, data, takes_effect)


def sent_at(*events: Event, program: Program = LOCAL) -> list[datetime]:
    """When messages go."""
    rehearsal = rehearse(program, ADA, [PROMOTED, *events], reach=REACH, policy=POLICY)
    (ada,) = rehearsal.learners
    return [message.at for enrolment in ada.enrolments for message in enrolment.messages]


NINE_ON_FRIDAY = MONDAY + 4 * DAY
"""In Dublin."""


@pytest.mark.parametrize(
    ("events", "at"),
    [
        ([], NINE_ON_FRIDAY),
        ([told(DAY, zone="America/New_York")], NINE_ON_FRIDAY + 5 * HOUR),
        ([told(DAY, zone="Asia/Tokyo")], NINE_ON_FRIDAY - 9 * HOUR),
        ([told(4 * DAY - HOUR, zone="Asia/Tokyo")], NINE_ON_FRIDAY - HOUR),
        ([told(DAY, effective=3 * DAY, zone="America/New_York")], NINE_ON_FRIDAY + 5 * HOUR),
        ([told(DAY, effective=4 * DAY - HOUR, zone="Asia/Tokyo")], NINE_ON_FRIDAY - HOUR),
        ([told(DAY, effective=9 * DAY, zone="Asia/Tokyo")], NINE_ON_FRIDAY),
        ([told(DAY, effective=3 * DAY, zone="Asia/Tokyo"), told(2 * DAY, zone="America/New_York")],
         NINE_ON_FRIDAY - 9 * HOUR),
        ([told(DAY, effective=3 * DAY, zone="America/New_York"), told(DAY, effective=9 * DAY, zone="Asia/Tokyo")],
         NINE_ON_FRIDAY + 5 * HOUR),
    ],
)  # fmt: skip
def test_a_local_time_follows_her(events: list[Event], at: datetime) -> None:
    """It is nine where she is by then; where it has been nine there already, it is over at once."""
    assert [at] == sent_at(*events)


@pytest.mark.parametrize(
    ("events", "at"),
    [
        ([told(DAY, "hr.learner.leave_started", until="2026-03-08")], datetime(2026, 3, 9, 0, 0, tzinfo=UTC)),
        ([told(DAY, "hr.learner.leave_started"), told(6 * DAY, "hr.learner.leave_ended")], MONDAY + 6 * DAY),
        ([told(DAY, "hr.learner.leave_started", effective=3 * DAY), told(6 * DAY, "hr.learner.leave_ended")],
         MONDAY + 6 * DAY),
        ([told(DAY, "hr.learner.leave_started", effective=5 * DAY)], NINE_ON_FRIDAY),
        ([told(DAY, "hr.learner.leave_started"), told(DAY + HOUR, "hr.learner.leave_ended", effective=7 * DAY)],
         MONDAY + 7 * DAY),
    ],
)  # fmt: skip
def test_nothing_goes_while_she_is_on_leave(events: list[Event], at: datetime) -> None:
    """It goes when she is back: by the date that was said, by the event, or by one that was told before."""
    found = sent_at(*events)
    assert 1 == len(found)
    assert at <= found[0] < at + DAY


@pytest.mark.parametrize(("sure", "messages"), [(5, ["ask-confidence", "praise"]), (2, ["ask-confidence"])])
def test_an_answer_comes_with_what_it_says(sure: int, messages: list[str]) -> None:
    """The rehearsal hands the step the field that its trigger keeps, and expressions see it."""
    data: dict[str, Json] = {
        "enrolment": enrolment_id("asking", "ada", "", 0), "item": "confidence", "answer": {"sure": sure},
    }  # fmt: skip
    answered = Event("a-1", "waymark", "survey.answered", "ada", MONDAY + DAY, data)
    (ada,) = rehearse(ASKING, ADA, [PROMOTED, answered], reach=REACH).learners

    assert messages == [message.message for enrolment in ada.enrolments for message in enrolment.messages]
