"""A run moved to another version: what is carried over, what is counted anew, what is refused and why."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings

import journeys.rehearse
from connectors.channels import CHANNELS
from journeys.advance import advance
from journeys.composing import Reach
from journeys.effects import Began, Deferred, Deliver, Delivered, Due, Paused, Resumed, Retrying
from journeys.moving import Moved, Refused, move
from journeys.policy import UNLIMITED
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.run import Hold, Pending, Run
from journeys.turn import take_turn
from tests.support.compiling import compiled
from tests.support.golden import rehearsed
from tests.support.programs import DAY, HOUR, MONDAY, fired, fresh
from tests.support.random_journeys import Story, stories

REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}

HEAD = """\
waymark: 1
journey: moved
title: Moved
enter: [{on: hr.learner.promoted}]
exit: [{on: hr.learner.left, as: left}]
"""
MESSAGES = """
messages:
  hello: {subject: Hello, body: Hello}
  bye: {subject: Bye, body: Bye}
"""


def program(steps: str, head: str = HEAD) -> Program:
    """A journey of these steps, each on a line, from `- `."""
    lines = "\n".join(f"  {line}" for line in steps.strip().splitlines())
    return compiled(f"{head}steps:\n{lines}\n{MESSAGES}")


def at_the_wait(version: Program) -> Run:
    """A run that has come to the step after the first message."""
    run, _ = advance(version, fresh(), Began(MONDAY))
    return advance(version, run, Delivered(MONDAY, "sent", "email"))[0]


def moved(old: Program, new: Program, run: Run, **step_map: str) -> Moved:
    """The move, which must not be refused."""
    done = move(old, new, run, {k.replace("_", "-"): v for k, v in step_map.items()}, at=MONDAY + DAY)
    assert isinstance(done, Moved), done
    return done


def refused(old: Program, new: Program, run: Run, step_map: Mapping[str, str] | None = None) -> str:
    """Why not."""
    done = move(old, new, run, step_map or {}, at=MONDAY + DAY)
    assert isinstance(done, Refused)
    return "\n".join(done.reasons)


WAIT_30 = "- send: hello\n- wait: 30d\n  id: rest\n- send: bye"


def test_a_wait_that_reads_as_before_keeps_its_end() -> None:
    """Another message before it and another step after it change nothing of it."""
    old = program(WAIT_30)
    new = program("- send: hello\n- wait: 30d\n  id: rest\n- wait: 1d\n- send: bye")
    run = at_the_wait(old)
    done = moved(old, new, run)
    assert run == done.run
    (note,) = done.effects
    assert ("moved", "Moved to another version.") == (note.kind, note.text)  # type: ignore[union-attr]
    assert "wait-1d" == advance(new, done.run, Due(MONDAY + 30 * DAY))[0].node


def test_a_wait_that_reads_otherwise_is_counted_anew_from_when_it_began() -> None:
    """30 days become 10, from the day it began; and the journal says so."""
    old, new = program(WAIT_30), program(WAIT_30.replace("30d", "10d"))
    done = moved(old, new, at_the_wait(old))
    assert MONDAY + 10 * DAY == done.run.hold.due_at  # type: ignore[union-attr]
    assert "counted anew" in done.effects[0].text  # type: ignore[union-attr]


def test_a_mended_wait_stays_mended() -> None:
    """One that a pause has lengthened keeps its length."""
    old = program(WAIT_30)
    run = advance(old, at_the_wait(old), Paused(MONDAY + DAY, "admin"))[0]
    assert run.held_by == moved(old, old, run).run.held_by
    run = advance(old, run, Resumed(MONDAY + 6 * DAY, "admin"))[0]
    assert MONDAY + 35 * DAY == moved(old, old, run).run.hold.due_at  # type: ignore[union-attr]


def test_a_step_that_is_gone_is_named_with_those_that_are_there() -> None:
    """The refusal says what to map it to; a map makes it possible."""
    old, new = program(WAIT_30), program(WAIT_30.replace("rest", "resting"))
    run = at_the_wait(old)
    said = refused(old, new, run)
    for part in ("'rest'", "did you mean resting?", "send-hello, resting, send-bye"):
        assert part in said
    done = moved(old, new, run, rest="resting")
    assert ("resting", run.hold, 1) == (done.run.node, done.run.hold, done.run.visits["resting"])


@pytest.mark.parametrize(
    ("step_map", "said"),
    [
        ({"rest": "send-hello"}, "a `wait`, and 'send-hello' of the new version is a `send`"),
        ({"rest": "nowhere"}, "leads to 'nowhere', which is no step of the new version"),
        ({"resst": "resting"}, "'resst', which is no step of the version it is in: did you mean rest?"),
    ],
)
def test_a_map_that_is_wrong_is_refused(step_map: dict[str, str], said: str) -> None:
    """Another kind of step, a step that is not there, a step that never was."""
    old, new = program(WAIT_30), program(WAIT_30.replace("rest", "resting"))
    assert said in refused(old, new, at_the_wait(old), step_map)


def test_what_has_ended_is_not_moved() -> None:
    """There is nothing to move."""
    old = program(WAIT_30)
    assert "has ended, as left" in refused(old, old, replace(at_the_wait(old), outcome="left"))


AWAITS = (
    "- send: hello\n- await: {{on: lms.course.{word}, when: 'event.data.course == \"{course}\"', within: 9d}}\n  id: it"
)


def awaiting(word: str, course: str) -> Program:
    """A journey that awaits a course."""
    return program(AWAITS.format(word=word, course=course))


def test_what_fired_is_remembered_where_the_trigger_listens_to_the_same() -> None:
    """An event that came before counts for the new version too; one of another condition does not."""
    old = awaiting("completed", "A")
    run = advance(old, fresh(), Began(MONDAY))[0]
    run = advance(old, run, fired("it.1", MONDAY))[0]
    same = moved(old, awaiting("completed", "A"), run)
    assert (run.seen, frozenset()) == (same.run.seen, same.to_judge)
    other = moved(old, awaiting("completed", "B"), run)
    assert ({}, frozenset({"it.1"})) == (other.run.seen, other.to_judge)


def test_an_await_of_another_condition_keeps_its_deadline() -> None:
    """Its own text is the same; what it listens to is judged over all that happened."""
    old, new = awaiting("completed", "A"), awaiting("started", "A")
    run = at_the_wait(old)
    done = moved(old, new, run)
    assert run.hold == done.run.hold
    assert frozenset({"it.1"}) == done.to_judge


def test_a_new_exit_is_judged_and_one_that_moved_is_not() -> None:
    """Exits are told by what they listen to: the old one stands second now."""
    two = HEAD.replace("exit: [", "exit: [{on: lms.course.completed}, ")
    old, new = program(WAIT_30), program(WAIT_30, two)
    done = moved(old, new, at_the_wait(old))
    assert ({"exit-1": "exit-2"}, frozenset({"exit-1"})) == (done.triggers, done.to_judge)


def test_a_message_that_has_not_gone_goes_as_the_new_version_has_it() -> None:
    """Asked for when it was; through what the new version names; a step of another name has a key of its own."""
    old = program(WAIT_30)
    new = program("- send: bye\n  id: hi\n  via: [webhook]\n  expires: 1d\n- wait: 30d")
    run = advance(old, fresh(), Began(MONDAY))[0]
    run = advance(old, run, Deferred(MONDAY, MONDAY + HOUR, "her night"))[0]
    done = moved(old, new, run, send_hello="hi")
    hold = done.run.hold
    assert isinstance(hold, Pending)
    assert isinstance(hold.effect, Deliver)
    sent = hold.effect
    assert ("hi", "bye", ("webhook",), MONDAY, MONDAY + DAY) == (
        sent.node, sent.message, sent.via, sent.asked_at, sent.expires_at,
    )  # fmt: skip
    assert ("hi", 1) == (sent.node, done.run.visits["hi"])
    assert "send-hello" == done.renamed.node  # type: ignore[union-attr]
    assert MONDAY + HOUR == hold.until
    assert None is moved(old, old, run).renamed


def test_no_key_of_a_delivery_is_used_twice() -> None:
    """A step that takes over another's visits begins after its own."""
    old = program("- send: hello\n  id: a\n- send: bye\n  id: b")
    run = replace(at_the_wait(old), visits={"a": 2, "b": 3})
    done = moved(old, program("- send: bye\n  id: a"), run, b="a")
    assert {"a": 5, "b": 3} == done.run.visits
    assert 5 == done.run.hold.effect.visit  # type: ignore[union-attr]


