"""Expressions: what is refused at publish, and what holds when something happens."""

import time

import pytest

from journeys.expressions import LONGEST, Facts, Scope, check, holds, learner_facts, value
from journeys.program import Expression

FACTS = Facts(
    learner={"id": "u1", "country": "GB", "department": None, "working_days": ["mon"], "attributes": {"tier": 2}},
    entry={"at": "2026-03-02T09:00:00Z", "key": "p1", "data": {"starts_on": "2026-03-02"}},
    vars={"many": list(range(100)), "broken": "\ud800", "huge": 10**30},
    sent={"well-begun": {"status": "sent"}},
    event={
        "time": "2026-03-02T09:00:00Z",
        "data": {"course": "A", "score": 70, "share": 0.5, "nothing": None, "done": True, "tags": ["x"]},
    },
)


@pytest.mark.parametrize(
    "text",
    [
        'learner.country in ["GB", "IE"]',
        "event.data.score < 70.5",
        "event.data.score == 70.0",
        "event.data.share < 1",
        "event.data.score in [70.0]",
        "event.data.done",
        'event.data.missing == "x" || true',
        '!(event.data.missing == "x" && false)',
        "!has(event.data.missing)",
        "!has(learner.department)",
        'has(learner.country) && learner.country != "DE"',
        'sent["well-begun"].status == "sent"',
        '"mon" in learner.working_days',
        "learner.attributes.tier == 2.0",
        "event.data.nothing == null",
        'entry.data.starts_on < "2026-09-01"',
        'timestamp(event.time) < timestamp("2026-03-02T10:00:00Z")',
        'event.data.tags.exists(tag, tag == "x")',
        "event.data.course.matches('^[A-C]$')",
    ],
)
def test_holds(text: str) -> None:
    """What is so, holds: numbers by value, texts, lists, `has`, and CEL's `||` and `&&` over what is missing."""
    verdict = holds(Expression(text), FACTS)
    assert (True, None) == (verdict.holds, verdict.finding)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('event.data.missing == "x"', "event.data.missing is missing"),
        ('event.data.missing != "x"', "event.data.missing is missing"),
        ('!(event.data.missing == "x")', "event.data.missing is missing"),
        ('event.data.nothing != "x"', "event.data.nothing is null"),
        ("event.data.nothing > 1", "event.data.nothing is null"),
        ("event.data.nothing == event.data.nothing", "event.data.nothing is null"),
        ('learner.department != "Sales"', "learner.department is null"),
        ('learner.role != "x"', "learner.role is missing"),
        ("event.data.course != 3", "event.data.course is a text, compared with a number"),
        ("!(event.data.course in [1, 2])", "event.data.course is a text, compared with a number"),
        ("event.data.course != event.data.score", "event.data.course is a text, event.data.score a number"),
        ("event.data.course > 3", "event.data.course (text)"),
        ("event.data.share * 100 > 1", "whole numbers and fractions do not mix"),
        ("event.data.course", "event.data.course yields a text"),
        ("event.data.deep.er == 1", "event.data.deep.er is missing"),
        ("event.data.course.of.a.text == 1", "event.data.course.of.a.text is missing"),
        ("event.data.score / 0 == 1", "division by zero"),
        ("sent.welcome.status == 'sent'", "sent.welcome.status is missing"),
        ("vars.broken == 'x'", "vars.broken"),
        ("vars.huge == 1 && vars.huge > 5", "vars.huge"),
        ("event.data.course.matches('a(')", "regular expression"),
        ("vars.many.all(a, vars.many.all(b, vars.many.all(c, vars.many.all(d, a+b+c+d >= 0))))", "takes too long"),
        ("this is no expression", "cannot be compiled"),
    ],
)
def test_does_not_hold(text: str, named: str) -> None:
    """What cannot be judged does not hold, raises nothing, and the finding names the field and no value."""
    verdict = holds(Expression(text), FACTS)
    assert not verdict.holds
    assert verdict.finding is not None
    assert named in verdict.finding
    assert "GB" not in verdict.finding


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("learner.contry == 'x'", "unknown_field", (1, 9)),
        ("learner.country == 'a' &&\n learner.rol == 'x'", "unknown_field", (2, 10)),
        ("learner.country + 1 == 'x'", "wrong_types", (1, 17)),
        ("learner.country == 3", "wrong_types", (1, 17)),
        ("learner.country == null", "wrong_types", (1, 17)),
        ("learner.working_days == 'mon'", "wrong_types", (1, 22)),
        ("nope == 1", "unknown_name", (1, 1)),
        ("vars.x == 1", "unknown_name", (1, 1)),
        ("event.data.x[", "expression_syntax", (1, 14)),
        ("size(learner.country)", "not_a_condition", (1, 1)),
        ("   ", "empty_expression", (1, 1)),
        ("true || " * 400 + "true", "expression_too_long", (1, 1)),
        ("(" * 300 + "true" + ")" * 300, "bad_expression", (1, 1)),
        ("'\ud800' == learner.id", "bad_expression", (1, 1)),
    ],
)
def test_is_refused(text: str, code: str, place: tuple[int, int]) -> None:
    """A mistake is found at publish, with its place."""
    checked = check(text, scope=Scope.EVENT)
    assert checked.expression is None
    assert (code, place) == (checked.findings[0].code, (checked.findings[0].line, checked.findings[0].column))


