"""Turns that end before their end: what they leave, and what the next one makes of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlmodel import select
from temporalio.exceptions import ApplicationError

from connectors.outgoing import Outgoing
from journeys.resending import AGAIN
from store.database import Database
from store.queries import deliveries as delivery_rows
from store.queries import installation, resending, withdrawing
from store.tables import DeliveryRow, Enrolment
from tests.support.house import Running, unmanned_house
from tests.support.smtp import SmtpSink
from tests.support.unheard import Unheard
from tests.support.until import until
from workers.delivering import NEVER_BEGUN, Claim, Ready
from workers.programs import UnknownProgram
from workers.retrying import Retries
from workers.turns import LEASE, Turns, _Performer  # pyright: ignore[reportPrivateUsage] - what fails is inside
from workers.watching import Watch
from workflows.contracts import RetryOrder, TurnOrder, TurnTaken


@dataclass
class Unmanned:
    """A house without a worker: turns are taken by hand."""

    running: Running
    turns: Turns
    retries: Retries
    monotonic: float = 0.0
    limit: timedelta = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self.turns.delivering.attempt_limit
        watch = Watch(lambda: self.monotonic)
        delivering = replace(self.turns.delivering, watch=watch)
        self.turns = replace(self.turns, delivering=delivering)
        self.retries = replace(self.retries, delivering=delivering)

    def pass_(self, by: timedelta) -> None:
        """So much time passes by the monotonic clock of the process that takes the turns."""
        self.monotonic += by.total_seconds()

    async def take(self) -> TurnTaken:
        """Take a turn of the only enrolment, now."""
        (enrolment,) = await self.running.enrolments()
        return await self.turns.take(TurnOrder(enrolment.id, datetime.now(UTC)))

    async def delivery(self) -> DeliveryRow:
        (delivery,) = await self.running.deliveries()
        return delivery

    async def wants_waking(self) -> bool:
        """Whether the only enrolment does."""
        (enrolment,) = await self.running.enrolments()
        return enrolment.wake_wanted_at is not None

    async def halt(self) -> None:
        async with self.running.house.database.write() as session:
            await installation.halt(session, by="a test", at=datetime.now(UTC))

    async def claim(self, *, ahead: timedelta = timedelta()) -> None:
        """Another process, whose clock is so far ahead, claims the only delivery."""
        clock = datetime.now(UTC) + ahead
        async with self.running.house.database.write() as session:
            assert await delivery_rows.claim(
                session, (await self.delivery()).id, attempt="another's", until=clock + self.limit, clock=clock,
                channel="email",
            )  # fmt: skip

    async def taken_for_gone(self) -> None:
        """The only delivery is another's, who does not answer for so long that the journey goes on and ends."""
        await self.halt()
        await self.take()
        await self.claim()
        async with self.running.house.database.write() as session:
            await installation.go(session)
        await self.take()
        self.pass_(self.limit)
        assert "completed" == (await self.take()).outcome
        assert "may_have_gone" == (await self.delivery()).status

    async def give_back(self, delivery: DeliveryRow) -> Sequence[str]:
        """The other process answers after all: the message certainly did not go."""
        ready = Ready(delivery.id, "email", cast("Outgoing", None))
        async with self.running.house.database.write() as session:
            claim = Claim(ready, "another's", 0.0)
            return await self.turns.delivering.conclude(session, claim, NEVER_BEGUN, now=datetime.now(UTC))

    async def withdraw(self) -> None:
        (enrolment,) = await self.running.enrolments()
        async with self.running.house.database.write() as session:
            await withdrawing.withdraw(session, enrolment.id, by="a test", now=datetime.now(UTC))


@pytest.fixture
async def unmanned(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Unmanned]:
    async with unmanned_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as (running, activities):
        assert isinstance(activities.turns, Turns)
        yield Unmanned(running, activities.turns, activities.retries)


async def test_a_turn_that_fails_leaves_nothing(unmanned: Unmanned) -> None:
    """Not even its lease: the next one may begin at once."""
    async with unmanned.running.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(program="unknown"))
    with pytest.raises(UnknownProgram):
        await unmanned.take()
    (enrolment,) = await unmanned.running.enrolments()
    assert (0, None) == (enrolment.fence, enrolment.lease_until)
    assert enrolment.wake_wanted_at is not None


async def test_what_was_being_sent_at_a_withdrawal_and_was_not_taken_falls(
    unmanned: Unmanned, smtp_sink: SmtpSink
) -> None:
    """Its process gave it back after the end: nobody would ask for it any more."""
    await unmanned.halt()
    await unmanned.take()
    await unmanned.claim()
    await unmanned.withdraw()
    waiting = await unmanned.take()
    assert waiting.outcome is None, "somebody may be sending yet"
    assert waiting.due_at is not None
    async with unmanned.running.house.database.write() as session:
        given = await delivery_rows.give_back(
            session, (await unmanned.delivery()).id, attempt="another's", clock=datetime.now(UTC)
        )
    assert "queued" == given
    assert "withdrawn" == (await unmanned.take()).outcome
    assert ("skipped", "withdrawn: withdrawn") == (
        (await unmanned.delivery()).status,
        (await unmanned.delivery()).reason,
    )
    assert [] == smtp_sink.attempts


