"""A process whose clock is wrong, beside one whose clock is right and that is in the middle of an attempt: it takes
nothing that lives, and waits for nothing that does not.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from temporalio.exceptions import ApplicationError

from journeys.effects import Request
from store.queries import deliveries, installation, requests, withdrawing
from store.tables import DeliveryRow, OutboxRow
from tests.support.house import Running, unmanned_house
from tests.support.smtp import SmtpSink
from waymark.wiring import build_requesting
from workers.requesting import Requesting
from workers.retrying import Retries
from workers.turns import Turns
from workers.watching import Watch
from workflows.contracts import RetryOrder, TurnOrder

WRONG = [timedelta(hours=1), -timedelta(hours=1), -timedelta(minutes=5)]
WAYS = ["turn", "retry", "end"]
A_MOMENT = timedelta(seconds=1)


@dataclass
class Process:
    """A worker's process with a wall clock and a monotonic one of its own; turns and retries are made by hand."""

    turns: Turns
    retries: Retries
    ahead: timedelta
    monotonic: float = 0.0

    def __post_init__(self) -> None:
        delivering = replace(self.turns.delivering, clock=self.clock, watch=Watch(lambda: self.monotonic))
        self.turns = replace(self.turns, clock=self.clock, delivering=delivering)
        self.retries = replace(self.retries, clock=self.clock, delivering=delivering)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_(self, by: timedelta) -> None:
        """So much time passes."""
        self.monotonic += by.total_seconds()

    @property
    def limit(self) -> timedelta:
        return self.turns.delivering.attempt_limit

    async def look(self, way: str, row: DeliveryRow) -> timedelta | None:
        """Look at the delivery in a turn or in a retry: after how long it wants to look again."""
        now = datetime.now(UTC)
        if way != "retry":
            taken = await self.turns.take(TurnOrder(row.enrolment, now))
            return None if taken.due_at is None else taken.due_at - now
        try:
            await self.retries.attempt(RetryOrder(row.id, "a-queue", now, self.clock()))
        except ApplicationError as later:
            return later.next_retry_delay
        return None


@dataclass
class Beside:
    """A house without a worker, whose only message is being sent by a process with a right clock."""

    running: Running
    turns: Turns
    retries: Retries

    def process(self, *, ahead: timedelta) -> Process:
        return Process(self.turns, self.retries, ahead)

    async def delivery(self) -> DeliveryRow:
        (delivery,) = await self.running.deliveries()
        return delivery

    async def answer(self) -> None:
        """The process that is sending it is told that it was taken."""
        async with self.running.house.database.write() as session:
            clock = datetime.now(UTC)
            assert await deliveries.conclude(
                session, (await self.delivery()).id, attempt="the right one's", clock=clock, status="sent", reason=None,
                sent_at=clock, provider_id=None, words=None,
            )  # fmt: skip

    async def withdraw(self) -> None:
        async with self.running.house.database.write() as session:
            enrolment = (await self.delivery()).enrolment
            await withdrawing.withdraw(session, enrolment, by="a test", now=datetime.now(UTC))

    async def doubts_told(self) -> int:
        async with self.running.house.database.read() as session:
            told = (await session.exec(select(OutboxRow))).all()
        return len([row for row in told if "may_have_gone" in row.payload])


@pytest.fixture(params=["leave", "resend"])
def in_doubt(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def beside(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, in_doubt: Any
) -> AsyncIterator[Beside]:
    async with unmanned_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        in_doubt=in_doubt,
    ) as (running, activities):  # fmt: skip
        assert isinstance(activities.turns, Turns)
        beside = Beside(running, activities.turns, activities.retries)
        await _begin(beside)
        yield beside


async def _begin(beside: Beside) -> None:
    """A process whose clock is right claims the message."""
    async with beside.running.house.database.write() as session:
        await installation.halt(session, by="a test", at=datetime.now(UTC))
    (enrolment,) = await beside.running.enrolments()
    await beside.turns.take(TurnOrder(enrolment.id, datetime.now(UTC)))
    async with beside.running.house.database.write() as session:
        await installation.go(session)
        clock, limit = datetime.now(UTC), beside.turns.delivering.attempt_limit
        assert await deliveries.claim(
            session, (await beside.delivery()).id, attempt="the right one's", until=clock + limit, clock=clock,
            channel="email",
        )  # fmt: skip


@pytest.mark.parametrize("ahead", WRONG, ids=str)
@pytest.mark.parametrize("way", WAYS)
async def test_what_lives_is_left_alone_until_it_was_watched_for_as_long_as_it_may_last(
    beside: Beside, smtp_sink: SmtpSink, in_doubt: str, way: str, ahead: timedelta
) -> None:
    """However wrong the clock of who looks; then it is taken over, once, though two of them have watched it."""
    if way == "end":
        await beside.withdraw()
    one, two = beside.process(ahead=ahead), beside.process(ahead=ahead)
    before = await beside.delivery()
    for process in (one, two):
        assert process.limit == await process.look(way, before)
        process.pass_(process.limit - A_MOMENT)
        assert A_MOMENT == await process.look(way, before)
        assert ("queued", "the right one's", 1) == await _standing(beside)
    one.pass_(A_MOMENT)
    two.pass_(A_MOMENT)
    await one.look(way, before)
    after = await beside.delivery()
    is_sent_again = in_doubt == "resend" and way != "end"
    expected = {"turn": "queued", "retry": "sent"}[way] if is_sent_again else "may_have_gone"
    assert expected == after.status
    await two.look(way, before)
    again = await beside.delivery()
    assert (after.status, after.attempts, after.attempt) == (again.status, again.attempts, again.attempt)
    assert (0 if is_sent_again else 1) == await beside.doubts_told()
    assert (1 if is_sent_again and way == "retry" else 0) == len(smtp_sink.arrived)


