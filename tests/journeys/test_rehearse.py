"""A rehearsal takes events in order of time, and tells what each learner would get, when, and why or why not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.timeline import Rehearsal, RehearsedLearner
from tests.support.compiling import compiled
from tests.support.golden import GoldenScript, golden_scripts, rehearsed

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
REACH = {"email": Reach(is_set_up=True, address_field="email"), "webhook": Reach(is_set_up=True, address_field=None)}
ADA: dict[str, dict[str, Json]] = {"ada": {"email": "ada@example.com"}}

JOURNEY = compiled(
    """
    waymark: 1
    journey: rehearsed
    title: Rehearsed
    audience: '!has(learner.level) || learner.level != "intern"'
    enter:
      - on: hr.learner.promoted
        when: event.data.to_level == "manager"
        key: event.data.position_id
    exit:
      - on: hr.learner.left
        as: left
    steps:
      - send: welcome
      - wait: 3d
      - await: {on: lms.course.started, when: event.data.course == "MGR-101", within: 7d}
        then: [{send: well-begun}]
        else: [{send: reminder}]
    messages:
      welcome: {subject: Welcome, body: Welcome.}
      well-begun: {subject: Well begun, body: Well begun.}
      reminder: {subject: Reminder, body: Please start.}
    """
)


def event(number: int, type_: str, at: datetime, data: dict[str, Json] | None = None, *, subject: str = "ada") -> Event:
    return Event(f"e-{number}", "/tests", type_, subject, at, data or {})


def promoted(number: int, at: datetime, *, position: str = "P", subject: str = "ada") -> Event:
    return event(number, "hr.learner.promoted", at, {"to_level": "manager", "position_id": position}, subject=subject)


def started(number: int, at: datetime, *, subject: str = "ada") -> Event:
    return event(number, "lms.course.started", at, {"course": "MGR-101"}, subject=subject)


def play(*events: Event, program: Program = JOURNEY, **options: object) -> Rehearsal:
    return rehearse(program, ADA, events, reach=REACH, **options)  # type: ignore[arg-type]


def ada(*events: Event, **options: object) -> RehearsedLearner:
    return next(each for each in play(*events, **options).learners if each.learner == "ada")  # type: ignore[arg-type]


def sent(learner: RehearsedLearner) -> list[tuple[str | None, datetime]]:
    return [(entry.message, entry.at) for entry in learner.timeline if entry.status == "sent"]


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_rehearsal_goes_on_until_everything_has_ended() -> None:
    """One event is enough: the clock jumps to what falls due."""
    told = ada(promoted(1, MONDAY))
    assert [("welcome", MONDAY), ("reminder", MONDAY + 10 * DAY)] == sent(told)
    assert "completed" == told.outcome


@pytest.mark.parametrize(
    ("until", "messages", "outcome"),
    [
        (timedelta(), ["welcome"], None),
        (10 * DAY - timedelta(seconds=1), ["welcome"], None),
        (10 * DAY, ["welcome", "reminder"], "completed"),
    ],
)
def test_until_counts_from_the_first_event(until: timedelta, messages: list[str], outcome: str | None) -> None:
    """What falls due at that very instant still happens; an enrolment that has not ended has no outcome."""
    told = ada(promoted(1, MONDAY), until=until)
    assert messages == [message for message, _ in sent(told)]
    assert outcome == told.outcome


def test_what_is_still_waited_for_is_told() -> None:
    """A rehearsal that was stopped says what each enrolment waits for, and until when."""
    (enrolment,) = ada(promoted(1, MONDAY), until=5 * DAY).enrolments
    assert ("lms.course.started", MONDAY + 10 * DAY) == (enrolment.waiting_for, enrolment.due_at)


def test_a_learner_without_an_enrolment_is_told_with_the_reason() -> None:
    """Given or spoken of by an event: nobody is left out."""
    wrong_level = event(1, "hr.learner.promoted", MONDAY, {"to_level": "lead", "position_id": "P-1"}, subject="ben")
    no_key = event(2, "hr.learner.promoted", MONDAY + HOUR, {"to_level": "manager"}, subject="cem")
    intern = event(3, "hr.learner.hired", MONDAY + HOUR, {"level": "intern"}, subject="dora")
    told = play(wrong_level, no_key, intern, promoted(4, MONDAY + 2 * HOUR, subject="dora"))
    assert {
        "ada": "No event of this learner starts the journey.",
        "ben": "hr.learner.promoted starts nothing: its condition does not hold.",
        "cem": "hr.learner.promoted starts nothing: it has no key (event.data.position_id is missing).",
        "dora": "hr.learner.promoted starts nothing: she is not in the audience.",
    } == {each.learner: each.reason for each in told.learners}
    assert all(each.outcome is None for each in told.learners)


def test_a_second_entry_with_the_same_key_is_told_why_it_starts_nothing() -> None:
    """While the first runs, and when it is over."""
    told = ada(promoted(1, MONDAY), promoted(2, MONDAY + DAY), promoted(3, MONDAY + 30 * DAY))
    assert 1 == len(told.enrolments)
    assert [
        "hr.learner.promoted starts nothing: she is in the journey with the key 'P' already.",
        "hr.learner.promoted starts nothing: she has been in the journey with the key 'P', and it says `again: never`.",
    ] == [remark.reason for remark in told.remarks]


def test_a_condition_that_cannot_be_judged_is_told() -> None:
    """The event came, and the journey could not tell whether it counts."""
    told = ada(promoted(1, MONDAY), event(2, "lms.course.started", MONDAY + DAY))
    assert [
        ("not_judged", "lms.course.started came, and await-lms-course-started.1: event.data.course is missing.")
    ] == [(remark.kind, remark.reason) for remark in told.remarks]


def test_a_learner_enrolled_twice_has_one_timeline_and_the_outcome_of_the_last() -> None:
    """Two positions, two enrolments, told in order of time; each is listed with its own outcome."""
    told = ada(promoted(1, MONDAY), promoted(2, MONDAY + DAY, position="P-2"), started(3, MONDAY + 12 * HOUR))
    assert ["P", "P-2"] == [each.key for each in told.enrolments]
    assert [entry.at for entry in told.timeline] == sorted(entry.at for entry in told.timeline)
    assert told.enrolments[-1].outcome == told.outcome
    assert [
        ("welcome", MONDAY),
        ("welcome", MONDAY + DAY),
        ("well-begun", MONDAY + 3 * DAY),
        ("reminder", MONDAY + 11 * DAY),
    ] == sent(told)


def test_the_json_is_what_the_page_says() -> None:
    """Every entry has every field; an instant is RFC 3339 in UTC."""
    plain = play(promoted(1, MONDAY), until=HOUR).to_json()
    (learner,) = plain["learners"]  # type: ignore[misc]
    assert {"learner", "outcome", "timeline"} <= set(learner)  # type: ignore[arg-type]
    assert {
        "at": "2026-03-02T09:00:00Z",
        "kind": "sent",
        "step": "send-welcome",
        "message": "welcome",
        "channel": "email",
        "status": "sent",
        "reason": None,
    } in learner["timeline"]  # type: ignore[index,operator]


def test_the_message_is_told_as_it_would_go() -> None:
    """Subject and text are rendered."""
    (enrolment,) = ada(promoted(1, MONDAY), until=HOUR).enrolments
    (message,) = enrolment.messages
    assert ("Welcome", "Welcome.", "email", "ada") == (
        message.subject,
        message.text,
        message.channel,
        message.recipient,
    )


# -- what an event does ------------------------------------------------------------------------------------------------


def test_a_duplicate_does_nothing() -> None:
    """The same source and id, whatever else is said."""
    once = play(promoted(1, MONDAY))
    assert once == play(promoted(1, MONDAY), promoted(1, MONDAY + DAY, position="P-2"))


def test_an_event_without_a_subject_concerns_nobody() -> None:
    """A figure about a team makes no learner."""
    measured = Event("e-1", "/tests", "performance.measured", None, MONDAY, {"team": "T"})
    assert ["ada"] == [each.learner for each in play(measured).learners]


def test_a_learner_nobody_has_introduced_exists_from_her_first_event() -> None:
    """She has no address until an event brings one."""
    hired = event(2, "hr.learner.hired", MONDAY + DAY, {"email": "ben@example.com"}, subject="ben")
    told = play(promoted(1, MONDAY, subject="ben"), hired).learners[1]
    assert [("welcome", "skipped", "no_address"), ("reminder", "sent", None)] == [
        (entry.message, entry.status, entry.reason) for entry in told.timeline if entry.message
    ]


def test_an_event_that_comes_late_counts_by_its_time() -> None:
    """In time for the await, though it arrives after the deadline would have been, unless that was acted on."""
    early = ada(promoted(1, MONDAY), started(2, MONDAY + DAY), arrivals={"e-2": MONDAY + 4 * DAY})
    assert ("well-begun", MONDAY + 4 * DAY) == sent(early)[-1]
    late = ada(promoted(1, MONDAY), started(2, MONDAY + DAY), arrivals={"e-2": MONDAY + 11 * DAY})
    assert ("reminder", MONDAY + 10 * DAY) == sent(late)[-1]


def test_an_exit_that_came_before_the_entry_ends_it_at_its_start() -> None:
    """The look-back: nothing is sent to who has left."""
    told = ada(promoted(1, MONDAY), event(2, "hr.learner.left", MONDAY + DAY), arrivals={"e-1": MONDAY + 2 * DAY})
    assert ("left", []) == (told.outcome, sent(told))


def test_an_entry_that_comes_too_late_for_its_message_skips_it() -> None:
    """A message expires after a week: nobody is welcomed a month late, and the journey goes on."""
    told = ada(promoted(1, MONDAY), arrivals={"e-1": MONDAY + 8 * DAY})
    assert ("welcome", "skipped", "expired") in [(e.message, e.status, e.reason) for e in told.timeline]


def test_an_entry_that_lies_ahead_can_be_moved() -> None:
    """The same key sent again with another `effective` before it starts: it starts then, once."""
    first = replace(promoted(1, MONDAY), effective=MONDAY + 7 * DAY)
    second = replace(promoted(2, MONDAY + DAY), effective=MONDAY + 14 * DAY)
    told = ada(first, second, until=20 * DAY)
    assert [("welcome", MONDAY + 14 * DAY)] == sent(told)
    assert 1 == len(told.enrolments)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_an_entry_sent_again_with_the_time_it_had_moves_it(is_reversed: bool) -> None:
    """A system that corrects a date keeps the time of what happened; the greater id wins, in any order of arrival."""
    first = replace(promoted(1, MONDAY), effective=MONDAY + 7 * DAY)
    second = replace(promoted(2, MONDAY), effective=MONDAY + 3 * DAY)
    later = first if is_reversed else second
    told = ada(first, second, until=10 * DAY, arrivals={later.id: MONDAY + DAY})
    assert [("welcome", MONDAY + 3 * DAY)] == sent(told)
    assert 1 == len(told.enrolments)


def test_a_channel_that_is_not_there_is_no_way() -> None:
    """What the rehearsal is told of channels decides, and the message says so."""
    told = rehearse(JOURNEY, ADA, [promoted(1, MONDAY)], reach={}).learners[0]
    assert {"no_channel"} == {entry.reason for entry in told.timeline if entry.message}


# -- properties --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", golden_scripts(), ids=lambda script: script.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_order_in_which_events_are_written_down_does_not_matter(script: GoldenScript, data: st.DataObject) -> None:
    """They are taken in order of their time."""
    shuffled = data.draw(st.permutations(script.events))
    program = compiled(script.definition)
    told = rehearse(
        program, script.learners, shuffled, reach=REACH, arrivals=script.arrivals, policy=script.rules,
        answers=script.answers, acts=script.acts, drafts=script.approved(program),
    )  # fmt: skip
    assert script.expected == {learner: rehearsed(told)[learner] for learner in script.expected}


@pytest.mark.parametrize("script", golden_scripts(), ids=lambda script: script.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_in_before_the_first_turn_ends_alike_in_any_order(script: GoldenScript, data: st.DataObject) -> None:
    """Everything arrives at one instant long after, in one order or another: the same enrolments come of it."""
    late = max(script.arrives_at(event) for event in script.events) + 1 * HOUR
    renamed = dict(
        zip([e.id for e in script.events], data.draw(st.permutations([e.id for e in script.events])), strict=True)
    )
    program = compiled(script.definition)

    def told(events: tuple[Event, ...]) -> object:
        arrivals = {event.id: late for event in events}
        rehearsal = rehearse(program, script.learners, events, reach=REACH, arrivals=arrivals)
        return rehearsed(rehearsal)

    # ids decide the order at one instant of arrival: other ids, another order
    others = tuple(replace(event, id=renamed[event.id]) for event in script.events)
    assert told(script.events) == told(others)


@pytest.mark.parametrize("script", golden_scripts(), ids=lambda script: script.name)
def test_stopping_early_tells_the_beginning_of_the_same_story(script: GoldenScript) -> None:
    """A rehearsal until some instant is the whole one, cut there."""
    program = compiled(script.definition)
    whole = rehearse(program, script.learners, script.events, reach=REACH, arrivals=script.arrivals)
    begins = min(script.arrives_at(event) for event in script.events)
    for days in (0, 1, 3, 9):
        part = rehearse(
            program, script.learners, script.events, reach=REACH, arrivals=script.arrivals, until=days * DAY
        )
        for shorter in part.learners:
            longer = next(each for each in whole.learners if each.learner == shorter.learner)
            expected = [entry for entry in longer.timeline if entry.at <= begins + days * DAY]
            arrived = expected if not script.arrivals else expected[: len(shorter.timeline)]
            assert arrived == list(shorter.timeline)


def test_fields_of_an_event_count_from_its_effective() -> None:
    """She moves next week: until then messages and conditions see where she is, afterwards where she will be."""
    program = compiled(
        """
        waymark: 1
        journey: moving
        title: Moving
        enter:
          - on: hr.learner.hired
        steps:
          - {send: here, id: before}
          - {send: here, id: guarded, when: 'learner.site == "Leeds"'}
          - wait: 10d
          - {send: here, id: after}
        messages:
          here: {subject: Here, body: "{{ learner.site }}"}
        """
    )
    ahead = replace(event(2, "hr.learner.moved", MONDAY, {"site": "Leeds"}), effective=MONDAY + 7 * DAY)
    hired = event(1, "hr.learner.hired", MONDAY, {"site": "York"})
    meanwhile = event(3, "hr.learner.changed", MONDAY + DAY, {"site": "Ripon"})
    told = ada(ahead, hired, meanwhile, program=program)
    texts = [(m.step, m.text) for each in told.enrolments for m in each.messages]
    assert [("before", "York"), ("after", "Leeds")] == texts


def test_a_change_before_one_that_takes_effect_later_counts_till_then() -> None:
    """The latest `effective` wins, once it has come."""
    program = compiled(
        """
        waymark: 1
        journey: moving
        title: Moving
        enter:
          - on: hr.learner.hired
        steps:
          - wait: 3d
          - {send: here, id: before}
          - wait: 7d
          - {send: here, id: after}
        messages:
          here: {subject: Here, body: "{{ learner.site }}"}
        """
    )
    ahead = replace(event(2, "hr.learner.moved", MONDAY, {"site": "Leeds"}), effective=MONDAY + 7 * DAY)
    hired = event(1, "hr.learner.hired", MONDAY, {"site": "York"})
    meanwhile = event(3, "hr.learner.changed", MONDAY + DAY, {"site": "Ripon"})
    told = ada(ahead, hired, meanwhile, program=program)
    assert ["Ripon", "Leeds"] == [m.text for each in told.enrolments for m in each.messages]


def test_an_email_without_a_subject_goes_with_the_title() -> None:
    """As it is: a title is no template."""
    program = compiled(
        """
        waymark: 1
        journey: titled
        title: "100% {{ of }} managers"
        enter:
          - on: hr.learner.hired
        steps:
          - send: hello
        messages:
          hello: {body: Hello.}
        """
    )
    told = ada(event(1, "hr.learner.hired", MONDAY), program=program)
    assert ["100% {{ of }} managers"] == [m.subject for each in told.enrolments for m in each.messages]


def test_a_round_a_minute_for_a_year_is_not_rehearsed_to_its_end() -> None:
    """It stops after so many steps, and says so; the others go on."""
    definition = """
waymark: 1
journey: rounds
title: Rounds
enter: [{on: hr.learner.promoted}]
steps:
  - repeat: {every: 1m, until: learner.level == "done"}
    do:
      - set: {tried: 1}
messages: {}
"""
    told = rehearse(compiled(definition), ADA, [promoted(1, MONDAY)], reach=REACH).learners[0]
    assert "after 10,000 steps" in str(told.remarks[-1].reason)
    assert told.outcome is None
