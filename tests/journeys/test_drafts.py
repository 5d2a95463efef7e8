"""`draft:` in the language: what it compiles to, and what is wrong with one."""

import json

import pytest

from journeys.codec import program_from_json, program_to_json
from journeys.compiler import compile_definition
from journeys.drafting.findings import look_at
from journeys.drafting.order import DraftText, order_for
from journeys.problems import Problem
from journeys.program import Draft, Expression, Program

JOURNEY = """\
waymark: 1
journey: a-journey
title: A journey
enter: [{on: hr.learner.promoted}]
steps:
  - set: {tip: "'ask one question'"}
  - send: hello
messages:
  hello:
    subject: Hello
    body: Good to have you here
    link: {label: Start, url: "https://learn.example.org/start"}
    draft: DRAFT
"""
WHOLE = (
    "{brief: Remind her., tone: warm, max_words: 60, uses: [learner.role, entry.data.starts_on, vars.tip], "
    "per: learner.role}"
)


def problems(draft: str, *, journey: str = JOURNEY) -> list[Problem]:
    """Everything that is wrong with the journey that has this draft."""
    return list(compile_definition(journey.replace("DRAFT", draft)).problems)


def told(draft: str) -> list[tuple[str, str]]:
    """Code and path below the draft, of every problem."""
    return [(p.code, p.path.removeprefix("messages.hello.draft").removeprefix(".")) for p in problems(draft)]


def compiled(draft: str) -> Program:
    """The program of the journey that has this draft."""
    found = compile_definition(JOURNEY.replace("DRAFT", draft))
    assert found.program is not None, found.problems
    return found.program


def test_a_draft_stands_in_the_program() -> None:
    """All that a writer is told is in the message, and nothing is wrong with it."""
    expected = Draft(
        "Remind her.",
        "warm",
        60,
        ("learner.role", "entry.data.starts_on", "vars.tip"),
        Expression("learner.role", ("learner.role",)),
    )
    assert expected == compiled(WHOLE).messages["hello"].draft
    assert [] == problems(WHOLE)


def test_a_brief_is_enough() -> None:
    """Everything else may be left out: one text for all, of any length, without placeholders."""
    assert Draft("Remind her.") == compiled("{brief: Remind her.}").messages["hello"].draft


def test_a_program_with_a_draft_goes_to_json_and_back() -> None:
    """As all of a program does."""
    program = compiled(WHOLE)
    assert program == program_from_json(program_to_json(program))


def test_a_program_from_before_there_were_drafts_is_read() -> None:
    """Its messages have none."""
    plain = json.loads(program_to_json(compiled(WHOLE)))
    for message in plain["messages"].values():
        del message["draft"]
    assert program_from_json(json.dumps(plain)).messages["hello"].draft is None


