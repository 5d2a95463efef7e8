"""Records that could not be used: listed, shown, tried again, let go."""

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.pagination import Page, decode_place, page
from api.parts import PartsOf
from api.problems import NotThere
from api.resources.dead_letters.schemas import DeadLetterFilter, DeadLetterItem, DeadLetterOut, ReplayedOut
from api.security import Caller
from store.queries import dead_letters, listing
from store.tables import DeadLetter

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], route_class=IdempotentRoute)


@router.get("")
async def list_dead_letters(
    wanted: Annotated[DeadLetterFilter, Query()], parts: PartsOf, _caller: Caller
) -> Page[DeadLetterItem]:
    """Dead letters, the latest first."""
    before = decode_place(wanted.cursor)
    async with parts.database.read() as session:
        rows = await listing.list_dead_letters(
            session, reason=wanted.reason, topic=wanted.topic, before=before, limit=wanted.limit + 1
        )
    return page(rows, limit=wanted.limit, shown=_item, key=lambda row: (row.at.isoformat(), row.id))


@router.get("/{letter}")
async def show_dead_letter(letter: str, parts: PartsOf, _caller: Caller) -> DeadLetterOut:
    """One dead letter, with the original."""
    async with parts.database.read() as session:
        row = await dead_letters.find(session, letter)
    if row is None:
        raise _no_letter()
    key, value, is_text = _readable(row.key, row.value)
    return DeadLetterOut(
        **_item(row).model_dump(), key=key, value=value, encoding="text" if is_text else "base64",
        headers=_headers(row),
    )  # fmt: skip


@router.post("/{letter}/replay", openapi_extra=documented(Given))
async def replay(letter: str, parts: PartsOf, _caller: Caller, _given: Annotated[Given, in_body(Given)]) -> ReplayedOut:
    """Try it again, as if it came now; it stays a dead letter where it is rejected again."""
    became = await parts.replay(letter)
    if became is None:
        raise _no_letter()
    return ReplayedOut(id=letter, status=became.status, code=became.code, detail=became.detail)


@router.delete("/{letter}", status_code=204)
async def discard(letter: str, parts: PartsOf, _caller: Caller) -> Response:
    """Let it go for good."""
    async with parts.database.write() as session:
        if not await dead_letters.remove(session, letter):
            raise _no_letter()
    return Response(status_code=204)


def _no_letter() -> NotThere:
    return NotThere("dead_letter_not_found", "there is no such dead letter: GET /v1/dead-letters lists them")


def _item(row: DeadLetter) -> DeadLetterItem:
    return DeadLetterItem(
        id=row.id, reason=row.reason, detail=row.detail, topic=row.topic, partition=row.partition, offset=row.offset,
        at=row.at,
    )  # fmt: skip


def _headers(row: DeadLetter) -> dict[str, str | None]:
    """Headers as text; they are kept as pairs, in base64."""
    pairs = row.headers.get("base64")
    shown: dict[str, str | None] = {}
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, list) and len(pair) == 2:
            name, value = (_unpacked(one) if isinstance(one, str) else None for one in pair)
            shown[name or ""] = value
    return shown


def _unpacked(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")


def _readable(key: bytes | None, value: bytes | None) -> tuple[str | None, str | None, bool]:
    try:
        return (None if key is None else key.decode(), None if value is None else value.decode(), True)
    except UnicodeDecodeError:
        encoded = [None if part is None else base64.b64encode(part).decode() for part in (key, value)]
        return encoded[0], encoded[1], False