def test_a_message_on_its_queue_stays_there() -> None:
    """Who is working on it goes on."""
    old = program(WAIT_30)
    run = advance(old, fresh(), Began(MONDAY))[0]
    run = advance(old, run, Retrying(MONDAY, "email", "not now"))[0]
    assert run == moved(old, old, run).run


REPEATS = "- repeat: {{every: 7d, times: 4}}\n  id: {name}\n  do: [{{wait: 1d, id: inner}}]\n- send: hello"


def test_a_round_goes_on() -> None:
    """Its number is kept; a `repeat` that is gone is refused."""
    old = program(REPEATS.format(name="weekly"))
    run = advance(old, fresh(), Began(MONDAY))[0]
    new = program(REPEATS.format(name="weeks"))
    assert "it is in a round of the step 'weekly'" in refused(old, new, run)
    assert {"weeks": run.rounds["weekly"]} == moved(old, new, run, weekly="weeks").run.rounds


SPLITS = """\
- split: opener
  arms: {{ {one}: {{do: [{{wait: 9d, id: w}}]}}, {two}: {{do: [{{wait: 9d, id: w2}}]}} }}
- send: hello
"""


def test_an_arm_that_is_gone_is_refused_unless_mapped() -> None:
    """Who was assigned to an arm stays in it, under another name where the map says so."""
    old, new = (program(SPLITS.format(one=one, two="tip")) for one in ("question", "ask"))
    run = replace(advance(old, fresh(), Began(MONDAY))[0], arms={"opener": "question"}, node="w")
    assert "map opener.question to one of opener.ask, opener.tip" in refused(old, new, run)
    done = move(old, new, run, {"opener.question": "ask"}, at=MONDAY)
    assert isinstance(done, Moved)
    assert {"opener": "ask"} == done.run.arms


