"""Sending a message once more, by hand or because it turned out that it never went: a delivery of its own, queued for
the worker (`journeys.resending`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, select, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.attending import DIGEST
from journeys.attention import is_merged, merged_into
from journeys.effects import Note
from journeys.identity import delivery_id
from journeys.program import Program
from journeys.resending import AGAIN, deliver_again
from store.database import connection_of
from store.queries import attention, deliveries, turns
from store.queries.steering import ProgramOf
from store.queries.withdrawing import WITHDRAWN
from store.tables import DeliveryRow, Enrolment

MENDABLE = frozenset({"failed", "skipped"})
"""What may be sent again."""
IN_DOUBT = frozenset({"may_have_gone", "bounced"})
"""What may be sent again where it is forced: it may come twice."""
_GONE = frozenset({WITHDRAWN, "erased"})
_CUT_SHORT = _GONE | {"expired", "failed"}
"""Outcomes, beside those of exits, after which no message is wanted that nobody asks for."""
BY_ITSELF = "waymark"
"""Who orders what nobody ordered by hand."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it was not done, and what can be done instead; nothing personal in it."""

    code: Literal[
        "delivery_not_found", "withdrawn", "not_final", "already_sent", "already_sent_again", "may_have_gone",
        "went_in_digest", "fell", "step_gone",
    ]  # fmt: skip
    detail: str


@dataclass(frozen=True, slots=True)
class Resent:
    """The new delivery, and the enrolment to be poked."""

    delivery: str
    enrolment: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries; `learner` is our id, `reason` how their reason begins."""

    statuses: Sequence[str]
    journey: str | None = None
    learner: str | None = None
    enrolment: str | None = None
    message: str | None = None
    channel: str | None = None
    reason: str | None = None


async def resend(
    session: AsyncSession, delivery: str, *, is_forced: bool, program_of: ProgramOf, by: str, now: datetime
) -> Resent | Refused:
    """Queue the message once more. What is forced may come twice, or after the enrolment let it fall."""
    found = await deliveries.find(session, delivery)
    enrolment = None if found is None else await deliveries.lock_enrolment(session, found.enrolment)
    row = await deliveries.find(session, delivery)
    if row is None or enrolment is None:
        return Refused("delivery_not_found", "there is no such delivery: GET /v1/deliveries lists them")
    legs = await _list_legs(session, row)
    refused = judge(row, enrolment.outcome, is_forced=is_forced) or _judge_others(row, legs)
    if refused is not None:
        return refused
    program = await program_of(session, enrolment.program)
    order = _Order(row, enrolment, program, legs, now)
    return await _queue(session, order, f"{row.message} is sent once more, by hand.", by=by)


async def send_after_all(
    session: AsyncSession, delivery: str, *, program_of: ProgramOf, now: datetime
) -> Sequence[str]:
    """Queue a message that was taken for gone (`may_have_gone`) and that certainly did not go: its journey is past it,
    and nobody else would send it. Of a digest it is all that went in there. Not where the journey was cut short (by an
    exit, its limit, a withdrawal), or it was sent again already. Answers the enrolments, to be poked.

    The caller holds the enrolment of this delivery; those of a digest's other messages are locked in the order of their
    ids, and a deadlock is the caller's to try again.
    """
    row = await deliveries.find(session, delivery)
    if row is None:
        return []
    went = [row] if row.message != DIGEST else await _list_merged(session, row)
    queued = [await _send_after_all(session, each, program_of, now) for each in went]
    return [enrolment for enrolment in queued if enrolment is not None]


async def _send_after_all(session: AsyncSession, row: DeliveryRow, program_of: ProgramOf, now: datetime) -> str | None:
    enrolment = await deliveries.lock_enrolment(session, row.enrolment)
    if enrolment is None or enrolment.outcome in _CUT_SHORT:
        return None
    program = await program_of(session, enrolment.program)
    legs = await _list_legs(session, row)
    if enrolment.outcome in {way_out.outcome or "goal" for way_out in program.exits} or _judge_others(row, legs):
        return None
    order = _Order(row, enrolment, program, legs, now)
    queued = await _queue(session, order, f"{row.message} did not go after all, and is sent now.", by=BY_ITSELF)
    return None if isinstance(queued, Refused) else queued.enrolment


async def _list_merged(session: AsyncSession, digest: DeliveryRow) -> Sequence[DeliveryRow]:
    """What was said to have gone in this digest, in order of the enrolments; also by a turn that is about to say so."""
    members = await attention.list_members(session, digest.recipient, digest.id)
    for enrolment in sorted({bid.enrolment for bid in members}):
        await deliveries.lock_enrolment(session, enrolment)
    query = (
        select_rows(DeliveryRow)
        .where(col(DeliveryRow.recipient) == digest.recipient, col(DeliveryRow.reason) == merged_into(digest.id))
        .order_by(col(DeliveryRow.enrolment), col(DeliveryRow.id))
    )
    return (await session.exec(query)).all()


@dataclass(frozen=True, slots=True)
class _Order:
    """What is sent again, in whose stead, and when that was asked for; `legs` are all of its row's."""

    row: DeliveryRow
    enrolment: Enrolment
    program: Program
    legs: dict[int, str]
    now: datetime


