"""What the sweeper looks for: enrolments that nobody has woken, and rows that have served."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BindParameter, Select, bindparam, delete, or_, select, text, union
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.leases import LONGEST
from store.queries import attention, deliveries
from store.tables import BidRow, DeliveryRow, Enrolment, IdempotencyKey, JourneyRow, RequestRow, UnjudgedEntry


def _unwoken() -> Select[str]:
    """Made once: it is asked every few seconds, and making it costs more than asking it."""
    id_, wanted, due = col(Enrolment.id), col(Enrolment.wake_wanted_at), col(Enrolment.due_at)
    is_running = text("status <> 'ended'")  # as the partial index says it: a bound value would not match the index
    wanted_before: BindParameter[datetime] = bindparam("wanted_before")
    tried_before: BindParameter[datetime] = bindparam("tried_before")
    ahead: BindParameter[datetime] = bindparam("ahead")
    after: BindParameter[str] = bindparam("after")
    waits: BindParameter[Sequence[str]] = bindparam("waits", expanding=True)
    unwoken = union(
        select(id_).where(wanted <= wanted_before, id_ > after),
        select(id_).where(wanted > ahead, id_ > after),
        select(col(BidRow.enrolment)).where(col(BidRow.wanted_at) <= wanted_before, col(BidRow.enrolment) > after),
        select(col(BidRow.enrolment)).where(col(BidRow.wanted_at) > ahead, col(BidRow.enrolment) > after),
        select(id_).where(is_running, due <= bindparam("due_before"), id_ > after),
        select(id_)
        .join(JourneyRow, col(JourneyRow.name) == col(Enrolment.journey))
        .where(
            text("depends_on = 'journey'"),
            col(Enrolment.status) != "ended",  # who ended while it was held keeps that mark
            col(JourneyRow.status) != "paused",
            id_.concat("") > after,  # SQLite would go through all ids, and not by the index of those that are held
        ),
        select(col(DeliveryRow.enrolment)).where(
            col(DeliveryRow.status).in_(waits),
            or_(col(DeliveryRow.updated_at) <= tried_before, col(DeliveryRow.updated_at) > ahead),
            or_(col(DeliveryRow.due_at).is_(None), col(DeliveryRow.due_at) <= tried_before),
            col(DeliveryRow.enrolment) > after,
        ),
        select(col(RequestRow.enrolment)).where(
            col(RequestRow.status).in_(waits),
            or_(col(RequestRow.updated_at) <= tried_before, col(RequestRow.updated_at) > ahead),
            col(RequestRow.enrolment) > after,
        ),
    ).subquery()
    return select(unwoken.c.id).order_by(unwoken.c.id).limit(bindparam("most"))


_UNWOKEN = _unwoken()


async def list_unwoken(
    session: AsyncSession,
    *,
    wanted_before: datetime,
    due_before: datetime,
    tried_before: datetime,
    after: str,
    limit: int,
) -> Sequence[str]:
    """Enrolments that have wanted waking since before `wanted_before` (or for a bid of which a slot became free then),
    were due before `due_before`, are held by the pause of a journey that goes on again, or wait for a message, or
    for another system, that nobody has touched since before `tried_before`, though it was due by then, unless messages
    are halted. What was written down as far ahead, by a clock that was wrong, is as old as it can be.

    In order of id, those after `after`.
    """
    is_halted = (await deliveries.find_switches(session)).is_halted
    values = {
        "wanted_before": wanted_before, "due_before": due_before, "tried_before": tried_before, "after": after,
        "ahead": wanted_before + LONGEST, "most": limit, "waits": ("queued",) if is_halted else ("queued", "deferred"),
    }  # fmt: skip
    return (await (await session.connection()).execute(_UNWOKEN, values)).scalars().all()


async def remove_served(session: AsyncSession, *, keys_before: datetime, now: datetime) -> None:
    """Let idempotency keys go that are older, entries that are not judged again any more, and bids that are none."""
    core = await session.connection()
    await core.execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < keys_before))
    await core.execute(delete(UnjudgedEntry).where(col(UnjudgedEntry.until) < now))
    await attention.remove_stale(session)
