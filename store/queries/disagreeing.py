"""Where the store and Temporal may disagree, or somebody who should have acted has not: for `waymark doctor`.

Pages in order of id, those after `after`. Ids are enrolments', because they are what is woken. What a clock that was
wrong has written far ahead counts as past, as everywhere (`store.leases`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select, union
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import connection_of
from store.leases import is_past
from store.tables import DeadLetter, DeliveryRow, Enrolment, InboxRow, JourneyRow, LoggedEvent, OutboxRow, RequestRow

_ID = col(Enrolment.id)
_IS_RUNNING = col(Enrolment.status) != "ended"
_OPEN = ("queued", "deferred")


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of an enrolment whose workflow runs. `is_done`: it has ended, and nothing of it is open."""

    status: str
    ended_at: datetime | None
    is_done: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that wait for somebody, and since when the oldest does."""

    number: int
    since: datetime | None


async def list_running(
    session: AsyncSession, *, at: datetime, settled_before: datetime, after: str, limit: int
) -> Sequence[str]:
    """Enrolments that have not ended and stand still: not new, no turn under way, none wanted just now."""
    query = select(_ID).where(
        _IS_RUNNING,
        after < _ID,
        is_past(col(Enrolment.created_at), settled_before),
        or_(col(Enrolment.wake_wanted_at).is_(None), is_past(col(Enrolment.wake_wanted_at), settled_before)),
        or_(col(Enrolment.lease_until).is_(None), is_past(col(Enrolment.lease_until), at)),
    )
    return await _page(session, query, limit)


async def find_known(session: AsyncSession, enrolments: Collection[str]) -> Mapping[str, Known]:
    """Those of these that there are."""
    is_open = or_(
        exists().where(col(DeliveryRow.enrolment) == _ID, col(DeliveryRow.status).in_(_OPEN)),
        exists().where(col(RequestRow.enrolment) == _ID, col(RequestRow.status).in_(_OPEN)),
    )
    query = select(_ID, col(Enrolment.status), col(Enrolment.ended_at), is_open).where(_ID.in_(enrolments))
    rows = (await (await connection_of(session)).execute(query)).all()
    return {id_: Known(status, ended, status == "ended" and not still) for id_, status, ended, still in rows}


async def list_unwoken(
    session: AsyncSession, *, wanted_before: datetime, due_before: datetime, after: str, limit: int
) -> Sequence[str]:
    """Enrolments that have wanted waking since before `wanted_before`, or were due before `due_before`."""
    is_late = or_(
        is_past(col(Enrolment.wake_wanted_at), wanted_before),
        and_(_IS_RUNNING, col(Enrolment.due_at) <= due_before),
    )
    return await _page(session, select(_ID).where(is_late, after < _ID), limit)


async def list_unread(session: AsyncSession, *, before: datetime, after: str, limit: int) -> Sequence[str]:
    """Enrolments that run and have not read what came into their inbox, by an event that arrived before `before`; not
    those that begin later, and read it then.
    """
    query = (
        select(_ID)
        .join(InboxRow, and_(col(InboxRow.enrolment) == _ID, col(InboxRow.program) == col(Enrolment.program)))
        .join(LoggedEvent, col(LoggedEvent.seq) == col(InboxRow.event))
        .where(col(InboxRow.read_at).is_(None), _IS_RUNNING, col(LoggedEvent.received_at) <= before, after < _ID)
        .where(or_(col(Enrolment.step).is_not(None), col(Enrolment.due_at).is_(None), col(Enrolment.due_at) <= before))
        .distinct()
    )
    return await _page(session, query, limit)


async def list_abandoned(session: AsyncSession, *, before: datetime, after: str, limit: int) -> Sequence[str]:
    """Enrolments of messages and requests with an attempt whose time was over before `before`, and no answer."""
    messages = select(col(DeliveryRow.enrolment)).where(
        col(DeliveryRow.attempt).is_not(None),
        is_past(col(DeliveryRow.attempt_until), before),
        col(DeliveryRow.status).in_(_OPEN),
        col(DeliveryRow.enrolment) > after,
    )
    requests = select(col(RequestRow.enrolment)).where(
        col(RequestRow.attempt).is_not(None),
        is_past(col(RequestRow.attempt_until), before),
        col(RequestRow.status).in_(_OPEN),
        col(RequestRow.enrolment) > after,
    )
    both = union(messages, requests).subquery()
    return await _page(session, select(both.c.enrolment), limit)


async def list_untried(session: AsyncSession, *, before: datetime, after: str, limit: int) -> Sequence[str]:
    """Enrolments that nobody holds, with a message or a request on its queue that nobody has touched since before
    `before`. Whether a retry of it waits stands in Temporal.
    """
    messages = _unheld(DeliveryRow).where(
        col(DeliveryRow.status) == "queued",
        col(DeliveryRow.attempt).is_(None),
        is_past(col(DeliveryRow.updated_at), before),
        or_(col(DeliveryRow.due_at).is_(None), col(DeliveryRow.due_at) <= before),
        col(DeliveryRow.enrolment) > after,
    )
    requests = _unheld(RequestRow).where(
        col(RequestRow.status) == "queued",
        col(RequestRow.attempt).is_(None),
        is_past(col(RequestRow.updated_at), before),
        col(RequestRow.enrolment) > after,
    )
    both = union(messages, requests).subquery()
    return await _page(session, select(both.c.enrolment), limit)


def _unheld(table: type[DeliveryRow] | type[RequestRow]) -> Select[Any]:
    return (
        select(col(table.enrolment))
        .join(Enrolment, col(table.enrolment) == _ID)
        .join(JourneyRow, col(JourneyRow.name) == col(Enrolment.journey))
        .where(col(Enrolment.status) != "paused", col(JourneyRow.status) != "paused")
    )


async def count_running(session: AsyncSession) -> int:
    """How many enrolments have not ended."""
    query = select(func.count()).select_from(Enrolment).where(_IS_RUNNING)
    return (await (await connection_of(session)).execute(query)).scalar_one()


async def find_outbox(session: AsyncSession) -> Waiting:
    """What waits to be produced to topics of ours."""
    query = select(func.count(), func.min(col(OutboxRow.created_at)))
    number, since = (await (await connection_of(session)).execute(query)).one()
    return Waiting(number, since)


async def find_letters(session: AsyncSession) -> Waiting:
    """The dead letters."""
    query = select(func.count(), func.min(col(DeadLetter.at)))
    number, since = (await (await connection_of(session)).execute(query)).one()
    return Waiting(number, since)


async def find_last_arrival(session: AsyncSession) -> datetime | None:
    """When the latest event arrived that the store knows of."""
    query = select(col(LoggedEvent.received_at)).order_by(col(LoggedEvent.seq).desc()).limit(1)
    return (await (await connection_of(session)).execute(query)).scalar()


async def _page(session: AsyncSession, query: Select[Any], limit: int) -> Sequence[str]:
    first = query.selected_columns[0]
    found = await (await connection_of(session)).execute(query.order_by(first).limit(limit))
    return list(found.scalars().all())