def test_who_waits_to_begin_begins_in_the_new_version() -> None:
    """Nothing is to be carried over."""
    old, new = program(WAIT_30), program("- send: bye")
    run = replace(fresh(), begins_at=MONDAY)
    assert run == moved(old, new, run).run


def play(story: Story) -> Mapping[str, Any]:
    """What comes of a story."""
    told = rehearse(compiled(story.definition), story.learners, story.events, reach=REACH, policy=UNLIMITED)
    return rehearsed(told)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(stories())
def test_moved_to_the_same_program_a_run_goes_on_the_same(story: Story) -> None:
    """After every turn of random journeys with random events: nothing that the move knows of is lost."""

    async def moving(program: Program, run: Run, **options: Any) -> Run:
        run = await take_turn(program, run, **options)
        if run.has_ended:
            return run
        done = moved(program, program, run)
        assert not done.to_judge
        assert not isinstance(run.hold, Hold) or run.hold == done.run.hold
        return done.run

    expected = play(story)
    with mock.patch.object(journeys.rehearse, "take_turn", moving):
        assert expected == play(story)


def test_a_long_wait_that_is_over_by_then_is_due() -> None:
    """What the new version would have done by now is done at the next turn."""
    old, new = program(WAIT_30), program(WAIT_30.replace("30d", "2h"))
    run = moved(old, new, at_the_wait(old)).run
    assert MONDAY + timedelta(hours=2) == run.hold.due_at  # type: ignore[union-attr]
