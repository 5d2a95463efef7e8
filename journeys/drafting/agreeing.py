"""Do all languages of one message say the same facts: placeholders, numbers, dates in digits, the link. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from journeys.drafting.checks.base import Finding, as_read
from journeys.drafting.checks.placeholders import paths_in
from journeys.drafting.numerals import DATE, LANGUAGES, numbers_in
from journeys.drafting.order import LINK, PLACEHOLDER, DraftText
from journeys.drafting.tongues import detect, primary

NAME = "agreement"
"""The check's name in findings."""


def agree(texts: Mapping[str | None, DraftText]) -> tuple[Finding, ...]:
    """Where the languages of one message say different facts; None is the message's own language. Never raises.

    The first text is what the others are compared with. Numbers in words are compared only among languages whose
    words are known; those in digits, among all.
    """
    if len(texts) < 2:
        return ()
    (first, text), *others = texts.items()
    return tuple(finding for tag, other in others for finding in _compared((first, text), (tag, other)))


_Told = tuple[str | None, DraftText]


def _compared(one: _Told, other: _Told) -> Iterator[Finding]:
    left, right = _whole(one[1]), _whole(other[1])
    yield from _differing("placeholder", one[0], other[0], _placeholders(left), _placeholders(right))
    tongues = [_tongue(tag, text) for tag, text in ((one[0], left), (other[0], right))]
    words = all(tongue in LANGUAGES for tongue in tongues)
    mine, theirs = (
        _numbers(text, tongue if words else None) for text, tongue in zip((left, right), tongues, strict=True)
    )
    yield from _differing("number", one[0], other[0], mine, theirs)


def _differing(
    what: str, one: str | None, other: str | None, mine: Sequence[str], theirs: Sequence[str]
) -> Iterator[Finding]:
    for value in dict.fromkeys((*mine, *theirs)):
        if (value in mine) != (value in theirs):
            has, lacks = (one, other) if value in mine else (other, one)
            kind = "link" if value == f"{{{{ {LINK} }}}}" else what
            detail = f"{_called(has)} has the {kind} {value}, {_called(lacks)} has not; all languages say the same"
            yield Finding(NAME, "hard", detail, value)


def _called(tag: str | None) -> str:
    return "the message's own language" if tag is None else f"the language {tag!r}"


def _whole(text: DraftText) -> str:
    return f"{text.subject}\n{text.body}"


def _placeholders(text: str) -> Sequence[str]:
    return sorted(f"{{{{ {path} }}}}" for path in paths_in(text))


def _tongue(tag: str | None, text: str) -> str | None:
    if tag is not None:
        return primary(tag)
    found = detect(as_read(PLACEHOLDER.sub(" ", text)))
    return None if found is None else found[0]


def _numbers(text: str, language: str | None) -> Sequence[str]:
    """Its numbers and dates in digits; two and three in words are left out, as the check of numbers does."""
    read = as_read(text)
    found = {number.value for number in numbers_in(read, language) if not (number.is_word and number.value in "23")}
    measured = {number.value for number in numbers_in(read, language) if number.is_measure}
    return sorted({*found, *measured, *(match[0] for match in DATE.finditer(read))} - {"1"})
