"""What a check is, what it looks at, and the register of all checks. Pure.

    DraftText, DraftOrder ─> Look: the text as read, the facts it may use ─> each check ─> Findings

A check is one function in one file of this folder. It never raises, whatever the text is, and takes less than 5 ms for
500 words. Facts are what the author of the journey wrote: brief, tone, fallback, label of the link, and the value of
`per`; never the text itself.
"""

import inspect
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from journeys.drafting.order import PLACEHOLDER, DraftOrder, DraftText
from journeys.drafting.tongues import detect, primary
from journeys.events import Json

Severity = Literal["hard", "soft"]

LONGEST_QUOTE = 120
"""How much of a text a finding quotes, in characters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a drafted text. `hard`: it goes back to the model; `soft`: a person should look.

    `detail` says what is wrong and what to do about it, `quote` is the place in the text's own words.
    """

    check: str
    severity: Severity
    detail: str
    quote: str | None = None

    @property
    def is_hard(self) -> bool:
        """Whether the draft goes back to the model."""
        return self.severity == "hard"

    def to_json(self) -> dict[str, Json]:
        """The finding as it is stored and shown."""
        return {"check": self.check, "severity": self.severity, "detail": self.detail, "quote": self.quote}


@dataclass(frozen=True, slots=True)
class House:
    """What a firm forbids in its texts, over all orders: words and phrases, matched as whole words in any case."""

    forbidden: tuple[str, ...] = ()


NO_HOUSE_RULES = House()

LEAST_TO_TELL = 4
"""How many words a text needs at least before its language is told from it."""

BLANK = "▢"
"""What stands for a placeholder in texts that are only read."""

_WORD = re.compile(r"[^\W_]+(?:[-'’&./][^\W_]+)*|" + BLANK)
_SENTENCE_END = re.compile(r"(?<=[.!?:…])[\"'”»)]*\s+|\n\s*")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‑": "-"})
_MARKS = re.compile(r"\*+|(?<!\w)_+|_+(?!\w)|`+")


@dataclass(frozen=True)
class Look:
    """One text under examination, with what several checks want to know of it."""

    text: DraftText
    order: DraftOrder
    house: House = NO_HOUSE_RULES

    @cached_property
    def raw(self) -> str:
        """Subject and body as they were written."""
        return f"{self.text.subject}\n{self.text.body}"

    @cached_property
    def subject(self) -> str:
        """The subject as it is read."""
        return as_read(self.text.subject)

    @cached_property
    def body(self) -> str:
        """The body as it is read: no marks, plain quotes, a blank for each placeholder."""
        return as_read(self.text.body)

    @cached_property
    def prose(self) -> str:
        """Subject and body as they are read."""
        return f"{self.subject}\n{self.body}"

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The sentences and lines of the body."""
        return tuple(part.strip() for part in _SENTENCE_END.split(self.body) if part and part.strip())

    @cached_property
    def facts(self) -> str:
        """Everything that the text may say, as it is read."""
        order, fallback = self.order, self.order.fallback
        value = None if order.draft.is_per_learner else order.value
        label = None if fallback.link is None else fallback.link.label
        parts = (order.draft.brief, order.draft.tone, value, fallback.subject, fallback.body, label)
        return as_read("\n".join(part for part in (*parts, *fallback.channels.values()) if part))

    @cached_property
    def language(self) -> str | None:
        """The language that is wanted: the order's, or that of the fallback where the order names none and the fallback
        says enough to tell. Of three short words nobody knows, and a guess would be held against every text.
        """
        wanted = primary(self.order.language)
        if wanted is not None:
            return wanted
        fallback = self.order.fallback
        said = as_read(" ".join(part for part in (fallback.subject, fallback.body) if part)).replace(BLANK, " ")
        found = detect(said) if len(words_of(said)) >= LEAST_TO_TELL else None
        return found[0] if found is not None and found[1] else None

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The language that is wanted, and the one that the text seems to be in."""
        found = detect(self.prose)
        return tuple(dict.fromkeys(one for one in (self.language, found and found[0]) if one))


def as_read(text: str) -> str:
    """A text as people read it: marks and what nobody sees taken off, one form for each character."""
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", PLACEHOLDER.sub(f" {BLANK} ", text)))
    return _MARKS.sub("", seen.translate(_STRAIGHT))


def words_of(text: str) -> list[str]:
    """The words of a text; a placeholder counts as one."""
    return _WORD.findall(text)


def quoted(text: str) -> str:
    """A place of a text, short enough to quote."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"


# --- the register -------------------------------------------------------------------------------------------------

Check = Callable[[Look], Iterable[Finding]]

CHECKS: dict[str, Check] = {}
"""Every check by its name; filled by `check`, complete once `journeys.drafting.checks` is imported."""


WORDS_OF: dict[str, frozenset[str]] = {}
"""The languages of which a check has words, by its name, for each check that goes by words; filled with `CHECKS`."""


def check(name: str, *, languages: Iterable[str] | None = None) -> Callable[[Check], Check]:
    """Register a check under its name; a second one of the same name is an error that names both files. `languages` are
    those of which it has words, where it goes by words.
    """

    def register(function: Check) -> Check:
        other = CHECKS.get(name)
        if other is not None:
            raise TypeError(
                f"check {name!r} is defined twice: in {inspect.getfile(other)} and {inspect.getfile(function)}"
            )
        CHECKS[name] = function
        if languages is not None:
            WORDS_OF[name] = frozenset(languages)
        return function

    return register


# --- things that several languages say in their own words ---------------------------------------------------------


class Phrases:
    """Ideas and the patterns by which each language says them: idea -> language -> pattern. Matched as whole words,
    in any case, in texts as they are read.
    """

    def __init__(self, said: Mapping[str, Mapping[str, str]]) -> None:
        self._ideas = tuple(said)
        languages = dict.fromkeys(language for patterns in said.values() for language in patterns)
        self._patterns = {language: self._compiled(said, language) for language in languages}

    def _compiled(self, said: Mapping[str, Mapping[str, str]], language: str) -> re.Pattern[str]:
        """One pattern for a language, so that a text is read once; a group for each idea, named by its number."""
        own = ((number, said[idea].get(language)) for number, idea in enumerate(self._ideas))
        groups = "|".join(f"(?P<idea{number}>{pattern})" for number, pattern in own if pattern is not None)
        return re.compile(rf"(?<!\w)(?:{groups})(?!\w)", re.IGNORECASE)

    @property
    def languages(self) -> frozenset[str]:
        """The languages in which it knows them."""
        return frozenset(self._patterns)

    def find(self, text: str, languages: Sequence[str]) -> Iterator[tuple[str, re.Match[str]]]:
        """The ideas that a text holds in these languages, each with its place. In one that it does not know there
        are none, and `journeys.drafting.covering` says so.
        """
        for language in languages:
            if language in self._patterns:
                for match in self._patterns[language].finditer(text):
                    yield self._ideas[int(str(match.lastgroup)[4:])], match

    def ideas(self, text: str) -> frozenset[str]:
        """The ideas that a text holds in any language."""
        return frozenset(idea for idea, _ in self.find(text, tuple(self._patterns)))
