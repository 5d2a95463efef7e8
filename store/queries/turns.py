"""What a turn reads and writes. Every write is conditional on the fencing token that the turn took.

On PostgreSQL the statement that takes an enrolment may wait, for its row or for the policy's lock, and goes on seeing
the other tables as they were when it began. Who let it wait may have changed the learner, and has told nobody because
nothing waited for it yet. So what stands beside the enrolment is read by a volatile function, once the row is held: it
sees what is committed by then, and costs no statement of its own. On SQLite one writes at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import ArmChosen, Fired, Note
from journeys.events import Json
from journeys.resending import AGAIN
from store.database import connection_of
from store.inserting import insert_new
from store.leases import LONGEST, is_alive
from store.policy_lock import is_shared
from store.prepared import Prepared
from store.tables import Assignment, DeliveryRow, Enrolment, Identity, InboxRow, JournalRow, JourneyRow, Learner


@dataclass(frozen=True, slots=True)
class Person:
    """A learner as expressions and templates need her: the source's id and the profile. `ahead` is when fields of it
    change by what is known already.
    """

    id: str
    source_id: str
    profile: dict[str, Json]
    profile_times: dict[str, str]
    ahead: Mapping[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass(frozen=True, slots=True)
class Held:
    """What a turn must know of the enrolment it holds; `has_again`: a message waits that was sent again by hand."""

    id: str
    journey: str
    version: int
    program: str
    learner: str
    entry: dict[str, Json]
    run: str
    pauses: Sequence[Json]
    has_again: bool


@dataclass(frozen=True)
class Lease:
    """An enrolment as a turn holds it, with its learner, and the token that its commits need."""

    enrolment: Held
    person: Person
    fence: int


@dataclass(frozen=True)
class Busy:
    """Another turn holds a living lease for so long yet."""

    remaining: timedelta


@dataclass(frozen=True)
class Over:
    """The enrolment has ended so; `erased` where there is no row any more."""

    outcome: str


# The statements of a turn are made once: making one costs more than running it.

_HER = col(Learner.id) == col(Enrolment.learner)
_BESIDE = (
    select(col(Learner.source_id)).where(_HER).scalar_subquery(),
    select(col(Learner.profile)).where(_HER).scalar_subquery(),
    select(col(Learner.profile_times)).where(_HER).scalar_subquery(),
    select(col(JourneyRow.pauses)).where(col(JourneyRow.name) == col(Enrolment.journey)).scalar_subquery(),
    exists().where(
        col(DeliveryRow.enrolment) == bindparam("this"),  # what SQLite returns is not qualified: `id` would be its own
        col(DeliveryRow.leg) >= AGAIN,
        col(DeliveryRow.status).in_(("queued", "deferred")),
    ),
)
"""The learner's id of the source, profile and its times, the journey's pauses, and whether something is sent again."""
_BESIDE_NOW = func.beside_enrolment(
    col(Enrolment.id), col(Enrolment.learner), col(Enrolment.journey), type_=JSONB(none_as_null=True)
)
"""The same as one list, as it stands once the row is held (PostgreSQL; migration 0004)."""
_THIS = col(Enrolment.id) == bindparam("this")
_IS_OURS = col(Enrolment.fence) == bindparam("our_fence")

_OWN = (
    col(Enrolment.fence), col(Enrolment.id), col(Enrolment.journey), col(Enrolment.version), col(Enrolment.program),
    col(Enrolment.learner), col(Enrolment.entry), col(Enrolment.run),
)  # fmt: skip
_TAKING = (
    update(Enrolment)
    .where(
        is_shared(),
        _THIS,
        col(Enrolment.status) != "ended",
        or_(
            col(Enrolment.lease_until).is_(None),
            col(Enrolment.lease_until) <= bindparam("clock"),
            col(Enrolment.lease_until) > bindparam("farthest"),
        ),
    )
    .values(fence=col(Enrolment.fence) + 1, lease_until=bindparam("until"), wake_wanted_at=None)
)
_TAKE = Prepared(_TAKING.returning(*_OWN, *_BESIDE))
_TAKE_NOW = Prepared(_TAKING.returning(*_OWN, _BESIDE_NOW))
_LOOK = select(col(Enrolment.status), col(Enrolment.outcome), col(Enrolment.lease_until)).where(_THIS)
_CLEAR = update(Enrolment).where(_THIS).values(wake_wanted_at=None)
_EXTENDING = (
    update(Enrolment)
    .where(is_shared(), _THIS, _IS_OURS, col(Enrolment.status) != "ended")
    .values(lease_until=bindparam("until"))
)
_EXTEND = Prepared(_EXTENDING.returning(col(Enrolment.learner), *_BESIDE[:3]))
_EXTEND_NOW = Prepared(_EXTENDING.returning(col(Enrolment.learner), _BESIDE_NOW))
_KEEPING = (
    update(Enrolment)
    .where(_THIS, _IS_OURS)
    .values(
        run=bindparam("new_run"), step=bindparam("new_step"), waiting_for=bindparam("waits"),
        due_at=bindparam("due"), lease_until=bindparam("until"), depends_on=bindparam("depends"),
        arm=bindparam("in_arm"),
    )
)  # fmt: skip
_KEEP = Prepared(_KEEPING)
_KEEP_ENDED = Prepared(_KEEPING.values(status="ended", outcome=bindparam("new_outcome"), ended_at=bindparam("ended")))
_UNREAD = Prepared(
    select(
        col(InboxRow.seq),
        col(InboxRow.at),
        col(InboxRow.trigger),
        col(InboxRow.event),
        col(InboxRow.event_type),
        col(InboxRow.data),
    )
    .where(
        col(InboxRow.enrolment) == bindparam("this"),
        col(InboxRow.program) == bindparam("of_program"),
        col(InboxRow.read_at).is_(None),
    )
    .order_by(col(InboxRow.seq))
)  # fmt: skip
_PAUSES = Prepared(select(col(JourneyRow.pauses)).where(col(JourneyRow.name) == bindparam("this")))
_NOTE = Prepared(insert(JournalRow))
_CALLED = (
    select(col(Learner.id), col(Learner.source_id), col(Learner.profile), col(Learner.profile_times))
    .join(Identity, col(Identity.learner) == col(Learner.id))
    .where(col(Identity.source_id) == bindparam("called"))
)


def wanted_since(at: datetime) -> ColumnElement[datetime]:
    """What `wake_wanted_at` becomes where waking is wanted: an older wish stays. Who writes it and has not locked the
    enrolments must not ask in `where` for those that want nothing: a turn may be clearing what this transaction still
    sees, and they would be passed over.
    """
    return func.coalesce(col(Enrolment.wake_wanted_at), at)


async def take_lease(
    session: AsyncSession, enrolment: str, *, clock: datetime, lease: timedelta
) -> Lease | Busy | Over:
    """Take the fencing token and clear `wake_wanted_at`, unless another turn's lease is alive or the row has ended."""
    values = {"this": enrolment, "clock": clock, "farthest": clock + LONGEST, "until": clock + lease}
    row: Any = await _now_or_seen(session, _TAKE_NOW, _TAKE).first(session, values)
    if row is not None:
        fence, *own, source_id, profile, times, pauses, has_again = _flat(row)
        held = Held(*[*own, pauses, has_again])
        return Lease(held, Person(held.learner, source_id, profile, times), fence)
    core = await connection_of(session)
    standing = (await core.execute(_LOOK, {"this": enrolment})).first()
    if standing is None:
        return Over("erased")
    status, outcome, lease_until = standing
    if status == "ended":
        await core.execute(_CLEAR, {"this": enrolment})
        return Over(outcome or "completed")
    remaining = lease_until - clock if lease_until and is_alive(lease_until, clock=clock) else timedelta()
    return Busy(max(remaining, timedelta(seconds=1)))


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
    depends_on: Sequence[str] = (),
    arm: str | None = None,
) -> bool:
    """Keep the run as it stands; False where another turn has taken the enrolment over since."""
    values = {
        "this": enrolment, "our_fence": fence, "new_run": run, "new_step": step, "waits": waiting_for, "due": due_at,
        "until": lease_until, "depends": ",".join(depends_on) or None, "in_arm": arm,
    }  # fmt: skip
    if outcome is None:
        return await _KEEP.change(session, values) == 1
    return await _KEEP_ENDED.change(session, {**values, "new_outcome": outcome, "ended": ended_at}) == 1


