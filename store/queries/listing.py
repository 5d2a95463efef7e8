"""Lists of learners, enrolments and deliveries for people and programs: filtered, in order of id, a page at a time.

Wherever a learner is shown, she is shown by the source's id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import load_only
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables import DeadLetter, DeliveryRow, Enrolment, Identity, Learner

_SHOWN: Sequence[Any] = (
    Enrolment.id, Enrolment.journey, Enrolment.version, Enrolment.entry_key, Enrolment.status, Enrolment.outcome,
    Enrolment.arm, Enrolment.step, Enrolment.waiting_for, Enrolment.due_at, Enrolment.entered_at, Enrolment.ended_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """An enrolment, with the source's id of its learner."""

    row: Enrolment
    learner: str


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery, with the source's id of the enrolment's learner."""

    row: DeliveryRow
    learner: str


@dataclass(frozen=True, slots=True)
class EnrolmentFilter:
    """Which enrolments; `learner` is our id."""

    journey: str | None = None
    learner: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; `learner` is our id."""

    enrolment: str | None = None
    learner: str | None = None
    journey: str | None = None
    status: str | None = None
    channel: str | None = None


async def resolve_learner(session: AsyncSession, name: str) -> str | None:
    """Our id of a learner who is named by a source's id or by ours; a source's id goes first."""
    known = (await session.exec(select(Identity.learner).where(col(Identity.source_id) == name))).first()
    if known is not None:
        return known
    return (await session.exec(select(Learner.id).where(col(Learner.id) == name))).first()


async def find_learner(session: AsyncSession, learner: str) -> Learner | None:
    """One learner by our id."""
    return (await session.exec(select(Learner).where(col(Learner.id) == learner))).first()


async def list_identities(session: AsyncSession, learners: Sequence[str]) -> dict[str, list[str]]:
    """All ids by which sources know these learners."""
    query = (
        select(Identity.learner, Identity.source_id)
        .where(col(Identity.learner).in_(learners))
        .order_by(col(Identity.source_id))
    )
    known: dict[str, list[str]] = {learner: [] for learner in learners}
    for learner, source_id in (await session.exec(query)).all():
        known[learner].append(source_id)
    return known


async def list_learners(session: AsyncSession, *, after: str | None, limit: int) -> Sequence[Learner]:
    """Learners in order of our id."""
    query = select(Learner).where(*_past(Learner.id, after)).order_by(col(Learner.id)).limit(limit)
    return (await session.exec(query)).all()


async def list_enrolments(
    session: AsyncSession, wanted: EnrolmentFilter, *, after: str | None, limit: int
) -> Sequence[Listed]:
    """Enrolments in order of id, as lists show them: not what they hold (`run`, `entry`)."""
    filters = _matching(
        (Enrolment.journey, wanted.journey), (Enrolment.learner, wanted.learner), (Enrolment.status, wanted.status)
    )
    query = (
        select(Enrolment, Learner.source_id)
        .options(load_only(*_SHOWN, raiseload=True))
        .join(Learner, col(Learner.id) == col(Enrolment.learner))
        .where(*filters, *_past(Enrolment.id, after))
        .order_by(col(Enrolment.id))
        .limit(limit)
    )
    return [Listed(row, learner) for row, learner in (await session.exec(query)).all()]


async def find_enrolment(session: AsyncSession, enrolment: str) -> Listed | None:
    """One enrolment by id."""
    query = (
        select(Enrolment, Learner.source_id)
        .join(Learner, col(Learner.id) == col(Enrolment.learner))
        .where(col(Enrolment.id) == enrolment)
    )
    found = (await session.exec(query)).first()
    return None if found is None else Listed(*found)


async def list_deliveries(
    session: AsyncSession, wanted: DeliveryFilter, *, after: str | None, limit: int
) -> Sequence[ListedDelivery]:
    """Deliveries in order of id."""
    filters = _matching(
        (DeliveryRow.enrolment, wanted.enrolment),
        (DeliveryRow.learner, wanted.learner),
        (DeliveryRow.journey, wanted.journey),
        (DeliveryRow.status, wanted.status),
        (DeliveryRow.channel, wanted.channel),
    )
    query = (
        select(DeliveryRow, Learner.source_id)
        .join(Learner, col(Learner.id) == col(DeliveryRow.learner))
        .where(*filters, *_past(DeliveryRow.id, after))
        .order_by(col(DeliveryRow.id))
        .limit(limit)
    )
    return [ListedDelivery(row, learner) for row, learner in (await session.exec(query)).all()]


async def find_delivery(session: AsyncSession, delivery: str) -> ListedDelivery | None:
    """One delivery by id."""
    query = (
        select(DeliveryRow, Learner.source_id)
        .join(Learner, col(Learner.id) == col(DeliveryRow.learner))
        .where(col(DeliveryRow.id) == delivery)
    )
    found = (await session.exec(query)).first()
    return None if found is None else ListedDelivery(*found)


async def list_dead_letters(
    session: AsyncSession,
    *,
    reason: str | None,
    topic: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[DeadLetter]:
    """Dead letters, the latest first; `before` is the `at` and `id` of the last one of the page before."""
    filters = list(_matching((DeadLetter.reason, reason), (DeadLetter.topic, topic)))
    at, id_ = col(DeadLetter.at), col(DeadLetter.id)
    if before is not None:
        filters.append(or_(at < before[0], and_(at == before[0], id_ < before[1])))
    query = select(DeadLetter).where(*filters).order_by(at.desc(), id_.desc()).limit(limit)
    return (await session.exec(query)).all()


def _matching(*columns: tuple[Any, str | None]) -> Iterable[ColumnElement[bool]]:
    """The conditions of those filters that are set."""
    return [col(column) == value for column, value in columns if value is not None]


def _past(key: Any, after: str | None) -> Iterable[ColumnElement[bool]]:
    """The condition that leaves out the pages before."""
    return [] if after is None else [col(key) > after]
