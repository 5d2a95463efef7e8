"""What a value of `per` says of the learner whose value it is."""

import pytest

from journeys.drafting.personal import personal_in
from journeys.expressions import Facts

ANNA = Facts(
    learner={
        "id": "emp-4711", "given_name": "Anna", "family_name": "van der Berg", "email": "anna@example.org",
        "phone": "+436601234567", "manager": "emp-0001", "slack_id": "U024BE7LH", "teams_id": None, "role": "Nurse",
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("Anna", "learner.given_name"),
        ("for anna, who begins", "learner.given_name"),
        ("Ask Van der Berg", "learner.family_name"),
        ("emp-4711", "learner.id"),
        ("of emp-0001's team", "learner.manager"),
        ("ANNA@EXAMPLE.ORG", "learner.given_name"),
        ("call +43 660 1234567", "learner.phone"),
        ("<@U024BE7LH>", "learner.slack_id"),
        ("write to somebody@example.org", "an address"),
    ],
)
def test_what_says_who_she_is(value: str, field: str) -> None:
    """However it is written, and whatever stands around it."""
    assert field == personal_in(value, ANNA)


@pytest.mark.parametrize(
    "value", ["Nurse", "Annabelle's ward", "emp-47110", "1234567", "bed 12 @ ward 3", "", "véhicule"]
)
def test_what_says_nothing_of_her(value: str) -> None:
    """Neither a part of a word nor a part of a number."""
    assert personal_in(value, ANNA) is None


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    """Also where a name is empty, or one letter."""
    of = Facts(learner={"id": "12", "given_name": "", "family_name": "A"})
    assert personal_in("A Nurse of ward 12", of) is None
    assert "learner.id" == personal_in("12", of)
