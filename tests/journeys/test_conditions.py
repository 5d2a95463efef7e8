"""What can be told of a condition before anything happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.checked_expr import Path, Tree
from journeys.conditions import Carried, Known, World, always_holds, can_hold, remarks_on
from journeys.expressions import Facts, Scope, check, holds

WORLD = World(
    fields={
        ("event", "data", "course"): Known("text"),
        ("event", "data", "score"): Known("number", bounds=(0, 1)),
        ("event", "data", "passed"): Known("true or false"),
        ("event", "data", "due"): Known("text", is_date=True),
        ("event", "type"): Known("text", ("lms.course.completed", "lms.course.failed")),
        ("event", "data", "enrolment"): Known("text", needless="leave it out"),
        ("learner", "country"): Known("text"),
    },
    closed={("event",): ("type", "data", "time")},
    carried={
        ("event", "data"): Carried(("course", "score", "passed", "due", "enrolment"), "an event"),
        ("entry", "data"): Carried(("to_level",), "the entry", is_strict=False),
    },
)


def tree_of(text: str) -> Tree:
    """The tree of a sound condition about an event."""
    checked = check(text, scope=Scope.EVENT)
    assert checked.tree is not None, checked.findings
    return checked.tree


def remarks(text: str) -> list[tuple[str, str]]:
    """Code, and what stands at the place that is shown, of everything odd."""
    found = remarks_on(tree_of(text), WORLD, text=text)
    return [(remark.code, text[remark.at : remark.at + 5]) for remark in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('event.data.course == "A"', []),
        ('event.data.corse == "A"', [("unknown_event_field", "corse")]),
        ('has(event.data.corse) && event.data.corse == "A"', [("unknown_event_field", "corse")] * 2),
        ('event.data["corse"] == "A"', [("unknown_event_field", "corse")]),
        ('entry.data.to_levle == "x"', [("unknown_event_field", "to_le")]),
        ('entry.data.quite_other == "x"', []),
        ('event.dta.course == "A"', [("unknown_field", "dta.c")]),
        ('event.kind == "x"', [("unknown_field", "kind ")]),
        ("event.data.course == 5", [("cannot_match", "5")]),
        ("5 == event.data.course", [("cannot_match", "5 == ")]),
        ('event.data.course in ["A", 5]', [("cannot_match", "5]")]),
        ('event.data.score > "0.5"', [("cannot_match", '"0.5"')]),
        ("event.data.score > 0.5", []),
        ("event.data.score >= 80", [("out_of_range", "80")]),
        ("event.data.score < 0", []),
        ('event.data.passed == "yes"', [("cannot_match", '"yes"')]),
        ('event.type == "lms.course.started"', [("cannot_match", '"lms.')]),
        ('event.type == "lms.course.failed"', []),
        ('event.data.due < "1 May"', [("cannot_match", '"1 Ma')]),
        ('event.data.due < "2026-05-01"', []),
        ('event.data.due < "2026-05-01T09:00:00Z"', []),
        ("event.data.course == event.data.score", [("cannot_match", "== ev")]),
        ('event.data.enrolment == "x"', [("cannot_match", '"x"')]),
        ("event.data.course == null", []),
        ('["a"].exists(x, x == event.data.corse)', [("unknown_event_field", "corse")]),
        ('event.data.course.startsWith("A")', []),
    ],
)
def test_what_is_odd(text: str, wanted: list[tuple[str, str]]) -> None:
    """Each oddity with the place in the text where it stands."""
    assert wanted == remarks(text)


def test_what_was_meant() -> None:
    """A remark names what is known, and what was probably meant."""
    (remark,) = remarks_on(tree_of('event.data.corse == "A"'), WORLD, text='event.data.corse == "A"')
    assert ("warning", "did you mean course?") == (remark.severity, remark.suggestion)
    assert "course" in remark.allowed
    (remark,) = remarks_on(tree_of("event.data.score >= 80"), WORLD, text="event.data.score >= 80")
    assert "did you mean 0.8?" == remark.suggestion
    (remark,) = remarks_on(tree_of("event.data.course == 5"), WORLD, text="event.data.course == 5")
    assert 'write it in quotes: "5"' == remark.suggestion


@pytest.mark.parametrize(
    "text",
    [
        "false",
        "1 == 2",
        "!(1 < 2)",
        'learner.country == "GB" && learner.country == "IE"',
        'learner.country == "GB" && learner.country != "GB"',
        'learner.country in ["GB", "IE"] && learner.country in ["DE"]',
        'learner.country in ["GB"] && !(learner.country == "GB")',
        '!has(learner.country) && learner.country == "GB"',
        "has(learner.team) && !has(learner.team)",
        "event.data.x > 5 && event.data.x < 3",
        "event.data.x > 5 && event.data.x <= 5",
        "event.data.x == 5 && event.data.x > 5",
        'event.data.x == 5 && event.data.x == "5"',
        "event.data.flag && !event.data.flag",
        'event.type == "hr.learner.left"',
        '(event.data.x == 1 || event.data.x == 2) && event.data.x == 3',
        'false && learner.country == "GB"',
        "event.data.x == true && event.data.x == 1",
        'learner.country == "GB" && (false || 1 > 2)',
    ],
)  # fmt: skip
def test_what_never_holds(text: str) -> None:
    """Parts that exclude each other."""
    assert not can_hold(tree_of(text), WORLD)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        'learner.country == "GB" || learner.country == "IE"',
        'learner.country == "GB" && learner.team == "IE"',
        'learner.country != "GB" && learner.country != "IE"',
        "event.data.x >= 5 && event.data.x <= 5",
        "event.data.x > 3 && event.data.x < 5",
        'has(learner.country) && learner.country == "GB"',
        '!has(learner.country) || learner.country == "GB"',
        "event.data.x == event.data.y && event.data.x != event.data.y",
        "size(learner.country) == 5 && size(learner.country) == 6",
        "event.data.flag || !event.data.flag",
        "event.data.score >= 80",
        " || ".join(f"{n} == {n + 1}" for n in range(70)),
    ],
)
def test_what_may_hold(text: str) -> None:
    """What cannot be told may hold; what lies outside a field's usual bounds may come all the same."""
    assert can_hold(tree_of(text), WORLD)


