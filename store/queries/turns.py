"""What a turn reads and writes. Every write is conditional on the fencing token that the turn took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import Fired, Note
from journeys.events import Json
from store.database import changed
from store.tables import Enrolment, InboxRow, JournalRow, Learner


@dataclass(frozen=True)
class Lease:
    """An enrolment as a turn holds it: its row, and the token that its commits need."""

    enrolment: Enrolment
    fence: int


@dataclass(frozen=True)
class Busy:
    """Another turn holds a living lease for so long yet."""

    remaining: timedelta


@dataclass(frozen=True)
class Over:
    """The enrolment has ended so; `erased` where there is no row any more."""

    outcome: str


@dataclass(frozen=True)
class Person:
    """A learner as expressions and templates need her: the source's id and the profile."""

    id: str
    source_id: str
    profile: dict[str, Json]


async def take_lease(
    session: AsyncSession, enrolment: str, *, clock: datetime, lease: timedelta
) -> Lease | Busy | Over:
    """Take the fencing token and clear `wake_wanted_at`, unless another turn's lease is alive or the row has ended."""
    taken = await session.exec(
        update(Enrolment)
        .where(
            col(Enrolment.id) == enrolment,
            col(Enrolment.status) != "ended",
            or_(col(Enrolment.lease_until).is_(None), col(Enrolment.lease_until) <= clock),
        )
        .values(fence=col(Enrolment.fence) + 1, lease_until=clock + lease, wake_wanted_at=None)
        .returning(Enrolment),
        execution_options={"synchronize_session": False, "populate_existing": True},
    )
    row: Enrolment | None = taken.scalars().first()
    if row is not None:
        return Lease(row, row.fence)
    found = await (await session.connection()).execute(
        select(col(Enrolment.status), col(Enrolment.outcome), col(Enrolment.lease_until)).where(
            col(Enrolment.id) == enrolment
        )
    )
    standing = found.first()
    if standing is None:
        return Over("erased")
    status, outcome, lease_until = standing
    if status == "ended":
        await (await session.connection()).execute(
            update(Enrolment).where(col(Enrolment.id) == enrolment).values(wake_wanted_at=None)
        )
        return Over(outcome or "completed")
    return Busy(max((lease_until or clock) - clock, timedelta(seconds=1)))


async def keep(
    session: AsyncSession,
    *,
    enrolment: str,
    fence: int,
    run: str,
    step: str | None,
    waiting_for: str | None,
    due_at: datetime | None,
    lease_until: datetime | None,
    ended_at: datetime | None = None,
    outcome: str | None = None,
) -> bool:
    """Keep the run as it stands; False where another turn has taken the enrolment over since."""
    ending = {} if outcome is None else {"status": "ended", "outcome": outcome, "ended_at": ended_at}
    kept = await (await session.connection()).execute(
        update(Enrolment)
        .where(col(Enrolment.id) == enrolment, col(Enrolment.fence) == fence)
        .values(run=run, step=step, waiting_for=waiting_for, due_at=due_at, lease_until=lease_until, **ending)
    )
    return changed(kept) == 1


async def extend_lease(session: AsyncSession, *, enrolment: str, fence: int, lease_until: datetime) -> bool:
    """Hold the enrolment on after a pause outside a transaction; False where another turn has taken it over."""
    held = await (await session.connection()).execute(
        update(Enrolment)
        .where(col(Enrolment.id) == enrolment, col(Enrolment.fence) == fence, col(Enrolment.status) != "ended")
        .values(lease_until=lease_until)
    )
    return changed(held) == 1


async def find_unread(session: AsyncSession, enrolment: str, program: str) -> Sequence[tuple[int, Fired]]:
    """The unread rows of the inbox for this program, each with its number, in the order they came."""
    rows = await (await session.connection()).execute(
        select(
            col(InboxRow.seq), col(InboxRow.at), col(InboxRow.trigger), col(InboxRow.event), col(InboxRow.event_type)
        )
        .where(col(InboxRow.enrolment) == enrolment, col(InboxRow.program) == program, col(InboxRow.read_at).is_(None))
        .order_by(col(InboxRow.seq))
    )
    return [(seq or 0, Fired(at, trigger, str(event), type_)) for seq, at, trigger, event, type_ in rows.all()]


async def mark_read(session: AsyncSession, seqs: Sequence[int], *, at: datetime) -> None:
    """These rows of the inbox have been taken into the run."""
    if seqs:
        await (await session.connection()).execute(
            update(InboxRow).where(col(InboxRow.seq).in_(seqs)).values(read_at=at)
        )


async def record_notes(session: AsyncSession, enrolment: str, notes: Sequence[Note]) -> None:
    """Lines for the journal, in order."""
    if notes:
        lines = [
            {"enrolment": enrolment, "at": n.at, "kind": n.kind, "step": n.step, "text": n.text, "data": dict(n.data)}
            for n in notes
        ]
        await (await session.connection()).execute(insert(JournalRow), lines)


async def find_person(session: AsyncSession, learner: str) -> Person | None:
    """A learner by our id."""
    found = await (await session.connection()).execute(
        select(col(Learner.id), col(Learner.source_id), col(Learner.profile)).where(col(Learner.id) == learner)
    )
    row = found.first()
    return None if row is None else Person(*row)


async def want_waking(session: AsyncSession, enrolments: Sequence[str], *, at: datetime) -> None:
    """Set `wake_wanted_at` where it is empty: the sweeper pokes them unless somebody does so sooner."""
    await (await session.connection()).execute(
        update(Enrolment)
        .where(col(Enrolment.id).in_(enrolments), col(Enrolment.wake_wanted_at).is_(None))
        .values(wake_wanted_at=at)
    )
