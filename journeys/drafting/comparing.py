"""What changed from one text to another, word by word, for whoever is to approve the new one. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_PIECE = re.compile(r"\{\{[^{}]{0,200}\}\}|\s+|\w+(?:['’-]\w+)*|.", re.DOTALL)
"""A placeholder, a space, a word or a mark."""

MOST_PIECES = 3_000
"""Texts of more pieces are not compared in detail: it would take too long."""


@dataclass(frozen=True, slots=True)
class Change:
    """A part of both texts, of the old one alone, or of the new one alone. Those that are `same` or `added` make up the
    new text, those that are `same` or `removed` the old one.
    """

    kind: Literal["same", "removed", "added"]
    text: str


def compare(old: str, new: str) -> tuple[Change, ...]:
    """The changes in their order; whole words, and placeholders as one."""
    return tuple(_joined(_changes(_PIECE.findall(old), _PIECE.findall(new))))


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    if len(old) > MOST_PIECES or len(new) > MOST_PIECES:
        steps = [("equal" if old == new else "replace", 0, len(old), 0, len(new))]
    else:
        steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for step, a, b, c, d in steps:
        if step == "equal":
            yield Change("same", "".join(new[c:d]))
            continue
        if a < b:
            yield Change("removed", "".join(old[a:b]))
        if c < d:
            yield Change("added", "".join(new[c:d]))


def _joined(changes: Iterator[Change]) -> Iterator[Change]:
    """A space alone between two changes belongs to them: `one two` to `three four` is one change and not two."""
    removed = added = space = ""
    for change in changes:
        if change.kind == "removed":
            removed, added, space = removed + space + change.text, added + space, ""
        elif change.kind == "added":
            removed, added, space = removed + space, added + space + change.text, ""
        elif change.text.isspace() and (removed or added):
            space = change.text
        else:
            yield from _both(removed, added)
            yield Change("same", space + change.text)
            removed = added = space = ""
    yield from _both(removed, added)
    if space:
        yield Change("same", space)


def _both(removed: str, added: str) -> Iterator[Change]:
    if removed:
        yield Change("removed", removed)
    if added:
        yield Change("added", added)