async def test_what_was_being_sent_at_a_withdrawal_by_a_process_that_died_is_in_doubt(unmanned: Unmanned) -> None:
    """Marked by the turn that finds the enrolment ended."""
    await unmanned.halt()
    await unmanned.take()
    await unmanned.claim()
    await unmanned.withdraw()
    await unmanned.take()
    unmanned.pass_(unmanned.limit)
    assert "withdrawn" == (await unmanned.take()).outcome
    assert "may_have_gone" == (await unmanned.delivery()).status
    async with unmanned.running.house.database.read() as session:
        assert [None] == [row.wake_wanted_at for row in (await session.exec(select(Enrolment))).all()]


async def test_what_was_taken_for_gone_and_never_went_is_sent_after_all(
    unmanned: Unmanned, smtp_sink: SmtpSink
) -> None:
    """Its process was frozen, the journey went on and ended, and then the process says that it gave nothing away: a new
    delivery goes in its place, once.
    """
    await unmanned.taken_for_gone()
    (enrolment,) = await unmanned.running.enrolments()
    assert ("ended", "completed") == (enrolment.status, enrolment.outcome)
    before = await unmanned.delivery()
    assert [enrolment.id] == await unmanned.give_back(before)
    assert [] == await unmanned.give_back(before), "it is the attempt's word, and that is over"

    first, second = await unmanned.running.deliveries()
    assert ("failed", "queued", AGAIN) == (first.status, second.status, second.leg)
    taken = await unmanned.take()
    assert [second.id] == [order.delivery for order in taken.retries]
    assert "sent" == (await unmanned.retries.attempt(taken.retries[0])).status
    assert ["About one"] == [str(mail.message["subject"]) for mail in smtp_sink.arrived]
    assert TurnTaken(outcome="completed") == await unmanned.take()
    journal = await unmanned.running.journal(enrolment.id)
    (resent,) = [line for line in journal if line.kind == "resent"]
    assert ("one did not go after all, and is sent now.", "waymark") == (resent.text, resent.data["who"])


@pytest.mark.parametrize("outcome", ["withdrawn", "left", "expired"])
async def test_what_never_went_is_not_sent_to_whom_it_is_not_for_any_more(unmanned: Unmanned, outcome: str) -> None:
    """She was withdrawn, an exit ended the journey, or its time was over, while the process was frozen."""
    await unmanned.taken_for_gone()
    async with unmanned.running.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(outcome=outcome))
    assert [] == await unmanned.give_back(await unmanned.delivery())
    assert "failed" == (await unmanned.delivery()).status


async def test_what_was_sent_again_by_hand_is_not_sent_after_all(unmanned: Unmanned) -> None:
    """Somebody forced it meanwhile: that one goes."""
    await unmanned.taken_for_gone()
    before = await unmanned.delivery()
    async with unmanned.running.house.database.write() as session:
        made = await resending.resend(
            session, before.id, is_forced=True, program_of=unmanned.running.house.programs.by_hash, by="a test",
            now=datetime.now(UTC),
        )  # fmt: skip
    assert isinstance(made, resending.Resent)
    assert [] == await unmanned.give_back(before)
    assert ["failed", "queued"] == [row.status for row in await unmanned.running.deliveries()]


async def test_what_a_process_whose_clock_was_an_hour_ahead_held_is_free(unmanned: Unmanned) -> None:
    """It was killed in the middle of a send: neither its turn nor its attempt holds anybody up for an hour."""
    await unmanned.halt()
    await unmanned.take()
    await unmanned.claim(ahead=timedelta(hours=1))
    hour_ahead = datetime.now(UTC) + timedelta(hours=1)
    async with unmanned.running.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(lease_until=hour_ahead))
    seen = await unmanned.take()
    assert seen.due_at is not None
    assert seen.due_at < datetime.now(UTC) + unmanned.limit + timedelta(seconds=1)
    unmanned.pass_(unmanned.limit)
    assert "completed" == (await unmanned.take()).outcome
    assert "may_have_gone" == (await unmanned.delivery()).status


async def test_what_another_turn_sends_is_watched_from_the_first_sight_of_that_turn(unmanned: Unmanned) -> None:
    """Its process was killed: its lease and its attempt are over together, and not one after the other."""
    await unmanned.halt()
    await unmanned.take()
    await unmanned.claim()
    lease_until = datetime.now(UTC) + LEASE + unmanned.limit
    async with unmanned.running.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(lease_until=lease_until))
    busy = await unmanned.take()
    assert busy.due_at is not None
    assert busy.due_at > datetime.now(UTC) + unmanned.limit
    assert "queued" == (await unmanned.delivery()).status
    unmanned.pass_(unmanned.limit)
    async with unmanned.running.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(lease_until=datetime.now(UTC)))
    assert "completed" == (await unmanned.take()).outcome
    assert "may_have_gone" == (await unmanned.delivery()).status


