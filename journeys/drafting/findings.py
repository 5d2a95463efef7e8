"""What is wrong with a drafted text: every check run over it, and over the languages of one message. Pure.

look_at(text, order) ─> findings      hard ones first; none: a person may approve it as it is
agree({language: text}) ─> findings   do all languages of a message say the same facts
"""

from collections.abc import Iterable, Iterator, Mapping

from journeys.drafting.agreeing import agree
from journeys.drafting.checks import CHECKS
from journeys.drafting.checks.base import NO_HOUSE_RULES, Finding, House, Look, Severity, quoted
from journeys.drafting.covering import uncovered
from journeys.drafting.order import DraftOrder, DraftText
from journeys.events import Json

__all__ = ["NO_HOUSE_RULES", "Finding", "House", "Severity", "agree", "finding_from_json", "has_hard", "look_at"]

LONGEST_TEXT = 20_000
"""A text beyond this, in characters, is not read at all."""


def look_at(text: DraftText, order: DraftOrder, house: House = NO_HOUSE_RULES) -> tuple[Finding, ...]:
    """Everything that is wrong with a text, hard findings first, the same thing once. Never raises."""
    if len(text.subject) + len(text.body) > LONGEST_TEXT:
        detail = f"the text has more than {LONGEST_TEXT} characters; write a short message"
        return (Finding("length", "hard", detail, quoted(text.body[:200])),)
    look = Look(text, order, house)
    found = dict.fromkeys(_all(look))
    return tuple(sorted(found, key=lambda finding: not finding.is_hard))


def _all(look: Look) -> Iterator[Finding]:
    for check in CHECKS.values():
        yield from check(look)
    yield from uncovered(look)


def has_hard(findings: Iterable[Finding]) -> bool:
    """Whether one of them sends the draft back to the model."""
    return any(finding.is_hard for finding in findings)


def finding_from_json(plain: Mapping[str, Json]) -> Finding:
    """The finding that this JSON is: the inverse of `Finding.to_json`."""
    quote = plain.get("quote")
    severity: Severity = "hard" if plain["severity"] == "hard" else "soft"
    return Finding(str(plain["check"]), severity, str(plain["detail"]), None if quote is None else str(quote))
