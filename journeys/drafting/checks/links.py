"""Links: only as `{{ link }}`, by itself; no address of a site, no e-mail address, no telephone number."""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, check, quoted
from journeys.drafting.order import LINK

_MARKDOWN = re.compile(
    r"!?\[[^\[\]\n]{0,200}\]\([^)\n]{0,400}\)|!?\[[^\[\]\n]{1,200}\]\[[^\[\]\n]{0,100}\]|^[ \t]*\[[^\[\]\n]{1,100}\]:",
    re.MULTILINE,
)
_ADDRESS = re.compile(
    r"\b(?:https?|ftp|mailto|tel|sms|javascript|data)\s?:\s?(?://)?[^\s<>\"]{2,300}"
    r"|\bwww\.[^\s<>\"]{2,200}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"|(?<![\w@.])(?:[a-z0-9-]{2,63}\.){1,4}"
    r"(?:com|org|net|io|de|fr|es|co|eu|ly|info|app|dev|uk|ch|at|edu|gov|me|ai|biz|cloud|example|local|internal"
    r"|intranet)"
    r"(?:/[^\s<>\"]{0,200})?(?![\w.]\w)",
    re.IGNORECASE,
)
_TELEPHONE = re.compile(r"(?<!\w)(?:\+\d{1,3}[ ()/.-]{0,2}|\(?0\d{1,4}\)?[ /-]{1,2})\d(?:[ ()/.-]{0,2}\d){5,12}(?!\w)")


@check("links")
def links(look: Look) -> Iterator[Finding]:
    """A link that is not `{{ link }}`: an address, an e-mail address, a telephone number, a Markdown link."""
    instead = (
        "write {{ link }} by itself" if LINK in look.order.placeholders else "this message has no link: take it out"
    )
    for match in _MARKDOWN.finditer(look.raw):
        yield Finding("links", "hard", f"a link in Markdown; {instead}", quoted(match[0]))
    seen = look.prose
    for match in _ADDRESS.finditer(seen):
        yield Finding("links", "hard", f"an address that nobody gave; {instead}", quoted(match[0]))
    for match in _TELEPHONE.finditer(seen):
        yield Finding("links", "hard", "a telephone number that nobody gave; take it out", quoted(match[0]))
