"""Reading level, where a formula is made for the language; a formula counts, it does not understand: always soft.

English: Flesch, A new readability yardstick, Journal of Applied Psychology 32 (1948): 206.835 - 1.015 W - 84.6 S.
German: Amstad, Wie verständlich sind unsere Zeitungen?, Zürich 1978: 180 - W - 58.5 S.
French: Kandel and Moles, Application de l'indice de Flesch à la langue française (1958): 207 - 1.015 W - 73.6 S.
Spanish: Fernández Huerta, Medidas sencillas de lecturabilidad (1959): 206.84 - 1.02 W - 60 S.
Swedish, Danish, Norwegian: Björnsson, Läsbarhet (1968): LIX = W + share of words of more than six letters, in per cent.

W: words in a sentence, S: syllables in a word, counted as groups of vowels. Under 30 words it is not judged.
"""

import re
from collections.abc import Iterator, Mapping

from journeys.drafting.checks.base import BLANK, Finding, Look, check, quoted, words_of

LEAST_WORDS = 30
"""The shortest text that a formula is asked about, in words."""

LEAST_EASE = 30.0
"""Below this a text is *very difficult*, in each author's own scale."""

MOST_LIX = 60.0
"""Above this a text is *very difficult*."""

LONGEST_SENTENCE = 35
"""Words of a sentence that can be taken in at one reading."""

_FLESCH: Mapping[str, tuple[float, float, float]] = {
    "en": (206.835, 1.015, 84.6),
    "de": (180.0, 1.0, 58.5),
    "fr": (207.0, 1.015, 73.6),
    "es": (206.84, 1.02, 60.0),
}
_LIX = frozenset({"sv", "da", "no"})
_VOWELS: Mapping[str, re.Pattern[str]] = {
    "en": re.compile(r"[aeiouy]+"),
    "de": re.compile(r"ei|ai|au|eu|äu|ie|[aeiouäöüy]"),
    "fr": re.compile(r"[aeiouyàâäéèêëîïôöùûüœæ]+"),
    "es": re.compile(r"[aeoáéíóú]?[iuü][aeoáéó]|[aeoáéó][iuüy](?![aeiouáéíóú])|[aeiouáéíóúü]"),
}
_SILENT: Mapping[str, re.Pattern[str]] = {
    "en": re.compile(r"(?<=[^aeiouylr])e$|(?<=[aeiouy][lr])e$|(?<=[^aeioutdy])ed$|(?<=[^aeiouysxz])es$"),
    "fr": re.compile(r"(?<=[^aeiouyéèêà])(?:e|es|ent)$"),
}


@check("reading", languages=_LIX | _FLESCH.keys())
def reading(look: Look) -> Iterator[Finding]:
    """A text that is very difficult to read, or a sentence too long to take in."""
    size, longest = max(((len(words_of(sentence)), sentence) for sentence in look.sentences), default=(0, ""))
    if size > LONGEST_SENTENCE:
        detail = f"a sentence of {size} words; make two or three of it"
        yield Finding("reading", "soft", detail, quoted(longest))
    found = difficulty(look.body, look.sentences, look.language)
    if found is not None:
        yield Finding("reading", "soft", f"{found}; shorter sentences, shorter words", quoted(longest))


def difficulty(text: str, sentences: tuple[str, ...], language: str | None) -> str | None:
    """Why a text is very difficult, by the formula for its language; None where it is not, or none applies."""
    words = [word for word in words_of(text.lower()) if word != BLANK and word[0].isalpha()]
    count = sum(1 for sentence in sentences if " " in sentence)
    if len(words) < LEAST_WORDS or not count:
        return None
    per_sentence = len(words) / count
    if language in _LIX:
        lix = per_sentence + 100 * sum(len(word) > 6 for word in words) / len(words)
        return f"very difficult to read (LIX {lix:.0f}, at most {MOST_LIX:.0f})" if lix > MOST_LIX else None
    formula = _FLESCH.get(language or "")
    if formula is None or language is None:
        return None
    constant, of_words, of_syllables = formula
    per_word = sum(syllables(word, language) for word in words) / len(words)
    ease = constant - of_words * per_sentence - of_syllables * per_word
    return f"very difficult to read ({ease:.0f}, at least {LEAST_EASE:.0f})" if ease < LEAST_EASE else None


def syllables(word: str, language: str) -> int:
    """About how many syllables a word has: its groups of vowels, less a silent ending."""
    silent = _SILENT.get(language)
    spoken = silent.sub("", word) if silent is not None else word
    return max(len(_VOWELS[language].findall(spoken)), 1)
