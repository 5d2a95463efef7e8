"""A rehearsal tells which way each enrolment went, and the counts over all of them add up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings

from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.flow import arms_of
from journeys.rehearse import rehearse
from journeys.timeline import Rehearsal, Visit, counted
from tests.support.compiling import compiled
from tests.support.random_journeys import Story, stories

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REACH = {"email": Reach(is_set_up=True, address_field="email"), "webhook": Reach(is_set_up=True, address_field=None)}
PROGRAM = compiled(
    """
    waymark: 1
    journey: told
    title: Told
    enter: [{on: hr.learner.hired}, {on: hr.learner.promoted, when: event.data.to_level == "lead"}]
    exit: [{on: hr.learner.left, as: left}]
    limit: 20d
    steps:
      - send: hello
        when: has(learner.team)
      - await: {on: lms.course.started, within: 2d}
        then: [{repeat: {every: 1d, times: 2}, do: [{send: hello}]}, {wait: 30d}]
        else: [{end: idle}]
    messages: {hello: {subject: Hello, body: Hello.}}
    """
)


def event(number: int, type_: str, learner: str, *, days: float = 0, **data: Json) -> Event:
    return Event(f"e-{number}", "/tests", type_, learner, MONDAY + days * DAY, data)


def told(*events: Event, until: timedelta | None = None) -> Rehearsal:
    profiles: dict[str, dict[str, Json]] = {"ada": {"email": "a@example.com", "team": "T"}, "ben": {"email": "b@e.com"}}
    return rehearse(PROGRAM, profiles, events, reach=REACH, until=until)


def test_every_step_is_told_with_the_arm_by_which_it_was_left() -> None:
    """In order, with the instants; the last one has no arm where the limit ended it there."""
    (ada, _) = told(event(1, "hr.learner.hired", "ada"), event(2, "lms.course.started", "ada", days=1)).learners
    (enrolment,) = ada.enrolments
    assert ("enter-1", "limit", "expired") == (enrolment.entered_by, enrolment.left_by, enrolment.outcome)
    assert [
        ("send-hello", "next"),
        ("await-lms-course-started", "then"),
        ("repeat", "do"),
        ("send-hello-2", "next"),
        ("repeat", "do"),
        ("send-hello-2", "next"),
        ("repeat", "next"),
        ("wait-30d", None),
    ] == [(visit.step, visit.arm) for visit in enrolment.path]
    assert Visit("await-lms-course-started", MONDAY, "then", MONDAY + DAY) == enrolment.path[1]
    assert MONDAY + 20 * DAY == enrolment.ended_at


def test_what_was_passed_over_and_what_let_her_out_is_told() -> None:
    """The condition of a step, the second way in, an exit."""
    entry = event(1, "hr.learner.promoted", "ben", to_level="lead")
    (_, ben) = told(entry, event(2, "hr.learner.left", "ben", days=1)).learners
    (enrolment,) = ben.enrolments
    assert ("enter-2", "exit-1", "left") == (enrolment.entered_by, enrolment.left_by, enrolment.outcome)
    assert [("send-hello", "skip"), ("await-lms-course-started", None)] == [(v.step, v.arm) for v in enrolment.path]


def test_the_counts_are_of_all_learners() -> None:
    """Of entries, arrivals, arms, ways out, and of those who are still on the way."""
    events = [
        event(1, "hr.learner.hired", "ada"),
        event(2, "hr.learner.hired", "ben"),
        event(3, "lms.course.started", "ada", days=1),
        event(4, "hr.learner.hired", "cem", days=1),
        event(5, "hr.learner.left", "cem", days=1.5),
        event(6, "hr.learner.changed", "dora"),
    ]
    counts = counted(told(*events, until=10 * DAY))
    assert (4, 3, {"enter-1": 3}) == (counts.learners, counts.enrolled, counts.entries)
    steps = ("send-hello", "await-lms-course-started", "repeat", "send-hello-2", "wait-30d", "end-idle")
    assert dict(zip(steps, (3, 3, 3, 2, 1, 1), strict=True)) == counts.arrivals
    assert {"then": 1, "else": 1} == {a: n for (s, a), n in counts.arms.items() if s == "await-lms-course-started"}
    assert ({"exit-1": 1}, {"left": 1, "idle": 1}, {"wait-30d": 1}) == (counts.exits, counts.outcomes, counts.standing)
    assert 3 == counts.sent


@settings(max_examples=100, deadline=None)
@given(stories())
def test_every_way_is_one_of_the_program(story: Story) -> None:
    """From the first step, each by an arm to the next, in order of time."""
    program = compiled(story.definition)
    for learner in rehearse(program, story.learners, story.events, reach=REACH).learners:
        for enrolment in learner.enrolments:
            path = enrolment.path
            assert not path or path[0].step == program.start
            for visit, following in pairwise(path):
                assert visit.arm is not None
                assert following.step == arms_of(program.nodes[visit.step])[visit.arm]
                assert visit.at <= following.at == visit.left_at
            assert enrolment.left_by in (None, "limit", *(trigger.id for trigger in program.exits))
            assert (enrolment.outcome is None) == (enrolment.ended_at is None)


@settings(max_examples=50, deadline=None)
@given(stories())
def test_arrivals_add_up(story: Story) -> None:
    """Whoever came to a step went on by an arm, stands there, or ended there."""
    program = compiled(story.definition)
    rehearsal = rehearse(program, story.learners, story.events, reach=REACH)
    counts = counted(rehearsal)
    every = [enrolment for learner in rehearsal.learners for enrolment in learner.enrolments if enrolment.path]
    last = [each.path[-1] for each in every if each.outcome is not None]
    for step, arrived in counts.arrivals.items():
        gone_on = sum(number for (of, _), number in counts.arms.items() if of == step)
        ended = sum(visit.step == step and visit.arm is None for visit in last)
        assert arrived == gone_on + counts.standing.get(step, 0) + ended
