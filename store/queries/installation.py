"""Facts about the whole installation: whether deliveries are held, what waits for that to end, the policy, and what has
been counted over all processes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Select, and_, delete, false, or_, select, union, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from journeys.resending import AGAIN
from store.inserting import insert_new
from store.policy_lock import hold_alone
from store.queries.waking import want_waking
from store.tables import DeliveryRow, Enrolment, Installation, RequestRow

HALTED = "halted"
POLICY = "policy"
UNKNOWN_TYPES = "events_of_unknown_type"


async def halt(session: AsyncSession, *, by: str, at: datetime) -> dict[str, Json]:
    """Hold every delivery from now on; where they are held already, since when and by whom stays as it is."""
    core = await session.connection()
    value: dict[str, Json] = {"since": at.isoformat(), "by": by}
    await core.execute(insert_new(session, Installation), [{"name": HALTED, "value": value, "updated_at": at}])
    standing = await find_halted(session)
    assert standing is not None
    return standing


async def find_halted(session: AsyncSession) -> dict[str, Json] | None:
    """Since when and by whom deliveries are held; None where they go."""
    query = select(col(Installation.value)).where(col(Installation.name) == HALTED)
    return (await (await session.connection()).execute(query)).scalar()


async def go(session: AsyncSession) -> None:
    """Hold deliveries no longer. What waited is woken by `wake_halted`, a page at a time and once this is committed:
    by then the turns that read otherwise are over, and no other lets a message wait for this (`store.policy_lock`).
    All but one that took longer than that lock's `PATIENCE`, frozen or slow: should it ever commit, what it lets wait
    goes once the sweeper finds that nobody has touched it for a quarter of an hour.
    """
    await hold_alone(session)
    await (await session.connection()).execute(delete(Installation).where(col(Installation.name) == HALTED))


async def wake_halted(session: AsyncSession, *, after: str, limit: int, at: datetime) -> Sequence[str]:
    """Let the next enrolments, in order of id, whose deliveries or requests were held want waking; answers them.

    Those that wanted waking before are among them: to poke twice does no harm.
    """
    core = await session.connection()
    of_each = [_held(row, after).limit(limit).subquery() for row in (DeliveryRow, RequestRow)]
    held = union(*(select(each.c.enrolment) for each in of_each)).subquery()
    waiting = select(held.c.enrolment).order_by(held.c.enrolment).limit(limit)
    found = (await core.execute(waiting)).scalars().all()
    await want_waking(session, found, at=at)
    return found


def _held(row: type[DeliveryRow] | type[RequestRow], after: str) -> Select[str]:
    """The enrolments that wait for one of these to go again, in order and each once, so that a page costs no more than
    what it passes; what is sent again by hand goes though its enrolment has ended.
    """
    is_held = and_(col(row.status) == "deferred", col(row.reason) == HALTED, col(Enrolment.status) != "ended")
    waits = col(row.status).in_(("queued", "deferred"))
    is_sent_again = and_(col(DeliveryRow.leg) >= AGAIN, waits) if row is DeliveryRow else false()
    return (
        select(col(row.enrolment))
        .distinct()
        .join(Enrolment, col(Enrolment.id) == col(row.enrolment))
        .where(col(row.enrolment) > after, col(Enrolment.id) > after, or_(is_held, is_sent_again))
        .order_by(col(row.enrolment))
    )


async def count_unknown_types(session: AsyncSession, number: int, *, at: datetime) -> None:
    """So many more events were logged whose type nobody knew. Call it last: its row is locked until the commit."""
    core = await session.connection()
    nothing: dict[str, Json] = {"count": 0}
    await core.execute(insert_new(session, Installation), [{"name": UNKNOWN_TYPES, "value": nothing, "updated_at": at}])
    query = select(col(Installation.value)).where(col(Installation.name) == UNKNOWN_TYPES).with_for_update()
    counted = cast("int", (await core.execute(query)).scalar_one()["count"])
    await core.execute(
        update(Installation)
        .where(col(Installation.name) == UNKNOWN_TYPES)
        .values(value={"count": counted + number}, updated_at=at)
    )


async def find_unknown_types(session: AsyncSession) -> int:
    """How many events were logged whose type nobody knew."""
    query = select(col(Installation.value)).where(col(Installation.name) == UNKNOWN_TYPES)
    found = (await (await session.connection()).execute(query)).scalar()
    return 0 if found is None else cast("int", found["count"])


async def keep_policy(session: AsyncSession, policy: Mapping[str, Json], *, at: datetime) -> None:
    """The policy from now on, as it was given. What waits is not woken by it, but by `wake_dependents`, once this is
    committed.
    """
    await hold_alone(session)
    core = await session.connection()
    await core.execute(insert_new(session, Installation), [{"name": POLICY, "value": dict(policy), "updated_at": at}])
    await core.execute(
        update(Installation).where(col(Installation.name) == POLICY).values(value=dict(policy), updated_at=at)
    )


async def find_policy(session: AsyncSession) -> dict[str, Json] | None:
    """The policy as it was given; None where nobody has changed the default."""
    query = select(col(Installation.value)).where(col(Installation.name) == POLICY)
    return (await (await session.connection()).execute(query)).scalar()


async def wake_dependents(session: AsyncSession, *, after: str, limit: int, at: datetime) -> Sequence[str]:
    """Let the next active enrolments, in order of id, that wait for what the policy or her calendar says want waking;
    answers them, and the sweeper pokes them. In transactions that began after the new policy was committed: see
    `store.policy_lock`. A batch may hold some of them and wait for others: run it by `Database.retrying`.
    """
    waiting = (
        select(col(Enrolment.id))
        .where(
            col(Enrolment.status) == "active", col(Enrolment.depends_on).is_not(None), col(Enrolment.id) > after
        )
        .order_by(col(Enrolment.id))
        .limit(limit)
    )  # fmt: skip
    found = (await (await session.connection()).execute(waiting)).scalars().all()
    await want_waking(session, found, at=at)
    return found
