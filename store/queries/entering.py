"""Enrolments as ingest sees them: found for a batch's learners, entered, moved to another entry, woken."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, delete, insert, or_, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from journeys.holdout import HOLDOUT
from store.inserting import insert_new
from store.tables import Enrolment, InboxRow, JournalRow, UnjudgedEntry


@dataclass(frozen=True, slots=True)
class EnrolmentState:
    """What ingest must know of an enrolment. `fence` is 0 until a turn has been taken, `step` None until it begins.

    `depends_on` names the fields of the profile, joined by commas, of which a change wakes it. Who is held out has the
    outcome `holdout`; `goal_at` is when her goal came.
    """

    id: str
    journey: str
    version: int
    program: str
    learner: str
    key: str
    ordinal: int
    entered_at: datetime
    entry: Mapping[str, Json]
    entry_seq: int | None
    fence: int
    step: str | None
    status: str
    ended_at: datetime | None
    outcome: str | None
    depends_on: str | None
    goal_at: datetime | None

    @property
    def is_held_out(self) -> bool:
        """Whether it ended at its entry, for comparison."""
        return self.outcome == HOLDOUT

    def depends_on_one_of(self, fields: Collection[str]) -> bool:
        """Whether what it waits for depends on one of these fields of the profile."""
        return self.depends_on is not None and not set(self.depends_on.split(",")).isdisjoint(fields)


@dataclass(frozen=True, slots=True)
class UnjudgedState:
    """A row of `unjudged_entries`."""

    journey: str
    trigger: str
    learner: str
    event: int
    finding: str
    until: datetime


async def list_enrolments(
    session: AsyncSession, learners: Collection[str], *, with_ended: Collection[str], is_to_change: bool = True
) -> Sequence[EnrolmentState]:
    """These learners' enrolments that have not ended or are held out, and of `with_ended` all, in order.

    They are locked, unless they are only to be looked at.
    """
    query = (
        select(
            col(Enrolment.id), col(Enrolment.journey), col(Enrolment.version), col(Enrolment.program),
            col(Enrolment.learner), col(Enrolment.entry_key), col(Enrolment.ordinal), col(Enrolment.entered_at),
            col(Enrolment.entry), col(Enrolment.entry_event), col(Enrolment.fence), col(Enrolment.step),
            col(Enrolment.status), col(Enrolment.ended_at), col(Enrolment.outcome), col(Enrolment.depends_on),
            col(Enrolment.goal_at),
        )
        .where(
            col(Enrolment.learner).in_(learners),
            or_(
                col(Enrolment.status) != "ended",
                col(Enrolment.outcome) == HOLDOUT,
                col(Enrolment.learner).in_(with_ended),
            ),
        )
        .order_by(col(Enrolment.id))
    )  # fmt: skip
    if is_to_change:
        query = query.with_for_update(key_share=True)
    return [EnrolmentState(*row) for row in (await (await session.connection()).execute(query)).all()]


async def enter(session: AsyncSession, rows: Sequence[Enrolment]) -> None:
    """Insert new enrolments."""
    if rows:
        await (await session.connection()).execute(insert(Enrolment), [row.model_dump() for row in rows])


async def move_entries(session: AsyncSession, rows: Sequence[Enrolment]) -> None:
    """Give enrolments that have not begun another entry; a turn that is under way is overtaken."""
    core = await session.connection()
    fence = case((col(Enrolment.fence) == 0, 0), else_=col(Enrolment.fence) + 1)
    for row in rows:
        change = update(Enrolment).where(col(Enrolment.id) == row.id, col(Enrolment.step).is_(None))
        change = change.values(
            entered_at=row.entered_at, entry=row.entry, entry_event=row.entry_event, run=row.run, due_at=row.due_at,
            ended_at=row.ended_at, fence=fence, lease_until=None,
        )  # fmt: skip
        await core.execute(change)


async def keep_goals(session: AsyncSession, goals: Mapping[str, datetime | None]) -> None:
    """When the goals came of those who are held out; None where what came later shows that it has not."""
    if goals:
        change = update(Enrolment).where(col(Enrolment.id) == bindparam("the_id"))
        rows = [{"the_id": enrolment, "goal": at} for enrolment, at in goals.items()]
        await (await session.connection()).execute(change.values(goal_at=bindparam("goal")), rows)


async def drop(session: AsyncSession, enrolments: Collection[str]) -> None:
    """Let enrolments go that no turn has begun, and that what came later shows never to have been."""
    if enrolments:
        await (await session.connection()).execute(
            delete(Enrolment).where(col(Enrolment.id).in_(enrolments), col(Enrolment.fence) == 0)
        )


async def record_lines(session: AsyncSession, lines: Sequence[JournalRow]) -> None:
    """Add lines to journals."""
    if lines:
        rows = [line.model_dump(exclude={"seq"}) for line in lines]
        await (await session.connection()).execute(insert(JournalRow), rows)


async def empty_journals(session: AsyncSession, enrolments: Collection[str]) -> None:
    """Take out what the journals of enrolments say that have not begun."""
    if enrolments:
        await (await session.connection()).execute(delete(JournalRow).where(col(JournalRow.enrolment).in_(enrolments)))


async def want_waking(session: AsyncSession, enrolments: Collection[str], *, at: datetime) -> Sequence[str]:
    """Set `wake_wanted_at` where it is empty; answers those where it was."""
    if not enrolments:
        return []
    change = (
        update(Enrolment)
        .where(
            col(Enrolment.id).in_(enrolments), col(Enrolment.wake_wanted_at).is_(None), col(Enrolment.status) != "ended"
        )
        .values(wake_wanted_at=at)
        .returning(col(Enrolment.id))
    )
    return (await (await session.connection()).execute(change)).scalars().all()


async def list_unread(session: AsyncSession, enrolments: Collection[str]) -> Sequence[tuple[str, str, datetime]]:
    """Enrolment, trigger and time of what fired and no turn has read."""
    if not enrolments:
        return []
    query = select(col(InboxRow.enrolment), col(InboxRow.trigger), col(InboxRow.at)).where(
        col(InboxRow.enrolment).in_(enrolments), col(InboxRow.read_at).is_(None)
    )
    found = (await (await session.connection()).execute(query)).all()
    return [(enrolment, trigger, at) for enrolment, trigger, at in found]


async def list_unjudged(session: AsyncSession, learners: Collection[str]) -> Sequence[UnjudgedState]:
    """The entries of these learners that could not be judged."""
    if not learners:
        return []
    query = select(
        col(UnjudgedEntry.journey), col(UnjudgedEntry.trigger), col(UnjudgedEntry.learner), col(UnjudgedEntry.event),
        col(UnjudgedEntry.finding), col(UnjudgedEntry.until),
    ).where(col(UnjudgedEntry.learner).in_(learners))  # fmt: skip
    return [UnjudgedState(*row) for row in (await (await session.connection()).execute(query)).all()]


async def replace_unjudged(session: AsyncSession, learners: Collection[str], unjudged: Sequence[UnjudgedState]) -> None:
    """Of these learners, these entries and no others could not be judged."""
    core = await session.connection()
    if learners:
        await core.execute(delete(UnjudgedEntry).where(col(UnjudgedEntry.learner).in_(learners)))
    if unjudged:
        rows: list[dict[str, object]] = [
            {
                "journey": u.journey, "trigger": u.trigger, "learner": u.learner, "event": u.event,
                "finding": u.finding, "until": u.until,
            }
            for u in unjudged
        ]  # fmt: skip
        await core.execute(insert_new(session, UnjudgedEntry), rows)
