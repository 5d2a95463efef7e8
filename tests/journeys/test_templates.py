"""Message texts: what they may do, what is refused, and that nothing missing is ever printed."""

import time

import pytest

from journeys.sandbox import LANGUAGE
from journeys.templates import LONGEST_TEXT, Failed, LinkFacts, Missing, Rendered, check, render

CONTEXT: dict[str, object] = {
    "learner": {"given_name": "Ada", "role": None, "working_days": ["mon", "tue"], "attributes": {"tier": 3}},
    "entry": {"at": "2026-03-02T09:00:00Z", "key": "", "data": {"starts_on": "2026-03-02", "nothing": None}},
    "vars": {"share": 0.75},
    "answers": {},
    "link": LinkFacts("The guide", "https://learn.example.com"),
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello {{ learner.given_name }}", "Hello Ada"),
        ("{{ learner['given_name'] | upper }}", "ADA"),
        ("{{ entry.data.starts_on | date }}", "2 March 2026"),
        ("{{ entry.at | date }}", "2 March 2026"),
        ("{{ entry.at | date('%A, %-d %b') }}", "Monday, 2 Mar"),
        ("{{ '' | default('x', true) }}", "x"),
        ("{{ vars.tip | default('ask one question') }}", "ask one question"),
        ("{{ learner.role | default('manager') }}", "manager"),
        ("{{ entry.data.not.there | default('x') }}", "x"),
        ("{{ link }} {{ link.label }} {{ link.url }}", "https://learn.example.com The guide https://learn.example.com"),
        ("{% for day in learner.working_days %}{{ day }} {% endfor %}", "mon tue "),
        ("{% if learner.role %}a{% else %}b{% endif %}", "b"),
        ("{% if 'mon' in learner.working_days %}yes{% endif %}", "yes"),
        ("{{ learner.role or 'none given' }}", "none given"),
        ("{{ learner.working_days | join(' and ') }}", "mon and tue"),
        ("{{ learner.working_days | length }}", "2"),
        ("{{ (vars.share * 100) | round }}%", "75%"),
        ("{{ 'o\u2019brien smith' | title }}", "O\u2019brien Smith"),
        ("{{ '  x ' | trim }}", "x"),
        ("{% for day in learner.working_days %}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}", "1,2"),
        ("a{{ 'b' if learner.role }}", "a"),
        ("{{ vars.when | date | default('soon') }}", "soon"),
        ("{{ learner.role | upper | default('-') }}", "-"),
        ("{% if learner.role is none %}a{% endif %}{% if learner.given_name is not none %}b{% endif %}", "ab"),
        ("{{ learner.given_name ~ ' ' ~ vars.share ~ '!' }}", "Ada 0.75!"),
        ("{% for a, b in [] %}{% endfor %}{% if learner.given_name in ['Ada', vars.share] %}yes{% endif %}", "yes"),
        ("{{ [learner.given_name, 3] | join(' ') }}{% set a, b = 1, 2 %}{{ b }}", "Ada 32"),
        ("{{ 'a-b' | replace('-', ' ') }}", "a b"),
        ("{{ 'one two three four five' | truncate(12) }}", "one two..."),
        ("{{ -1.5 | abs }} {{ 'a b' | wordcount }} {{ 3 | float }} {{ 3 | string }}", "1.5 2 3.0 3"),
        ("{{ learner.working_days | sort(reverse=true) | first }}", "tue"),
        ("a\n", "a\n"),
        ("no variable", "no variable"),
    ],
)
def test_renders(source: str, text: str) -> None:
    """A text with its variables, filters and conditions."""
    assert Rendered(text) == render(source, CONTEXT)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ learner.role }}", "learner.role"),
        ("{{ learner.role | upper }}", "learner.role"),
        ("{{ learner.nope }}", "learner.nope"),
        ("{{ entry.data.nothing }}", "entry.data.nothing"),
        ("{{ entry.data.not.there }}", "entry.data.not.there"),
        ("{{ 'Dear ' ~ learner.role }}", "learner.role"),
        ("{{ learner.role + 'x' }}", "learner.role"),
        ("{{ learner.role == 'x' }}", "learner.role"),
        ("{{ learner.given_name.first }}", "learner.given_name.first"),
        ("{{ learner.attributes.tier.level.name }}", "learner.attributes.tier.level.name"),
        ("{{ vars.tip | replace('a', 'b') | trim }}", "vars.tip"),
        ("{% for x in vars.list %}{{ x }}{% endfor %}", "vars.list"),
        ("{{ vars.when | date }}", "vars.when"),
        ("{{ nobody }}", "nobody"),
        ("{{ learner.__class__ }}", "learner.__class__"),
    ],
)
def test_names_what_is_missing(source: str, name: str) -> None:
    """A variable without a value makes the text fail by its name: no gap, and never the word None."""
    assert Missing(name) == render(source, CONTEXT)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 10000000000000000 * 10000000000000000 }}",
        "{{ ('a' * 9) }}",
        "{{ 'aaaaaaaaaa' | replace('a', '" + "b" * 15_000 + "') }}",
        "{{ learner }}",
        "{{ None }}",
        "{{ range(3) }}",
        "{{ learner.given_name.upper() }}",
        "{{ 'monday' | date }}",
        "{{ entry.at | date('%999999999Y') }}",
        "{{ x",
        "{% include 'x' %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "x" * 30_000,
    ],
)
def test_fails(source: str) -> None:
    """What is not allowed fails in no time, without raising and without telling a value."""
    began = time.process_time()
    found = render(source, CONTEXT)
    assert isinstance(found, Failed)
    assert "Ada" not in found.detail
    assert time.process_time() - began < 1


