"""Moving an enrolment to another version of its journey, in one transaction under its row's lock.

What stands in the run is carried over by `journeys.moving`. What is unread in its inbox for a trigger that the new
version has too goes with it; every other trigger of the new version is judged over her whole log since the entry, as
she was at the time of each event (`journeys.history`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.history import Enrolled, History
from journeys.identity import delivery_id
from journeys.moving import Moved
from journeys.moving import Refused as CannotBe
from journeys.moving import move as moved_run
from journeys.program import Program
from journeys.routing import Routes, kept
from store.queries import deliveries, events, inbox, journeys, keeping, learners, outbox, turns
from store.queries.inbox import FiredTrigger
from store.queries.learners import LearnerState
from store.queries.steering import ProgramOf, Refused, Standing, Steered, hold_on, signed
from store.tables import Enrolment, Version


async def move(
    session: AsyncSession,
    enrolment: str,
    *,
    version: int,
    step_map: Mapping[str, str],
    program_of: ProgramOf,
    by: str,
    now: datetime,
) -> Steered | Refused:
    """Move it; `step_map` says what steps of its version are called in the other one, where that differs."""
    her = (await session.exec(select(Enrolment.learner).where(col(Enrolment.id) == enrolment))).first()
    known = {} if her is None else await learners.lock(session, [her])
    standing = await hold_on(session, enrolment, program_of)
    if isinstance(standing, Refused):
        return standing
    target = await find_target(session, standing.row, version)
    if isinstance(target, Refused):
        return target
    new = await program_of(session, target.hash)
    to = f"version {version}, from version {standing.row.version}"
    moved = moved_run(standing.program, new, standing.run, step_map, at=now, to=to)
    if isinstance(moved, CannotBe):
        return cannot_be(moved)
    under_way = await _let_renamed_fall(session, standing, moved, version, now)
    if under_way is not None:
        return under_way
    if new.hash != standing.program.hash:
        await _judge_again(session, standing, moved, new, known[standing.row.learner], now)
    effects = signed(moved.effects, by)
    await keeping.put(session, standing.row, new, moved.run, effects, now=now, version=version)
    return Steered(enrolment)


async def find_target(session: AsyncSession, row: Enrolment, version: int) -> Version | Refused:
    """The version to move to."""
    if row.version == version:
        return Refused("same_version", f"the enrolment is in version {version} already: there is nothing to move")
    target = await journeys.find_version(session, row.journey, version)
    if target is None:
        detail = f"the journey has no version {version}: GET /v1/journeys/{row.journey}/versions lists them"
        return Refused("version_not_found", detail)
    return target


async def list_runs(
    session: AsyncSession, journey: str, *, version: int, after: str, limit: int
) -> Sequence[tuple[str, str]]:
    """The runs of those that have not ended in this version, by enrolment, in order of id."""
    query = (
        select(Enrolment.id, Enrolment.run)
        .where(
            col(Enrolment.journey) == journey, col(Enrolment.version) == version, col(Enrolment.status) != "ended",
            col(Enrolment.id) > after,
        )
        .order_by(col(Enrolment.id))
        .limit(limit)
    )  # fmt: skip
    return (await session.exec(query)).all()


def cannot_be(refused: CannotBe) -> Refused:
    """Why it cannot be moved, as the API and actions say it."""
    return Refused("cannot_be_moved", "; ".join(refused.reasons), refused.reasons)


async def _let_renamed_fall(
    session: AsyncSession, standing: Standing, moved: Moved, version: int, now: datetime
) -> Refused | None:
    """A message that waits under a key it has no more falls; one that is on its way stands in the way."""
    if moved.renamed is None:
        return None
    old = moved.renamed
    row = await deliveries.find(session, delivery_id(standing.row.id, old.node, old.visit, old.leg))
    if row is None:
        return None
    if row.attempt is not None or row.status in deliveries.FINAL:
        detail = f"the message of {old.node!r} is on its way: move the enrolment when that is over, in a moment"
        return Refused("message_under_way", detail)
    reason = f"moved to version {version}"
    await deliveries.change(session, row.id, clock=now, status="skipped", reason=reason)
    await outbox.record_delivery(session, row.id, status="skipped", at=now)
    return None


async def _judge_again(
    session: AsyncSession, standing: Standing, moved: Moved, new: Program, her: LearnerState, now: datetime
) -> None:
    """Fill the inbox for the new program."""
    row = standing.row
    unread = await turns.find_unread(session, row.id, row.program)
    await turns.mark_read(session, [seq for seq, _ in unread], at=now)
    await inbox.forget_read(session, row.id, new.hash)
    taken_along = [
        FiredTrigger(row.id, new.hash, moved.triggers[f.trigger], int(f.event), f.event_type, f.at, f.data)
        for _, f in unread
        if f.trigger in moved.triggers
    ]
    await inbox.record(session, [*taken_along, *await _look_back(session, standing, moved, new, her, now)])


async def _look_back(
    session: AsyncSession, standing: Standing, moved: Moved, new: Program, her: LearnerState, now: datetime
) -> Sequence[FiredTrigger]:
    """What has fired the triggers that her version had not."""
    if not moved.to_judge:
        return []
    row = standing.row
    log = (await events.list_of(session, {her.id: her.source_id}, new=()))[her.id]
    enrolled = Enrolled(
        id=row.id, learner=her.id, program=new, key=row.entry_key, ordinal=row.ordinal, entered_at=row.entered_at,
        entry=codec.entry_from_plain(row.entry), entry_seq=row.entry_event, entry_time=None,
    )  # fmt: skip
    history = History(her.id, her.source_id, Routes(()), {}, now, enrolled=[enrolled])
    history.take(log)
    return [
        FiredTrigger(row.id, new.hash, trigger, h.seq, h.event.type, h.event.time, kept(new, trigger, h.event))
        for trigger, h in enrolled.fired
        if trigger in moved.to_judge
    ]
