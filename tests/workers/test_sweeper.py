"""The sweeper: no wish to be woken is lost, and nobody is woken too often."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from store import migrate
from store.database import Database
from store.tables import Enrolment, IdempotencyKey, UnjudgedEntry
from tests.support.ingesting import Feed, event, hours, journey
from tests.support.until import until
from workers.ingest import TryLater
from workers.sweeper import CROWD_PATIENCE, PAGE, Sweeper


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
    return Sweeper(feed.database, feed.pokes, feed.clock)


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
