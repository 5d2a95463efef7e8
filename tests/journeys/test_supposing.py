"""What a condition asks for: values for which it holds, values for which it does not, and proofs of neither."""

from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.events import Json
from journeys.expressions import Facts, Scope, check, holds
from journeys.program import Expression
from journeys.supposing import MISSING, Domain, Suppositions, Ways, together, value_of, ways

texts = st.sampled_from(["Sales", "Law", "GB"])
fields = st.sampled_from(["learner.department", "learner.country", "learner.attributes.tier"])
numbers = st.sampled_from(["learner.attributes.score", "entry.data.size"])
atoms = st.one_of(
    st.builds('{} {} "{}"'.format, fields, st.sampled_from(["==", "!="]), texts),
    st.builds('{} in ["{}", "{}"]'.format, fields, texts, texts),
    st.builds("{} {} {}".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-2, 3)),
    st.builds("{} {} {}".format, st.integers(-2, 3), st.sampled_from(["<", "<=", ">", ">="]), numbers),
    st.builds("has({})".format, fields),
    st.sampled_from(["learner.attributes.is_new", "true", "false"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=5,
)
worlds = st.fixed_dictionaries(
    {},
    optional={
        "learner.department": texts,
        "learner.country": texts,
        "learner.attributes.tier": st.one_of(texts, st.integers(-3, 4)),
        "learner.attributes.score": st.one_of(st.integers(-3, 4), st.sampled_from([0.5, 2.5])),
        "learner.attributes.is_new": st.booleans(),
        "entry.data.size": st.one_of(texts, st.integers(-3, 4)),
    },
)


def expression(text: str) -> Expression:
    found = check(text, scope=Scope.STEP).expression
    assert found is not None, text
    return found


def found(text: str, *, wanted: bool) -> Ways:
    tree = check(text, scope=Scope.STEP).tree
    assert tree is not None
    return ways(tree, wanted=wanted)


def facts(values: Mapping[str, Json]) -> Facts:
    """Facts in which these fields have these values, and nothing else is known."""
    roots: dict[str, dict[str, Json]] = {"learner": {"attributes": {}}, "entry": {"data": {}}}
    for path, value in values.items():
        root, *between, last = path.split(".")
        place = roots[root]
        for name in between:
            place = cast("dict[str, Json]", place[name])
        place[last] = value
    return Facts(learner=roots["learner"], entry=roots["entry"])


def witness(way: Suppositions) -> Facts:
    return facts({".".join(path): value_of(path, domain) for path, domain in way.items() if domain.is_there})


@settings(max_examples=400, deadline=None)
@given(conditions, st.booleans())
def test_every_way_is_one_in_which_it_comes_about(text: str, wanted: bool) -> None:
    """Values taken from a way make the condition hold, or not, as wanted."""
    for way in found(text, wanted=wanted).each:
        assert wanted == holds(expression(text), witness(way)).holds, (text, way)


@settings(max_examples=400, deadline=None)
@given(conditions, st.booleans(), worlds)
def test_what_is_impossible_never_comes_about(text: str, wanted: bool, values: dict[str, Json]) -> None:
    """A proof stands against any facts, of whatever kind."""
    if found(text, wanted=wanted).is_impossible:
        assert wanted != holds(expression(text), facts(values)).holds, (text, values)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(conditions, st.booleans()), min_size=2, max_size=4), worlds)
def test_several_at_once_are_all_so(asked: list[tuple[str, bool]], values: dict[str, Json]) -> None:
    """A way of all of them is a way of each; where there is none, no facts are one."""
    all_of_them = together(found(text, wanted=wanted) for text, wanted in asked)
    for way in all_of_them.each[:4]:
        assert all(wanted == holds(expression(text), witness(way)).holds for text, wanted in asked), (asked, way)
    if all_of_them.is_impossible:
        assert not all(wanted == holds(expression(text), facts(values)).holds for text, wanted in asked)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('learner.level == "a" && learner.level == "b"', True),
        ("learner.attributes.n > 4 && learner.attributes.n < 4", True),
        ("has(learner.team) && !has(learner.team)", True),
        ("1 == 2", True),
        ("true", False),
        ("has(learner.team) || !has(learner.team)", False),
    ],
)
def test_what_cannot_be_is_proven(text: str, wanted: bool) -> None:
    """Without anything being tried."""
    assert found(text, wanted=wanted).is_impossible


def test_what_cannot_be_taken_apart_proves_nothing() -> None:
    """It may be so or not: nothing is supposed."""
    odd = found("size(learner.team) > 900", wanted=True)
    assert (({},), False) == (odd.each, odd.is_whole)


def test_of_two_demands_what_both_allow_is_left() -> None:
    """Or nothing."""
    assert Domain(only=("b",)) == Domain(only=("a", "b")).meet(Domain(only=("b", "c")))
    assert Domain(only=("a",)).meet(Domain(never=("a",))) is None
    assert Domain(only=(1, 5)).meet(Domain(low=(3, True))) == Domain(only=(5,), low=(3, True))
    assert Domain(low=(3, False)).meet(Domain(high=(3, True))) is None
    assert Domain().meet(MISSING) is None


@pytest.mark.parametrize(
    ("name", "domain", "usual", "value"),
    [
        ("department", Domain(), "Sales", "Sales"),
        ("department", Domain(never=("Sales",)), "Sales", "Operations"),
        ("grade", Domain(never=("grade-1",)), None, "grade-2"),
        ("score", Domain(low=(0.7, True)), None, 0.7),
        ("score", Domain(low=(4, False)), None, 5),
        ("score", Domain(high=(2, False)), None, 1),
        ("score", Domain(never=(3,)), None, 4),
        ("is_new", Domain(never=(True,)), None, False),
        ("working_days", Domain(has=("sat",)), ["mon"], ["sat"]),
        ("starts_on", Domain(before="2026-03-01"), "2026-09-09", "2026-02-28"),
        ("starts_on", Domain(after="2026-12-31"), "2026-09-09", "2027-01-01"),
    ],
)
def test_a_value_is_the_usual_one_where_it_can_be(name: str, domain: Domain, usual: Json, value: Json) -> None:
    """Else one such a field might really have."""
    assert value == value_of(("learner", name), domain, usual=usual)
