"""Every golden script, on the rehearsal; the real performer runs the same ones on real servers."""

from datetime import timedelta
from itertools import pairwise

import pytest

from connectors.channels import CHANNELS
from journeys.composing import Reach
from journeys.rehearse import rehearse
from tests.support.compiling import compiled
from tests.support.golden import GoldenScript, golden_scripts, rehearsed

SCRIPTS = golden_scripts()
REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)


@each_script
def test_the_rehearsal_does_what_the_script_says(script: GoldenScript) -> None:
    """Every enrolment, every line of its journal and every message, to the second and to the word."""
    program = compiled(script.definition)
    rehearsal = rehearse(
        program, script.learners, script.events, reach=REACH, arrivals=script.arrivals,
        policy=script.rules, answers=script.answers, acts=script.acts, drafts=script.approved(program),
    )  # fmt: skip
    assert script.expected == rehearsed(rehearsal)


@each_script
def test_a_script_moved_by_weeks_is_the_same_story(script: GoldenScript) -> None:
    """Nothing in a script depends on its date, so that a server's clock may be anywhere."""
    moved = script.shifted(30 * script.period if script.policy is None else script.period)
    program = compiled(moved.definition)
    rehearsal = rehearse(
        program, moved.learners, moved.events, reach=REACH, arrivals=moved.arrivals,
        policy=moved.rules, answers=moved.answers, acts=moved.acts, drafts=moved.approved(program),
    )  # fmt: skip
    assert moved.expected == rehearsed(rehearsal)


@each_script
def test_a_script_is_fit_for_a_real_server(script: GoldenScript) -> None:
    """Arrivals lie a minute apart, none before its time, and every learner is accounted for."""
    arrivals = sorted(script.arrives_at(event) for event in script.events)
    assert all(later - earlier >= timedelta(minutes=1) for earlier, later in pairwise(arrivals))
    assert all(script.arrives_at(event) >= event.time for event in script.events)
    assert set(script.expected) == set(script.learners) | {str(event.subject) for event in script.events}


def test_the_scripts_cover_the_language() -> None:
    """Every way an enrolment can end and every thing a journal can tell occurs in some script."""
    timelines = [form["timeline"] for script in SCRIPTS for forms in script.expected.values() for form in forms]
    kinds = {entry["kind"] for timeline in timelines for entry in timeline}
    outcomes = {form["outcome"] for script in SCRIPTS for forms in script.expected.values() for form in forms}
    assert {"entered", "event", "decided", "waiting", "sent", "skipped", "ended", "passed"} <= kinds
    assert {"goal", "completed", "expired", "left"} <= outcomes
    assert None not in outcomes
