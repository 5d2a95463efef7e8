"""Links: only as `{{ link }}`, by itself; no address of a site, no e-mail address, no telephone number, and none made
with a placeholder.

Whatever ends as hosts of the internet do is taken for an address, however its dots are written; so are a file named
like one (`handout.zip`) and a small word that follows a full stop without a space, where hosts end in it (`done.so`).
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from journeys.drafting.checks.base import BLANK, Finding, Look, as_read, check, quoted
from journeys.drafting.hosts import DOT, hosts_in
from journeys.drafting.order import LINK, PLACEHOLDER

_MARKDOWN = re.compile(
    r"!?\[[^\[\]\n]{0,200}\]\([^)\n]{0,400}\)|!?\[[^\[\]\n]{1,200}\]\[[^\[\]\n]{0,100}\]|^[ \t]*\[[^\[\]\n]{1,100}\]:",
    re.MULTILINE,
)
_ADDRESS = re.compile(
    r"\b\w[\w+.-]{0,20}\s?:\s?//[^\s<>\"]{2,300}"
    r"|\b(?:h[tx]{2}ps?|ftp|mailto|tel|sms|javascript|vbscript)\s?:\s?[^\s<>\"]{2,300}"
    r"|\bdata\s?:\s?\w{1,20}/[^\s<>\"]{2,300}"
    r"|(?<![\w/])//(?=[\w\[])[^\s<>\"]{2,300}"
    r"|\bwww\.[^\s<>\"]{2,200}"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}",
    re.IGNORECASE,
)
_TELEPHONE = re.compile(r"(?<!\w)(?:\+\d{1,3}[ ()/.-]{0,2}|\(?0\d{1,4}\)?[ /-]{1,2})\d(?:[ ()/.-]{0,2}\d){5,12}(?!\w)")

_LINK, _OTHER = "\ue000", "\ue001"
_STANDS = re.compile(f"[{_LINK}{_OTHER}]")
"""What stands for a placeholder where it matters what it touches; nobody has given these characters a meaning."""

_ALONE = re.compile(
    rf"(?<![^\s(\[{{\"'«‹<¿¡]){_LINK}(?=[)\]}}\"'»›>]{{0,3}}[.,;:!?。]{{0,4}}[)\]}}\"'»›>]{{0,3}}(?:\s|\Z))"
)
_GLUED = re.compile(
    rf"[@/]{_OTHER}|\w{DOT}(?<!。){_OTHER}|[a-z\d]。{_OTHER}|{_OTHER}(?:@|:?/|{DOT}(?<!。)\w|。[a-z\d])", re.IGNORECASE
)
"""The full stop of Chinese and Japanese joins nothing there: no space is written behind it."""

_BESIDE = 30
"""How many characters beside such a place are quoted at the most."""

_IGNORED = re.compile("[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0000-\U000e0fff]")
"""What nobody sees and no address has, beyond what is taken off every text."""
_BLOCK = re.compile(r"\{%.{0,200}?%\}|\{#.{0,200}?#\}", re.DOTALL)
"""What a person may write and a writer may not: `{% if learner.team %}` is no host."""
_ESCAPE = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_APART = re.compile(r"[–—]|(?<=：)")
"""Where a space is read: a long dash is in no address, and behind a colon of full width no space is written."""


@check("links")
def links(look: Look) -> Iterator[Finding]:
    """A link that is not `{{ link }}` by itself: an address, also one made with a placeholder, an e-mail address, a
    telephone number, a Markdown link.
    """
    instead = (
        "write {{ link }} by itself" if LINK in look.order.placeholders else "this message has no link: take it out"
    )
    for match in _MARKDOWN.finditer(look.raw):
        yield Finding("links", "hard", f"a link in Markdown; {instead}", quoted(match[0]))
    for place in _addresses(_plain(look.raw)):
        yield Finding("links", "hard", f"an address that nobody gave; {instead}", quoted(place))
    for place in _touching(look.raw):
        detail = "a placeholder joined to what stands beside it may lead elsewhere; put a space around it"
        yield Finding("links", "hard", detail, quoted(place))
    for match in _TELEPHONE.finditer(look.prose):
        yield Finding("links", "hard", "a telephone number that nobody gave; take it out", quoted(match[0]))


def _plain(text: str) -> str:
    """The text as it is read, without blocks of a template and what Markdown takes off before it is shown."""
    shown = _ESCAPE.sub("", _IGNORED.sub("", _BLOCK.sub(" ", text)))
    return as_read(_APART.sub(" ", shown))


def _addresses(seen: str) -> Iterator[str]:
    """The addresses in a text, each once."""
    end = -1
    written = ((match.start(), match[0]) for match in _ADDRESS.finditer(seen))
    for start, place in sorted(chain(written, hosts_in(seen)), key=lambda found: (found[0], -len(found[1]))):
        if start >= end:
            yield place
            end = start + len(place)


def _touching(raw: str) -> Iterator[str]:
    """Where the link is not by itself, or another placeholder is joined to what makes an address of it."""
    written = (match[0] for match in PLACEHOLDER.finditer(raw))
    seen = _plain(PLACEHOLDER.sub(_standing, _STANDS.sub(" ", raw)))
    names = {match.start(): next(written, BLANK) for match in _STANDS.finditer(seen)}
    alone = {match.start() for match in _ALONE.finditer(seen)}
    for match in re.finditer(_LINK, seen):
        if match.start() not in alone:
            yield _around(seen, match, names)
    for match in _GLUED.finditer(seen):
        yield _around(seen, match, names)


def _standing(match: re.Match[str]) -> str:
    return _LINK if match[1].partition("|")[0].strip() == LINK else _OTHER


def _around(seen: str, place: re.Match[str], names: Mapping[int, str]) -> str:
    """The word around a place, as far as it is quoted, with the placeholders as they were written."""
    first, last = max(place.start() - _BESIDE, 0), place.end() + _BESIDE
    start = max(first, *(seen.rfind(gap, first, place.start()) + 1 for gap in (" ", "\n")))
    ends = (seen.find(gap, place.end(), last) for gap in (" ", "\n"))
    end = min((at for at in ends if at >= 0), default=last)
    return "".join(names.get(at, letter) for at, letter in enumerate(seen[start:end], start))
