"""Records that could not be used, with the original."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.inserting import insert_new
from store.tables import DeadLetter


async def record(session: AsyncSession, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    """Keep these; answers those that were not kept already (a record that is read again stays one dead letter)."""
    if not letters:
        return []
    written = insert_new(session, DeadLetter).returning(col(DeadLetter.id))
    result = await (await session.connection()).execute(written, [letter.model_dump() for letter in letters])
    new = set(result.scalars().all())
    return [letter for letter in letters if letter.id in new]


async def find(session: AsyncSession, letter: str) -> DeadLetter | None:
    """One dead letter."""
    return (await session.exec(select(DeadLetter).where(col(DeadLetter.id) == letter))).first()


async def list_latest(
    session: AsyncSession, *, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[DeadLetter]:
    """Dead letters, the latest first; `before` is the `at` and `id` of the last one of the page before."""
    query = select(DeadLetter).order_by(col(DeadLetter.at).desc(), col(DeadLetter.id).desc()).limit(limit)
    if before is not None:
        at, id_ = before
        query = query.where((col(DeadLetter.at) < at) | ((col(DeadLetter.at) == at) & (col(DeadLetter.id) < id_)))
    return (await session.exec(query)).all()


async def remove(session: AsyncSession, letter: str) -> bool:
    """Let it go; False where it is not there."""
    result = await (await session.connection()).execute(delete(DeadLetter).where(col(DeadLetter.id) == letter))
    return result.rowcount == 1
