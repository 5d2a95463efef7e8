"""What POSTs with an `Idempotency-Key` were answered.

A key is claimed before the request is performed (`status` 0), gets its answer after, and is let go where the request
failed, so that it can be tried again. A claim whose process died is taken over after `STALE_AFTER`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.inserting import insert_new
from store.tables import IdempotencyKey

STALE_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The request is ours to perform."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The same request got this answer."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The same request is being performed."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key came with another request."""


async def claim(
    session: AsyncSession, key: str, request: str, *, now: datetime
) -> Claimed | Answered | UnderWay | Reused:
    """Claim the key for the request with this digest, or say what became of it."""
    core = await session.connection()
    row = {"key": key, "request": request, "status": 0, "body": "", "created_at": now}
    is_new = (await core.execute(insert_new(session, IdempotencyKey).returning(col(IdempotencyKey.key)), [row])).first()
    if is_new is not None:
        return Claimed()
    query = select(
        col(IdempotencyKey.request), col(IdempotencyKey.status), col(IdempotencyKey.body),
        col(IdempotencyKey.created_at),
    ).where(col(IdempotencyKey.key) == key).with_for_update()  # fmt: skip
    known, status, body, created_at = (await core.execute(query)).one()
    if known != request:
        return Reused()
    if status:
        return Answered(status, body)
    if created_at > now - STALE_AFTER:
        return UnderWay()
    await core.execute(update(IdempotencyKey).where(col(IdempotencyKey.key) == key).values(created_at=now))
    return Claimed()


async def answer(session: AsyncSession, key: str, *, status: int, body: str) -> None:
    """Keep the answer."""
    change = update(IdempotencyKey).where(col(IdempotencyKey.key) == key).values(status=status, body=body)
    await (await session.connection()).execute(change)


async def let_go(session: AsyncSession, key: str) -> None:
    """The request failed: the key may be used again."""
    await (await session.connection()).execute(
        delete(IdempotencyKey).where(col(IdempotencyKey.key) == key, col(IdempotencyKey.status) == 0)
    )
