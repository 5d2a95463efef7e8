"""A whole journey paused, let go again, archived: flags on its row, which turns and claims read.

No enrolment is touched by a pause. Once the journey goes on, those that the pause held, or that fell due, want waking:
a page at a time, in transactions of their own, so that no journey is too large to go on. Who is not reached, because
the process ends before, is the sweeper's: it finds who is held by a pause that is over, and who is overdue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import ColumnElement, Select, or_, select, union_all, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import CatchUp
from journeys.events import Json
from journeys.resending import AGAIN
from journeys.turn import HELD_BY_JOURNEY
from store.database import connection_of
from store.queries import outbox
from store.queries.waking import want_waking
from store.tables import DeliveryRow, Enrolment, JourneyRow

SYSTEM = "waymark"
"""Who pauses a journey that fails for many."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it was not done, and what can be done instead."""

    code: Literal["journey_not_found", "journey_paused", "journey_not_paused", "journey_archived"]
    detail: str


@dataclass(frozen=True, slots=True)
class Held:
    """Since when a journey is paused, by whom, and why where that is known."""

    since: datetime
    by: str | None
    reason: str | None


def held_of(pauses: Sequence[Json]) -> Held | None:
    """The pause that holds a journey with these pauses now; None where it goes."""
    last = cast("Mapping[str, str | None]", pauses[-1]) if pauses else None
    if last is None or last.get("until") is not None:
        return None
    return Held(datetime.fromisoformat(str(last["since"])), last.get("by"), last.get("reason"))


async def pause(
    session: AsyncSession, journey: str, *, by: str, now: datetime, reason: str | None = None
) -> Refused | None:
    """No new entries, and every wait held."""
    row = await _lock(session, journey)
    if row is None:
        return _NO_JOURNEY
    if held_of(row.pauses) is not None:
        return Refused("journey_paused", "the journey is paused already: resume it to let it go on")
    new: dict[str, Json] = {
        "since": now.isoformat(), "until": None, "catch_up": "continue", "by": by, "reason": reason, "was": row.status,
    }  # fmt: skip
    await _change(session, journey, status="paused", pauses=[*row.pauses, new])
    await _tell(session, journey, "paused", {"by": by, "reason": reason}, now)
    return None


async def resume(session: AsyncSession, journey: str, *, catch_up: CatchUp, by: str, now: datetime) -> Refused | None:
    """Entries from now on, and its enrolments go on, with what `catch_up` makes of their waits; `wake_held` and
    `wake_sent_again` wake them once this is committed. One that was archived when it was paused is archived again; one
    that is archived leaves the archive.
    """
    row = await _lock(session, journey)
    if row is None:
        return _NO_JOURNEY
    if row.status == "live":
        return Refused("journey_not_paused", "the journey is neither paused nor archived: there is nothing to resume")
    pauses = list(row.pauses)
    was_archived = False
    if held_of(pauses) is not None:
        last = cast("Mapping[str, Json]", pauses[-1])
        since = max(now, datetime.fromisoformat(str(last["since"])))
        was_archived = last.get("was") == "archived"
        pauses[-1] = {**last, "until": since.isoformat(), "catch_up": catch_up, "resumed_by": by}
    await _change(session, journey, status="archived" if was_archived else "live", pauses=pauses, live_since=now)
    await _tell(session, journey, "resumed", {"by": by}, now)
    return None


async def archive(session: AsyncSession, journey: str) -> Refused | None:
    """No new entries; those that run go on."""
    row = await _lock(session, journey)
    if row is None:
        return _NO_JOURNEY
    if row.status == "archived":
        return Refused("journey_archived", "the journey is archived already: resume it to let it take entries again")
    if row.status == "paused":
        detail = "the journey is paused: resume it first, and those that run go on; or withdraw them"
        return Refused("journey_paused", detail)
    await _change(session, journey, status="archived")
    return None


async def list_held_by_themselves(session: AsyncSession) -> Sequence[tuple[str, Held]]:
    """The journeys that the system has paused, because they failed for many."""
    query = select(col(JourneyRow.name), col(JourneyRow.pauses)).where(col(JourneyRow.status) == "paused")
    found = (await (await connection_of(session)).execute(query.order_by(col(JourneyRow.name)))).all()
    held = [(journey, held_of(pauses)) for journey, pauses in found]
    return [(journey, paused) for journey, paused in held if paused is not None and paused.by == SYSTEM]


async def wake_held(session: AsyncSession, journey: str, *, after: str, limit: int, at: datetime) -> Sequence[str]:
    """Let the next of its enrolments, in order of id, that the pause held or that fell due want waking; answers them.

    Nobody, where the journey is paused again meanwhile. A batch may hold some of them and wait for others: run it by
    `Database.retrying`.
    """
    of_each = [_held(journey, status, after, at).limit(limit).subquery() for status in ("active", "paused")]
    held = union_all(*(select(each.c.id) for each in of_each)).subquery()
    return await _wake(session, select(held.c.id).order_by(held.c.id).limit(limit), at)


async def wake_sent_again(
    session: AsyncSession, journey: str, *, after: str, limit: int, at: datetime
) -> Sequence[str]:
    """The same of those, ended or not, for whom a message waits that was sent again by hand."""
    of_enrolment = col(DeliveryRow.enrolment)
    waiting = select(of_enrolment).distinct().where(
        col(DeliveryRow.journey) == journey, col(DeliveryRow.leg) >= AGAIN,
        col(DeliveryRow.status).in_(("queued", "deferred")), of_enrolment > after, _goes(journey),
    )  # fmt: skip
    return await _wake(session, waiting.order_by(of_enrolment).limit(limit), at)


async def _wake(session: AsyncSession, waiting: Select[str], at: datetime) -> Sequence[str]:
    found = (await (await connection_of(session)).execute(waiting)).scalars().all()
    await want_waking(session, found, at=at)
    return found


def _held(journey: str, status: str, after: str, at: datetime) -> Select[str]:
    """One status at a time: so an index gives them in their order, and a page costs no more than what it passes."""
    is_held = or_(col(Enrolment.depends_on) == ",".join(HELD_BY_JOURNEY), col(Enrolment.due_at) <= at)
    of_journey = (col(Enrolment.journey) == journey, col(Enrolment.status) == status, col(Enrolment.id) > after)
    return select(col(Enrolment.id)).where(*of_journey, is_held, _goes(journey)).order_by(col(Enrolment.id))


def _goes(journey: str) -> ColumnElement[bool]:
    return select(col(JourneyRow.status)).where(col(JourneyRow.name) == journey).scalar_subquery() != "paused"


async def _tell(
    session: AsyncSession, journey: str, what: Literal["paused", "resumed"], data: Mapping[str, Json], at: datetime
) -> None:
    """`waymark.journey.<what>`, for those who read our topic; keyed by the journey."""
    await outbox.record(session, type=f"waymark.journey.{what}", key=journey, data={"journey": journey, **data}, at=at)


async def _lock(session: AsyncSession, journey: str) -> JourneyRow | None:
    query = select_rows(JourneyRow).where(col(JourneyRow.name) == journey).with_for_update()
    return (await session.exec(query, execution_options={"populate_existing": True})).first()


async def _change(session: AsyncSession, journey: str, **values: object) -> None:
    await (await connection_of(session)).execute(
        update(JourneyRow).where(col(JourneyRow.name) == journey).values(**values)
    )


_NO_JOURNEY = Refused("journey_not_found", "there is no such journey: GET /v1/journeys lists them")