def test_size_is_limited() -> None:
    """A loop cannot make a text of any size."""
    context = {"vars": {"list": ["x" * 1_000] * 900}}
    assert Failed(f"the text is longer than {LONGEST_TEXT} characters") == render(
        "{% for x in vars.list %}{{ x }}{% endfor %}", context
    )


@pytest.mark.parametrize(
    "doubled", ["a + a", "a ~ a", "[a, a] | join", "a | replace('x', 'xx')", "[a] | join(a) ~ a", "[a, a]", "(a, a)"]
)
def test_a_text_cannot_grow_by_doubling(doubled: str) -> None:
    """A few lines cannot make a text that fills the memory of whoever renders it."""
    began = time.process_time()
    source = "{% set a = 'x' %}" + f"{{% set a = {doubled} %}}" * 60 + "{{ a }}"
    assert check(source).problems == ()
    assert render(source, {}) == Failed("the template does something that is not allowed")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{{ x", "template_syntax"),
        ("{{ x | nope }}", "unknown_filter"),
        ("{{ range(9) }}", "template_forbidden"),
        ("{% macro a() %}{% endmacro %}", "template_forbidden"),
        ("{% import 'x' as y %}", "template_forbidden"),
        ("{{ 2 ** 9 }}", "template_forbidden"),
        ("{% for a in vars.l %}{% for b in vars.l %}{% endfor %}{% endfor %}", "template_forbidden"),
        ("{% if x is callable %}{% endif %}", "unknown_test"),
        ("x" * 30_000, "template_too_long"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "template_syntax"),
    ],
)
def test_check_refuses(source: str, code: str) -> None:
    """What would fail is found at publish."""
    assert code == check(source).problems[0].code


def test_check_finds_variables() -> None:
    """Every variable is found, with its line and whether it needs a value; loop variables are the template's own."""
    source = "{{ learner.given_name }}\n{{ vars.tip | default(entry.key) }}{% for d in vars.days %}{{ d }}{% endfor %}"
    found = [(v.name, v.line, v.is_required) for v in check(source).variables]
    assert [
        ("learner.given_name", 1, True),
        ("vars.tip", 2, False),
        ("entry.key", 2, True),
        ("vars.days", 2, True),
    ] == found


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (None, "2 March 2026"),
        ("de", "2. März 2026"),
        ("fr-CA", "2 mars 2026"),
        ("pt-BR", "2 de março de 2026"),
        ("ja", "2026年3月2日"),
        ("de-XX", "2. März 2026"),
        ("tlh", "2 March 2026"),
    ],
)
def test_a_date_is_written_in_the_language_of_the_message(language: str | None, expected: str) -> None:
    """And as it is in English where nobody knows that language."""
    context = {"entry": {"data": {"due": "2026-03-02"}}, LANGUAGE: language}
    assert Rendered(expected) == render("{{ entry.data.due | date }}", context)
