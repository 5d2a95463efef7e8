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
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: linear even where the closing quote is missing
_BRACKET = re.compile(r"[\[\]{}]")
_NOT_FINITE = re.compile(r"(?<![A-Za-z])(?:NaN|Infinity)(?![A-Za-z])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_json(body: bytes) -> Json | Refused:
    """The JSON value that `body` is. Numbers are finite and integers fit 64 bits; no text has NUL or a lone
    surrogate.
    """
    if len(body) > MAX_RECORD_BYTES:
        return _refused("too_large", f"{len(body)} bytes; at most {MAX_RECORD_BYTES} are taken")
    try:
        value = cast(Json, orjson.loads(body))
    except orjson.JSONDecodeError as error:
        return _why(body, error)
    return _unfit(value, body) or value


def _refused(code: RefusalCode, detail: str) -> Refused:
    return Refused(code, detail, is_unreadable=code in {"too_large", "not_utf8", "not_json"})


def _unfit(value: Json, body: bytes) -> Refused | None:
    """What makes a parsed value unfit for us, looked for without recursion."""
    level, depth, has_huge = [value], 0, False
    while level:
        below: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                below += cast(list[Json], list(item)) + list(item.values())
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str):
                if "\0" in item:
                    return _refused(
                        "nul_character", "a text holds the character NUL (\\u0000), which no database keeps"
                    )
            elif isinstance(item, float):
                has_huge = has_huge or not SMALLEST_INTEGER < item < LARGEST_INTEGER
            elif isinstance(item, int) and not SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
                return _out_of_range()
        depth += 1 if any(isinstance(item, dict | list) for item in level) else 0
        if depth > MAX_DEPTH:
            return _too_deep()
        level = below
    return _out_of_range() if has_huge and _has_huge_integer(body) else None


def _out_of_range() -> Refused:
    return _refused(
        "number_out_of_range", "a number fits neither a 64-bit integer nor a double: send it as a text, or smaller"
    )


def _too_deep() -> Refused:
    return _refused("too_deep", f"arrays and objects are nested deeper than {MAX_DEPTH}")


def _has_huge_integer(body: bytes) -> bool:
    """Whether some integer of this valid JSON is beyond 64 bits; the parser has made a rounded float of it."""
    found: list[bool] = []

    def judge(digits: str) -> int:
        found.append(len(digits) > 20 or not SMALLEST_INTEGER <= int(digits) <= LARGEST_INTEGER)
        return 0

    json.loads(body, parse_int=judge)
    return any(found)


def _why(body: bytes, error: orjson.JSONDecodeError) -> Refused:
    """Why the parser refused it."""
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        return _refused("not_utf8", f"the bytes are not UTF-8: the first wrong one is at position {wrong.start}")
    outside = _STRING.sub('""', text)
    if _is_too_deep(outside):
        return _too_deep()
    if _NOT_FINITE.search(outside):
        return _refused("not_finite", "JSON has no NaN and no Infinity: leave the field out, or send null")
    return _unlike_json(text) or _refused(
        "not_json", f"the body is not JSON: {error.msg.partition(':')[0]}{_place(error)}"
    )


def _place(error: orjson.JSONDecodeError) -> str:
    return f" (line {error.lineno}, column {error.colno})"


def _is_too_deep(outside: str) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(outside):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _unlike_json(text: str) -> Refused | None:
    """What a more forgiving parser takes and we do not."""
    try:
        value = cast(Json, json.loads(text, parse_int=float))
    except (ValueError, RecursionError):
        return None
    if _any_float_not_finite(value):
        return _out_of_range()
    if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return _refused(
            "lone_surrogate", "a text holds one half of a surrogate pair (\\ud800 to \\udfff), which is no character"
        )
    return None


def _any_float_not_finite(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_any_float_not_finite(item) for item in value.values())
    if isinstance(value, list):
        return any(_any_float_not_finite(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)
