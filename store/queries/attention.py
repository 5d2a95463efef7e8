"""What concerns one recipient's attention: her bids, what went to her, what is on its way. Decided in
`journeys.attention`.

Her lock. Whoever changes a bid of hers holds her lock (`lock`) until the transaction ends: on PostgreSQL an advisory
lock, on SQLite the writing transaction itself. The order is learner, enrolment, attention: under this lock nobody
waits for a row that belongs to another enrolment, so that no two can wait for each other. So a bid that another one's
turn awards or frees is only *marked* (`wanted_at`); it is woken when the transaction is over, and the sweeper finds
what was not.

A bid counts while its delivery is open and its enrolment and journey are not paused, whatever else became of its row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import bindparam, delete, func, literal_column, null, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel import select as sql_select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.attention import REACHES_BACK, Bid, Board, next_in_line
from store.database import connection_of
from store.prepared import Prepared
from store.tables import BidRow, DeliveryRow, Enrolment, JourneyRow

OPEN = ("queued", "deferred")
GONE = frozenset({"sent", "may_have_gone", "delivered", "bounced", "clicked", "replied"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A bid of which the delivery may have waited long: `gone_in` is the digest that took it along, where one did,
    when, and in which words (`draft`, `undrafted`); `is_wanted` tells that a slot became free for it.
    """

    bid: Bid
    recipient: str
    gone_in: str | None = None
    gone_at: datetime | None = None
    is_wanted: bool = False
    draft: str | None = None
    undrafted: str | None = None


# Statements that a message needs are made once: making one costs more than running it.

_DIGEST = aliased(DeliveryRow)
_pick = cast("Any", select)  # rows of several tables in one shape have no types of their own
_RECIPIENT = cast("Any", bindparam("of"))
_BID: tuple[Any, ...] = (
    col(BidRow.delivery), col(BidRow.enrolment), col(BidRow.priority), col(BidRow.placed_at), col(BidRow.eligible_at),
    col(BidRow.asks_at), col(BidRow.expires_at), col(BidRow.channel), col(BidRow.awarded_at), col(BidRow.is_put_off),
    col(BidRow.digest), col(_DIGEST.status), col(_DIGEST.sent_at), col(BidRow.recipient), col(BidRow.wanted_at),
    col(BidRow.draft), col(BidRow.undrafted),
)  # fmt: skip
_WITH_DIGEST: Any = _pick(literal_column("'bid'"), *_BID).join(
    _DIGEST, col(_DIGEST.id) == col(BidRow.digest), isouter=True
)


def _row(kind: str, values: dict[int, Any]) -> tuple[Any, ...]:
    """A row in the shape of a bid's, with a value here and there."""
    return (cast("Any", literal_column(f"'{kind}'")), *(values.get(place, null()) for place in range(len(_BID))))


_STATUS = func.coalesce(col(DeliveryRow.status), "")  # as a value: not by its index, which holds everybody's
_OPEN_BIDS: Any = (
    _WITH_DIGEST.join(DeliveryRow, col(DeliveryRow.id) == col(BidRow.delivery))
    .join(Enrolment, col(Enrolment.id) == col(BidRow.enrolment))
    .join(JourneyRow, col(JourneyRow.name) == col(BidRow.journey))
    .where(
        col(BidRow.recipient) == _RECIPIENT,
        _STATUS.in_(OPEN),
        col(Enrolment.status) == "active",
        col(JourneyRow.status) != "paused",
    )
)
_OF_HERS = col(DeliveryRow.recipient) == _RECIPIENT
_SPENT: Any = _pick(*_row("spent", {3: col(DeliveryRow.sent_at)})).where(
    _OF_HERS, col(DeliveryRow.sent_at) >= bindparam("since")
)
_IN_FLIGHT: Any = _pick(*_row("flying", {0: col(DeliveryRow.id)})).where(
    _OF_HERS,
    col(DeliveryRow.sent_at).is_(None),
    col(DeliveryRow.attempt).is_not(None),
    col(DeliveryRow.status).in_(OPEN),
)
_OTHERS: Any = _pick(*_row("others", {2: func.count()})).where(
    col(Enrolment.learner) == _RECIPIENT, col(Enrolment.status) == "active", col(Enrolment.id) != bindparam("but")
)
_BOARD = Prepared(cast("Any", union_all)(_OPEN_BIDS, _SPENT, _IN_FLIGHT, _OTHERS))
_FIND = Prepared(_WITH_DIGEST.where(col(BidRow.delivery) == bindparam("this")))
_MEMBERS: Any = _WITH_DIGEST.where(col(BidRow.digest) == bindparam("in_digest"), col(BidRow.recipient) == _RECIPIENT)
_LOCK: Any = select(func.pg_advisory_xact_lock(func.hashtextextended(_RECIPIENT, 4)))
_REMOVE = delete(BidRow).where(col(BidRow.delivery).in_(bindparam("these", expanding=True)))
_WANT = (
    update(BidRow)
    .where(col(BidRow.delivery).in_(bindparam("these", expanding=True)), col(BidRow.wanted_at).is_(None))
    .values(wanted_at=bindparam("at"))
    .returning(col(BidRow.enrolment))
)
_LEAVE_OUT = update(BidRow).where(col(BidRow.delivery).in_(bindparam("these", expanding=True))).values(digest=None)
_UNMERGE = (
    update(BidRow)
    .where(col(BidRow.digest) == bindparam("in_digest"), col(BidRow.recipient) == bindparam("of"))
    .values(digest=None, channel=None, awarded_at=None)
)
_KEPT = ("eligible_at", "asks_at", "channel", "awarded_at", "is_put_off", "digest", "wanted_at")


