"""Counts over one journey, and over the installation: ids of steps and words for statuses, never a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.queries.installation import find_unknown_types
from store.tables import DeadLetter, DeliveryRow, Enrolment, OutboxRow


@dataclass(frozen=True, slots=True)
class StepCount:
    """How often a step was arrived at, and how many enrolments stand there now."""

    step: str
    arrived: int
    waiting: int


@dataclass(frozen=True, slots=True)
class JourneyReport:
    """How one journey goes. Channel `none`: no channel was chosen."""

    enrolments: Mapping[str, int]
    outcomes: Mapping[str, int]
    steps: Sequence[StepCount]
    deliveries: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the installation holds at this moment."""

    enrolments: Sequence[tuple[str, str, int]]
    deliveries: Sequence[tuple[str, str, int]]
    dead_letters: int
    unrelayed: int
    wake_wanted: int
    oldest_wake_wanted_at: datetime | None
    unknown_types: int


async def report(session: AsyncSession, journey: str) -> JourneyReport:
    """Counts of enrolments, outcomes, arrivals at each step (in order of id) and deliveries."""
    core = await session.connection()
    enrolments = await _counts(session, col(Enrolment.status), journey)
    outcomes = await _counts(session, col(Enrolment.outcome), journey)
    arrived = await _arrivals(session, journey)
    waiting = await _waiting(session, journey)
    query = (
        select(col(DeliveryRow.channel), col(DeliveryRow.status), func.count())
        .where(col(DeliveryRow.journey) == journey)
        .group_by(col(DeliveryRow.channel), col(DeliveryRow.status))
    )
    deliveries: dict[str, dict[str, int]] = {}
    for channel, status, number in (await core.execute(query)).all():
        deliveries.setdefault(channel or "none", {})[status] = number
    steps = [StepCount(step, arrived.get(step, 0), waiting.get(step, 0)) for step in sorted({*arrived, *waiting})]
    return JourneyReport(enrolments, outcomes, steps, deliveries)


async def standing(session: AsyncSession) -> Standing:
    """What the installation holds at this moment."""
    core = await session.connection()
    enrolments = (
        await core.execute(
            select(col(Enrolment.journey), col(Enrolment.status), func.count()).group_by(
                col(Enrolment.journey), col(Enrolment.status)
            )
        )
    ).all()
    deliveries = (
        await core.execute(
            select(func.coalesce(col(DeliveryRow.channel), "none"), col(DeliveryRow.status), func.count()).group_by(
                col(DeliveryRow.channel), col(DeliveryRow.status)
            )
        )
    ).all()
    wanted = select(func.count(), func.min(col(Enrolment.wake_wanted_at))).where(
        col(Enrolment.wake_wanted_at).is_not(None), col(Enrolment.status) != "ended"
    )
    number, oldest = (await core.execute(wanted)).one()
    letters = (await core.execute(select(func.count()).select_from(DeadLetter))).scalar_one()
    unrelayed = (await core.execute(select(func.count()).select_from(OutboxRow))).scalar_one()
    return Standing(
        [(journey, status, n) for journey, status, n in enrolments],
        [(channel, status, n) for channel, status, n in deliveries],
        letters, unrelayed, number, oldest, await find_unknown_types(session),
    )  # fmt: skip


async def _counts(session: AsyncSession, column: Mapped[Any], journey: str) -> dict[str, int]:
    query = select(column, func.count()).where(col(Enrolment.journey) == journey, column.is_not(None)).group_by(column)
    found = (await (await session.connection()).execute(query)).all()
    return {word: number for word, number in found if word is not None}


async def _waiting(session: AsyncSession, journey: str) -> dict[str, int]:
    query = (
        select(col(Enrolment.step), func.count())
        .where(col(Enrolment.journey) == journey, col(Enrolment.status) != "ended", col(Enrolment.step).is_not(None))
        .group_by(col(Enrolment.step))
    )
    return {step: number for step, number in (await (await session.connection()).execute(query)).all() if step}


async def _arrivals(session: AsyncSession, journey: str) -> dict[str, int]:
    """Arrivals by step, added up from the runs, which count their visits."""
    core = await session.connection()
    if core.dialect.name == "postgresql":
        visits = func.jsonb_each_text(cast(col(Enrolment.run), JSONB)["visits"]).table_valued("key", "value")
    else:
        visits = func.json_each(col(Enrolment.run), "$.visits").table_valued("key", "value")
    number = func.sum(cast(visits.c.value, Integer))
    query = (
        select(visits.c.key, number)
        .select_from(Enrolment)
        .join(visits, true())
        .where(col(Enrolment.journey) == journey)
        .group_by(visits.c.key)
    )
    return {step: int(total) for step, total in (await core.execute(query)).all()}
