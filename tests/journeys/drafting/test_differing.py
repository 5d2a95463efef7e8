"""Whether alternatives of one message differ."""

import pytest

from journeys.drafting.differing import likeness, too_alike
from journeys.drafting.order import DraftText

FIRST = DraftText("Your course", "The first lesson takes ten minutes. Start when it suits you. {{ link }}")


@pytest.mark.parametrize(
    ("subject", "body", "found"),
    [
        ("Your course", "Something else altogether, in other words.", 1),
        ("YOUR  course", "Something else altogether, in other words.", 1),
        ("A step", FIRST.body, 1),
        ("A step", "The first lesson takes *ten* minutes: start when it suits you. {{ link }}", 1),
        ("Your course", FIRST.body, 2),
        ("A step", "Whenever you have ten minutes, the first lesson is there. {{ link }}", 0),
    ],
)
def test_a_text_that_is_nearly_another_is_found(subject: str, body: str, found: int) -> None:
    """By its subject, and by the order of its words; marks, case and placeholders make no difference."""
    findings = too_alike(DraftText(subject, body), [FIRST])
    assert found == len(findings)
    assert all(finding.is_hard and "alternative 1" in finding.detail for finding in findings)


def test_each_of_those_before_is_compared() -> None:
    """And named by its number."""
    other = DraftText("Another", "Nothing of this is the same as that.")
    assert ["alternative 2" in finding.detail for finding in too_alike(other, [FIRST, other])] == [True, True]
    assert () == too_alike(other, [])


def test_likeness_is_a_share() -> None:
    """From nothing in common to the same; texts without words are the same."""
    assert (1.0, 0.0, 1.0) == (likeness("one two", "One, two!"), likeness("one two", "three four"), likeness("", "..."))