def test_what_always_holds() -> None:
    """Only what needs nothing to be known."""
    assert [True, True, True, False, False] == [
        always_holds(tree_of(text))
        for text in ("true", "1 == 1", "false || 2 > 1", "has(learner.team)", "learner.id == learner.id")
    ]


_PATHS: list[Path] = [("event", "data", "x"), ("event", "data", "y")]
_CONSTANTS = ["1", "2", "2.5", '"a"', '"b"', "true"]
_comparisons = st.builds(
    lambda path, sign, constant: f"{'.'.join(path)} {sign} {constant}",
    st.sampled_from(_PATHS),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(_CONSTANTS),
)
_atoms = _comparisons | st.sampled_from(
    ["has(event.data.x)", "event.data.x", "event.data.y in [1, 2]", "event.data.x in ['a']", "true", "false"]
)
_conditions = st.recursive(
    _atoms,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | st.builds("!({})".format, inner)
    ),
    max_leaves=6,
)
_values = st.sampled_from([None, 1, 2, 2.5, 3, "a", "b", "c", True, False])


@settings(max_examples=600, deadline=None, derandomize=True)
@given(_conditions, st.fixed_dictionaries({}, optional={"x": _values, "y": _values}))
def test_what_never_holds_does_not(text: str, data: dict[str, object]) -> None:
    """Of nothing that holds for some event is it said that it never does."""
    checked = check(text, scope=Scope.EVENT)
    if checked.expression is None or checked.tree is None:
        return
    verdict = holds(checked.expression, Facts(event={"data": data}))  # type: ignore[dict-item]
    if verdict.holds:
        assert can_hold(checked.tree, World())
    elif always_holds(checked.tree):
        raise AssertionError(f"{text} is said to hold always")
