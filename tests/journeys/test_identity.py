"""Ids: the same again for the same names, different for any others, and silent about a learner."""

import re

from hypothesis import given
from hypothesis import strategies as st

from journeys.identity import delivery_id, enrolment_id, learner_id

SECRET = "a secret of the tests"


def test_an_id_is_the_same_again() -> None:
    """What was made yesterday is found today; a change here loses every learner."""
    assert "lrn-26d6a40dfa793e8918f3ad60f81377da" == learner_id(SECRET, "ada")
    assert "enr-1d5297c4ee64036939a9c910237023d2" == enrolment_id("first-time-manager", "lrn-1", "P1", 0)
    assert "dlv-870e44546ac78ef0cca6b4f5ce9684aa" == delivery_id("enr-1", "welcome", 1, 0)


def test_a_learners_id_needs_the_secret() -> None:
    """Who does not hold the secret cannot tell whose id it is."""
    assert learner_id(SECRET, "ada") != learner_id("another secret of the tests", "ada")


@given(st.text(), st.text())
def test_ids_are_plain_whatever_names_they_are_made_of(journey: str, key: str) -> None:
    """They go into URLs, headers, workflow ids and Message-IDs as they are."""
    assert re.fullmatch(r"lrn-[0-9a-f]{32}", learner_id(SECRET, key))
    assert re.fullmatch(r"enr-[0-9a-f]{32}", enrolment_id(journey, "l", key, 3))
    assert re.fullmatch(r"dlv-[0-9a-f]{32}", delivery_id("e", key, 1, 0))


def test_parts_do_not_run_together() -> None:
    """Other names never make the same id because their letters stand in the same order."""
    assert enrolment_id("ab", "c", "", 0) != enrolment_id("a", "bc", "", 0)
    assert delivery_id("e", "n1", 1, 0) != delivery_id("e", "n", 11, 0)
