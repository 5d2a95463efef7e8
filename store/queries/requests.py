"""Requests to other systems: claimed by one compare-and-set, recorded under the attempt that claimed them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy import select as select_columns
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.database import changed, connection_of
from store.tables import RequestRow

FINAL = frozenset({"done", "failed"})
"""Statuses after which no attempt is made."""

_COLUMNS: Any = vars(RequestRow)["__table__"].columns
_OPEN = col(RequestRow.status).in_(("queued", "deferred"))


async def find(session: AsyncSession, request: str) -> RequestRow | None:
    """One request by its key."""
    query = select_columns(*_COLUMNS).where(col(RequestRow.id) == request)
    found = (await (await connection_of(session)).execute(query)).mappings().first()
    return None if found is None else RequestRow(**found)


async def record(session: AsyncSession, row: RequestRow) -> None:
    """A new request, in whatever status it begins."""
    await (await connection_of(session)).execute(insert(RequestRow), row.model_dump())


async def claim(session: AsyncSession, request: str, *, attempt: str, until: datetime, clock: datetime) -> bool:
    """Begin an attempt on a request that is not done with and that nobody is trying; False where that is not so."""
    change = update(RequestRow).where(col(RequestRow.id) == request, _OPEN, col(RequestRow.attempt).is_(None))
    change = change.values(
        attempt=attempt, attempt_until=until, attempts=col(RequestRow.attempts) + 1, status="queued", updated_at=clock
    )
    return changed(await (await connection_of(session)).execute(change)) == 1


async def free(session: AsyncSession, request: str, *, attempt: str, clock: datetime) -> bool:
    """Take an attempt that is over from its process; False where it is another's, or nobody's, by now."""
    freed = update(RequestRow).where(col(RequestRow.id) == request, col(RequestRow.attempt) == attempt, _OPEN)
    freed = freed.values(attempt=None, attempt_until=None, updated_at=clock)
    return changed(await (await connection_of(session)).execute(freed)) == 1


async def list_open(session: AsyncSession, enrolment: str) -> Sequence[RequestRow]:
    """The requests of this enrolment that are not done with."""
    query = select_columns(*_COLUMNS).where(col(RequestRow.enrolment) == enrolment, _OPEN)
    return [RequestRow(**row) for row in (await (await connection_of(session)).execute(query)).mappings()]


async def conclude(
    session: AsyncSession,
    request: str,
    *,
    attempt: str,
    clock: datetime,
    status: str,
    reason: str | None,
    reply: Json,
    words: str | None,
) -> bool:
    """Write how an attempt ended; False where it is not ours any more. An answer counts though the enrolment ended."""
    done = update(RequestRow).where(col(RequestRow.id) == request, col(RequestRow.attempt) == attempt)
    done = done.values(
        attempt=None, attempt_until=None, updated_at=clock, status=status, reason=reason, reply=reply, words=words
    )
    return changed(await (await connection_of(session)).execute(done)) == 1


async def give_back(
    session: AsyncSession,
    request: str,
    *,
    attempt: str,
    clock: datetime,
    not_before: datetime | None,
    reason: str | None,
    words: str | None,
) -> bool:
    """An attempt ended and another is wanted, at the earliest then; False where nobody waits for it any more."""
    given = update(RequestRow).where(col(RequestRow.id) == request, col(RequestRow.attempt) == attempt, _OPEN)
    given = given.values(
        attempt=None, attempt_until=None, updated_at=clock, not_before=not_before, reason=reason, words=words
    )
    return changed(await (await connection_of(session)).execute(given)) == 1


async def change(session: AsyncSession, request: str, *, clock: datetime, **values: Any) -> None:
    """Change a request whose enrolment the caller holds."""
    altered = update(RequestRow).where(col(RequestRow.id) == request).values(updated_at=clock, **values)
    await (await connection_of(session)).execute(altered)


async def withdraw(session: AsyncSession, enrolment: str, *, reason: str, clock: datetime) -> Sequence[str]:
    """Let every request of this enrolment fall that is not done with; answers their ids. What is on its way is not
    called back, and its answer is nobody's.
    """
    fallen = update(RequestRow).where(col(RequestRow.enrolment) == enrolment, _OPEN)
    fallen = fallen.values(status="failed", reason=reason, updated_at=clock).returning(col(RequestRow.id))
    return list((await (await connection_of(session)).execute(fallen)).scalars())