@pytest.mark.parametrize(
    ("draft", "code", "path"),
    [
        ("Remind her.", "wrong_type", ""),
        ("{}", "missing_key", ""),
        ("{tone: warm}", "missing_key", ""),
        ("{brief: Remind her., brif: x}", "unknown_key", "brif"),
        ("{brief: ' '}", "empty", "brief"),
        ("{brief: [Remind her.]}", "wrong_type", "brief"),
        (f"{{brief: {'a' * 4_001}}}", "bad_value", "brief"),
        ("{brief: b, tone: 3}", "wrong_type", "tone"),
        (f"{{brief: b, tone: {'a' * 501}}}", "bad_value", "tone"),
        ("{brief: b, max_words: 4}", "bad_value", "max_words"),
        ("{brief: b, max_words: 501}", "bad_value", "max_words"),
        ("{brief: b, max_words: many}", "wrong_type", "max_words"),
        ("{brief: b, uses: learner.role}", "wrong_type", "uses"),
        ("{brief: b, uses: []}", "empty_list", "uses"),
        ("{brief: b, uses: [7]}", "wrong_type", "uses[0]"),
        ("{brief: b, uses: ['{{ learner.role }}']}", "bad_value", "uses[0]"),
        ("{brief: b, uses: [learner.role, learner.rôle]}", "bad_value", "uses[1]"),
        ("{brief: b, uses: [link]}", "bad_value", "uses[0]"),
        ("{brief: b, uses: [learner.rank]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [learner]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [learner.attributes]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [learner.working_days]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [entry]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [entry.data]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [entry.course]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [vars]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [lerner.role]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [recipient.role]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [answers.pulse.sure]}", "unknown_variable", "uses[0]"),
        ("{brief: b, uses: [vars.hint]}", "never_set", "uses[0]"),
        ("{brief: b, per: 7}", "wrong_type", "per"),
        ("{brief: b, per: learner.rank}", "unknown_field", "per"),
        ("{brief: b, per: 'learner.role =='}", "expression_syntax", "per"),
        ("{brief: b, per: event.data.course}", "unknown_name", "per"),
        ("{brief: b, per: learner}", "per_learner", "per"),
        ("{brief: b, per: learner.id}", "per_learner", "per"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(draft: str, code: str, path: str) -> None:
    """One problem each, at its path."""
    assert [(code, path)] == told(draft)


@pytest.mark.parametrize(
    "per",
    [
        *("learner.given_name", "learner.family_name", "learner.email", "learner.phone", "learner.manager"),
        *("learner.slack_id", "learner.teams_id", "entry.data.email", "entry.data.given_name"),
        *("'\"Dear \" + learner.given_name'", "'has(learner.email) ? learner.role : learner.id'"),
        *("entry.key", "entry.data.position_id", "'entry.data[\"position_id\"]'", "entry.data.enrolment"),
        *("entry.data.person.employee_id", "learner.attributes.user_id", "'\"For \" + entry.key'"),
    ],
)
def test_no_value_that_says_who_somebody_is_is_told_to_a_writer(per: str) -> None:
    """Names, addresses and ids are an error under `per`, in whatever expression."""
    assert ("personal_value", "per") in told(f"{{brief: b, per: {per}}}")


@pytest.mark.parametrize(
    "per",
    [
        *("learner.department", "learner.team", "learner.attributes.ward", "learner.attributes.delivery"),
        *("entry.data.course", "entry.data.to_level", "entry.data.metric", "entry.data.course_id"),
    ],
)
def test_what_many_share_is_told(per: str) -> None:
    """A department, a role, a course: its code is nobody's id."""
    assert ("personal_value", "per") not in told(f"{{brief: b, per: {per}}}")


def test_in_place_of_the_key_what_it_is_made_of_is_proposed() -> None:
    """A key may be a course: then that is what is to be named."""
    (problem,) = problems("{brief: b, per: entry.key}")
    assert "name what the key is made of, where many share it: entry.data.course" == problem.suggestion


def test_names_may_be_placeholders() -> None:
    """Under `uses` a name is only named, never told."""
    assert [] == problems("{brief: b, uses: [learner.given_name, learner.email]}")


def test_a_suggestion_is_made_for_what_is_misspelt() -> None:
    """As for a template's variables."""
    (problem,) = problems("{brief: b, uses: [learner.langauge]}")
    assert problem.suggestion == "did you mean learner.language?"


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [
        ("{{ learner.given_name }}", "name learner.given_name under `uses`, or say it in words"),
        ("{{ vars.tip | upper }}", "name vars.tip under `uses`, or say it in words"),
        ("{{ recipient.role }}", "say it in words"),
        ("{{ learner.role | default('x') }}", "write {{ learner.role }} and nothing else in the braces"),
        ("{{ learner.role or 3 }}", "write {{ learner.role }} and nothing else in the braces"),
        ("{{ link + 1 }}", "write {{ link }} and nothing else in the braces"),
        ("{{ }}", "say it in words"),
        ("{{ 7 * 7 }}", "say it in words"),
    ],
)
@pytest.mark.parametrize("key", ["brief", "tone"])
def test_braces_that_no_text_may_have_are_an_error(key: str, written: str, suggestion: str) -> None:
    """The text would have them as well, and would be sent back each time: told where they stand."""
    other = "tone: warm" if key == "brief" else "brief: b"
    (problem,) = problems(f'{{{other}, {key}: "Say {written}.", uses: [learner.role]}}')
    assert ("error", "not_in_uses") == (problem.severity, problem.code)
    assert (f"messages.hello.draft.{key}", suggestion) == (problem.path, problem.suggestion)
    assert ("{{ learner.role }}", "{{ link }}") == problem.allowed
    line = JOURNEY.replace("DRAFT", f'{{{other}, {key}: "Say {written}.", uses: [learner.role]}}').splitlines()
    assert line[problem.line - 1][problem.column - 1 :].startswith(written)


def test_braces_of_what_the_text_may_have_are_none() -> None:
    """A placeholder that the brief names must be in the text; how it is printed is the author's."""
    brief = "Say {{ learner.role }}, {{entry.data.starts_on | date}} and {{ link }}."
    assert [] == problems(f'{{brief: "{brief}", uses: [learner.role, entry.data.starts_on]}}')
    without = JOURNEY.replace('    link: {label: Start, url: "https://learn.example.org/start"}\n', "")
    (problem,) = problems('{brief: "Say {{ link }}."}', journey=without)
    assert ("not_in_uses", ()) == (problem.code, problem.allowed)
    assert "give the message a link, or say it in words" == problem.suggestion


def test_a_text_does_as_a_brief_with_braces_says() -> None:
    """What compiles can be written: a text with the brief's own placeholders has no finding about them."""
    program = compiled('{brief: "Say {{ learner.role }} and {{ link }}.", uses: [learner.role]}')
    order = order_for(program, "hello", language=None, value=None)
    assert order is not None
    text = DraftText("Hello", "Good to have you here as {{ learner.role }}.\n\n{{ link }}")
    assert [] == [finding for finding in look_at(text, order) if finding.check in ("placeholders", "links")]


def test_a_text_for_each_learner_compiles_with_a_warning() -> None:
    """The policy decides, and it is not known when a journey is published."""
    (problem,) = problems("{brief: b, per: learner}")
    assert problem.severity == "warning"
    assert '"per_learner": true' in problem.detail
    draft = compiled("{brief: b, per: learner}").messages["hello"].draft
    assert draft is not None
    assert draft.is_per_learner


@pytest.mark.parametrize("text", ["subject: Hello\n    ", ""])
def test_a_draft_without_a_fallback_is_an_error(text: str) -> None:
    """It is told once, with what the fallback is for."""
    journey = JOURNEY.replace("    subject: Hello\n    body: Good to have you here\n    ", f"    {text}")
    errors = [problem for problem in problems("{brief: b}", journey=journey) if problem.severity == "error"]
    assert [("missing_key", "messages.hello.draft")] == [(problem.code, problem.path) for problem in errors]
    assert "where no approved draft is at hand" in errors[0].detail


def test_a_channels_own_wording_is_a_fallback_for_that_channel_alone() -> None:
    """A step that sends through another one has nothing to fall back on."""
    journey = JOURNEY.replace("body: Good to have you here", "sms: Good to have you here")
    errors = [problem for problem in problems("{brief: b}", journey=journey) if problem.severity == "error"]
    assert [("missing_key", "messages.hello")] == [(problem.code, problem.path) for problem in errors]
    assert "where no approved draft is at hand" in errors[0].detail
    by_sms = journey.replace("- send: hello", "- send: hello\n    via: [sms]")
    assert [] == [problem for problem in problems("{brief: b}", journey=by_sms) if problem.severity == "error"]


def test_a_draft_that_nobody_sends_needs_a_fallback_too() -> None:
    """It may be sent one day."""
    journey = JOURNEY.replace("    body: Good to have you here\n", "").replace("send: hello", "send: other")
    journey += "  other: {subject: Other, body: Other}\n"
    codes = [problem.code for problem in problems("{brief: b}", journey=journey)]
    assert {"missing_key", "unsent_message"} == set(codes)
