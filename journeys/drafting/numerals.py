"""Numbers in a text, in digits and in the words of English, German, French and Spanish. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "de", "fr", "es")
"""The languages whose number words are known."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number that a text says: its value as plain digits, its place, and whether a word says it.

    `is_measure`: what follows the word is a unit of time, money or share.
    """

    value: str
    quote: str
    is_word: bool = False
    is_measure: bool = False


_DATE = r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})?(?!\d)"
DATE = re.compile(rf"(?<![\w.]){_DATE}")
"""A date in digits."""

_DIGITS = re.compile(r"\d+(?:[.,'\u202f ]\d{3}(?!\d)|[.,:]\d+){0,8}")
_ORDER = re.compile(
    r"^[ \t]*\d{1,2}[.)][ \t]|\b1\s?(?::|-|-to-|-zu-|-on-| to | zu | on )\s?1\b", re.MULTILINE | re.IGNORECASE
)
"""What is no fact: the number of a point in a list, and one to one."""
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_UNIT = re.compile(
    r"[\s-]*(?:more |further |weitere[nr]? |autres |más )?"
    r"(?:%|€|\$|£|percent|prozent|pour cent|por ciento|euros?|dollars?|pounds?"
    r"|(?:working |business |arbeits|work|jours? ouvr)?"
    r"(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|quarters?|sekunden?|minuten?|stunden?|tagen?"
    r"|tage?|wochen?"
    r"|monaten?|monate?|jahren?|jahre?|secondes?|heures?|jours?|semaines?|mois|ans?|années?|segundos?|minutos?|horas?"
    r"|días?|semanas?|mes(?:es)?|años?|times|mal|fois|veces))(?!\w)",
    re.IGNORECASE,
)


def numbers_in(text: str, *languages: str | None) -> Iterator[Number]:
    """The numbers of a text: those in digits, and those in the words of these languages where they are known."""
    bare = _ORDER.sub(_blank, DATE.sub(_blank, text))
    for match in _DIGITS.finditer(bare):
        for value in _values(match[0]):
            yield Number(value, text[match.start() : match.end() + 15].strip())
    known = [_WORDS[language] for language in languages if language is not None and language in _WORDS]
    if not known:
        return
    for match in _PHRASES.finditer(bare):
        yield Number(str(match.lastgroup)[1:], match[0], is_word=True, is_measure=True)
    joined = _JOINED.sub(r"\1-\2-\3", bare)
    for match in _WORD.finditer(joined):
        for words in known:
            value, is_measure = _said(match[0].lower(), words)
            if value is not None:
                after = is_measure or _is_measure(joined, match.end())
                yield Number(value, joined[match.start() : match.end() + 15].strip(), is_word=True, is_measure=after)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _is_measure(text: str, end: int) -> bool:
    return _UNIT.match(text, end) is not None


def _values(digits: str) -> Iterator[str]:
    """`1,000` and `1.000` and `1 000` are a thousand, `2,5` and `2.5` two and a half; others are several."""
    if re.fullmatch(r"\d{1,3}(?:[.,'\u202f ]\d{3})+", digits):
        yield re.sub(r"\D", "", digits)
    elif re.fullmatch(r"\d+[.,]\d+", digits):
        yield digits.replace(",", ".")
    else:
        yield from (part.lstrip("0") or "0" for part in re.findall(r"\d+", digits))


def _said(word: str, words: Mapping[str, int]) -> tuple[str | None, bool]:
    """The value of a number word, also at the head of a compound (`ten-minute`, `zehnminütig`)."""
    if word in words:
        return str(words[word]), False
    head, _, rest = word.partition("-")
    if rest and head in words:
        return str(words[head]), _UNIT.match(rest) is not None
    compound = _COMPOUND.match(word)
    if compound and compound[1] in words:
        return str(words[compound[1]]), True
    return None, False


_COMPOUND = re.compile(r"(\w+?)(?:minüt|stünd|täg|wöch|monat|jähr|fach|mal|prozent)\w*$")
_JOINED = re.compile(r"\b(treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa) (y) (\w+)\b", re.IGNORECASE)
_PHRASES = re.compile(
    r"(?<!\w)(?:(?P<v30>half[ -]an?[ -]hour|half-hour|halbe[nr]? Stunde|demi-heure|media hora)"
    r"|(?P<v15>quarter of an hour|Viertelstunde|quart d'heure|cuarto de hora)"
    r"|(?P<v12>a dozen|dozens|(?:ein )?Dutzend|douzaine|docenas?))(?!\w)",
    re.IGNORECASE,
)


# --- the words ----------------------------------------------------------------------------------------------------


def _english() -> dict[str, int]:
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    low = (
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen"
    )
    words = {word: number for number, word in enumerate(low.split(), 2)}
    ones = {"one": 1, **{word: number for word, number in words.items() if number < 10}}
    for ten, word in enumerate(tens.split(), 2):
        words[word] = ten * 10
        words.update({f"{word}-{one}": ten * 10 + number for one, number in ones.items()})
    return {**words, "hundred": 100, "thousand": 1_000, "million": 1_000_000, "twice": 2}


def _german() -> dict[str, int]:
    tens = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
    low = (
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
        "achtzehn neunzehn"
    )
    words = {word: number for number, word in enumerate(low.split(), 2)}
    ones = {"ein": 1, **{word: number for word, number in words.items() if number < 10}}
    for ten, word in enumerate(tens.split(), 2):
        words[word] = ten * 10
        words.update({f"{one}und{word}": ten * 10 + number for one, number in ones.items()})
    swiss = {word.replace("ß", "ss"): number for word, number in words.items()}
    return {**swiss, **words, "hundert": 100, "tausend": 1_000, "million": 1_000_000, "zweimal": 2}


def _french() -> dict[str, int]:
    low = (
        "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
        "dix-neuf"
    )
    words = {word: number for number, word in enumerate(low.split(), 2)}
    teens = {"un": 1, "et-un": 1, **{word: number for word, number in words.items() if number < 20}}
    for ten, word in (
        (2, "vingt"),
        (3, "trente"),
        (4, "quarante"),
        (5, "cinquante"),
        (6, "soixante"),
        (8, "quatre-vingt"),
    ):
        words[word] = ten * 10
        words.update(
            {f"{word}-{one}": ten * 10 + number for one, number in teens.items() if number < 10 or ten in (6, 8)}
        )
    return {**words, "quatre-vingts": 80, "cent": 100, "mille": 1_000, "million": 1_000_000}


def _spanish() -> dict[str, int]:
    tens = "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"
    low = (
        "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
        "dieciocho diecinueve"
    )
    words = {word: number for number, word in enumerate(low.split(), 2)}
    ones = {"uno": 1, **{word: number for word, number in words.items() if number < 10}}
    accents = {"dos": "dós", "tres": "trés", "seis": "séis"}
    words.update({f"veinti{accents.get(one, one)}": 20 + number for one, number in ones.items()})
    for ten, word in enumerate(tens.split(), 2):
        words[word] = ten * 10
        words.update({f"{word}-y-{one}": ten * 10 + number for one, number in ones.items()})
    return {**words, "cien": 100, "ciento": 100, "mil": 1_000, "millón": 1_000_000}


_WORDS: Mapping[str, Mapping[str, int]] = {
    "en": _english(),
    "de": _german(),
    "fr": _french(),
    "es": _spanish(),
}