def test_suggests_a_field() -> None:
    """A misspelt field is answered with the right one and with all there are."""
    finding = check("learner.contry == 'x'", scope=Scope.STEP).findings[0]
    assert finding.suggestion == "did you mean learner.country?"
    assert "attributes" in finding.allowed


def test_scopes() -> None:
    """`event` is seen by enter, exit and await alone; `vars`, `answers` and `sent` everywhere else."""
    for text, event, step in [
        ("event.data.x == 1", True, False),
        ("vars.x == 1", False, True),
        ("sent.x.status == 'sent'", False, True),
        ("answers.x.y == 1", False, True),
        ("learner.id == 'a' && entry.key == 'b'", True, True),
    ]:
        found = [check(text, scope=scope).expression is not None for scope in (Scope.EVENT, Scope.STEP)]
        assert [event, step] == found, text


def test_reads() -> None:
    """The fields an expression reads are known, through `has`, brackets and loops."""
    text = 'has(learner.manager) && sent["a-b"].status == "sent" && vars.list.exists(x, x.id == entry.data.id)'
    checked = check(text, scope=Scope.STEP)
    assert checked.expression is not None
    assert ("learner.manager", "sent.a-b.status", "vars.list", "entry.data.id") == checked.expression.reads


def test_value() -> None:
    """A value is JSON, null where the field is null, and a finding where there is none."""
    found = [value(Expression(t), FACTS).value for t in ("event.data.course", "event.data.score", "[1, 2]", "{'a': 1}")]
    assert ["A", 70, [1, 2], {"a": 1}] == found
    assert value(Expression("event.data.nothing"), FACTS) == value(Expression("null"), FACTS)
    assert value(Expression("event.data.missing"), FACTS).finding == "event.data.missing is missing"
    assert "an instant" in (value(Expression("timestamp(event.time)"), FACTS).finding or "")


def test_value_is_checked() -> None:
    """A key may be a text or a number, but no instant and no list."""
    assert check("event.data.position_id", scope=Scope.EVENT, wants="value").expression is not None
    assert check("[1]", scope=Scope.EVENT, wants="value").findings[0].code == "not_a_value"


def test_learner_facts() -> None:
    """Null fields and fields that no profile has are not there for expressions; the id is the source's."""
    facts = learner_facts({"country": "GB", "role": None, "secret": "x"}, source_id="u1")
    assert {"country": "GB", "id": "u1"} == facts


def test_longest() -> None:
    """An expression of the longest length is read."""
    text = "true" + " " * (LONGEST - 4)
    assert check(text, scope=Scope.STEP).expression is not None


def test_is_fast() -> None:
    """Many thousand conditions a second are judged, on a busy machine too."""
    expression = Expression('event.data.course == "A" && learner.country == "GB"')
    holds(expression, FACTS)
    began = time.process_time()
    for _ in range(5_000):
        holds(expression, FACTS)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("event.data.x == 1", 1, 1),
        ("has(learner.country) && vars.x == 1 && event.data.y == 2", 1, 40),
        ("true &&\n  event.x == 1", 2, 3),
        ('"event" == event.x', 1, 12),
        ("sent[event.data.m].status == 'x'", 1, 6),
        ("now() > 1", 1, 1),
        ("learner.foo()", 1, 9),
        ("1 == zed", 1, 6),
    ],
)
def test_an_unknown_name_is_told_where_it_begins(text: str, line: int, column: int) -> None:
    """Whatever stands behind it or before it."""
    (finding,) = check(text, scope=Scope.STEP).findings
    assert ("unknown_name", line, column) == (finding.code, finding.line, finding.column)


def test_the_whole_learner_is_no_condition() -> None:
    """Said in the words of this language."""
    (finding,) = check("learner", scope=Scope.STEP).findings
    assert finding.detail == "the expression yields the whole learner, not true or false"


MIXED = "(whole numbers and fractions do not mix: write 100.0 or double(...))"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("event.data.course < 3", "the types do not fit: event.data.course (text)"),
        (
            "event.data.score * 1.5 > 2.0",
            f"the types do not fit {MIXED}: event.data.score (number)",
        ),
        ("event.data.tags[5] == 'x'", "something read is not there: event.data.tags (list)"),
    ],
)
def test_findings_fit_what_went_wrong(text: str, finding: str) -> None:
    """Nothing is said of numbers where there are none."""
    assert finding == holds(Expression(text), FACTS).finding