async def extend_lease(session: AsyncSession, *, enrolment: str, fence: int, lease_until: datetime) -> Person | None:
    """Hold the enrolment on after a pause outside a transaction, and its learner as she is now; None where another
    turn has taken it over.
    """
    values = {"this": enrolment, "our_fence": fence, "until": lease_until}
    row = await _now_or_seen(session, _EXTEND_NOW, _EXTEND).first(session, values)
    return None if row is None else Person(*_flat(row)[:4])


async def find_unread(session: AsyncSession, enrolment: str, program: str) -> Sequence[tuple[int, Fired]]:
    """The unread rows of the inbox for this program, each with its number, in the order they came."""
    rows = await _UNREAD.rows(session, {"this": enrolment, "of_program": program})
    return [(seq or 0, Fired(at, trigger, str(event), type_, data)) for seq, at, trigger, event, type_, data in rows]


async def find_pauses(session: AsyncSession, journey: str) -> Sequence[Json]:
    """The pauses of a journey as they stand now."""
    row = await _PAUSES.first(session, {"this": journey})
    return (None if row is None else row[0]) or []


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
        await _NOTE.change_each(session, lines)


async def find_person(session: AsyncSession, learner: str) -> Person | None:
    """A learner by our id."""
    found = await (await session.connection()).execute(
        select(col(Learner.id), col(Learner.source_id), col(Learner.profile), col(Learner.profile_times)).where(
            col(Learner.id) == learner
        )
    )
    row = found.first()
    return None if row is None else Person(*row)


async def find_person_called(session: AsyncSession, source_id: str) -> Person | None:
    """A learner by an id that a source gave her."""
    found = await (await connection_of(session)).execute(_CALLED, {"called": source_id})
    row = found.first()
    return None if row is None else Person(*row)


async def record_arms(session: AsyncSession, enrolment: str, arms: Sequence[ArmChosen]) -> None:
    """What chance said, before it acts; the first assignment to a split stands."""
    if arms:
        rows = [
            {"enrolment": enrolment, "split": a.split, "arm": a.arm, "share": a.share, "unit": a.unit, "at": a.at}
            for a in arms
        ]
        await (await connection_of(session)).execute(insert_new(session, Assignment), rows)


def _now_or_seen(session: AsyncSession, now: Prepared, seen: Prepared) -> Prepared:
    """The one that reads what stands beside the enrolment once the row is held, where it may have had to wait."""
    return now if session.get_bind().dialect.name == "postgresql" else seen


def _flat(row: Sequence[Any]) -> Sequence[Any]:
    """The row with what stands beside the enrolment as values of its own, however it was read."""
    return [*row[:-1], *row[-1]] if isinstance(row[-1], list) else row
