"""Pages: a cursor says after which row the next one begins, so that a list that grows shows no row twice."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar, cast

import orjson
from pydantic import BaseModel, Field

from api.bodies import Filter
from api.problems import Unfit

T = TypeVar("T")
Row = TypeVar("Row")

Key = str | int
"""What a place in a list is made of."""


class PageOf(Filter):
    """How much of a list, and from where on."""

    limit: Annotated[int, Field(ge=1, le=500, description="How many items at most.")] = 50
    cursor: Annotated[str | None, Field(max_length=2000, description="`next` of the page before.")] = None


class Page(BaseModel, Generic[T]):
    """Items, and the cursor of the next page, where there is one."""

    items: list[T]
    next: str | None


def encode(*keys: Key) -> str:
    """A cursor."""
    return base64.urlsafe_b64encode(orjson.dumps(keys)).decode().rstrip("=")


def decode(cursor: str | None, *kinds: type[Key]) -> tuple[Key, ...] | None:
    """What `encode` was given; None for no cursor. Raises Unfit where it is none of ours for this list."""
    if cursor is None:
        return None
    try:
        keys = cast(object, orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    except (ValueError, binascii.Error):
        keys = None
    found = cast("list[object]", keys) if isinstance(keys, list) else []
    if len(found) != len(kinds) or any(type(key) is not kind for key, kind in zip(found, kinds, strict=True)):
        raise Unfit("bad_cursor", "the cursor is none of this list: leave it out, or pass `next` of the page before")
    return tuple(cast("list[Key]", found))


def decode_text(cursor: str | None) -> str | None:
    """The cursor of a list that is ordered by one text."""
    keys = decode(cursor, str)
    return None if keys is None else str(keys[0])


def page(
    rows: Sequence[Row], *, limit: int, shown: Callable[[Row], T], key: Callable[[Row], tuple[Key, ...]]
) -> Page[T]:
    """A page of rows of which one more than `limit` was asked for."""
    items = rows[:limit]
    following = encode(*key(items[-1])) if len(rows) > limit else None
    return Page(items=[shown(row) for row in items], next=following)


def decode_place(cursor: str | None) -> tuple[datetime, str] | None:
    """The instant and the id of the last one of the page before, of a list with the latest first; raises Unfit."""
    keys = decode(cursor, str, str)
    if keys is None:
        return None
    try:
        at = datetime.fromisoformat(str(keys[0]))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unfit("bad_cursor", "the cursor is none of this list: leave it out, or pass `next` of the page before")
    return at, str(keys[1])
