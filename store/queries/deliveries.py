"""Deliveries: claimed by one compare-and-set, recorded under the attempt that claimed them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import bindparam, insert, update
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from journeys.resending import AGAIN
from store.database import changed, connection_of
from store.prepared import Prepared
from store.queries import attention
from store.tables import DeliveryRow, Enrolment, Installation

FINAL = frozenset({"sent", "skipped", "failed", "may_have_gone", "delivered", "bounced", "clicked", "replied"})
"""Statuses after which no attempt is made by itself."""


_OPEN = col(DeliveryRow.status).in_(("queued", "deferred"))
_OF_RUN = col(DeliveryRow.leg) < AGAIN
"""What is sent again by hand is not the run's: it does not fall with it."""
_THIS = col(DeliveryRow.id) == bindparam("this")

# What every message needs is made once: making a statement costs more than running it.
_COLUMNS: Any = vars(DeliveryRow)["__table__"].columns
_NAMES: tuple[str, ...] = tuple(column.key for column in _COLUMNS)
_FIND = Prepared(select_columns(*_COLUMNS).where(_THIS))
_FIND_OPEN: Any = select_columns(*_COLUMNS).where(col(DeliveryRow.enrolment) == bindparam("of"), _OPEN, _OF_RUN)
_FIND_AGAIN: Any = select_columns(*_COLUMNS).where(col(DeliveryRow.enrolment) == bindparam("of"), _OPEN, ~_OF_RUN)
_RECORD = Prepared(insert(DeliveryRow))
_CLAIM = Prepared(
    update(DeliveryRow)
    .where(_THIS, _OPEN, col(DeliveryRow.attempt).is_(None))
    .values(
        attempt=bindparam("by"), attempt_until=bindparam("until"), attempts=col(DeliveryRow.attempts) + 1,
        status="queued", channel=bindparam("through"), updated_at=bindparam("clock"),
        draft=bindparam("drafted"), undrafted=bindparam("because_not"),
    )
)  # fmt: skip
_CONCLUDE = Prepared(
    update(DeliveryRow)
    .where(
        _THIS, col(DeliveryRow.attempt) == bindparam("by"), col(DeliveryRow.status) != bindparam("became")
    )
    .values(
        attempt=None, attempt_until=None, updated_at=bindparam("clock"), status=bindparam("became"),
        reason=bindparam("because"), sent_at=bindparam("sent"), provider_id=bindparam("their_id"),
        words=bindparam("their_words"),
    )
)  # fmt: skip
_WITHDRAW = Prepared(
    update(DeliveryRow)
    .where(
        col(DeliveryRow.enrolment) == bindparam("of"),
        _OPEN,
        col(DeliveryRow.attempt).is_(None),
        col(DeliveryRow.leg) < bindparam("below"),
    )
    .values(status="skipped", reason=bindparam("because"), updated_at=bindparam("clock"))
    .returning(col(DeliveryRow.id))
)
_SWITCHES = Prepared(
    select_columns(col(Installation.name), col(Installation.value)).where(
        col(Installation.name).in_(("halted", "policy"))
    )
)


@dataclass(frozen=True, slots=True)
class Switches:
    """What holds for all deliveries: whether they are held, and the policy as it was given (None: the default)."""

    is_halted: bool
    policy: Mapping[str, Json] | None


async def find(session: AsyncSession, delivery: str) -> DeliveryRow | None:
    """One delivery by its key."""
    found = await _FIND.first(session, {"this": delivery})
    return None if found is None else DeliveryRow(**dict(zip(_NAMES, found, strict=True)))


async def record(session: AsyncSession, row: DeliveryRow) -> None:
    """A new delivery, in whatever status it begins."""
    await _RECORD.change(session, row.model_dump())


async def claim(
    session: AsyncSession,
    delivery: str,
    *,
    attempt: str,
    until: datetime,
    clock: datetime,
    channel: str,
    draft: str | None = None,
    undrafted: str | None = None,
) -> bool:
    """Begin an attempt on a delivery that nobody is trying and that is not final; False where that is not so."""
    values = {
        "this": delivery, "by": attempt, "until": until, "through": channel, "clock": clock, "drafted": draft,
        "because_not": undrafted,
    }  # fmt: skip
    return await _CLAIM.change(session, values) == 1


