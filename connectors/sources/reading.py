"""Reading JSON that anybody may have sent: within bounds, and with a code that says what is wrong with it.

The parser answers what is right at once; only what it refuses, or what looks suspicious, is looked at a second time,
with bounded work.
"""

import json
import math
import re
from typing import cast

import orjson

from connectors.sources.base import MAX_RECORD_BYTES, RefusalCode, Refused
from journeys.events import Json

MAX_DEPTH = 100
"""How deep arrays and objects may be nested."""

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
TOO_DEEP = f"arrays and objects are nested deeper than {MAX_DEPTH}"
OUT_OF_RANGE = "a number fits neither a 64-bit integer nor a double: send it as a text, or smaller"
LONE_SURROGATE = "a text holds one half of a surrogate pair (\\ud800 to \\udfff), which is no character"
_MANY_DIGITS = re.compile(rb"\d{19}")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: linear even where the closing quote is missing
_BRACKET = re.compile(r"[\[\]{}]")
_NOT_FINITE = re.compile(r"(?<![A-Za-z])(?:NaN|Infinity)(?![A-Za-z])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def parse(body: bytes) -> Json | Refused:
    """The JSON value that `body` is, whatever it holds; a refusal here means that nothing of it could be read."""
    if len(body) > MAX_RECORD_BYTES:
        return _unreadable("too_large", f"{len(body)} bytes; at most {MAX_RECORD_BYTES} are taken")
    try:
        value = cast(Json, orjson.loads(body))
        return _exact(body) if _MANY_DIGITS.search(body) else value
    except orjson.JSONDecodeError as error:
        return _why(body, error)
    except RecursionError:
        return _unreadable("too_deep", TOO_DEEP)


def unfit(value: Json) -> Refused | None:
    """What makes a value unfit for us, looked for without recursion: nesting, texts that are none, numbers beyond
    64 bits.
    """
    level, depth = [value], 0
    while level:
        below: list[Json] = []
        is_nested = False
        for item in level:
            match item:
                case str():
                    if "\0" in item:
                        return Refused(
                            "nul_character", "a text holds the character NUL (\\u0000), which no database keeps"
                        )
                    if not item.isascii() and _SURROGATE.search(item):  # asked first, because it is known already
                        return Refused("lone_surrogate", LONE_SURROGATE)
                case dict():
                    below += item
                    below += item.values()
                    is_nested = True
                case list():
                    below += item
                    is_nested = True
                case float() if not math.isfinite(item):
                    return Refused("number_out_of_range", OUT_OF_RANGE)
                case int() if not SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
                    return Refused("number_out_of_range", OUT_OF_RANGE)
                case _:
                    pass
        depth += is_nested
        if depth > MAX_DEPTH:
            return Refused("too_deep", TOO_DEEP)
        level = below
    return None


def _unreadable(code: RefusalCode, detail: str) -> Refused:
    return Refused(code, detail, is_unreadable=True)


def _exact(body: bytes | str) -> Json:
    """The same value with integers as they were written: the fast parser rounds those beyond 64 bits to a float."""
    return cast(Json, json.loads(body, parse_int=lambda digits: int(digits[:40])))


def _why(body: bytes, error: orjson.JSONDecodeError) -> Json | Refused:
    """Why the parser refused it; or its value, where only single texts or numbers of it are unfit: `unfit` finds
    them, so that one event of a batch takes no other down.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        return _unreadable("not_utf8", f"the bytes are not UTF-8: the first wrong one is at position {wrong.start}")
    outside = _STRING.sub('""', text)
    if _NOT_FINITE.search(outside):
        return _unreadable("not_finite", "JSON has no NaN and no Infinity: leave the field out, or send null")
    try:
        return _exact(text)
    except (ValueError, RecursionError):
        if _is_too_deep(outside):
            return _unreadable("too_deep", TOO_DEEP)
    return _unreadable("not_json", f"the body is not JSON: {error.msg.partition(':')[0]}{_place(error)}")


def _place(error: orjson.JSONDecodeError) -> str:
    return f" (line {error.lineno}, column {error.colno})"


def _is_too_deep(outside: str) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(outside):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False
