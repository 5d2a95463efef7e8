"""Language: the whole text is in the one that is asked for, and so is each longer sentence.

Where the detector does not know the language that is asked for, nothing is said.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import BLANK, Finding, Look, check, quoted, words_of
from journeys.drafting.tongues import KNOWN, are_alike, detect

_QUOTED = re.compile(r"\"[^\"\n]{1,80}\"|«[^»\n]{1,80}»")
_LEAST_WORDS, _LEAST_IN_SENTENCE = 4, 7


@check("language")
def language(look: Look) -> Iterator[Finding]:
    """A text, or a sentence of it, that is in another language than the one that is asked for."""
    wanted = look.language
    if wanted is None or wanted not in KNOWN:
        return
    names = {word for word in words_of(look.facts) if word[0].isupper()}
    found = _told(look.prose, wanted, names, _LEAST_WORDS)
    if found is not None:
        detail = f"the text is in {found!r}, {wanted!r} is asked for; write all of it in {wanted!r}"
        yield Finding("language", "hard", detail, quoted(look.body))
        return
    for sentence in (look.subject, *look.sentences[:200]):
        found = _told(sentence, wanted, names, _LEAST_IN_SENTENCE)
        if found is not None:
            detail = f"this sentence is in {found!r}; write it in {wanted!r}"
            yield Finding("language", "hard", detail, quoted(sentence))


def _told(text: str, wanted: str, names: set[str], least: int) -> str | None:
    """The language of a text, where it is surely another one; quotations and names that the facts have are left out."""
    words = [word for word in words_of(_QUOTED.sub(" ", text)) if word != BLANK and word not in names]
    bare = " ".join(words)
    if len(words) < least and not _is_of_one_script(bare):
        return None
    found = detect(bare)
    return None if found is None or not found[1] or are_alike(found[0], wanted) else found[0]


def _is_of_one_script(text: str) -> bool:
    """Whether the letters alone say the language: words are not counted where none are written apart."""
    return len(re.findall(r"[\u0370-\uffef]", text)) >= 6
