"""Placeholders: those that must be there are, none is invented, and each is written plainly.

Must be there: a placeholder that the brief names, and the link where the fallback's body has it. One that the fallback
has and the draft leaves out is pointed out to the person. Stand-ins of other kinds (`[Your name]`, `{name}`, `XX`)
count as invented.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, check, quoted
from journeys.drafting.order import LINK, PLACEHOLDER, PLAIN

_HALF = re.compile(r"\{\{|\}\}")
_STAND_IN = re.compile(
    r"\[(?![xX ]?\])[^\[\]\n]{1,60}\](?![(:\[])"  # [Your name], but no link and no ticked box
    r"|(?<!\{)\{(?![%#])[^{}\n]{1,60}\}(?!\})"  # {name}
    r"|<[A-ZÄÖÜÉÈ][\w äöüßéèñ]{1,40}>|<(?:insert|your|ihr|dein|votre|tu)\b[^>\n]{1,40}>"  # <Name>
    r"|%[A-Z_]{2,30}%|\$\{?[A-Za-z_]\w{1,30}\}?|\bX{2,}\b|_{3,}",
)


@check("placeholders")
def placeholders(look: Look) -> Iterator[Finding]:
    """A placeholder that is missing, invented, or not written as the order shows it."""
    allowed = look.order.placeholders
    shown = ", ".join(f"{{{{ {path} }}}}" for path in allowed) or "none"
    yield from _written(look, allowed, shown)
    rest = PLACEHOLDER.sub(" ", look.raw)
    for match in _HALF.finditer(rest):
        place = quoted(rest[max(match.start() - 20, 0) : match.end() + 20])
        yield Finding("placeholders", "hard", f"half a placeholder; write it whole, of these only: {shown}", place)
    for match in _STAND_IN.finditer(rest):
        detail = f"this is no placeholder of ours; take it out, or use one of these: {shown}"
        yield Finding("placeholders", "hard", detail, quoted(match[0]))
    yield from _missing(look, allowed)


def _written(look: Look, allowed: tuple[str, ...], shown: str) -> Iterator[Finding]:
    for match in PLACEHOLDER.finditer(look.raw):
        plain = PLAIN.fullmatch(match[1])
        if plain is None:
            detail = f"more than a name stands between the braces; use a placeholder as it is shown: {shown}"
            yield Finding("placeholders", "hard", detail, quoted(match[0]))
        elif plain[1] not in allowed:
            detail = f"there is no placeholder {plain[1]}; take it out, or use one of these: {shown}"
            yield Finding("placeholders", "hard", detail, quoted(match[0]))


def _missing(look: Look, allowed: tuple[str, ...]) -> Iterator[Finding]:
    brief, fallback = look.order.draft.brief, look.order.fallback
    there = paths_in(look.raw)
    printed = paths_in(f"{fallback.subject or ''}\n{fallback.body or ''}")
    for path in allowed:
        if path in there:
            continue
        is_named = path in paths_in(brief) or (path != LINK and re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", brief))
        if is_named or (path == LINK and path in printed):
            yield Finding("placeholders", "hard", f"{{{{ {path} }}}} is missing; put it where it belongs")
        elif path in printed:
            yield Finding(
                "placeholders", "soft", f"the fallback says {{{{ {path} }}}}, this text does not; is it needed?"
            )


def paths_in(template: str) -> frozenset[str]:
    """The placeholders of a text."""
    found = (PLAIN.fullmatch(match[1]) for match in PLACEHOLDER.finditer(template))
    return frozenset(plain[1] for plain in found if plain is not None)
