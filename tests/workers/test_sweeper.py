"""The sweeper: no wish to be woken is lost, and nobody is woken too often."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from store import migrate
from store.database import Database
from store.queries import installation, sweeping
from store.tables import BidRow, DeliveryRow, Enrolment, IdempotencyKey, JourneyRow, RequestRow, UnjudgedEntry
from tests.support.ingesting import MONDAY, Feed, event, hours, journey
from tests.support.until import until
from workers.ingest import TryLater
from workers.sweeper import CROWD_PATIENCE, LONGEST_REST, PAGE, UNTRIED_FOR, Sweeper


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database, whose pokes are all lost until a test says otherwise."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    feed = Feed(database)
    feed.pokes.later = timedelta(seconds=1)
    await feed.publish(journey())
    yield feed
    await database.close()


def sweeper_of(feed: Feed) -> Sweeper:
    """A sweeper whose pokes arrive."""
    feed.pokes.later = None
    return Sweeper(feed.database, feed.pokes, feed.clock, elapsed=lambda: feed.clock.now - MONDAY)


async def test_what_has_wanted_waking_for_five_seconds_is_poked(feed: Feed) -> None:
    """Not sooner: its own poke may be on the way."""
    await feed.take(event("hr.learner.promoted"))
    sweeper = sweeper_of(feed)

    assert 0 == await sweeper.sweep()
    feed.clock.now += timedelta(seconds=5)
    assert 1 == await sweeper.sweep()
    assert [row["id"] for row in await feed.rows(Enrolment)] == feed.pokes.poked


async def test_what_is_overdue_by_a_minute_is_poked(feed: Feed) -> None:
    """Its workflow should have woken by itself; perhaps Temporal has lost it."""
    await _waiting(feed, due_at=feed.clock.now)
    sweeper = sweeper_of(feed)

    feed.clock.now += timedelta(seconds=59)
    assert 0 == await sweeper.sweep()
    feed.clock.now += timedelta(seconds=1)
    assert 1 == await sweeper.sweep()


@pytest.mark.parametrize(("status", "poked"), [("ended", 0), ("paused", 1)])
async def test_what_has_ended_is_not_overdue(feed: Feed, status: str, poked: int) -> None:
    """Whatever its row says of an instant; one that is paused is: its `limit` acts."""
    await _waiting(feed, due_at=feed.clock.now, status=status)
    feed.clock.now += hours(1)

    assert poked == await sweeper_of(feed).sweep()


async def test_an_enrolment_that_was_poked_rests_longer_each_time(feed: Feed) -> None:
    """Ten seconds, then twenty: a worker that is down does not gather signals."""
    await feed.take(event("hr.learner.promoted"))
    sweeper = sweeper_of(feed)
    feed.clock.now += timedelta(seconds=5)

    poked: list[int] = []
    for _ in range(35):
        poked.append(await sweeper.sweep())
        feed.clock.now += timedelta(seconds=1)

    assert [0, 10, 30] == [second for second, number in enumerate(poked) if number]


async def test_who_rests_does_so_by_a_clock_that_nobody_sets(feed: Feed) -> None:
    """One that is set back by an hour lets nobody rest an hour longer."""
    await _waiting(feed, due_at=feed.clock.now - hours(2))
    feed.pokes.later = None
    passed = timedelta()
    sweeper = Sweeper(feed.database, feed.pokes, feed.clock, elapsed=lambda: passed)

    assert 1 == await sweeper.sweep()
    assert 0 == await sweeper.sweep()
    feed.clock.now -= hours(1)
    passed += LONGEST_REST
    assert 1 == await sweeper.sweep()


@pytest.mark.parametrize("waits_for", ["delivery", "request", "bid"])
@pytest.mark.parametrize("held_by", ["journey", "hand", "halt"])
async def test_nobody_is_poked_for_what_is_held(feed: Feed, waits_for: str, held_by: str) -> None:
    """No turn would touch it: a message, a request, a slot; once nobody holds it, it is found."""
    await feed.take(event("hr.learner.promoted"))
    await _waits_for(feed, waits_for)
    await _hold(feed, held_by, is_held=True)
    feed.clock.now += UNTRIED_FOR
    assert 0 == await sweeper_of(feed).sweep()
    await _hold(feed, held_by, is_held=False)
    assert 1 == await sweeper_of(feed).sweep()


@pytest.mark.parametrize("held_by", ["journey", "halt"])
async def test_nobody_who_has_ended_is_poked_for_what_is_sent_again_while_it_is_held(feed: Feed, held_by: str) -> None:
    """It stays queued meanwhile."""
    await feed.take(event("hr.learner.promoted"))
    await _waits_for(feed, "delivery", status="queued")
    await _set(feed, Enrolment, status="ended", outcome="goal")
    await _hold(feed, held_by, is_held=True)
    feed.clock.now += UNTRIED_FOR
    assert 0 == await sweeper_of(feed).sweep()
    await _hold(feed, held_by, is_held=False)
    assert 1 == await sweeper_of(feed).sweep()


async def _waits_for(feed: Feed, what: str, *, status: str = "deferred") -> None:
    """The one enrolment has taken its turn, and waits for this alone."""
    now = feed.clock.now
    await _set(feed, Enrolment, fence=1, wake_wanted_at=None, due_at=None)
    (of,) = await feed.rows(Enrolment)
    rows = {
        "delivery": DeliveryRow(
            id="one", enrolment=of["id"], journey=of["journey"], learner=of["learner"], recipient=of["learner"],
            node="send", visit=1, message="one", channel="email", status=status, created_at=now, updated_at=now,
        ),
        "request": RequestRow(
            id="one", enrolment=of["id"], node="call", visit=1, service="call", target="crm", status=status,
            expires_at=now, created_at=now, updated_at=now,
        ),
        "bid": BidRow(
            delivery="one", recipient=of["learner"], enrolment=of["id"], journey=of["journey"], priority=1,
            placed_at=now, eligible_at=now, asks_at=now, wanted_at=now,
        ),
    }  # fmt: skip
    async with feed.database.write() as session:
        row = rows[what]
        await (await session.connection()).execute(insert(type(row)), [row.model_dump()])


async def _hold(feed: Feed, by: str, *, is_held: bool) -> None:
    if by == "halt":
        async with feed.database.write() as session:
            if is_held:
                await installation.halt(session, by="a test", at=feed.clock.now)
            else:
                await installation.go(session)
        return
    table, free = (JourneyRow, "live") if by == "journey" else (Enrolment, "active")
    await _set(feed, table, status="paused" if is_held else free)


async def _set(feed: Feed, table: type[Enrolment | JourneyRow], **values: object) -> None:
    async with feed.database.write() as session:
        await (await session.connection()).execute(update(table).values(**values))


async def test_a_crowd_costs_one_look(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for the first of them has gone through all; they are poked in pages all the same."""
    number = await _crowd(feed)
    looks: list[int] = []
    look = sweeping.list_unwoken

    async def counted(*given: Any, **named: Any) -> Sequence[str]:
        found = await look(*given, **named)
        looks.append(len(found))
        return found

    monkeypatch.setattr(sweeping, "list_unwoken", counted)
    await sweeper_of(feed).sweep()
    assert [number] == looks


