"""What happened: the journal of an enrolment, and everything about a learner in one list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.tables import DeliveryRow, Enrolment, JournalRow, LoggedEvent

TOLD_BY_JOURNAL = ("sent", "skipped", "failed")
"""Delivery statuses of which the journal has a line already."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands in a timeline: its instant, which kind of row it is, and the row's own order."""

    at: datetime
    rank: int
    order: str


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to a learner."""

    place: Place
    kind: str
    enrolment: str | None
    journey: str | None
    step: str | None
    text: str
    data: dict[str, Json]


async def list_journal(session: AsyncSession, enrolment: str) -> Sequence[JournalRow]:
    """The whole journal of one enrolment, in order."""
    query = select(JournalRow).where(col(JournalRow.enrolment) == enrolment).order_by(col(JournalRow.seq))
    return (await session.exec(query)).all()


async def list_timeline(session: AsyncSession, learner: str, *, after: Place | None, limit: int) -> Sequence[Line]:
    """Events, the journals of all enrolments, and deliveries of which no journal tells; in order of time."""
    lines = [
        *await _events(session, learner, after, limit),
        *await _journals(session, learner, after, limit),
        *await _deliveries(session, learner, after, limit),
    ]
    return sorted(lines, key=lambda line: (line.place.at, line.place.rank, _ordinal(line.place.order)))[:limit]


def _ordinal(order: str) -> tuple[int, str]:
    return (int(order), "") if order.isdigit() else (0, order)


async def _events(session: AsyncSession, learner: str, after: Place | None, limit: int) -> list[Line]:
    at, order = col(LoggedEvent.time), col(LoggedEvent.seq)
    query = select(LoggedEvent).where(col(LoggedEvent.learner) == learner).order_by(at, order).limit(limit)
    if after is not None:
        query = query.where(_after(at, order, 0, after))
    return [
        Line(
            Place(row.time, 0, str(row.seq)), "event", None, None, None, f"{row.type} came from {row.source}.",
            {"id": row.event_id, "source": row.source, "type": row.type, "data": row.data},
        )
        for row in (await session.exec(query))
    ]  # fmt: skip


async def _journals(session: AsyncSession, learner: str, after: Place | None, limit: int) -> list[Line]:
    at, order = col(JournalRow.at), col(JournalRow.seq)
    query = (
        select(JournalRow, Enrolment.journey)
        .join(Enrolment, col(Enrolment.id) == col(JournalRow.enrolment))
        .where(col(Enrolment.learner) == learner)
        .order_by(at, order)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_after(at, order, 1, after))
    return [
        Line(Place(row.at, 1, str(row.seq)), row.kind, row.enrolment, journey, row.step, row.text, row.data)
        for row, journey in (await session.exec(query)).all()
    ]


async def _deliveries(session: AsyncSession, learner: str, after: Place | None, limit: int) -> list[Line]:
    at, order = col(DeliveryRow.created_at), col(DeliveryRow.id)
    query = (
        select(DeliveryRow)
        .where(col(DeliveryRow.learner) == learner, col(DeliveryRow.status).not_in(TOLD_BY_JOURNAL))
        .order_by(at, order)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_after(at, order, 2, after))
    return [_delivery(row) for row in (await session.exec(query))]


def _delivery(row: DeliveryRow) -> Line:
    through = "" if row.channel is None else f" through {row.channel}"
    because = "" if row.reason is None else f": {row.reason}"
    text = f"Delivery of {row.message}{through} is {row.status}{because}."
    data: dict[str, Json] = {
        "delivery": row.id, "message": row.message, "channel": row.channel, "status": row.status, "reason": row.reason,
    }  # fmt: skip
    return Line(Place(row.created_at, 2, row.id), "delivery", row.enrolment, row.journey, row.node, text, data)


def _after(at: Any, order: Any, rank: int, place: Place) -> ColumnElement[bool]:
    """Whether a row of this rank stands after the place."""
    if rank != place.rank:
        return at >= place.at if rank > place.rank else at > place.at
    last = literal(place.order) if rank == 2 else literal(int(place.order))
    return or_(at > place.at, and_(at == place.at, order > last))