async def lock(session: AsyncSession, recipient: str) -> None:
    """Hold her attention until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        await (await connection_of(session)).execute(_LOCK, {"of": recipient})


async def read_board(session: AsyncSession, recipient: str, *, but: str, now: datetime) -> tuple[Board, frozenset[str]]:
    """What concerns her attention now, seen from the enrolment `but`, and the deliveries that have gone in a digest;
    one statement.
    """
    found = await _BOARD.rows(session, {"of": recipient, "since": now - REACHES_BACK, "but": but})
    bids: list[Bid] = []
    spent: list[datetime] = []
    flying: list[str] = []
    gone: set[str] = set()
    others = 0
    for kind, *row in found:
        match kind:
            case "bid":
                standing = _standing(row)
                if standing.gone_in is None:
                    bids.append(standing.bid)
                else:
                    gone.add(standing.bid.delivery)
            case "spent":
                spent.append(row[3])
            case "flying":
                flying.append(row[0])
            case _:
                others = row[2]
    return Board(bids, spent, flying, others), frozenset(gone)


async def find(session: AsyncSession, delivery: str) -> Standing | None:
    """The bid of a delivery, where it has one."""
    row = await _FIND.first(session, {"this": delivery})
    return None if row is None else _standing(row[1:])


async def find_held(session: AsyncSession, delivery: str) -> Standing | None:
    """The bid of a delivery, where it has one; then her attention is held until the transaction ends."""
    standing = await find(session, delivery)
    if standing is None or session.get_bind().dialect.name != "postgresql":
        return standing
    await lock(session, standing.recipient)
    return await find(session, delivery)


async def find_enrolment(session: AsyncSession, enrolment: str) -> Enrolment | None:
    """Another's enrolment as it stands, looked at and not held."""
    query = sql_select(Enrolment).where(col(Enrolment.id) == enrolment)
    return (await session.exec(query, execution_options={"populate_existing": True})).first()


async def list_members(session: AsyncSession, recipient: str, digest: str) -> Sequence[Bid]:
    """The bids that go in this digest, the first ahead, the lead among them."""
    found = await (await connection_of(session)).execute(_MEMBERS, {"of": recipient, "in_digest": digest})
    return sorted((_standing(row[1:]).bid for row in found.all()), key=lambda bid: bid.standing)


async def keep(session: AsyncSession, bid: Bid, *, recipient: str, journey: str, now: datetime) -> None:
    """Write the bid of one's own, new or not. Under her lock."""
    table: Any = BidRow
    is_postgres = session.get_bind().dialect.name == "postgresql"
    insert = (postgresql.insert if is_postgres else sqlite.insert)(table)
    values = {"recipient": recipient, "journey": journey, **_values(bid, now)}
    kept = {name: values[name] for name in _KEPT}
    await (await connection_of(session)).execute(
        insert.values(values).on_conflict_do_update(index_elements=["delivery"], set_=kept)
    )


async def change(session: AsyncSession, bids: Iterable[Bid], *, now: datetime) -> None:
    """Write what became of others' bids. Under her lock."""
    core = await connection_of(session)
    for bid in bids:
        values = {name: value for name, value in _values(bid, now).items() if name in _KEPT and name != "wanted_at"}
        await core.execute(update(BidRow).where(col(BidRow.delivery) == bid.delivery).values(values))


async def keep_words(session: AsyncSession, delivery: str, *, draft: str | None, undrafted: str | None) -> None:
    """In which words it goes in its digest: its own turn writes them down once that has gone. Under her lock."""
    change = update(BidRow).where(col(BidRow.delivery) == delivery)
    await (await connection_of(session)).execute(change.values(draft=draft, undrafted=undrafted))


