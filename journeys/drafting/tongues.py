"""In which language a text is: the only importer of `eld`, whose data ships in its package. Pure, never raises."""

import re
from functools import lru_cache
from typing import Any, cast

_KNOWN = (
    "am ar az be bg bn ca cs da de el en es et eu fa fi fr gu he hi hr hu hy is it ja ka kn ko ku lo lt lv ml "
    "mr ms nl no or pa pl pt ro ru sk sl sq sr sv ta te th tl tr uk ur vi yo zh"
)
KNOWN = frozenset(_KNOWN.split())
"""The languages that can be told, by ISO 639-1."""

_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "fil": "tl", "bs": "hr", "id": "ms"}
"""Subtags of BCP 47 that the detector knows by another code, or as its nearest relative."""

_ALIKE = (frozenset({"no", "da"}), frozenset({"hr", "sr", "sl"}), frozenset({"cs", "sk"}))
"""Languages that short texts do not tell apart."""


def primary(tag: str | None) -> str | None:
    """The language of a BCP 47 tag (`de` of `de-CH`), as the detector calls it."""
    if tag is None:
        return None
    subtag = re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]
    return _SAME.get(subtag, subtag) or None


def are_alike(one: str, other: str) -> bool:
    """Whether both are the same language, as far as a short text can tell."""
    return one == other or any({one, other} <= group for group in _ALIKE)


@lru_cache(maxsize=4_096)
def detect(text: str) -> tuple[str, bool] | None:
    """The language of a text, judged by its first 350 bytes, and whether that is sure; None: the text says nothing."""
    found = _detector().detect(text[:1_000].encode("utf-8", "ignore").decode())
    return None if found.language is None else (str(found.language), bool(found.is_reliable()))


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The detector, read once (0.3 s, 60 MB): most processes never look at a draft."""
    from eld import LanguageDetector

    return cast(Any, LanguageDetector)()
