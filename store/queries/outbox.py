"""What is to be produced to topics of ours, written in the transaction of what it tells of, relayed by `workers/relay`.

No personal value goes out: an outcome names our ids only. A learner is our id of her (an HMAC), never the source's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal, Protocol

import orjson
from sqlalchemy import bindparam, delete, insert, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.inserting import insert_new
from store.leases import is_alive
from store.prepared import Prepared
from store.tables import DeadLetter, DeliveryRow, Installation, OutboxRow

OUTCOMES = "waymark.outcomes"
DEAD_LETTERS = "waymark.dead-letters"
SOURCE = "waymark"
_LEASE = "relay"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be produced."""

    seq: int
    topic: str
    key: str
    payload: str


_RECORD = Prepared(insert(OutboxRow))
_DELIVERY = Prepared(
    select(
        col(DeliveryRow.enrolment), col(DeliveryRow.journey), col(DeliveryRow.learner), col(DeliveryRow.message),
        col(DeliveryRow.channel),
    ).where(col(DeliveryRow.id) == bindparam("this"))
)  # fmt: skip


class Enrolled(Protocol):
    """An enrolment, as far as outcomes tell of it."""

    @property
    def id(self) -> str: ...
    @property
    def journey(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def learner(self) -> str: ...


async def record(session: AsyncSession, *, type: str, key: str, data: Mapping[str, Json], at: datetime) -> None:  # noqa: A002 - CloudEvents' name
    """Write one CloudEvent for `waymark.outcomes`. `key`, our learner's id, orders the records and is the subject.

    The event's id is made of its content, so that what is written twice can be told.
    """
    await record_many(session, [Outcome(type, key, data, at)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `record` takes, as a value."""

    type: str
    key: str
    data: Mapping[str, Json]
    at: datetime


async def record_many(session: AsyncSession, outcomes: Sequence[Outcome]) -> None:
    """Write several."""
    if outcomes:
        rows = [{"topic": OUTCOMES, "key": o.key, "payload": _cloudevent(o), "created_at": o.at} for o in outcomes]
        await _RECORD.change_each(session, rows)


async def record_enrolment(
    session: AsyncSession,
    row: Enrolled,
    *,
    kind: Literal["started", "goal", "ended"],
    at: datetime,
    outcome: str | None = None,
) -> None:
    """Write `waymark.enrolment.<kind>`; `at` is when it took place."""
    await record_many(session, [of_enrolment(row, kind=kind, at=at, outcome=outcome)])


def of_enrolment(
    row: Enrolled, *, kind: Literal["started", "goal", "ended"], at: datetime, outcome: str | None = None
) -> Outcome:
    """What `record_enrolment` writes."""
    data: dict[str, Json] = {
        "enrolment": row.id, "journey": row.journey, "version": row.version, "learner": row.learner,
    }  # fmt: skip
    if outcome is not None:
        data["outcome"] = outcome
    return Outcome(f"waymark.enrolment.{kind}", row.learner, data, at)


async def record_delivery(session: AsyncSession, delivery: str, *, status: str, at: datetime) -> None:
    """Write `waymark.delivery.<status>`; the delivery's row stands already."""
    (found,) = await _DELIVERY.rows(session, {"this": delivery})
    enrolment, journey, learner, message, channel = found
    data: dict[str, Json] = {
        "delivery": delivery, "enrolment": enrolment, "journey": journey, "learner": learner, "message": message,
        "channel": channel, "status": status,
    }  # fmt: skip
    await record(session, type=f"waymark.delivery.{status}", key=learner, data=data, at=at)


async def record_dead_letters(session: AsyncSession, letters: Sequence[DeadLetter]) -> None:
    """Write what `waymark.dead-letters` says of them: never a value, never a detail."""
    rows = [
        {"topic": DEAD_LETTERS, "key": letter.id, "payload": _dead_letter(letter), "created_at": letter.at}
        for letter in letters
    ]
    if rows:
        await (await session.connection()).execute(insert(OutboxRow), rows)


async def forget_enrolments(session: AsyncSession, enrolments: Mapping[str, str]) -> None:
    """Take back what is told of these enrolments (id to learner), which no turn has begun, and has not been relayed."""
    if not enrolments:
        return
    query = select(col(OutboxRow.seq), col(OutboxRow.payload)).where(
        col(OutboxRow.topic) == OUTCOMES, col(OutboxRow.key).in_(set(enrolments.values()))
    )
    found = (await (await session.connection()).execute(query)).all()
    stale = [seq for seq, payload in found if _tells_of(payload, enrolments)]
    if stale:
        await (await session.connection()).execute(delete(OutboxRow).where(col(OutboxRow.seq).in_(stale)))


_OLDEST = (
    select(col(OutboxRow.seq), col(OutboxRow.topic), col(OutboxRow.key), col(OutboxRow.payload))
    .order_by(col(OutboxRow.seq))
    .limit(bindparam("most"))
)


async def list_oldest(session: AsyncSession, *, limit: int) -> Sequence[Outgoing]:
    """The oldest records that have not been produced."""
    found = await (await session.connection()).execute(_OLDEST, {"most": limit})
    return [Outgoing(*row) for row in found.all()]


async def remove(session: AsyncSession, seqs: Sequence[int]) -> None:
    """These have been produced."""
    if seqs:
        await (await session.connection()).execute(delete(OutboxRow).where(col(OutboxRow.seq).in_(seqs)))


async def remove_older(session: AsyncSession, *, before: datetime) -> int:
    """Let go what nobody will relay, because there is no Kafka."""
    result = await (await session.connection()).execute(delete(OutboxRow).where(col(OutboxRow.created_at) < before))
    return result.rowcount


async def take_lease(session: AsyncSession, *, owner: str, now: datetime, lease: timedelta) -> bool:
    """Whether this process relays for the next `lease`: one does at a time, or records would overtake each other."""
    core = await session.connection()
    value: dict[str, Json] = {"owner": owner, "until": (now + lease).isoformat()}
    first = await core.execute(insert_new(session, Installation), {"name": _LEASE, "value": value, "updated_at": now})
    if first.rowcount == 1:
        return True
    query = select(col(Installation.value)).where(col(Installation.name) == _LEASE).with_for_update()
    found = (await core.execute(query)).scalar_one_or_none()
    if found is None or (found.get("owner") != owner and is_alive(_until(found), clock=now)):
        return False
    changed = update(Installation).where(col(Installation.name) == _LEASE).values(value=value, updated_at=now)
    await core.execute(changed)
    return True


def _until(lease: Mapping[str, Json]) -> datetime:
    return datetime.fromisoformat(str(lease["until"]))


async def give_lease_back(session: AsyncSession, *, owner: str) -> None:
    """Let another process relay at once."""
    query = select(col(Installation.value)).where(col(Installation.name) == _LEASE).with_for_update()
    found = (await (await session.connection()).execute(query)).scalar_one_or_none()
    if found is not None and found.get("owner") == owner:
        await (await session.connection()).execute(delete(Installation).where(col(Installation.name) == _LEASE))


def _cloudevent(outcome: Outcome) -> str:
    content = orjson.dumps([outcome.type, outcome.key, outcome.data], option=orjson.OPT_SORT_KEYS)
    event = {
        "specversion": "1.0", "id": sha256(content).hexdigest()[:32], "source": SOURCE, "type": outcome.type,
        "subject": outcome.key, "time": outcome.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json", "data": dict(outcome.data),
    }  # fmt: skip
    return orjson.dumps(event).decode()


def _dead_letter(letter: DeadLetter) -> str:
    said = {
        "id": letter.id, "reason": letter.reason, "topic": letter.topic, "partition": letter.partition,
        "offset": letter.offset, "at": letter.at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    return orjson.dumps(said).decode()


def _tells_of(payload: str, enrolments: Mapping[str, str]) -> bool:
    event = orjson.loads(payload)
    return event["type"].startswith("waymark.enrolment.") and event["data"]["enrolment"] in enrolments
