"""Which journeys take entries, and the programs of all versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables import JourneyRow, Version


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version that a live journey runs, and since when it has taken entries."""

    journey: str
    version: int
    hash: str
    since: datetime


async def list_live(session: AsyncSession) -> Sequence[LiveVersion]:
    """Every journey that takes entries, in order of name."""
    query = (
        select(
            col(JourneyRow.name), col(Version.number), col(Version.hash), col(Version.published_at),
            col(JourneyRow.live_since),
        )
        .join(Version, col(Version.journey) == col(JourneyRow.name))
        .where(col(JourneyRow.status) == "live", col(Version.number) == col(JourneyRow.version))
        .order_by(col(JourneyRow.name))
    )  # fmt: skip
    found = (await (await session.connection()).execute(query)).all()
    return [
        LiveVersion(journey, number, hash_, published_at if live_since is None else max(published_at, live_since))
        for journey, number, hash_, published_at, live_since in found
    ]


async def find_program(session: AsyncSession, hash_: str) -> str | None:
    """The program of this hash, as JSON."""
    query = select(col(Version.program)).where(col(Version.hash) == hash_).limit(1)
    return (await (await session.connection()).execute(query)).scalar_one_or_none()
