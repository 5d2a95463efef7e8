"""Taking a learner out of a journey by hand."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.effects import Note
from store.queries import deliveries, keeping, turns
from store.tables import Enrolment

WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """How the enrolment stands now; `is_new` tells whether it was this call that ended it."""

    outcome: str
    is_new: bool


async def withdraw(session: AsyncSession, enrolment: str, *, by: str, now: datetime) -> Withdrawn | None:
    """End an enrolment as withdrawn, and let what was queued fall; None where there is no such enrolment.

    A turn that runs at this moment loses its token by it, so nothing that it decides after is kept. A message of which
    the body is on its way is not called back.
    """
    row = await deliveries.lock_enrolment(session, enrolment)
    if row is None:
        return None
    if row.status == "ended":
        return Withdrawn(row.outcome or "", is_new=False)
    at = await _end(session, row, now)
    note = Note(at, "ended", row.step, "Withdrawn by hand.", {"outcome": WITHDRAWN, "by": by})
    await turns.record_notes(session, row.id, [note])
    await keeping.end(session, row, outcome=WITHDRAWN, at=at, reason=WITHDRAWN, clock=now, with_again=True)
    return Withdrawn(WITHDRAWN, is_new=True)


async def _end(session: AsyncSession, row: Enrolment, now: datetime) -> datetime:
    """Write the end; the instant is the run's own where that is later (its clock may have been moved)."""
    run = codec.run_from_json(row.run)
    at = max(now, run.at)
    ended = replace(run, at=at, hold=None, outcome=WITHDRAWN)
    change = (
        update(Enrolment)
        .where(col(Enrolment.id) == row.id)
        .values(
            status="ended", outcome=WITHDRAWN, ended_at=at, run=codec.run_to_json(ended), waiting_for=None, due_at=None,
            fence=col(Enrolment.fence) + 1, lease_until=None, wake_wanted_at=now,
        )
    )  # fmt: skip
    await (await session.connection()).execute(change)
    return at
