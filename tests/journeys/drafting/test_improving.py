"""A text that somebody wrote, as an order to improve it."""

from dataclasses import replace

import pytest

from journeys.compiler import compile_definition
from journeys.drafting.checks.base import Finding, House
from journeys.drafting.improving import (
    KEEP,
    cannot_improve,
    findings_of_written,
    gone,
    improvement_of,
    rewording_of,
    written_of,
)
from journeys.drafting.order import DraftText, prompt_of
from journeys.program import Program

JOURNEY = """\
waymark: 1
journey: a-journey
title: A journey
enter: [{on: hr.learner.promoted}]
steps: [{send: plain}, {send: drafted}, {send: short, via: [webhook]}]
messages:
  plain:
    body: "Hello {{ learner.given_name }}, it begins on {{ entry.data.starts_on | date }}. {{ link }}"
    link: {label: Look, url: "https://x.example"}
    languages:
      de: {subject: Hallo, body: "Hallo {{ learner.family_name }}!"}
  drafted: {subject: S, body: It waits, draft: {brief: Remind her., uses: [learner.role], per: learner.role}}
  short: {webhook: Only this}
"""


@pytest.fixture
def program() -> Program:
    compiled = compile_definition(JOURNEY)
    assert compiled.program is not None, compiled.problems
    return compiled.program


def test_the_order_is_the_text_itself_with_what_it_prints(program: Program) -> None:
    """Its own placeholders are those that may be used; its subject is the journey's title where it has none."""
    order = improvement_of(program, "plain", language=None)
    assert order is not None
    assert ("learner.given_name", "entry.data.starts_on", "link") == order.placeholders
    assert KEEP in prompt_of(order).user
    assert "A journey" == written_of(order, title=program.title).subject
    assert "{{ link }}" in written_of(order, title=program.title).body


def test_what_a_person_wrote_at_length_may_stay_as_long(program: Program) -> None:
    """Its improvement has as many words; a short one's has as many as any draft."""
    long = replace(program.messages["plain"], body="Hello {{ learner.given_name }}, it is there. " * 30)
    order = improvement_of(replace(program, messages={"plain": long}), "plain", language=None)
    short = improvement_of(program, "plain", language="de")
    assert order is not None
    assert short is not None
    assert (150, 120) == (order.most_words, short.most_words)
    text = written_of(order, title=program.title)
    assert "length" not in {finding.check for finding in findings_of_written(text, order)}


def test_each_language_has_its_own_text(program: Program) -> None:
    """With the placeholders of that text."""
    order = improvement_of(program, "plain", language="de")
    assert order is not None
    assert ("learner.family_name", "link") == order.placeholders
    assert DraftText("Hallo", "Hallo {{ learner.family_name }}!") == written_of(order, title=program.title)


def test_a_draft_keeps_its_brief_and_is_for_all(program: Program) -> None:
    """The fallback goes to whoever has no approved text of her own."""
    order = improvement_of(program, "drafted", language=None)
    assert order is not None
    assert (None, None, f"{KEEP} What it is for: Remind her.") == (order.value, order.draft.per, order.draft.brief)
    assert ("learner.role",) == order.placeholders


def test_what_has_no_body_is_not_ordered(program: Program) -> None:
    """Nor what is unknown."""
    assert [None, None] == [improvement_of(program, name, language=None) for name in ("short", "unknown")]
    assert rewording_of(program, "short", language=None) is None


@pytest.mark.parametrize(
    ("body", "may"),
    [
        ("Hello {{ learner.given_name }}", True),
        ("It begins on {{ entry.at | date }}", True),
        ("{% if learner.team is defined %}You lead.{% endif %}", False),
        ("{# for later #} Hello", False),
        ("Hello {{ learner.given_name | default('you') }}", False),
        ("Hello {{ learner.given_name | upper | default('you') }}", False),
    ],
)
def test_what_no_draft_may_have_cannot_be_improved(body: str, may: bool) -> None:
    """And is no fault of a person's text."""
    assert may == (cannot_improve(DraftText("Hello", body)) is None)


def test_a_person_may_use_all_of_a_template(program: Program) -> None:
    """Its blocks are no findings, what it says is."""
    order = improvement_of(program, "plain", language=None)
    assert order is not None
    text = DraftText("Hello", "{% if learner.team is defined %}You lead a team. {% endif %}Hurry up now! {{ link }}")
    assert {"pressure"} == {finding.check for finding in findings_of_written(text, order)}
    found = findings_of_written(text, order, House(("you lead",)))
    assert {"pressure", "tone"} == {finding.check for finding in found}


def test_what_is_gone() -> None:
    """The findings of the first that the second has not."""
    one, other = Finding("tone", "hard", "a"), Finding("reading", "soft", "b")
    assert (one,) == gone((one, other), (other,))