async def _queue(session: AsyncSession, order: _Order, text: str, *, by: str) -> Resent | Refused:
    """The delivery that takes its place, and the journal's line."""
    row, enrolment, now = order.row, order.enrolment, order.now
    leg = max(order.legs) // AGAIN * AGAIN + AGAIN + row.leg % AGAIN
    run = codec.run_from_json(enrolment.run)
    deliver = deliver_again(
        order.program, run, node=row.node, visit=row.visit, leg=leg, asked_at=now, channel=row.channel
    )
    if deliver is None:
        detail = f"the step {row.node!r} is not in the version that the enrolment is in: there is nothing to send"
        return Refused("step_gone", detail)
    new = DeliveryRow(
        id=delivery_id(row.enrolment, row.node, row.visit, leg), enrolment=row.enrolment, journey=row.journey,
        learner=row.learner, recipient=row.recipient, node=row.node, visit=row.visit, leg=leg,
        message=deliver.message, channel=row.channel, expires_at=deliver.expires_at, created_at=now, updated_at=now,
    )  # fmt: skip
    await deliveries.record(session, new)
    await _want_waking(session, enrolment, now)
    data = {"delivery": new.id, "instead_of": row.id, "who": by}
    await turns.record_notes(session, enrolment.id, [Note(max(now, run.at), "resent", row.node, text, data)])
    return Resent(new.id, enrolment.id)


def judge(row: DeliveryRow, outcome: str | None, *, is_forced: bool) -> Refused | None:
    """Why this delivery cannot be sent again, from what stands in its own row; `outcome` is its enrolment's."""
    reason = row.reason or ""
    if outcome in _GONE:
        return Refused("withdrawn", "she was withdrawn from the journey: nothing is sent after that")
    if row.status in IN_DOUBT and not is_forced:
        return Refused("may_have_gone", "it may have gone, so it may come twice: `force` sends it again all the same")
    if row.status in {"queued", "deferred"}:
        return Refused("not_final", "it waits to be sent yet: there is nothing to send again")
    if row.status not in MENDABLE | IN_DOUBT:
        return Refused("already_sent", "it has gone: there is nothing to send again")
    if row.message == DIGEST or is_merged(row.reason):
        return Refused("went_in_digest", "it is of a digest: send the messages again that failed by themselves")
    if reason.startswith(("withdrawn", "moved")) and not is_forced:
        return Refused("fell", "its enrolment let it fall, nothing failed: `force` sends it all the same")
    return None


def _judge_others(row: DeliveryRow, legs: dict[int, str]) -> Refused | None:
    """Whether it was sent again already, since."""
    later = {leg: status for leg, status in legs.items() if leg > row.leg}
    if any(status not in MENDABLE | IN_DOUBT for status in later.values()):
        return Refused("already_sent_again", "it was sent again already: GET /v1/deliveries?enrolment= shows that one")
    return None


async def list_wanted(
    session: AsyncSession, wanted: Wanted, *, after: str, limit: int
) -> Sequence[tuple[DeliveryRow, str | None]]:
    """Deliveries that match, each with its enrolment's outcome, in order of id; of those that were sent again only the
    last.
    """
    conditions: list[ColumnElement[bool]] = [
        col(DeliveryRow.id) > after, col(DeliveryRow.status).in_(wanted.statuses), col(DeliveryRow.message) != DIGEST,
    ]  # fmt: skip
    for column, value in (
        (DeliveryRow.journey, wanted.journey), (DeliveryRow.learner, wanted.learner),
        (DeliveryRow.enrolment, wanted.enrolment), (DeliveryRow.message, wanted.message),
        (DeliveryRow.channel, wanted.channel),
    ):  # fmt: skip
        if value is not None:
            conditions.append(col(column) == value)
    if wanted.reason is not None:
        conditions.append(col(DeliveryRow.reason).startswith(wanted.reason, autoescape=True))
    columns = vars(DeliveryRow)["__table__"].columns
    query = (
        select(*columns, col(Enrolment.outcome).label("of_enrolment"))
        .join(Enrolment, col(Enrolment.id) == col(DeliveryRow.enrolment))
        .where(*conditions)
        .order_by(col(DeliveryRow.id))
        .limit(limit)
    )
    found = (await (await connection_of(session)).execute(query)).mappings().all()
    return [(DeliveryRow(**{c.name: row[c.name] for c in columns}), row["of_enrolment"]) for row in found]


async def was_sent_again(session: AsyncSession, row: DeliveryRow) -> bool:
    """Whether another delivery of the same message has taken this one's place, and has not failed."""
    return _judge_others(row, await _list_legs(session, row)) is not None


async def _list_legs(session: AsyncSession, row: DeliveryRow) -> dict[int, str]:
    """This delivery and those that were sent in its place, by their legs."""
    query = select(col(DeliveryRow.leg), col(DeliveryRow.status)).where(
        col(DeliveryRow.enrolment) == row.enrolment, col(DeliveryRow.node) == row.node,
        col(DeliveryRow.visit) == row.visit,
    )  # fmt: skip
    found = (await (await connection_of(session)).execute(query)).all()
    return {leg: status for leg, status in found if leg % AGAIN == row.leg % AGAIN}


async def _want_waking(session: AsyncSession, enrolment: Enrolment, now: datetime) -> None:
    change = update(Enrolment).where(col(Enrolment.id) == enrolment.id, col(Enrolment.wake_wanted_at).is_(None))
    await (await connection_of(session)).execute(change.values(wake_wanted_at=now))
