"""Cases made from a journey: each reaches what it is said to reach, and what none reaches is told with the reason."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from connectors.channels import CHANNELS
from journeys.cases import Aim, Case, Cases, aims_of, cases_for
from journeys.composing import Reach
from journeys.flow import arms_of
from journeys.program import Program
from journeys.rehearse import rehearse
from tests.support.compiling import compiled
from tests.support.random_journeys import definitions

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/journey.yaml"))
REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}


def found(definition: str) -> Cases:
    return cases_for(compiled(definition), reach=REACH)


def journey(steps: str, *, head: str = "") -> str:
    indented = "".join(f"      {line}\n" for line in steps.strip("\n").split("\n"))
    messages = "".join(f"      {name}: {{subject: Subject, body: Body.}}\n" for name in "abc")
    entry = "" if "enter:" in head else "    enter: [{on: hr.learner.hired}]\n"
    top = "".join(f"    {line}\n" for line in head.strip("\n").split("\n") if line)
    begin = f"    waymark: 1\n    journey: tried\n    title: Tried\n{entry}{top}"
    return f"{begin}    steps:\n{indented}    messages:\n{messages}"


def case_for(cases: Cases, aim: Aim) -> Case:
    return next(case for case in cases.cases if aim in case.reaches)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_every_way_through_the_examples_is_reached(file: Path) -> None:
    """But for the limit, which none of them is to come to."""
    cases = found(file.read_text("utf-8"))
    assert [Aim("limit", "limit")] == [one.aim for one in cases.unreached]
    assert "the limit is" in cases.unreached[0].why


def test_what_if_she_never_starts_the_course() -> None:
    """The question the cases are for, in the words it is asked in."""
    cases = found((ROOT / "examples" / "first-time-manager" / "journey.yaml").read_text("utf-8"))
    names = [case.name for case in cases.cases]
    assert "She never starts MGR-101 and never completes MGR-101" == names[0]
    assert "She starts MGR-101 on day 4" in names
    assert "Left on day 2: she leaves the company" in names
    assert "Goal on day 2: she is measured: one_to_ones_held (value is at least 8)" in names
    assert len(names) == len(set(names))


@settings(max_examples=25, deadline=None)
@given(definitions())
def test_a_case_reaches_what_it_is_said_to_reach(definition: str) -> None:
    """Rehearsed again from its own profile and events it takes the same way; nothing is said twice or left out."""
    program = compiled(definition)
    cases = cases_for(program, reach=REACH)
    for case, told in zip(cases.cases, cases.rehearsal.learners, strict=True):
        if "manager" not in definition and '"call"' not in definition:  # whom nobody rehearses here
            again = rehearse(program, {case.learner: case.profile}, case.events, reach=REACH).learners[0]
            assert [each.path for each in told.enrolments] == [each.path for each in again.enrolments]
        been = {(visit.step, visit.arm or "") for each in told.enrolments for visit in each.path}
        assert {(aim.of, aim.arm) for aim in case.reaches if aim.kind == "arm"} <= been
    reached = [aim for case in cases.cases for aim in case.reaches]
    assert len(reached) == len(set(reached)) == cases.aims - cases.left
    assert {one.aim for one in cases.unreached}.isdisjoint(reached)
    assert set(reached) | {one.aim for one in cases.unreached} <= set(aims_of(program))


def test_the_same_journey_has_the_same_cases() -> None:
    """There is no chance in them."""
    definition = (ROOT / "examples" / "feedback-habit" / "journey.yaml").read_text("utf-8")
    assert found(definition) == cases_for(compiled(definition), reach=REACH)


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ('learner.department == "Sales"', "department"),
        ('learner.country in ["US", "ES"]', "country"),
        ("has(learner.team)", "team"),
        ('learner.level != "manager" && has(learner.role)', "level"),
        ('learner.starts_on < "2026-01-01"', "starts_on"),
        ('learner.site == "X" || learner.team == "Y"', "site"),
        ('!(learner.language == "en")', "language"),
        ("learner.attributes.tier >= 3 && learner.attributes.tier < 4", "attributes"),
        ('"sat" in learner.working_days', "working_days"),
    ],
)
def test_both_sides_of_a_condition_are_reached(condition: str, field: str) -> None:
    """A learner of whom it is so, and one of whom it is not."""
    steps = f"- branch:\n    - if: '{condition}'\n      do: [{{send: a}}]\n    - else: [{{send: b}}]"
    cases = found(journey(steps))
    assert () == cases.unreached
    yes, no = case_for(cases, Aim("arm", "branch", "arm-0")), case_for(cases, Aim("arm", "branch", "else"))
    assert yes.profile.get(field) != no.profile.get(field)


def test_the_event_that_lets_her_in_has_what_is_asked_of_it() -> None:
    """Its data, and what the audience and later steps ask of the entry."""
    head = """
enter: [{on: hr.learner.promoted, when: 'event.data.to_level == "lead"', key: event.data.position_id}]
audience: learner.country == "IE"
"""
    steps = "- branch:\n    - if: entry.key == 'P-7' && entry.data.size > 4\n      do: [{send: a}]\n- send: b"
    cases = found(journey(steps.replace("'P-7'", '"P-7"'), head=head))
    assert () == cases.unreached
    case = case_for(cases, Aim("arm", "branch", "arm-0"))
    assert {"to_level": "lead", "position_id": "P-7", "size": 5} == dict(case.events[0].data)
    assert "IE" == case.profile["country"]


def test_events_come_where_they_are_waited_for() -> None:
    """After she has come to the step, and before it is too late; each of several."""
    a = '{on: lms.course.completed, when: event.data.course == "A"}'
    b = '{on: lms.course.completed, when: event.data.course == "B"}'
    several = f"- await: {{all: [{a}, {b}], within: 1d, since: step}}"
    steps = f"- wait: 3d\n{several}\n  then: [{{send: a}}]\n  else: [{{send: b}}]"
    cases = found(journey(steps))
    assert () == cases.unreached
    case = case_for(cases, Aim("arm", "await-all", "then"))
    assert ["A", "B"] == [event.data["course"] for event in case.events[1:]]


def test_a_survey_is_answered_as_the_branches_ask() -> None:
    """By an answer that each arm wants."""
    steps = """
