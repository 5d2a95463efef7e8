"""Tone: no word that the firm forbids, and what brief or tone forbid themselves: exclamation marks, emoji."""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, check, quoted

_NO = (
    r"(?:no|without|avoid|never|do not use|don't use|keine?|ohne|pas d[e']|sans|aucune?|sin|ning[uú]n|no uses?|evita)"
    r"\s*(?:any |points? d'|signos? de |puntos de )?"
)
_NO_EXCLAMATION = re.compile(
    _NO + r"(?:exclamation (?:marks?|points?)|ausrufe?zeichen|exclamations?|exclamación)", re.IGNORECASE
)
_NO_EMOJI = re.compile(_NO + r"(?:emojis?|emoticons?|smileys?|émojis?|émoticônes?|emoticonos?)", re.IGNORECASE)
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a-\u23f3\ufe0f]+|(?<!\\w)[:;]-?[)D(P](?!\\w)")


@check("tone")
def tone(look: Look) -> Iterator[Finding]:
    """A word that the firm forbids, or a mark that brief or tone forbid."""
    wishes = f"{look.order.draft.brief}\n{look.order.draft.tone or ''}".replace("’", "'")
    if _NO_EXCLAMATION.search(wishes):
        for match in re.finditer(r"[!¡]", look.prose):
            place = quoted(look.prose[max(match.start() - 30, 0) : match.end()])
            yield Finding("tone", "hard", "no exclamation marks are wanted; end with a full stop", place)
    if _NO_EMOJI.search(wishes):
        for match in _EMOJI.finditer(look.prose):
            yield Finding("tone", "hard", "no emoji are wanted; take it out", quoted(match[0]))
    for word in filter(None, (word.strip() for word in look.house.forbidden)):
        pattern = r"\s+".join(re.escape(part) for part in word.split())
        for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", look.prose, re.IGNORECASE):
            yield Finding("tone", "hard", f"the firm does not write {word!r}; say it otherwise", quoted(match[0]))
