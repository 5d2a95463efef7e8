"""Text of any origin, made fit for a terminal: what would colour it, ring, or turn the line round is written out."""

import unicodedata


def printable(text: str) -> str:
    """The text with every control and formatting character as Python would escape it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
