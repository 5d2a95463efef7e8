"""Deliveries: claimed by one compare-and-set, recorded under the attempt that claimed them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import changed
from store.tables import DeliveryRow, Enrolment, Installation

FINAL = frozenset({"sent", "skipped", "failed", "may_have_gone", "delivered", "bounced", "clicked", "replied"})
"""Statuses after which no attempt is made by itself."""


async def find(session: AsyncSession, delivery: str) -> DeliveryRow | None:
    """One delivery by its key."""
    query = select(DeliveryRow).where(col(DeliveryRow.id) == delivery)
    return (await session.exec(query, execution_options={"populate_existing": True})).first()


async def record(session: AsyncSession, row: DeliveryRow) -> None:
    """A new delivery, in whatever status it begins."""
    await (await session.connection()).execute(insert(DeliveryRow), [row.model_dump()])


async def claim(
    session: AsyncSession, delivery: str, *, attempt: str, until: datetime, clock: datetime, channel: str
) -> bool:
    """Begin an attempt on a delivery that nobody is trying and that is not final; False where that is not so."""
    claimed = await (await session.connection()).execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.id) == delivery,
            col(DeliveryRow.status).in_(("queued", "deferred")),
            col(DeliveryRow.attempt).is_(None),
        )
        .values(
            attempt=attempt,
            attempt_until=until,
            attempts=col(DeliveryRow.attempts) + 1,
            status="queued",
            channel=channel,
            updated_at=clock,
        )
    )
    return changed(claimed) == 1


async def conclude(session: AsyncSession, delivery: str, *, attempt: str, clock: datetime, **values: Any) -> bool:
    """Write what came of an attempt; False where the row belongs to another attempt by now.

    A row that was marked `may_have_gone` keeps its attempt, so that an answer which comes after all still counts.
    """
    concluded = await (await session.connection()).execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id) == delivery, col(DeliveryRow.attempt) == attempt)
        .values(attempt=None, attempt_until=None, updated_at=clock, **values)
    )
    return changed(concluded) == 1


async def change(session: AsyncSession, delivery: str, *, clock: datetime, **values: Any) -> None:
    """Change a delivery whose enrolment the caller holds."""
    await (await session.connection()).execute(
        update(DeliveryRow).where(col(DeliveryRow.id) == delivery).values(updated_at=clock, **values)
    )


async def withdraw(session: AsyncSession, enrolment: str, *, reason: str, clock: datetime) -> Sequence[str]:
    """Skip every delivery of this enrolment that waits and that nobody is trying; answers their ids."""
    fallen = await (await session.connection()).execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.enrolment) == enrolment,
            col(DeliveryRow.status).in_(("queued", "deferred")),
            col(DeliveryRow.attempt).is_(None),
        )
        .values(status="skipped", reason=reason, updated_at=clock)
        .returning(col(DeliveryRow.id))
    )
    return list(fallen.scalars())


async def lock_enrolment(session: AsyncSession, enrolment: str) -> Enrolment | None:
    """The enrolment's row, held until the transaction ends, so that no turn or event comes between."""
    query = select(Enrolment).where(col(Enrolment.id) == enrolment).with_for_update(key_share=True)
    return (await session.exec(query, execution_options={"populate_existing": True})).first()


async def is_halted(session: AsyncSession) -> bool:
    """Whether every delivery of the installation is held (`waymark halt`)."""
    query = select(Installation).where(col(Installation.name) == "halted")
    found = (await session.exec(query)).first()
    return found is not None and found.value.get("since") is not None