- ask: mood
  questions: [{id: how, text: How is it?, scale: [1, 5]}, {id: why, text: Why?, choices: [time, room]}]
  then:
    - branch:
        - if: answers.mood.how <= 2 && answers.mood.why == "room"
          do: [{send: a}]
        - else: [{send: b}]
"""
    cases = found(journey(steps))
    assert () == cases.unreached
    case = case_for(cases, Aim("arm", "branch", "arm-0"))
    assert {"how": 2, "why": "room"} == case.events[-1].data["answer"]


def test_chance_is_found_for_every_arm_and_for_the_holdout() -> None:
    """By a learner, or a team, whose hash takes it."""
    steps = """
- split: opener
  arms: {one: {weight: 1, do: [{send: a}]}, two: {weight: 30, do: [{send: b}]}}
- split: by-team
  unit: learner.team
  arms: {one: {weight: 1, do: [{send: a}]}, two: {weight: 30, do: [{send: b}]}}
"""
    cases = found(journey(steps, head="holdout: 5%"))
    assert () == cases.unreached
    assert "holdout" == next(t.outcome for t, c in zip(cases.rehearsal.learners, cases.cases, strict=True)
                             if Aim("holdout", "holdout") in c.reaches)  # fmt: skip


def test_exits_the_limit_and_both_ends_of_confirm_are_reached() -> None:
    """Each by a case of its own."""
    head = "exit: [{on: hr.learner.left, as: left}]\nlimit: 10d"
    steps = "- send: a\n  via: [email, webhook]\n  confirm: {within: 1d, then: next}\n- wait: 30d"
    cases = found(journey(steps, head=head))
    assert {Aim("exit", "exit-1"), Aim("limit", "limit"), Aim("reacted", "send-a"), Aim("not reacted", "send-a")} <= {
        aim for case in cases.cases for aim in case.reaches
    }
    assert [Aim("arm", "wait-30d", "next")] == [one.aim for one in cases.unreached]


def test_what_can_never_be_is_proven() -> None:
    """A condition that contradicts itself, one that an earlier arm takes, an arm without weight."""
    steps = """
- branch:
    - if: learner.level == "a" && learner.level == "b"
      do: [{send: a}]
    - if: learner.country == "GB"
      do: [{send: b}]
    - if: learner.country in ["GB"]
      do: [{send: c}]
- split: opener
  arms: {one: {weight: 1, do: [{send: a}]}, two: {weight: 0, do: [{send: b}]}}
"""
    cases = found(journey(steps))
    assert {("branch", "arm-0"), ("branch", "arm-2"), ("split-opener", "arm-two")} == {
        (one.aim.of, one.aim.arm)
        for one in cases.unreached
        if one.is_proven and one.aim.of in ("branch", "split-opener")
    }
    assert all(one.is_proven and one.why.startswith("It can never be reached") for one in cases.unreached)


def test_what_was_only_not_found_is_not_called_proven() -> None:
    """A condition nobody can take apart: it may hold, and no case shows it."""
    steps = "- branch:\n    - if: size(learner.team) > 900\n      do: [{send: a}]\n- send: b"
    cases = found(journey(steps))
    (one,) = cases.unreached
    assert (Aim("arm", "branch", "arm-0"), False) == (one.aim, one.is_proven)
    assert "No case that was tried came there." in one.why
    assert "size(learner.team) > 900" in one.why


def test_a_condition_that_the_audience_excludes_is_told_so() -> None:
    """Not proven: her country may change while she is on her way."""
    steps = '- branch:\n    - if: learner.country == "FR"\n      do: [{send: a}]\n- send: b'
    cases = found(journey(steps, head='audience: learner.country == "GB"'))
    (one,) = cases.unreached
    assert not one.is_proven
    assert "not of anybody who comes in" in one.why


def test_only_the_first_of_what_nobody_came_to_is_told() -> None:
    """What stands behind it is left for the same reason."""
    steps = "- branch:\n    - if: size(learner.team) > 900\n      do:\n        - send: a\n        - wait: 1d\n- send: b"
    cases = found(journey(steps))
    assert 1 == len(cases.unreached)
    assert 3 == cases.left


def test_a_long_journey_is_searched_within_bounds() -> None:
    """Not every combination is tried."""
    steps = "".join(
        f"- branch:\n    - if: learner.attributes.f{n} == 1\n      do: [{{send: a}}]\n    - else: [{{send: b}}]\n"
        for n in range(40)
    )
    cases = found(journey(steps))
    assert () == cases.unreached
    assert len(cases.cases) <= 41


def test_another_system_answers_as_the_branches_ask() -> None:
    """A `call` keeps what an arm wants."""
    branch = '- branch:\n    - if: vars.tier == "gold"\n      do: [{send: a}]\n- send: b'
    steps = f"- call: crm\n  keep: {{tier: account.tier}}\n{branch}"
    assert () == found(journey(steps)).unreached


def test_arms_that_no_run_takes_are_no_aims() -> None:
    """An `await` without `within` has no `else`."""
    program: Program = compiled(journey("- await: {on: lms.course.started}\n  then: [{send: a}]"))
    assert ["then"] == list(arms_of(program.nodes["await-lms-course-started"]))
