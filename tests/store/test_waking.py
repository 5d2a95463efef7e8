"""Who is to be woken is so also where a turn, at this very moment, clears an older wish and goes by what was before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store import migrate
from store.database import Database
from store.policy_lock import hold_alone
from store.queries import deliveries, installation, learners, pausing, turns
from store.tables import Enrolment, JourneyRow
from tests.support.until import until

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=1)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """PostgreSQL, where two write at once: an enrolment that wants waking, and waits for what may change."""
    await migrate.upgrade(postgres_url)
    database = Database(postgres_url)
    journey = JourneyRow(name="j", version=1, status="live", created_at=EARLIER)
    enrolment = Enrolment(
        id="e", journey="j", version=1, program="p", learner="l", entry_key="", entry={}, run="{}", entered_at=EARLIER,
        created_at=EARLIER, due_at=EARLIER, depends_on="language", wake_wanted_at=EARLIER,
    )  # fmt: skip
    async with database.write() as session:
        core = await session.connection()
        await core.execute(insert(JourneyRow), [journey.model_dump()])
        await core.execute(insert(Enrolment), [enrolment.model_dump()])
        await learners.introduce(session, {"of-the-source": "l"}, at=EARLIER)
        await pausing.pause(session, "j", by="tests", now=EARLIER)
    yield database
    await database.close()


async def another_policy(session: AsyncSession) -> None:
    await installation.wake_dependents(session, after="", limit=10, at=NOW)


async def waits_or_is_over(database: Database, acting: asyncio.Task[Any]) -> bool:
    async with database.read() as session:
        waiting = await (await session.connection()).execute(text(WAITING))
        return acting.done() or waiting.first() is not None


async def the_pause_is_over(session: AsyncSession) -> None:
    await pausing.resume(session, "j", catch_up="continue", by="tests", now=NOW)
    await pausing.wake_held(session, "j", after="", limit=10, at=NOW)


@pytest.mark.parametrize("change", [another_policy, the_pause_is_over])
async def test_a_wish_that_comes_while_an_older_one_is_cleared_stands(database: Database, change) -> None:
    """The turn has read what was before, and is not over yet."""

    async def act() -> None:
        async with database.write() as session:
            await change(session)

    async with database.write() as turn:
        await turns.take_lease(turn, "e", clock=NOW, lease=timedelta(seconds=10))
        acting = asyncio.create_task(act())
        await until(lambda: waits_or_is_over(database, acting))
    await acting
    async with database.read() as session:
        wish = (await (await session.connection()).execute(select(col(Enrolment.wake_wanted_at)))).scalar_one()
    assert wish == NOW


async def hold_the_row(session: AsyncSession) -> None:
    """As a batch does, and whatever else changes an enrolment."""
    await deliveries.lock_enrolment(session, "e")


async def take(database: Database) -> turns.Person | None:
    async with database.write() as turn:
        lease = await turns.take_lease(turn, "e", clock=NOW, lease=timedelta(seconds=10))
        return lease.person if isinstance(lease, turns.Lease) else None


async def go_on(database: Database) -> turns.Person | None:
    async with database.write() as turn:
        until_ = NOW + timedelta(seconds=10)
        return await turns.extend_lease(turn, enrolment="e", fence=0, lease_until=until_)


@pytest.mark.parametrize("hold", [hold_the_row, hold_alone])
@pytest.mark.parametrize("act", [take, go_on])
async def test_a_turn_that_had_to_wait_knows_the_learner_as_she_is_by_then(database: Database, hold, act) -> None:
    """Who let it wait has changed her, and pokes nobody: this turn is to see it."""
    async with database.write() as batch:
        await hold(batch)
        (state,) = (await learners.lock(batch, ["l"])).values()
        state.profile, state.times = {"zone": "Europe/Dublin"}, {"zone": NOW}
        await learners.keep(batch, [state], at=NOW)
        acting = asyncio.create_task(act(database))
        await until(lambda: waits_or_is_over(database, acting))
        assert not acting.done()
    person = await acting
    assert person is not None
    expected = ("l", "of-the-source", {"zone": "Europe/Dublin"}, {"zone": NOW.isoformat()})
    assert expected == (person.id, person.source_id, person.profile, person.profile_times)


async def test_a_turn_that_had_to_wait_knows_the_pauses_as_they_are_by_then(database: Database) -> None:
    """The journey goes on by the time the turn has the row."""
    async with database.write() as other:
        await hold_the_row(other)
        acting = asyncio.create_task(_pauses_of_a_turn(database))
        await until(lambda: waits_or_is_over(database, acting))
        assert not acting.done()
        before = await turns.find_pauses(other, "j")
        await the_pause_is_over(other)
        after = await turns.find_pauses(other, "j")
    assert before != after == await acting


async def _pauses_of_a_turn(database: Database) -> Any:
    async with database.write() as turn:
        lease = await turns.take_lease(turn, "e", clock=NOW, lease=timedelta(seconds=10))
        assert isinstance(lease, turns.Lease)
        return lease.enrolment.pauses