async def test_every_page_is_swept(feed: Feed) -> None:
    """More than one page of enrolments, each poked once: nobody of the crowd has been served since the last look."""
    number = await _crowd(feed)
    sweeper = sweeper_of(feed)
    assert 0 == await sweeper.sweep()
    feed.clock.now += timedelta(seconds=3)
    assert number == await sweeper.sweep()
    assert number == len(set(feed.pokes.poked))


async def test_a_crowd_that_is_being_served_is_left_alone(feed: Feed) -> None:
    """For a minute each; who is left when it is a crowd no more is poked at once."""
    number = await _crowd(feed)
    sweeper = sweeper_of(feed)
    for _ in range(3):
        assert 0 == await sweeper.sweep()
        await _serve(feed, 10)
        feed.clock.now += timedelta(seconds=3)
    feed.clock.now += CROWD_PATIENCE
    assert number - 30 == await sweeper.sweep()

    few = sweeper_of(feed)
    assert 0 == await few.sweep()
    await _serve(feed, 100)
    assert number - 130 == await few.sweep()


async def test_who_was_not_poked_for_temporals_sake_is_poked_when_that_is_over(feed: Feed) -> None:
    """Though others have been served since."""
    number = await _crowd(feed)
    sweeper = sweeper_of(feed)
    assert 0 == await sweeper.sweep()
    feed.clock.now += timedelta(seconds=3)
    feed.pokes.later = timedelta(seconds=1)
    with pytest.raises(TryLater):
        await sweeper.sweep()
    feed.pokes.later = None
    await _serve(feed, 10)
    assert number - 10 == await sweeper.sweep()


