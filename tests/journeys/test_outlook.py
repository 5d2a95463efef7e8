"""What comes next, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from journeys.advance import advance
from journeys.effects import Began, Deferred, Delivered, Fired, Paused
from journeys.outlook import localised, outlook
from journeys.program import Program
from journeys.run import Run
from tests.support.compiling import compiled

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
JOURNEY = """
waymark: 1
journey: told
title: Told
enter: [{on: hr.learner.promoted}]
exit:
  - {on: hr.learner.left, as: left}
limit: 30d
steps:
  - send: welcome
  - await: {on: lms.course.started, when: event.data.course == "MGR-101", within: 7d}
    then: [{send: begun}]
    else: [{send: reminder}]
messages:
  welcome: {subject: Welcome, body: Hello}
  begun: {subject: Begun, body: Well begun}
  reminder: {subject: Your course is waiting, body: It waits}
"""


def said(at: datetime) -> str:
    """An instant, short."""
    return f"{at:%a %d %b}"


@pytest.fixture
def program() -> Program:
    return compiled(JOURNEY)


@pytest.fixture
def run(program: Program) -> Run:
    """At its first message."""
    return advance(program, Run("enr", entered_at=MONDAY, at=MONDAY), Began(MONDAY))[0]


def test_before_it_begins(program: Program) -> None:
    """An entry that takes effect later says when."""
    later = Run("enr", entered_at=MONDAY, at=MONDAY, begins_at=MONDAY)
    assert "It begins on Mon 02 Mar." == outlook(program, later, said=said).now


def test_a_message_that_was_put_off(program: Program, run: Run) -> None:
    """Until when and why, and what comes after it."""
    until = MONDAY + timedelta(days=1)
    put_off, _ = advance(program, run, Deferred(MONDAY, until, "her working day is over"))
    told = outlook(program, put_off, said=said)
    assert "The message welcome waits until Tue 03 Mar: her working day is over." == told.now
    assert ("Then: wait until she starts MGR-101 (await-lms-course-started).",) == told.then


def test_what_is_awaited_and_both_ways_on(program: Program, run: Run) -> None:
    """She would be reminded then, unless she starts the course; and what would end it."""
    waiting, _ = advance(program, run, Delivered(MONDAY, "sent", "email"))
    told = outlook(program, waiting, said=said)
    assert "Waiting until she starts MGR-101, at most until Mon 09 Mar." == told.now
    assert (
        "If so: the message “Begun” (send-begun).",
        "If not: the message “Your course is waiting” (send-reminder).",
    ) == told.then
    assert ("As left, as soon as she leaves the company.", "As expired on Wed 01 Apr, at the latest.") == told.ends


def test_a_paused_one_says_so_first(program: Program, run: Run) -> None:
    """And what it waits for behind it."""
    waiting, _ = advance(program, run, Delivered(MONDAY, "sent", "email"))
    paused, _ = advance(program, waiting, Paused(MONDAY + timedelta(days=2), "admin"))
    assert outlook(program, paused, said=said).now.startswith("Paused since Wed 04 Mar: nothing is sent until")


def test_an_ended_one(program: Program, run: Run) -> None:
    """Nothing follows."""
    ended, _ = advance(program, run, Fired(MONDAY, "exit-1", "1", "hr.learner.left"))
    assert ("It has ended as left.", (), ()) == _parts(outlook(program, ended, said=said))


def _parts(told: object) -> tuple[object, object, object]:
    return told.now, told.then, told.ends  # type: ignore[attr-defined]


def test_a_line_of_the_journal_is_said_where_she_is() -> None:
    """The instant that it names in UTC, and nothing else of it."""
    line = "Waiting until Monday 2 March 2026, 09:00 UTC."
    assert "Waiting until Mon 02 Mar." == localised(line, {"until": MONDAY.isoformat()}, said=said)
    assert line == localised(line, {}, said=said)
