"""Who is to be woken is so also where a turn, at this very moment, clears an older wish and goes by what was before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store import migrate
from store.database import Database
from store.queries import installation, pausing, turns
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
        await pausing.pause(session, "j", by="tests", now=EARLIER)
    yield database
    await database.close()


async def another_policy(session: AsyncSession) -> None:
    await installation.wake_dependents(session, at=NOW)


async def the_pause_is_over(session: AsyncSession) -> None:
    await pausing.resume(session, "j", catch_up="continue", by="tests", now=NOW)


@pytest.mark.parametrize("change", [another_policy, the_pause_is_over])
async def test_a_wish_that_comes_while_an_older_one_is_cleared_stands(database: Database, change) -> None:
    """The turn has read what was before, and is not over yet."""

    async def act() -> None:
        async with database.write() as session:
            await change(session)

    acting: asyncio.Task[None]

    async def waits_or_is_over() -> bool:
        async with database.read() as session:
            waiting = await (await session.connection()).execute(text(WAITING))
            return acting.done() or waiting.first() is not None

    async with database.write() as turn:
        await turns.take_lease(turn, "e", clock=NOW, lease=timedelta(seconds=10))
        acting = asyncio.create_task(act())
        await until(waits_or_is_over)
    await acting
    async with database.read() as session:
        wish = (await (await session.connection()).execute(select(col(Enrolment.wake_wanted_at)))).scalar_one()
    assert wish == NOW
