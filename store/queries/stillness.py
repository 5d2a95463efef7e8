"""Whether all that has come has been acted on: for who moves clocks (the demo), never for deciding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables import Enrolment, Identity, InboxRow, LoggedEvent


@dataclass(frozen=True, slots=True)
class Standing:
    """How one enrolment stands. `is_still`: it has ended, or its turns have dealt with everything that has come."""

    enrolment: str
    is_active: bool
    is_still: bool
    due_at: datetime | None
    outcome: str | None
    entered_at: datetime
    ended_at: datetime | None


async def has_logged(session: AsyncSession, *, source: str, event: str) -> bool:
    """Whether this event stands in the log."""
    query = select(LoggedEvent.seq).where(col(LoggedEvent.source) == source, col(LoggedEvent.event_id) == event)
    return (await session.exec(query)).first() is not None


async def list_standings(session: AsyncSession, source_id: str) -> Sequence[Standing]:
    """How every enrolment of a learner stands; she is named by the source's id."""
    query = (
        select(Enrolment)
        .join(Identity, col(Identity.learner) == col(Enrolment.learner))
        .where(col(Identity.source_id) == source_id)
        .order_by(col(Enrolment.entered_at), col(Enrolment.id))
    )
    rows = (await session.exec(query)).all()
    unread = await _with_unread(session, [row.id for row in rows])
    return [_standing(row, has_unread=row.id in unread) for row in rows]


async def _with_unread(session: AsyncSession, enrolments: Sequence[str]) -> set[str]:
    query = select(InboxRow.enrolment).where(col(InboxRow.enrolment).in_(enrolments), col(InboxRow.read_at).is_(None))
    return set((await session.exec(query)).all())


def _standing(row: Enrolment, *, has_unread: bool) -> Standing:
    is_active = row.status == "active"
    has_been_woken = row.wake_wanted_at is None and row.lease_until is None and row.fence > 0
    is_still = not is_active or (has_been_woken and not has_unread)
    return Standing(row.id, is_active, is_still, row.due_at, row.outcome, row.entered_at, row.ended_at)
