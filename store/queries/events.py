"""The event log."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import select, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Event
from journeys.history import Happened
from store.inserting import insert_new
from store.tables import LoggedEvent

EventKey = tuple[str, str]
"""An event's source and id."""

_ON_POSTGRESQL = text(
    """
    SELECT k.source, k.event_id, found.digest
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS k(source, event_id)
    CROSS JOIN LATERAL (
        SELECT digest FROM events WHERE source = k.source AND event_id = k.event_id LIMIT 1
    ) AS found
    """
)
_ON_SQLITE = text(
    """
    SELECT events.source, events.event_id, events.digest
    FROM json_each(:keys) AS k CROSS JOIN events
    ON events.source = json_extract(k.value, '$[0]') AND events.event_id = json_extract(k.value, '$[1]')
    """
)
"""Both databases are told to look each up by the unique index. Asked for a list of pairs, SQLite reads the whole log,
and PostgreSQL all that the source has ever sent as long as it has no statistics of the table; once it has them, it
needs 5 ms to make its plan.
"""


async def find_digests(session: AsyncSession, keys: Collection[EventKey]) -> dict[EventKey, str]:
    """The digests of those of these events that the log holds."""
    if not keys:
        return {}
    connection = await session.connection()
    if connection.dialect.name == "postgresql":
        given = {"sources": [source for source, _ in keys], "ids": [event_id for _, event_id in keys]}
        found = await connection.execute(_ON_POSTGRESQL, given)
    else:
        found = await connection.execute(_ON_SQLITE, {"keys": orjson.dumps(list(keys)).decode()})
    return {(source, event_id): digest for source, event_id, digest in found}


async def record(
    session: AsyncSession, events: Sequence[tuple[Event, str, str | None]], *, at: datetime
) -> dict[EventKey, int]:
    """Log these events (each with its digest and learner); answers the place of each that was not there yet."""
    if not events:
        return {}
    rows = [
        {
            "source": event.source, "event_id": event.id, "digest": digest, "type": event.type, "learner": learner,
            "time": event.time, "effective": event.effective, "received_at": at, "data": dict(event.data),
        }
        for event, digest, learner in events
    ]  # fmt: skip
    written = insert_new(session, LoggedEvent).returning(
        col(LoggedEvent.seq), col(LoggedEvent.source), col(LoggedEvent.event_id)
    )
    found = (await (await session.connection()).execute(written, rows)).all()
    return {(source, event_id): seq or 0 for seq, source, event_id in found}


async def list_of(
    session: AsyncSession, learners: Mapping[str, str | None], *, new: Collection[int]
) -> dict[str, list[Happened]]:
    """The whole log of each of these learners (our id to the source's); `new` are the places this batch has taken."""
    query = select(
        col(LoggedEvent.learner), col(LoggedEvent.seq), col(LoggedEvent.source), col(LoggedEvent.event_id),
        col(LoggedEvent.type), col(LoggedEvent.time), col(LoggedEvent.effective), col(LoggedEvent.received_at),
        col(LoggedEvent.data),
    ).where(col(LoggedEvent.learner).in_(list(learners)))  # fmt: skip
    logs: dict[str, list[Happened]] = {learner: [] for learner in learners}
    for row in (await (await session.connection()).execute(query)).all():
        learner, seq, source, event_id, type_, time, effective, received_at, data = row
        if learner is not None and seq is not None:
            event = Event(event_id, source, type_, learners[learner], time, data, effective)
            logs[learner].append(Happened(event, seq, received_at, seq in new))
    return logs