async def conclude(
    session: AsyncSession,
    delivery: str,
    *,
    attempt: str,
    clock: datetime,
    status: str,
    reason: str | None,
    sent_at: datetime | None,
    provider_id: str | None,
    words: str | None,
) -> bool:
    """Write what came of an attempt; False where the row belongs to another attempt by now, or has that status.

    A row that was marked `may_have_gone` keeps its attempt, so that an answer which comes after all still counts.
    """
    values = {
        "this": delivery, "by": attempt, "clock": clock, "became": status, "because": reason, "sent": sent_at,
        "their_id": provider_id, "their_words": words,
    }  # fmt: skip
    return await _CONCLUDE.change(session, values) == 1


async def give_back(
    session: AsyncSession, delivery: str, *, attempt: str, clock: datetime, **values: Any
) -> Literal["queued", "failed"] | None:
    """An attempt ended and the message certainly did not go: queued again; but `failed` where the journey has taken it
    for gone meanwhile (`may_have_gone`) and is past it: then its enrolment is held, too. Answers the status, None where
    the row belongs to another attempt by now.
    """
    ours = col(DeliveryRow.id) == delivery, col(DeliveryRow.attempt) == attempt
    connection = await session.connection()
    given = update(DeliveryRow).values(attempt=None, attempt_until=None, sent_at=None, updated_at=clock, **values)
    if changed(await connection.execute(given.where(*ours, _OPEN).values(status="queued"))) == 1:
        return "queued"
    row = await find(session, delivery)
    if row is None or row.attempt != attempt:
        return None
    await lock_enrolment(session, row.enrolment)  # before what belongs to it, as everywhere
    return "failed" if changed(await connection.execute(given.where(*ours).values(status="failed"))) == 1 else None


async def take_over(session: AsyncSession, delivery: str, *, of: str, clock: datetime, **values: Any) -> bool:
    """Write what has become of an attempt that is over; False where it was answered, or another one is made, by now."""
    left = await (await session.connection()).execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id) == delivery, col(DeliveryRow.attempt) == of, _OPEN)
        .values(updated_at=clock, **values)
    )
    return changed(left) == 1


async def list_open(session: AsyncSession, enrolment: str) -> Sequence[DeliveryRow]:
    """The deliveries of this enrolment that are not final."""
    found = await (await connection_of(session)).execute(_FIND_OPEN, {"of": enrolment})
    return [DeliveryRow(**row) for row in found.mappings()]


async def change(session: AsyncSession, delivery: str, *, clock: datetime, **values: Any) -> None:
    """Change a delivery whose enrolment the caller holds."""
    await (await session.connection()).execute(
        update(DeliveryRow).where(col(DeliveryRow.id) == delivery).values(updated_at=clock, **values)
    )


async def list_again(session: AsyncSession, enrolment: str) -> Sequence[DeliveryRow]:
    """The deliveries of this enrolment that were sent again by hand and are not final."""
    found = await (await connection_of(session)).execute(_FIND_AGAIN, {"of": enrolment})
    return [DeliveryRow(**row) for row in found.mappings()]


async def withdraw(
    session: AsyncSession, enrolment: str, *, reason: str, clock: datetime, with_again: bool = False
) -> Sequence[str]:
    """Skip every delivery of this enrolment that waits and that nobody is trying; answers their ids. Their bids for
    attention fall with them. What was sent again by hand falls only `with_again`.
    """
    values = {"of": enrolment, "because": reason, "clock": clock, "below": 2**31 - 1 if with_again else AGAIN}
    fallen = [row[0] for row in await _WITHDRAW.rows(session, values)]
    await attention.let_fall(session, fallen, now=clock)  # whom that lets go is the sweeper's to wake
    return fallen


async def lock_enrolment(session: AsyncSession, enrolment: str) -> Enrolment | None:
    """The enrolment's row, held until the transaction ends, so that no turn or event comes between."""
    query = select(Enrolment).where(col(Enrolment.id) == enrolment).with_for_update(key_share=True)
    return (await session.exec(query, execution_options={"populate_existing": True})).first()


async def find_switches(session: AsyncSession) -> Switches:
    """Whether every delivery of the installation is held (`waymark halt`), and the policy."""
    found = {row[0]: row[1] for row in await _SWITCHES.rows(session, {})}
    halted = found.get("halted")
    return Switches(halted is not None and halted.get("since") is not None, found.get("policy"))
