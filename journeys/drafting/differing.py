"""Do alternatives of one message really differ: in their subjects, and in the words of their bodies. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from journeys.drafting.checks.base import BLANK, Finding, as_read, quoted, words_of
from journeys.drafting.order import DraftText

NAME = "alternatives"
"""The check's name in findings."""

MOST_ALIKE = 0.5
"""The share of pairs of words that two bodies may have in common: Dice's coefficient, 0 to 1."""


def too_alike(text: DraftText, others: Sequence[DraftText]) -> tuple[Finding, ...]:
    """Where a text is nearly one of those that are there already, in their order from 1. Never raises."""
    return tuple(finding for number, other in enumerate(others, start=1) for finding in _compared(text, other, number))


def _compared(text: DraftText, other: DraftText, number: int) -> Iterator[Finding]:
    if _words(text.subject) == _words(other.subject):
        detail = f"the subject is that of alternative {number}; write another"
        yield Finding(NAME, "hard", detail, quoted(text.subject))
    share = likeness(text.body, other.body)
    if share > MOST_ALIKE:
        detail = (
            f"the body has {share:.0%} of its words in the order of alternative {number}; "
            "begin in another way, and say it in other words"
        )
        yield Finding(NAME, "hard", detail, quoted(text.body))


def likeness(one: str, other: str) -> float:
    """How much of two texts is the same, 0 to 1: the pairs of neighbouring words that both have."""
    mine, theirs = _pairs(one), _pairs(other)
    size = mine.total() + theirs.total()
    return 1.0 if size == 0 else 2 * (mine & theirs).total() / size


def _pairs(text: str) -> Counter[tuple[str, str]]:
    words = ["", *_words(text), ""]
    return Counter(pairwise(words)) if len(words) > 2 else Counter()


def _words(text: str) -> list[str]:
    return [word.casefold() for word in words_of(as_read(text)) if word != BLANK]
