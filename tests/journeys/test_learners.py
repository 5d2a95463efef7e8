"""Learners written down by a person: every field that is not one is found, at once."""

import pytest

from journeys.events import Json
from journeys.learners import Learners, read_learners


def test_a_map_of_id_to_profile() -> None:
    """Fields of every kind; a learner of whom nothing is known has an empty profile."""
    given: Json = {
        "ada": {"email": "ada@example.com", "starts_on": "2026-03-02", "working_days": ["mon"], "attributes": {"x": 1}},
        "ben": None,
        "cem": {},
    }
    assert Learners({**given, "ben": {}}) == read_learners(given)  # type: ignore[dict-item]


def test_nothing_given_is_nobody() -> None:
    """An empty file."""
    assert Learners({}) == read_learners(None)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"emial": "x"}, "ada.emial: no such field; did you mean email?"),
        ({"starts_on": "soon"}, "ada.starts_on: found a text, a date as 2026-03-02 is wanted"),
        ({"email": 1}, "ada.email: found a number, a text is wanted"),
        ({"working_days": "mon"}, "ada.working_days: found a text, a list of texts is wanted"),
        ({"attributes": []}, "ada.attributes: found a list, a map is wanted"),
        ("x", "ada: found a text: a profile is a map of fields, such as {email: ada@example.com}"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_wanted(profile: Json, expected: str) -> None:
    """By path, with a suggestion where something looks like it."""
    assert [expected] == [problem.text for problem in read_learners({"ada": profile}).problems]


def test_a_field_that_looks_like_none_is_told_all_there_are() -> None:
    """And where one's own go."""
    (problem,) = read_learners({"ada": {"favourite_colour": "blue"}}).problems
    assert "given_name" in problem.detail
    assert "attributes" in problem.detail


def test_every_problem_is_reported() -> None:
    """Of all learners, in their order."""
    given: Json = {"ada": {"emial": "x", "zone": 1}, "ben": {"emial": "y"}}
    assert [("ada", "emial"), ("ada", "zone"), ("ben", "emial")] == [p.path for p in read_learners(given).problems]


def test_a_list_is_not_a_map() -> None:
    """The whole is refused with an example."""
    (problem,) = read_learners([]).problems
    assert "found a list: learners are a map of id to profile" in problem.text
