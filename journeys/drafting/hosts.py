"""Which words of a text are hosts: the only importer of `publicsuffixlist`, whose list of all endings that there are
ships in its package. Pure, never raises.

A host is labels with dots between them whose last one is an ending: `waymark-login.xyz`, `bücher.example.みんな`. Where
a text forgets the space behind a full stop, the next word may be an ending as well, for `so`, `it` and `am` are some:
one with a capital, as a sentence begins, is taken for a word, and so is one behind single letters or digits (`z.B.in`,
`5.am`); any other is taken for an ending. A file whose name ends like a host (`handout.zip`) is taken for one, too, as
mail programs do.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

PRIVATE = frozenset({"corp", "example", "internal", "intranet", "lan", "local", "localhost"})
"""Endings that are on no list, and lead somewhere inside a firm."""

NO_WORDS = frozenset({"biz", "cn", "com", "edu", "gov", "net", "org", "ru", "uk", "xyz"})
"""Endings that no language at hand has as a word: recognised where others would be taken for one."""

DOT = r"(?:[.。]|[ ]?[\[({<][ ]?(?:[.。]|dot|punkt|point|punto)[ ]?[\])}>][ ]?)"
"""A dot, also as it is written to be overlooked: `[.]`, `(dot)`."""

_LETTER = r"\w\u0300-\u036f\u0900-\u0963\u0966-\u0dff-"
_LABEL = rf"[{_LETTER}]++"
_HOST = re.compile(
    rf"(?<![{_LETTER}])(?P<host>{_LABEL}(?:{DOT}{_LABEL})++)(?P<more>(?::\d{{2,5}})?/[^\s<>\"]{{0,200}}|:\d{{2,5}}(?!\w))?",
    re.IGNORECASE,
)
_SPACED = re.compile(
    rf"(?<![{_LETTER}]){_LABEL}(?:(?P<around>[ \t]{{1,3}}[.。][ \t]{{1,3}})|(?P<before>[ \t]{{1,3}}[.。])"
    rf"|(?P<behind>[.。][ \t]{{1,3}})|(?P<said>[ \t]{{1,3}}(?:dot|punkt|point|punto)[ \t]{{1,3}}))"
    rf"(?=(?P<ending>{_LABEL}))",
    re.IGNORECASE,
)
_SIX = re.compile(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE)
_HERE = re.compile(r"\blocalhost\b", re.IGNORECASE)
_BETWEEN = re.compile(DOT, re.IGNORECASE)

_TOLD_BY = 8
"""By how many labels before an ending it is told whether they are words: of more, a text may have thousands."""


def hosts_in(text: str) -> Iterator[tuple[int, str]]:
    """The hosts in a text as it is read, by name or by number, with what follows: where each begins, and its words."""
    for match in _HOST.finditer(text):
        if _is_host(_BETWEEN.split(match["host"]), is_followed=match["more"] is not None):
            yield match.start(), match[0]
    for match in _SPACED.finditer(text):
        if _is_spaced_host(match):
            yield match.start(), match[0] + match["ending"]
    for match in _SIX.finditer(text):
        if _is_six(match[0]):
            yield match.start(), match[0]
    for match in _HERE.finditer(text):
        yield match.start(), match[0]


def _is_host(labels: Sequence[str], *, is_followed: bool) -> bool:
    """Whether labels are a host, or begin with one that the next sentence is joined to; `is_followed`: by a path or a
    port, as no word is.
    """
    if len(labels) == 4 and all(label.isdecimal() and len(label) < 4 and int(label) < 256 for label in labels):
        return True
    last = len(labels) - 1
    return any(
        _ends_host(labels[max(place - _TOLD_BY, 0) : place], labels[place], is_followed=is_followed and place == last)
        for place in range(1, len(labels))
        if place == last or labels[place + 1][0].isupper()
    )


def _ends_host(before: Sequence[str], label: str, *, is_followed: bool) -> bool:
    ending, _, rest = label.partition("-")  # only what is no word may have something joined to it: evil.com-today
    if rest or not ending:
        return ending.lower() in NO_WORDS or (label.lower().startswith("xn--") and is_ending(label))
    if not is_ending(ending):
        return False
    if is_followed or ending.lower() in NO_WORDS:
        return True
    begins_sentence = ending.istitle() or (ending.isupper() and not "".join(before).isupper())  # done.You, Co.KG
    return not begins_sentence and not all(len(each) == 1 or each.isdecimal() for each in before)


def _is_spaced_host(match: re.Match[str]) -> bool:
    """Whether it is `evil . com`: between sentences no space stands before the dot, and none begins so."""
    ending = match["ending"]
    if ending != ending.lower():
        return match["said"] is not None and ending.upper() == ending and ending.lower() in NO_WORDS
    return ending in NO_WORDS or (match["around"] is not None and is_ending(ending))


def _is_six(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return any(letter.isdigit() for letter in text)


@lru_cache(maxsize=4_096)
def is_ending(label: str) -> bool:
    """Whether hosts of the internet, or those inside a firm, end in it."""
    low = label.lower()
    if low in PRIVATE:
        return True
    return "." not in low and _listed().publicsuffix(f"a.{low}", accept_unknown=False) is not None


@lru_cache(maxsize=1)
def _listed() -> "PublicSuffixList":
    """The list, read once: most processes never look at a draft."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)
