"""Why somebody got a message: told of any journey and any way through it, and never more than it may tell."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.catalogue import EVENT_TYPES
from journeys.compiler import compile_definition
from journeys.effects import Note, NoteKind
from journeys.program import Program
from journeys.reasons import HAPPENINGS, Began, Came, happening_words, reasons_for
from tests.support.compiling import compiled
from tests.support.random_journeys import definitions

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def came(program: Program, node: str, message: str, *lines: tuple[str, str | None], is_another: bool = False) -> Came:
    journal = [Note(MONDAY + n * HOUR, kind, step, "") for n, (kind, step) in enumerate(lines)]  # type: ignore[arg-type]  # a kind
    began = Began("hr.learner.hired", "hr", MONDAY)
    return Came(
        program=program, node=node, message=message, began=began, entered_at=MONDAY, sent_at=MONDAY + 100 * HOUR,
        channel="email", journal=journal, splits=("holdout", "s"), address_field="email", is_about_another=is_another,
    )  # fmt: skip


def test_every_canonical_event_has_words() -> None:
    """Of another, its type is said as it is."""
    assert set(EVENT_TYPES) == set(HAPPENINGS)
    assert "an event of the kind “acme.badge.won”" == happening_words("acme.badge.won")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(st.data(), definitions(), st.booleans())
def test_whatever_a_journey_is_made_of_it_can_be_told(data: st.DataObject, definition: str, is_another: bool) -> None:
    """Any kind of line at any step, also at one that the running version has no more; every sentence is one."""
    program = compile_definition(definition).program
    assert program is not None
    steps = st.sampled_from([*program.nodes, "gone", None])
    lines = data.draw(st.lists(st.tuples(st.sampled_from(get_args(NoteKind)), steps), max_size=30))
    message = data.draw(st.sampled_from([*program.messages, "gone"]))
    told = reasons_for(came(program, data.draw(steps) or "gone", message, *lines, is_another=is_another))
    sentences = (*told.began, *told.led, *told.rule, *told.unused, *told.words, *told.experiment)
    assert all(said.endswith(".") and "  " not in said and "None" not in said for said in sentences), sentences
    assert all(each.names and all(each.names) for each in told.used)


REMINDER = compiled("""
waymark: 1
journey: reminder
title: Reminder
enter: [{on: hr.learner.hired}]
steps:
  - repeat: {every: 1d, times: 3}
    do:
      - await: {on: [lms.course.started, lms.course.completed], within: 3wd}
        else:
          - {send: nudge, at: "09:00"}
messages: {nudge: {subject: Still there, body: Hello}}
""")
(AWAIT,) = [node.id for node in REMINDER.nodes.values() if node.kind == "await"]


def test_what_was_waited_for_is_told_by_its_kinds_and_how_long() -> None:
    """Also in working days; the same line is not said twice in a row."""
    told = reasons_for(came(REMINDER, "send-nudge", "nudge", *[("waiting", AWAIT)] * 3, ("passed", AWAIT)))
    waited = "The journey waited for the start of a course or the completion of a course, at most 3 working days."
    assert (waited, "That had not come in time.") == told.led
    assert "It goes at 09:00, by the clock where you are." in told.rule


@pytest.mark.parametrize("rounds", [1, 40])
def test_of_a_long_way_the_last_steps_are_told(rounds: int) -> None:
    """A page is no journal."""
    told = reasons_for(came(REMINDER, "send-nudge", "nudge", *[("waiting", AWAIT), ("passed", AWAIT)] * rounds))
    assert min(2 * rounds, 8) == len(told.led)


def test_what_came_after_the_message_did_not_lead_to_it() -> None:
    """The journal goes on; the reasons end where the message went."""
    told = reasons_for(came(REMINDER, "send-nudge", "nudge", *[("skipped", None)] * 101, ("waiting", AWAIT)))
    assert () == told.led