async def _standing(beside: Beside) -> tuple[str, str | None, int]:
    row = await beside.delivery()
    return row.status, row.attempt, row.attempts


@pytest.mark.parametrize("ahead", WRONG, ids=str)
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_answered_while_it_is_watched_is_as_it_was_answered(
    beside: Beside, smtp_sink: SmtpSink, way: str, ahead: timedelta
) -> None:
    """The next look finds it sent, and nothing is in doubt."""
    process = beside.process(ahead=ahead)
    await process.look(way, await beside.delivery())
    process.pass_(process.limit / 2)
    await beside.answer()
    process.pass_(process.limit)
    await process.look(way, await beside.delivery())
    assert ("sent", None, 1) == await _standing(beside)
    assert (0, []) == (await beside.doubts_told(), smtp_sink.attempts)


async def test_what_is_answered_between_the_look_and_the_verdict_is_as_it_was_answered(beside: Beside) -> None:
    """The verdict is a compare-and-set: who looked too early changes nothing."""
    process = beside.process(ahead=timedelta())
    delivering, seen = process.turns.delivering, await beside.delivery()
    assert process.limit == delivering.left(seen)
    process.pass_(process.limit)
    await beside.answer()
    async with beside.running.house.database.write() as session:
        settled = await delivering.settle(session, seen, now=datetime.now(UTC))
    assert isinstance(settled, DeliveryRow)
    assert ("sent", None) == (settled.status, settled.attempt)
    assert ("sent", None, 1) == await _standing(beside)


@pytest.mark.parametrize("in_doubt", ["leave"], indirect=True)
async def test_a_retry_is_made_at_its_orders_instant_whatever_clock_its_process_has(
    beside: Beside, smtp_sink: SmtpSink
) -> None:
    """What is recorded is the journey's time."""
    async with beside.running.house.database.write() as session:
        row = await beside.delivery()
        await deliveries.give_back(session, row.id, attempt="the right one's", clock=datetime.now(UTC))
    process, now = beside.process(ahead=timedelta(hours=1)), datetime.now(UTC)
    order = RetryOrder(row.id, "a-queue", now, now)
    assert "sent" == (await process.retries.attempt(order)).status
    assert (now, 1) == ((await beside.delivery()).sent_at, len(smtp_sink.arrived))


@pytest.mark.parametrize("in_doubt", ["leave"], indirect=True)
@pytest.mark.parametrize("ahead", WRONG, ids=str)
async def test_a_request_that_another_process_makes_is_left_alone_as_long(beside: Beside, ahead: timedelta) -> None:
    """Then it is free for another attempt, once."""
    (enrolment,) = await beside.running.enrolments()
    right = build_requesting(beside.running.house.settings, {})
    now = datetime.now(UTC)
    effect = Request("n", 0, "call", "crm", {}, now, now + timedelta(hours=1))
    async with beside.running.house.database.write() as session:
        claim = await right.claim(session, right.new_row(enrolment.id, effect, now=now), learner="ada", is_new=True)
    assert claim is not None
    passed = [0.0, 0.0]
    wrong = [_asking(right, ahead, passed, number) for number in (0, 1)]
    for number, asking in enumerate(wrong):
        assert right.attempt_limit == await _settle(beside, asking, claim.row.id)
        passed[number] += right.attempt_limit.total_seconds() - 1
        assert A_MOMENT == await _settle(beside, asking, claim.row.id)
        passed[number] += 1
    assert await _settle(beside, wrong[0], claim.row.id) is None
    async with beside.running.house.database.write() as session:
        free = await requests.find(session, claim.row.id)
        assert free is not None
        again = await wrong[0].claim(session, free, learner="ada")
    assert again is not None
    assert right.attempt_limit == await _settle(beside, wrong[1], claim.row.id)


def _asking(right: Requesting, ahead: timedelta, passed: list[float], number: int) -> Requesting:
    return replace(right, clock=lambda: datetime.now(UTC) + ahead, watch=Watch(lambda: passed[number]))


async def _settle(beside: Beside, asking: Requesting, request: str) -> timedelta | None:
    """For how long yet it is left alone; None where it is free."""
    async with beside.running.house.database.write() as session:
        row = await requests.find(session, request)
        assert row is not None
        settled = await asking.settle(session, row)
    if isinstance(settled, timedelta):
        return settled
    assert settled.attempt is None
    return None
