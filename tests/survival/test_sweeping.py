"""What the sweeper finds beside what its own tests say: messages and requests that nobody tries any more."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from store import migrate
from store.database import Database
from store.queries import installation, outbox
from store.tables import DeliveryRow, Enrolment, JourneyRow, RequestRow
from tests.support.ingesting import Feed, event, journey
from workers.sweeper import UNTRIED_FOR, Sweeper


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """One enrolment that waits for a message to go, and for nothing else."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    feed = Feed(database)
    await feed.publish(journey())
    await feed.take(event("hr.learner.promoted"))
    async with database.write() as session:
        core = await session.connection()
        await core.execute(update(Enrolment).values(fence=1, wake_wanted_at=None, due_at=None))
        await core.execute(insert(DeliveryRow), [await _delivery(feed)])
    yield feed
    await database.close()


async def _delivery(feed: Feed) -> dict[str, object]:
    (enrolment,) = await feed.rows(Enrolment)
    now = feed.clock.now
    return DeliveryRow(
        id="delivery", enrolment=enrolment["id"], journey=enrolment["journey"], learner=enrolment["learner"],
        recipient=enrolment["learner"], node="send", visit=1, message="one", channel="email", attempts=1,
        created_at=now, updated_at=now,
    ).model_dump()  # fmt: skip


async def change(feed: Feed, table: type[DeliveryRow | Enrolment | JourneyRow], **values: object) -> None:
    async with feed.database.write() as session:
        await (await session.connection()).execute(update(table).values(**values))


async def swept(feed: Feed) -> int:
    """How many a sweeper that has just started finds, a little later than a retry may pause."""
    feed.clock.now += UNTRIED_FOR
    return await Sweeper(feed.database, feed.pokes, feed.clock).sweep()


async def test_a_message_whose_retries_are_lost_is_found(feed: Feed) -> None:
    """Its run waits for nothing but the retry's end, which nobody makes any more."""
    assert 0 == await Sweeper(feed.database, feed.pokes, feed.clock).sweep()
    assert 1 == await swept(feed)


@pytest.mark.parametrize("status", ["sent", "failed", "skipped", "may_have_gone"])
async def test_a_message_that_is_done_with_is_not(feed: Feed, status: str) -> None:
    """However long ago that was."""
    await change(feed, DeliveryRow, status=status)
    assert 0 == await swept(feed)


async def test_a_message_that_was_held_is_found_once_nothing_is_held_any_more(feed: Feed) -> None:
    """The process that let them go may have died over it; while they are held nobody is poked for it."""
    await change(feed, DeliveryRow, status="deferred", reason="halted")
    async with feed.database.write() as session:
        await installation.halt(session, by="a test", at=feed.clock.now)
    assert 0 == await swept(feed)
    async with feed.database.write() as session:
        await installation.go(session)
    assert 1 == await swept(feed)


async def _asks_instead(feed: Feed, status: str, reason: str | None = None) -> None:
    """The enrolment waits for another system, and no message."""
    await change(feed, DeliveryRow, status="sent")
    (enrolment,) = await feed.rows(Enrolment)
    now = feed.clock.now
    row = RequestRow(
        id="req-1", enrolment=enrolment["id"], node="call", visit=1, service="call", target="crm", status=status,
        reason=reason, attempts=1, expires_at=now, created_at=now, updated_at=now,
    ).model_dump()  # fmt: skip
    async with feed.database.write() as session:
        await (await session.connection()).execute(insert(RequestRow), [row])


@pytest.mark.parametrize(("status", "found"), [("queued", 1), ("done", 0), ("failed", 0)])
async def test_a_request_whose_retries_are_lost_is_found(feed: Feed, status: str, found: int) -> None:
    """And one that is done with is not."""
    await _asks_instead(feed, status)
    assert 0 == await Sweeper(feed.database, feed.pokes, feed.clock).sweep()
    assert found == await swept(feed)


async def test_a_request_that_was_held_goes_when_all_goes(feed: Feed) -> None:
    """Its enrolment is among those that are woken, once, with those that wait for messages."""
    await _asks_instead(feed, "deferred", "halted")
    await change(feed, DeliveryRow, status="deferred", reason="halted")
    (enrolment,) = await feed.rows(Enrolment)
    async with feed.database.write() as session:
        woken = await installation.wake_halted(session, after="", limit=10, at=feed.clock.now)
        assert [enrolment["id"]] == woken
        assert [] == await installation.wake_halted(session, after=enrolment["id"], limit=10, at=feed.clock.now)
    await change(feed, DeliveryRow, status="sent", reason=None)
    async with feed.database.write() as session:
        assert [enrolment["id"]] == await installation.wake_halted(session, after="", limit=10, at=feed.clock.now)


async def test_an_enrolment_that_was_ended_by_hand_is_woken_too(feed: Feed) -> None:
    """Its workflow is to end, and what was open is to fall, though the poke was lost."""
    await change(feed, DeliveryRow, status="sent")
    await change(feed, Enrolment, status="ended", outcome="withdrawn", wake_wanted_at=feed.clock.now)
    assert 1 == await swept(feed)


async def test_who_is_held_by_a_pause_that_is_over_is_woken(feed: Feed) -> None:
    """Its turn may have read the pause as it ended; who is held by one that lasts sleeps on."""
    await change(feed, DeliveryRow, status="sent")
    await change(feed, Enrolment, depends_on="journey", due_at=None)
    await change(feed, JourneyRow, status="paused")
    assert 0 == await swept(feed)
    await change(feed, JourneyRow, status="live")
    assert 1 == await swept(feed)


async def test_who_ended_while_a_pause_held_her_is_left_alone(feed: Feed) -> None:
    """Withdrawn, or out by an exit: her row says of the pause what it said, and nobody is to be woken for good."""
    await change(feed, DeliveryRow, status="sent")
    await change(feed, Enrolment, depends_on="journey", due_at=None, status="ended", outcome="withdrawn")
    assert 0 == await swept(feed)


async def test_what_was_noted_by_a_clock_that_was_an_hour_ahead_is_found(feed: Feed) -> None:
    """Its bridge was killed before the poke: nobody waits an hour for the next one."""
    await change(feed, DeliveryRow, status="sent")
    assert 0 == await swept(feed)
    await change(feed, Enrolment, wake_wanted_at=feed.clock.now + timedelta(hours=1))
    assert 1 == await swept(feed)


async def test_a_relay_whose_clock_was_an_hour_ahead_keeps_nobody_from_relaying(feed: Feed) -> None:
    """It was killed: what it had taken for a minute is not taken for an hour."""
    minute, now = timedelta(minutes=1), feed.clock.now
    async with feed.database.write() as session:
        assert await outbox.take_lease(session, owner="killed", now=now, lease=minute)
        assert not await outbox.take_lease(session, owner="next", now=now, lease=minute)
        assert await outbox.take_lease(session, owner="killed", now=now + timedelta(hours=1), lease=minute)
        assert await outbox.take_lease(session, owner="next", now=now, lease=minute)
