"""Random valid journeys with random events, on the rehearsal: they end, and how they ended does not depend on when a
run was written down, nor on the order in which events came.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import journeys.turn
from connectors.channels import CHANNELS
from journeys.advance import advance
from journeys.codec import program_from_json, program_to_json, run_from_json, run_to_json
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.effects import Input
from journeys.events import Event
from journeys.policy import UNLIMITED, Policy
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.run import Run
from journeys.steps import STEP_TYPES
from journeys.timeline import Rehearsal
from tests.support.golden import rehearsed
from tests.support.random_journeys import MONDAY, SOURCE, STEPS, Story, definitions, stories

REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}
POLICIES = st.sampled_from([UNLIMITED, Policy()])

many = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def program_of(definition: str) -> Program:
    """The program; what a random journey is made of has no errors."""
    compiled = compile_definition(definition)
    assert compiled.program is not None, [p.to_json() for p in compiled.problems if p.severity == "error"]
    return compiled.program


def play(story: Story, policy: Policy, **options: Any) -> Rehearsal:
    """The story, told to its end."""
    return rehearse(program_of(story.definition), story.learners, story.events, reach=REACH, policy=policy, **options)


@many
@given(definitions())
def test_random_journeys_compile(definition: str) -> None:
    """Every step of the language, and the program comes back the same from JSON."""
    program = program_of(definition)
    assert program == program_from_json(program_to_json(program))


def test_every_step_occurs() -> None:
    """Random journeys are made of the whole language."""
    assert set(STEP_TYPES) == set(STEPS)


@many
@given(stories(), POLICIES)
def test_every_enrolment_ends(story: Story, policy: Policy) -> None:
    """With an outcome, within its limit, whatever comes and whatever does not."""
    limit = program_of(story.definition).limit
    for learner in play(story, policy).learners:
        for enrolment in learner.enrolments:
            assert enrolment.outcome is not None, enrolment.waiting_for
            assert all(entry.at <= enrolment.entered_at + limit for entry in enrolment.timeline)


@many
@given(stories(), POLICIES)
def test_a_run_restored_from_json_goes_on_the_same(story: Story, policy: Policy) -> None:
    """At every single step of every turn, the program too."""
    program = program_of(story.definition)
    restored = program_from_json(program_to_json(program))
    assert program == restored
    expected = play(story, policy)

    def restoring(program: Program, run: Run, given: Input, **options: Any) -> Any:
        return advance(restored, run_from_json(run_to_json(run)), given, **options)

    with mock.patch.object(journeys.turn, "advance", restoring):
        told = rehearse(restored, story.learners, story.events, reach=REACH, policy=policy)
    assert rehearsed(expected) == rehearsed(told)


def test_one_event_that_meets_two_awaits() -> None:
    """An event meets awaits in one order, whether the program comes from the compiler or from JSON."""
    text = """\
waymark: 1
journey: two-awaits
title: Two awaits
enter: [{on: hr.learner.hired}]
steps:
  - await: {any: [{on: lms.course.started}]}
  - await: {any: [{on: lms.course.started}], since: step, within: 2d}
  - send: hello
messages: {hello: {subject: Hello, body: Hello}}
"""
    hired = Event("e1", SOURCE, "hr.learner.hired", "ada", MONDAY, {})
    started = replace(hired, id="e2", type="lms.course.started", time=MONDAY + timedelta(hours=1))
    program = program_of(text)
    told = [
        rehearsed(rehearse(each, {"ada": {"email": "a@example.com"}}, [hired, started], reach=REACH))
        for each in (program, program_from_json(program_to_json(program)))
    ]
    assert told[0] == told[1]
    assert "completed" == told[0]["ada"][0]["outcome"]


@many
@given(stories(), POLICIES, st.integers(0, 2**16))
def test_shuffled_and_repeated_events_end_in_the_same_state(story: Story, policy: Policy, seed: int) -> None:
    """All of them arrive before the first turn, in any order and some of them twice: nothing is told otherwise."""
    late = max(event.time for event in story.events)
    expected = _all_at(story, story.events, late, policy)
    chance = random.Random(seed)
    shuffled = list(story.events)
    chance.shuffle(shuffled)
    renamed = [replace(event, id=f"{place:03}") for place, event in enumerate(shuffled)]
    twice = [*renamed, *chance.choices(renamed, k=3)]
    assert expected == _all_at(story, twice, late, policy)


def _all_at(story: Story, events: Sequence[Event], at: Any, policy: Policy) -> Mapping[str, Any]:
    """What comes of events that all arrive at one instant, in order of their ids."""
    told = play(replace(story, events=tuple(events)), policy, arrivals={event.id: at for event in events})
    return rehearsed(told)


def test_a_story_is_a_story() -> None:
    """Random journeys do something: messages go, awaits are met and missed, questions are decided."""
    kinds: set[str] = set()
    outcomes: set[str | None] = set()

    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(stories())
    def gather(story: Story) -> None:
        for learner in play(story, UNLIMITED).learners:
            for enrolment in learner.enrolments:
                outcomes.add(enrolment.outcome)
                kinds.update(entry.kind for entry in enrolment.timeline)

    gather()
    assert {"entered", "waiting", "sent", "skipped", "decided", "event", "passed", "set", "asked", "called"} <= kinds
    assert {"completed", "expired", "goal"} <= outcomes
