"""Journeys of which many messages end badly, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import connection_of
from store.queries.deliveries import FINAL
from store.tables import DeliveryRow, JourneyRow

_ENDED_BADLY = text("deliveries.status IN ('failed', 'skipped')")
"""As the partial index says it: a bound value would not match the index."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A journey that goes and fails often enough to be looked at; `live_since`: when it was last let go."""

    journey: str
    live_since: datetime | None


async def list_suspects(session: AsyncSession, *, since: datetime, least: int) -> Sequence[Suspect]:
    """Journeys that are not paused, of which at least so many messages ended badly since then."""
    query = (
        select(col(DeliveryRow.journey), func.max(col(JourneyRow.live_since)))
        .join(JourneyRow, col(JourneyRow.name) == col(DeliveryRow.journey))
        .where(_ENDED_BADLY, col(DeliveryRow.updated_at) >= since, col(JourneyRow.status) != "paused")
        .group_by(col(DeliveryRow.journey))
        .having(func.count() >= least)
    )
    found = (await (await connection_of(session)).execute(query)).all()
    return [Suspect(journey, live_since) for journey, live_since in found]


async def list_last(
    session: AsyncSession, journey: str, *, since: datetime, limit: int
) -> Sequence[tuple[str, str | None]]:
    """Status and reason of the messages that ended last, the latest first."""
    query = (
        select(col(DeliveryRow.status), col(DeliveryRow.reason))
        .where(
            col(DeliveryRow.journey) == journey, col(DeliveryRow.status).in_(FINAL),
            col(DeliveryRow.updated_at) >= since,
        )
        .order_by(col(DeliveryRow.updated_at).desc())
        .limit(limit)
    )  # fmt: skip
    found = (await (await connection_of(session)).execute(query)).all()
    return [(status, reason) for status, reason in found]
