"""A whole journey paused, let go again, archived: flags on its row, which turns and claims read.

No enrolment is touched by a pause. When the journey goes on, those that the pause holds, or that fell due, want waking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import and_, or_, select, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import CatchUp
from journeys.events import Json
from journeys.resending import AGAIN
from journeys.turn import HELD_BY_JOURNEY
from store.database import connection_of
from store.queries import outbox
from store.queries.turns import wanted_since
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
    """Entries from now on, and its enrolments go on, with what `catch_up` makes of their waits. One that was archived
    when it was paused is archived again; one that is archived leaves the archive.
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
    await _want_waking(session, journey, now)
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


async def list_woken(session: AsyncSession, journey: str, *, limit: int) -> Sequence[str]:
    """Some of the journey's enrolments that want waking, to be poked at once; the others are the sweeper's."""
    query = select(col(Enrolment.id)).where(
        col(Enrolment.journey) == journey, col(Enrolment.wake_wanted_at).is_not(None)
    )
    return (await (await connection_of(session)).execute(query.limit(limit))).scalars().all()


async def _want_waking(session: AsyncSession, journey: str, now: datetime) -> None:
    sent_again = select(col(DeliveryRow.enrolment)).where(
        col(DeliveryRow.journey) == journey, col(DeliveryRow.leg) >= AGAIN,
        col(DeliveryRow.status).in_(("queued", "deferred")),
    )  # fmt: skip
    is_held = and_(
        col(Enrolment.status) != "ended",
        or_(col(Enrolment.depends_on) == ",".join(HELD_BY_JOURNEY), col(Enrolment.due_at) <= now),
    )
    change = update(Enrolment).where(col(Enrolment.journey) == journey, or_(is_held, col(Enrolment.id).in_(sent_again)))
    await (await connection_of(session)).execute(change.values(wake_wanted_at=wanted_since(now)))


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
