"""Writing to SQLite: one after the other, within a process and between processes, and nobody's loop stands still."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from store import database as databases
from store.database import Database
from store.migrate import upgrade
from store.tables import Installation
from workers.outages import is_outage


@pytest.fixture
async def both(sqlite_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """The same file, opened as two processes do."""
    await upgrade(sqlite_url)
    opened = Database(sqlite_url), Database(sqlite_url)
    yield opened
    for each in opened:
        await each.close()


async def add_one(database: Database) -> None:
    async with database.write() as session:
        query = select(Installation).where(col(Installation.name) == "counter")
        row = (await session.exec(query)).first() or Installation(name="counter", value={"count": 0})
        await asyncio.sleep(0)
        row.value = {"count": int(str(row.value["count"])) + 1}
        row.updated_at = datetime.now(UTC)
        session.add(row)


async def counted(database: Database) -> int:
    async with database.read() as session:
        row = (await session.exec(select(Installation).where(col(Installation.name) == "counter"))).one()
        return int(str(row.value["count"]))


async def test_no_write_is_lost_between_tasks_and_processes(both: tuple[Database, Database]) -> None:
    """Each transaction sees what the one before it wrote, whoever made it."""
    await asyncio.gather(*(add_one(both[number % 2]) for number in range(40)))
    assert 40 == await counted(both[0])


async def test_the_loop_goes_on_while_another_process_writes(both: tuple[Database, Database]) -> None:
    """Waiting is given back; what is waited for comes through once the other one has committed."""
    async with both[0].write() as session:
        await session.connection()  # the transaction begins with its first statement
        waiting = asyncio.create_task(add_one(both[1]))
        for _ in range(100):  # each of these would never come if the other connection blocked the loop
            await asyncio.sleep(0.001)
        assert not waiting.done()
    await waiting
    assert 1 == await counted(both[0])


async def test_reading_waits_for_nobody(both: tuple[Database, Database]) -> None:
    """A reader sees what was committed, while somebody writes."""
    await add_one(both[0])
    async with both[1].write() as session:
        session.add(Installation(name="another", value={}, updated_at=datetime.now(UTC)))
        await session.flush()
        assert 1 == await counted(both[1])


async def test_a_writer_that_never_ends_is_an_outage(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while whoever waits is told, and may write later."""
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.1)
    async with both[0].write() as session:
        await session.connection()
        with pytest.raises(OperationalError, match="database is locked") as raised:
            await add_one(both[1])
        assert is_outage(raised.value)
    await add_one(both[1])
    assert 1 == await counted(both[0])


async def test_a_writer_within_a_writer_is_told_too(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for itself."""
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.1)
    async with both[0].write():
        with pytest.raises(TimeoutError) as raised:
            await add_one(both[0])
        assert is_outage(raised.value)


async def test_what_fails_is_undone_and_lets_the_next_one_write(both: tuple[Database, Database]) -> None:
    """Nothing of it stays, and no place is lost."""

    async def fail() -> None:
        async with both[0].write() as session:
            session.add(Installation(name="never", value={}, updated_at=datetime.now(UTC)))
            await session.flush()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await fail()
    await add_one(both[0])
    async with both[0].read() as session:
        assert ["counter"] == list((await session.exec(select(Installation.name))).all())


async def test_a_task_that_is_cancelled_lets_the_next_one_write(both: tuple[Database, Database]) -> None:
    """Wherever it was: in the middle of its transaction, or waiting for its turn."""
    entered = asyncio.Event()

    async def stay() -> None:
        async with both[0].write() as session:
            await session.connection()
            entered.set()
            await asyncio.get_running_loop().create_future()

    staying = asyncio.create_task(stay())
    await entered.wait()
    waiting = [asyncio.create_task(add_one(both[0])), asyncio.create_task(add_one(both[1]))]
    await asyncio.sleep(0.01)
    for task in (*waiting, staying):
        task.cancel()
    await asyncio.gather(staying, *waiting, return_exceptions=True)
    await add_one(both[0])
    await add_one(both[1])
    assert 2 == await counted(both[0])
