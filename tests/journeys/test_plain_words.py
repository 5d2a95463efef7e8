"""Conditions, triggers and steps in words that somebody who has never programmed reads."""

from datetime import timedelta

import pytest

from journeys.expressions import Scope, check
from journeys.labels import step_label
from journeys.plain_words import condition_words, duration_words, span_words, text_words, trigger_words
from journeys.program import Expression, Span, Trigger
from journeys.steps import STEP_TYPES
from tests.support.compiling import compiled


def expression(text: str, scope: Scope = Scope.STEP) -> Expression:
    found = check(text, scope=scope).expression
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('learner.department == "Sales"', "department is Sales"),
        ('learner.country in ["GB", "IE", "DE"]', "country is GB, IE or DE"),
        ('!(learner.country in ["GB", "IE"])', "country is none of GB, IE"),
        ("has(learner.manager)", "manager is known"),
        ("!has(learner.manager)", "manager is not known"),
        ('has(learner.team) && learner.level != "intern"', "team is known and level is not intern"),
        (
            '(learner.level == "a" || learner.level == "b") && has(learner.team)',
            "(level is a or level is b) and team is known",
        ),
        ('sent["course-done"].status == "sent"', "course-done was sent"),
        ('sent.welcome.status != "may_have_gone"', "welcome was not may have gone"),
        ("answers.confidence.sure >= 4", "the answer to sure is at least 4"),
        ("vars.round < 3", "round is below 3"),
        ("3 > vars.round", "round is below 3"),
        ("learner.attributes.is_new", "is new is true"),
        ('"mon" in learner.working_days', "working days has mon"),
        ("entry.data.start_week == 1.5", "start week is 1.5"),
        ('learner.team == "T-" + learner.site', "team is T-‹site›"),
        ("size(learner.working_days) > 3", "size(learner.working_days) > 3"),
    ],
)
def test_a_condition_is_said_in_words_or_as_it_was_written(text: str, words: str) -> None:
    """What has no words is left alone: words never pretend."""
    assert words == condition_words(expression(text))


@pytest.mark.parametrize(
    ("on", "when", "words"),
    [
        (("lms.course.started",), 'event.data.course == "MGR-101"', "starts MGR-101"),
        (("lms.course.started", "lms.course.completed"), None, "starts a course or completes a course"),
        (("hr.learner.promoted",), 'event.data.to_level == "manager"', "is promoted to manager"),
        (
            ("performance.measured",),
            'event.data.metric == "sales" && event.data.value >= 8.0',
            "is measured: sales (value is at least 8)",
        ),
        (("lms.course.failed",), "event.data.course == entry.data.course", "fails a course (the same course)"),
        (("lms.course.failed",), "size(event.data) > 1", "fails a course (size(event.data) > 1)"),
        (("lms.*",), None, "lms: anything"),
        (("crm.deal.closed",), None, "crm.deal.closed"),
    ],
)
def test_a_trigger_is_what_she_does(on: tuple[str, ...], when: str | None, words: str) -> None:
    """The field that says what to is part of the sentence, the rest stands behind it."""
    condition = None if when is None else expression(when, Scope.EVENT)
    assert words == trigger_words(Trigger("t", on, condition))


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(days=14), "2 weeks"),
        (timedelta(days=10), "10 days"),
        (timedelta(days=1, hours=4), "1 day 4 hours"),
        (timedelta(), "no time"),
    ],
)
def test_a_duration_is_said_in_whole_units(duration: timedelta, words: str) -> None:
    """Weeks only where nothing is left over."""
    assert words == duration_words(duration)


def test_working_days_are_said_so() -> None:
    """With elapsed time behind them, where there is some."""
    assert "5 working days" == span_words(Span(working_days=5))
    assert "1 working day 4 hours" == span_words(Span(timedelta(hours=4), 1))


def test_a_template_is_read_without_its_marks() -> None:
    """A variable stands in guillemets; what the template only computes is left out."""
    assert "Hello ‹given name›, on ‹starts on›" == text_words(
        "Hello {% if x %}{{ learner.given_name }}{% endif %}, on {{ entry.data.starts_on | date }}"
    )


EVERY = compiled(
    """
    waymark: 1
    journey: every
    title: Every step
    enter: [{on: hr.learner.hired}]
    steps:
      - {send: a, via: [email, webhook], at: anytime, confirm: {within: 24h, then: next}, when: has(learner.team)}
      - wait: {until: "monday 09:00"}
      - wait: {until: entry.data.starts_on, before: 2d}
      - await: {on: lms.course.started, within: 5wd, since: step}
        then: [{send: a}]
      - branch:
          - if: learner.level == "manager"
            do: [{send: a}]
      - split: opener
        arms: {one: {weight: 1, do: [{send: a}]}, two: {weight: 3, do: [{send: a}]}}
      - repeat: {every: 7d, times: 4, until: has(vars.done)}
        do: [{set: {done: true, tone: '"warm"'}}]
      - ask: mood
        to: manager
        within: 3d
        questions: [{id: how, text: How is it?, scale: [1, 5]}]
      - assign: {lms: moodle, course: MGR-101, due: 21d}
      - {call: crm, body: {learner: learner.id}, keep: {account: account.id}}
      - enrol: {journey: mentoring}
      - end: settled
    messages:
      a: {subject: "Hello {{ learner.given_name }}", body: Hello.}
    """
)


def test_every_step_type_has_words_of_its_own() -> None:
    """No card shows the bare word of the language with an id behind it."""
    labels = {node.kind: step_label(EVERY, node) for node in EVERY.nodes.values()}
    assert set(STEP_TYPES) - {"practise"} <= set(labels)
    assert [] == [kind for kind, label in labels.items() if label.kind == kind]


def test_what_stands_on_the_cards() -> None:
    """Kind, what it is about, and more about it."""
    said = {id_: (label.kind, label.title, label.lines) for id_, node in EVERY.nodes.items()
            for label in [step_label(EVERY, node)]}  # fmt: skip
    assert (
        "Message",
        "Hello ‹given name›",
        (
            "only if team is known",
            "a · email, else webhook",
            "at any hour",
            "through the next channel too, if she has not reacted within 1 day",
        ),
    ) == said["send-a"]
    assert ("Wait until", "monday 09:00", ()) == said["wait-until-monday-09-00"]
    assert ("Wait until", "2 days before starts on", ()) == said["wait-until-entry-data-starts-on"]
    assert ("Repeat", "4 times, every week", ("until done is known",)) == said["repeat"]
    assert ("Question to her manager", "How is it?") == said["ask-mood"][:2]
    assert ("Remember", "done = true, tone = warm", ()) == said["set-done-tone"]
    assert ("Assign the course", "MGR-101", ("in moodle, due after 3 weeks",)) == said["assign-mgr-101"]


def test_what_stands_at_the_arms() -> None:
    """Each arm has its condition, its share or its answer."""
    arms = {node.kind: dict(step_label(EVERY, node).arms) for node in EVERY.nodes.values()}
    assert {"then": "yes", "else": "not within 5 working days"} == arms["await"]
    assert {"arm-0": "level is manager", "else": "otherwise"} == arms["branch"]
    assert {"arm-one": "one (25%)", "arm-two": "two (75%)"} == arms["split"]
    assert {"then": "answered", "else": "not within 3 days"} == arms["ask"]