async def _crowd(feed: Feed) -> int:
    """So many wait to be woken."""
    number = PAGE + 50
    await feed.take(*(event("hr.learner.promoted", learner=f"learner {n}") for n in range(number)))
    feed.clock.now += timedelta(seconds=5)
    return number


async def _serve(feed: Feed, number: int) -> None:
    """So many of them have been woken."""
    async with feed.database.write() as session:
        waiting = select(col(Enrolment.id)).where(col(Enrolment.wake_wanted_at).is_not(None)).limit(number)
        served = update(Enrolment).where(col(Enrolment.id).in_(waiting)).values(wake_wanted_at=None)
        await (await session.connection()).execute(served)


async def test_while_temporal_wants_a_pause_the_sweeper_goes_on_trying(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And pokes when it is over."""
    monkeypatch.setattr("workers.sweeper.EVERY", timedelta(milliseconds=20))
    await feed.take(event("hr.learner.promoted"))
    feed.clock.now += timedelta(seconds=5)
    sweeper = sweeper_of(feed)
    feed.pokes.later = timedelta(milliseconds=20)
    stop = asyncio.Event()
    task = asyncio.create_task(sweeper.run(stop))

    await until(lambda: feed.pokes.refused > 2)
    feed.pokes.later = None
    await until(lambda: feed.pokes.poked)

    stop.set()
    await task


async def test_rows_that_have_served_are_let_go(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idempotency keys after a day, entries that nobody judges again any more."""
    monkeypatch.setattr("workers.sweeper.EVERY", timedelta(milliseconds=20))
    now = feed.clock.now
    async with feed.database.write() as session:
        core = await session.connection()
        keys = [
            IdempotencyKey(key=key, request="", status=200, body="", created_at=at).model_dump()
            for key, at in (("old", now - hours(25)), ("new", now - hours(23)))
        ]
        await core.execute(insert(IdempotencyKey), keys)
        entries = [
            {"journey": "j", "trigger": t, "learner": "l", "event": 1, "finding": "", "until": at}
            for t, at in (("past", now - hours(1)), ("yet", now + hours(1)))
        ]
        await core.execute(insert(UnjudgedEntry), entries)
    stop = asyncio.Event()
    task = asyncio.create_task(sweeper_of(feed).run(stop))

    await until(lambda: _has_one(feed))

    stop.set()
    await task
    assert ["new"] == [row["key"] for row in await feed.rows(IdempotencyKey)]
    assert ["yet"] == [row["trigger"] for row in await feed.rows(UnjudgedEntry)]


async def _has_one(feed: Feed) -> bool:
    return len(await feed.rows(IdempotencyKey)) == len(await feed.rows(UnjudgedEntry)) == 1


async def _waiting(feed: Feed, *, due_at: datetime, status: str = "active") -> None:
    """An enrolment that has taken its turn and waits."""
    await feed.take(event("hr.learner.promoted"))
    async with feed.database.write() as session:
        change = update(Enrolment).values(due_at=due_at, status=status, fence=1, wake_wanted_at=None)
        await (await session.connection()).execute(change)
