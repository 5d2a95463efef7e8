"""A text that somebody wrote, as a draft to be improved: what is ordered, and what became of its findings. Pure.

improvement_of(program, message, language) ─> DraftOrder, whose fallback is the text itself
written_of(program, order) ─> the text as it stands ─ look_at ─> findings ─> the writer is told them
cannot_improve(text) ─> why a writer cannot write such a text: it has parts that no draft may have
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from journeys.drafting.checks.base import NO_HOUSE_RULES, Finding, House, as_read, words_of
from journeys.drafting.findings import look_at
from journeys.drafting.order import LINK, MOST_WORDS, DraftOrder, DraftText, order_for
from journeys.program import Draft, Message, Program
from journeys.templates import check

KEEP = (
    "Write the text that goes out where there is no draft anew, so that what was found wrong with it is gone. "
    "Keep what it says, for whom, and its placeholders; add nothing."
)
"""The brief of an improvement."""

REWORD = (
    "Say what the text that goes out where there is no draft says, to the same readers, in words of your own. "
    "Keep its facts and its placeholders; add nothing."
)
"""The brief for a message that has none of its own, where another text is wanted for it."""

_BLOCK = re.compile(r"\{%|\{#")
_FILTERED = re.compile(r"\{\{[^{}]*\|(?!\s*(?:date|capitalize|lower|title|trim|upper)\s*[|}])[^{}]*\}\}")


def improvement_of(program: Program, message: str, *, language: str | None) -> DraftOrder | None:
    """The order for an improvement of the text that a message has of its own; None where it has none."""
    found = program.messages.get(message)
    if found is None or found.body is None:
        return None
    given = found.draft
    brief = KEEP if given is None else f"{KEEP} What it is for: {given.brief}"
    return _ordered(program, found, brief, language)


def rewording_of(program: Program, message: str, *, language: str | None) -> DraftOrder | None:
    """The order for another text of a message that has no `draft:`; None where it has no text either."""
    found = program.messages.get(message)
    return None if found is None or found.body is None else _ordered(program, found, REWORD, language)


def _ordered(program: Program, message: Message, brief: str, language: str | None) -> DraftOrder | None:
    given = message.draft or Draft(brief)
    uses = tuple(dict.fromkeys((*given.uses, *_variables(message, language))))
    most = given.max_words or _as_long_as(message, language)
    draft = replace(given, brief=brief, max_words=most, uses=uses, per=None)
    drafted = replace(program, messages={**program.messages, message.name: replace(message, draft=draft)})
    return order_for(drafted, message.name, language=language, value=None)


def written_of(order: DraftOrder, *, title: str) -> DraftText:
    """The text as it stands; a message without a subject goes out with the journey's title."""
    return DraftText(order.fallback.subject or title, order.fallback.body or "")


def findings_of_written(text: DraftText, order: DraftOrder, house: House = NO_HOUSE_RULES) -> tuple[Finding, ...]:
    """What is wrong with a text that a person wrote: she may use all of a template, and a writer may not."""
    found = look_at(text, order, house)
    if cannot_improve(text) is None:
        return found
    return tuple(finding for finding in found if finding.check not in ("markup", "placeholders"))


def cannot_improve(text: DraftText) -> str | None:
    """Why no writer can write a text like this one, or None: a draft has plain placeholders alone."""
    whole = f"{text.subject}\n{text.body}"
    if _BLOCK.search(whole):
        return "it has parts in {% ... %}, which no draft may have"
    return "it has a placeholder with a default, which no draft may have" if _FILTERED.search(whole) else None


def gone(before: Sequence[Finding], after: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that a text had and another has not."""
    return tuple(finding for finding in before if finding not in after)


def _as_long_as(message: Message, language: str | None) -> int | None:
    """The words of the text that a person wrote, where she took more than a writer may: what she wants is long."""
    theirs = message.languages.get(language) if language is not None else None
    count = len(words_of(as_read((theirs and theirs.body) or message.body or "")))
    return count if count > MOST_WORDS else None


def _variables(message: Message, language: str | None) -> tuple[str, ...]:
    """What the text in a language prints."""
    theirs = message.languages.get(language) if language is not None else None
    subject = (theirs and theirs.subject) or message.subject or ""
    body = (theirs and theirs.body) or message.body or ""
    names = (variable.name for text in (subject, body) for variable in check(text).variables)
    return tuple(dict.fromkeys(name for name in names if name != LINK))