@pytest.mark.parametrize("times", [1, 3])
async def test_a_turn_that_is_cancelled_in_the_middle_of_a_send_knows_its_answer(
    unmanned: Unmanned, smtp_sink: SmtpSink, times: int
) -> None:
    """Temporal cancels a turn that it has given to another process, and again when the worker stops; what was on its
    way is sent, and not in doubt, and no transaction stays open.
    """
    smtp_sink.treat("ada@example.org", "held_after_data")
    turn = asyncio.create_task(unmanned.take())
    await until(lambda: smtp_sink.arrived)
    for _ in range(times):
        turn.cancel()
        await asyncio.sleep(0)  # it is told
    smtp_sink.released.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    delivery = await unmanned.delivery()
    assert ("sent", None) == (delivery.status, delivery.attempt)
    assert 1 == len(smtp_sink.arrived)


async def test_a_retry_that_has_ended_is_known_without_temporal(unmanned: Unmanned, smtp_sink: SmtpSink) -> None:
    """Whoever waits for it may be lost with Temporal's database: nothing but the store can say that it goes on."""
    smtp_sink.treat("ada@example.org", "later", "later")
    taken = await unmanned.take()
    (order,) = taken.retries
    assert await unmanned.wants_waking() is False
    with pytest.raises(ApplicationError):
        await unmanned.retries.attempt(order)
    assert await unmanned.wants_waking() is False, "it is tried again, and that it waits is seen"
    assert "sent" == (await unmanned.retries.attempt(order)).status
    assert await unmanned.wants_waking()
    assert "completed" == (await unmanned.take()).outcome


async def test_a_retry_that_need_not_be_made_is_known_without_temporal(unmanned: Unmanned, smtp_sink: SmtpSink) -> None:
    """It is skipped, or another one's attempt is in doubt: that is an end, too."""
    smtp_sink.treat("ada@example.org", "later")
    (order,) = (await unmanned.take()).retries
    await unmanned.claim()
    with pytest.raises(ApplicationError):
        await unmanned.retries.attempt(order)
    assert await unmanned.wants_waking() is False
    unmanned.pass_(unmanned.limit)
    assert "may_have_gone" == (await unmanned.retries.attempt(order)).status
    assert await unmanned.wants_waking()


async def test_a_turn_that_dies_is_due_when_its_lease_ends(unmanned: Unmanned, smtp_sink: SmtpSink) -> None:
    """The sweeper wakes her then, though Temporal was lost at the same moment; when it is over she is due as ever."""
    smtp_sink.treat("ada@example.org", "held")
    turn = asyncio.create_task(unmanned.take())
    await until(lambda: smtp_sink.attempts)
    (enrolment,) = await unmanned.running.enrolments()
    assert enrolment.lease_until is not None
    assert enrolment.due_at == enrolment.lease_until
    smtp_sink.released.set()
    await turn
    (enrolment,) = await unmanned.running.enrolments()
    assert (None, None) == (enrolment.lease_until, enrolment.due_at)


async def test_an_answer_outlives_the_turn_that_got_it(unmanned: Unmanned, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction that it stood in went on, and met a disk that was full: it is written by itself."""
    keep, kept = _Performer._keep, 0

    async def fails(self: _Performer, *given: Any, **named: Any) -> None:
        nonlocal kept
        kept += 1
        if kept == 2:
            raise OperationalError("COMMIT", None, OSError("the disk is full"))
        await keep(self, *given, **named)

    monkeypatch.setattr(_Performer, "_keep", fails)
    with pytest.raises(OperationalError):
        await unmanned.take()
    delivery = await unmanned.delivery()
    assert ("sent", None) == (delivery.status, delivery.attempt)


async def test_an_attempt_whose_claim_nobody_heard_of_is_not_in_doubt(unmanned: Unmanned, smtp_sink: SmtpSink) -> None:
    """It was not made, and so it is given back: the next turn may make it at once."""
    heard = unmanned.turns.database
    unmanned.turns = replace(unmanned.turns, database=cast("Database", Unheard(heard)))
    with pytest.raises(OperationalError):
        await unmanned.take()
    delivery = await unmanned.delivery()
    assert ("queued", 1, None) == (delivery.status, delivery.attempts, delivery.attempt)
    assert [] == smtp_sink.attempts


async def test_a_retry_whose_claim_nobody_heard_of_is_not_in_doubt(unmanned: Unmanned, smtp_sink: SmtpSink) -> None:
    """As in a turn."""
    await unmanned.halt()
    await unmanned.take()
    async with unmanned.running.house.database.write() as session:
        await installation.go(session)
    retries = replace(unmanned.retries, database=cast("Database", Unheard(unmanned.retries.database)))
    now = datetime.now(UTC)
    with pytest.raises(OperationalError):
        await retries.attempt(RetryOrder((await unmanned.delivery()).id, "email", now, now, 60))
    delivery = await unmanned.delivery()
    assert ("queued", 1, None) == (delivery.status, delivery.attempts, delivery.attempt)
    assert [] == smtp_sink.attempts
    assert "sent" == (await retries.attempt(RetryOrder(delivery.id, "email", now, now, 60))).status
