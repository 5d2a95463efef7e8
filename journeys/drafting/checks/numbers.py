"""Numbers: in digits or in words, none that the facts do not have, in whichever language the facts say it.

One is never judged in words, because it is also an article; two and three in words, where they count nothing that is
measured, are left to the person, because a text may count its own points.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, check, quoted
from journeys.drafting.numerals import LANGUAGES, numbers_in


@check("numbers", languages=LANGUAGES)
def numbers(look: Look) -> Iterator[Finding]:
    """A number, time, share or amount that the facts do not have."""
    known = {number.value for number in numbers_in(look.facts, *LANGUAGES)}
    if _ONE.search(look.facts):
        known.add("1")
    for number in numbers_in(look.prose, look.language):
        if number.value in known:
            continue
        known.add(number.value)  # told once
        if number.is_word and number.value in ("2", "3") and not number.is_measure:
            detail = "a number that the facts do not have; is it the text's own count?"
            yield Finding("numbers", "soft", detail, quoted(number.quote))
        else:
            detail = f"the facts do not have the number {number.value}; leave it out"
            yield Finding("numbers", "hard", detail, quoted(number.quote))


_ONE = re.compile(r"\b(?:one|eine?[nmrs]?|une?|una|uno)\b", re.IGNORECASE)
