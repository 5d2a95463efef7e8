"""The catalogue of problems is complete, and true."""

import re

import pytest

from docs.problems import Taught, codes, page, problems_in, taught

each = pytest.mark.parametrize("one", taught(), ids=lambda one: one.code)


@each
def test_the_bad_example_has_this_problem(one: Taught) -> None:
    """And no other, in a place of the example."""
    found = problems_in(one.bad)
    assert {one.code} == {problem.code for problem in found}
    assert all(problem.line <= one.bad.count("\n") + 1 for problem in found)


@each
def test_the_good_example_has_none(one: Taught) -> None:
    """Not even a warning."""
    assert [] == [(problem.code, problem.path, problem.detail) for problem in problems_in(one.good)]


@each
def test_it_says_what_it_means(one: Taught) -> None:
    """In whole sentences, without words that only a programmer knows."""
    assert re.search(r"[.:]$", one.means)
    assert len(one.means) > 30
    assert not re.search(r"\b(boolean|string|null pointer|parse[rd]?|syntax|token|integer)\b", one.means)


def test_every_problem_is_taught() -> None:
    """Every code that the compiler can report has its page, and no page is left over."""
    assert codes() == {one.code for one in taught()}


def test_the_page_names_every_problem() -> None:
    """Each with its heading."""
    text = page()
    assert all(f"## `{code}`" in text for code in codes())
