"""Transactions: who goes first, and what belongs to one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database, connection_of
from store.migrate import upgrade
from store.tables import Installation


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Database]:
    """A database to which one task at a time writes what is new."""
    await upgrade(database_url)
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


def row(name: str) -> Installation:
    return Installation(name=name, value={}, updated_at=datetime.now(UTC))


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list((await session.exec(select(Installation.name).order_by(Installation.name))).all())


async def test_an_answer_is_written_before_anything_new_is_begun(narrow: Database) -> None:
    """However many wait: on PostgreSQL it waits for nobody, on SQLite for who is writing just then."""
    order: list[str] = []

    async def write(name: str, *, is_answer: bool = False) -> None:
        async with narrow.write(is_answer=is_answer):
            order.append(name)

    async with narrow.write():
        new = [asyncio.create_task(write(f"new {number}")) for number in range(5)]
        await asyncio.sleep(0)
        answer = asyncio.create_task(write("answer", is_answer=True))
        await asyncio.sleep(0)
        if narrow.is_postgres:
            await answer
        assert order == (["answer"] if narrow.is_postgres else [])
    await asyncio.gather(*new, answer)
    assert ["answer", *(f"new {number}" for number in range(5))] == order


@pytest.mark.parametrize("fails", [False, True])
async def test_what_the_session_and_its_connection_do_is_one_transaction(narrow: Database, fails: bool) -> None:
    """Both stay, or neither does; also what is only added, and beside a savepoint that was undone."""

    async def undo(session: AsyncSession) -> None:
        async with session.begin_nested():
            session.add(row("undone"))
            await session.flush()
            raise ZeroDivisionError

    async def write() -> None:
        async with narrow.write() as session:
            session.add(row("by the session"))
            with pytest.raises(ZeroDivisionError):
                await undo(session)
            values = {"name": "by the connection", "value": {}, "updated_at": datetime.now(UTC)}
            await (await connection_of(session)).execute(insert(Installation).values(values))
            session.add(row("last"))
            if fails:
                raise ValueError("in the middle")

    if fails:
        with pytest.raises(ValueError, match="in the middle"):
            await write()
    else:
        await write()
    assert ([] if fails else ["by the connection", "by the session", "last"]) == await names(narrow)
