"""What the sweeper looks for: enrolments that nobody has woken, and rows that have served."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BindParameter, Exists, Select, bindparam, delete, or_, select, text, union
from sqlalchemy.orm import Mapped
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.leases import LONGEST
from store.queries import attention, deliveries
from store.tables import BidRow, DeliveryRow, Enrolment, IdempotencyKey, JourneyRow, RequestRow, UnjudgedEntry


def _unwoken(*, is_halted: bool) -> Select[str]:
    """Made once: it is asked every few seconds, and making it costs more than asking it."""
    after: BindParameter[str] = bindparam("after")
    unwoken = union(*_wanting(after), *(() if is_halted else _waiting(after))).subquery()
    return select(unwoken.c.id).order_by(unwoken.c.id).limit(bindparam("most"))


def _wanting(after: BindParameter[str]) -> Sequence[Select[str]]:
    """Who wants waking, is overdue, or is held by the pause of a journey that goes on again."""
    id_, wanted, due = col(Enrolment.id), col(Enrolment.wake_wanted_at), col(Enrolment.due_at)
    is_running = text("status <> 'ended'")  # as the partial index says it: a bound value would not match the index
    return (
        select(id_).where(wanted <= _WANTED_BEFORE, id_ > after),
        select(id_).where(wanted > _AHEAD, id_ > after),
        select(id_).where(is_running, due <= bindparam("due_before"), id_ > after),
        select(id_)
        .join(JourneyRow, col(JourneyRow.name) == col(Enrolment.journey))
        .where(
            text("depends_on = 'journey'"),
            col(Enrolment.status) != "ended",  # who ended while it was held keeps that mark
            col(JourneyRow.status) != "paused",
            id_.concat("") > after,  # SQLite would go through all ids, and not by the index of those that are held
        ),
    )


def _waiting(after: BindParameter[str]) -> Sequence[Select[str]]:
    """Who waits for a message or for another system, and for nobody to let them go on: until then no turn touches
    what they wait for, and would be taken again and again for nothing.
    """
    of_bid, of_delivery, of_request = (col(row.enrolment) for row in (BidRow, DeliveryRow, RequestRow))
    return (
        select(of_bid).where(col(BidRow.wanted_at) <= _WANTED_BEFORE, of_bid > after, ~_is_held(of_bid)),
        select(of_bid).where(col(BidRow.wanted_at) > _AHEAD, of_bid > after, ~_is_held(of_bid)),
        select(of_delivery).where(
            col(DeliveryRow.status).in_(_OPEN),
            or_(col(DeliveryRow.updated_at) <= _TRIED_BEFORE, col(DeliveryRow.updated_at) > _AHEAD),
            or_(col(DeliveryRow.due_at).is_(None), col(DeliveryRow.due_at) <= _TRIED_BEFORE),
            of_delivery > after,
            ~_is_held(of_delivery),
        ),
        select(of_request).where(
            col(RequestRow.status).in_(_OPEN),
            or_(col(RequestRow.updated_at) <= _TRIED_BEFORE, col(RequestRow.updated_at) > _AHEAD),
            of_request > after,
            ~_is_held(of_request),
        ),
    )


def _is_held(enrolment: Mapped[str]) -> Exists:
    """Whether it is paused, or its journey is; asked of each row that is found, and no way to find one."""
    of_journey = col(JourneyRow.name) == col(Enrolment.journey)
    is_paused = or_(col(Enrolment.status) == "paused", col(JourneyRow.status) == "paused")
    found = select(col(Enrolment.id)).join(JourneyRow, of_journey).where(col(Enrolment.id) == enrolment, is_paused)
    return found.correlate(BidRow, DeliveryRow, RequestRow).exists()


_OPEN = ("queued", "deferred")
_WANTED_BEFORE: BindParameter[datetime] = bindparam("wanted_before")
_TRIED_BEFORE: BindParameter[datetime] = bindparam("tried_before")
_AHEAD: BindParameter[datetime] = bindparam("ahead")
_UNWOKEN, _UNWOKEN_HALTED = _unwoken(is_halted=False), _unwoken(is_halted=True)


async def list_unwoken(
    session: AsyncSession,
    *,
    wanted_before: datetime,
    due_before: datetime,
    tried_before: datetime,
    after: str,
    limit: int,
) -> Sequence[str]:
    """Enrolments that have wanted waking since before `wanted_before`, were due before `due_before`, or are held by the
    pause of a journey that goes on again; and, unless messages are halted, the enrolment or its journey is paused,
    those for whose bid a slot became free before `wanted_before`, or who wait for a message, or for another system,
    that nobody has touched since before `tried_before`, though it was due by then. What was written down as far ahead,
    by a clock that was wrong, is as old as it can be.

    In order of id, those after `after`.
    """
    is_halted = (await deliveries.find_switches(session)).is_halted
    values = {
        "wanted_before": wanted_before, "due_before": due_before, "tried_before": tried_before, "after": after,
        "ahead": wanted_before + LONGEST, "most": limit,
    }  # fmt: skip
    asked = _UNWOKEN_HALTED if is_halted else _UNWOKEN
    return (await (await session.connection()).execute(asked, values)).scalars().all()


async def remove_served(session: AsyncSession, *, keys_before: datetime, now: datetime) -> None:
    """Let idempotency keys go that are older, entries that are not judged again any more, and bids that are none."""
    core = await session.connection()
    await core.execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < keys_before))
    await core.execute(delete(UnjudgedEntry).where(col(UnjudgedEntry.until) < now))
    await attention.remove_stale(session)