async def want(session: AsyncSession, deliveries: Sequence[str], *, at: datetime) -> Sequence[str]:
    """Mark these as wanting to be woken; answers their enrolments, to be poked when the transaction is over."""
    if not deliveries:
        return []
    found = await (await connection_of(session)).execute(_WANT, {"these": list(deliveries), "at": at})
    return list(found.scalars())


async def want_next(session: AsyncSession, recipient: str, *, now: datetime) -> Sequence[str]:
    """Something freed a slot of hers: mark the first that waits for one. Under her lock."""
    board, _ = await read_board(session, recipient, but="", now=now)
    following = next_in_line(board.bids, now=now)
    return [] if following is None else await want(session, [following.delivery], at=now)


async def remove(session: AsyncSession, recipient: str, deliveries: Sequence[str]) -> None:
    """These are concluded, and freed nothing."""
    await lock(session, recipient)
    await (await connection_of(session)).execute(_REMOVE, {"these": list(deliveries)})


async def let_fall(session: AsyncSession, deliveries: Sequence[str], *, now: datetime) -> Sequence[str]:
    """These deliveries will not go (or not now): their bids fall, and what that frees goes to the next. Answers the
    enrolments to be poked when the transaction is over.
    """
    if not deliveries:
        return []
    fallen = [standing for each in deliveries if (standing := await find_held(session, each)) is not None]
    woken: list[str] = []
    for recipient in sorted({standing.recipient for standing in fallen}):
        mine = [standing for standing in fallen if standing.recipient == recipient]
        await remove(session, recipient, [standing.bid.delivery for standing in mine])
        if any(standing.bid.is_awarded or standing.is_wanted for standing in mine):
            woken += await want_next(session, recipient, now=now)
    return woken


async def give_back(session: AsyncSession, delivery: str, *, now: datetime) -> Sequence[str]:
    """What this delivery was awarded is free again; it goes on waiting. Answers whom to poke."""
    standing = await find_held(session, delivery)
    if standing is None or not standing.bid.is_awarded:
        return []
    await change(session, [replace(standing.bid, is_awarded=False, digest=None)], now=now)
    return await want_next(session, standing.recipient, now=now)


async def unmerge(session: AsyncSession, recipient: str, digest: str, *, at: datetime) -> Sequence[str]:
    """This digest will not go: its members bid again, each for itself. Answers whom to poke."""
    await lock(session, recipient)
    members = await list_members(session, recipient, digest)
    await (await connection_of(session)).execute(_UNMERGE, {"in_digest": digest, "of": recipient})
    return await want(session, [bid.delivery for bid in members], at=at)


async def leave_out(session: AsyncSession, deliveries: Sequence[str], *, at: datetime) -> Sequence[str]:
    """These do not go in their digest after all: they bid again. Under her lock; answers whom to poke."""
    if not deliveries:
        return []
    await (await connection_of(session)).execute(_LEAVE_OUT, {"these": list(deliveries)})
    return await want(session, deliveries, at=at)


async def remove_stale(session: AsyncSession) -> None:
    """Let bids go whose delivery is final: most fall with it, and none counts after it."""
    is_open = select(col(DeliveryRow.id)).where(
        col(DeliveryRow.id) == col(BidRow.delivery), col(DeliveryRow.status).in_(OPEN)
    )
    await (await connection_of(session)).execute(delete(BidRow).where(~is_open.exists()))


def _standing(row: Sequence[Any]) -> Standing:
    """What a row says; a digest that ended without going has left its members free, after a refusal each for itself."""
    *values, awarded_at, is_put_off, digest, status, gone_at, recipient, wanted_at, draft, undrafted = row
    gone_in = digest if status in GONE else None
    if status is not None and status not in OPEN and gone_in is None:
        awarded_at, digest = None, None
        values[-1] = None if status == "failed" else values[-1]
    bid = Bid(*values, is_awarded=awarded_at is not None, is_put_off=is_put_off, digest=digest)
    return Standing(bid, recipient, gone_in, gone_at, wanted_at is not None, draft, undrafted)


def _values(bid: Bid, now: datetime) -> dict[str, Any]:
    return {
        "delivery": bid.delivery, "enrolment": bid.enrolment, "priority": bid.priority, "placed_at": bid.placed_at,
        "eligible_at": bid.eligible_at, "asks_at": bid.asks_at, "expires_at": bid.expires_at, "channel": bid.channel,
        "awarded_at": now if bid.is_awarded else None, "is_put_off": bid.is_put_off, "digest": bid.digest,
        "wanted_at": None,
    }  # fmt: skip
