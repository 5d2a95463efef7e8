"""Statements that go straight to SQLite's driver: the same in and out as by SQLAlchemy."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col

from store import migrate
from store.database import Database
from store.prepared import Prepared
from store.tables import DeliveryRow, JournalRow
from workers.outages import is_outage

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LINE = {
    "enrolment": "one",
    "at": AT,
    "kind": "set",
    "step": None,
    "text": "Said.",
    "data": {"list": [1, "é"], "n": None},
}
COLUMNS: Any = vars(JournalRow)["__table__"].columns


async def test_what_is_written_and_found_is_the_same_either_way(database: Database) -> None:
    """Instants, JSON, nothing and text, written by one and read by the other."""
    record, find = Prepared(insert(JournalRow)), Prepared(select(*COLUMNS).order_by(col(JournalRow.seq)))
    async with database.write() as session:
        await record.change_each(session, [LINE, {**LINE, "data": {}}])
        await (await session.connection()).execute(insert(JournalRow), [{**LINE, "step": "b"}])
    async with database.write() as session:
        prepared = [list(row) for row in await find.rows(session, {})]
        usual = [list(row) for row in (await (await session.connection()).execute(find.statement)).all()]
    async with database.read() as session:
        reading = [list(row) for row in await find.rows(session, {})]
    assert [[1, *LINE.values()], [2, *{**LINE, "data": {}}.values()], [3, *{**LINE, "step": "b"}.values()]] == prepared
    assert usual == prepared
    assert reading == prepared


async def test_it_belongs_to_the_transaction(database: Database) -> None:
    """What is rolled back was never there."""
    record, find = Prepared(insert(JournalRow)), Prepared(select(*COLUMNS))

    async def fail() -> None:
        async with database.write() as session:
            await record.change(session, LINE)
            assert len(await find.rows(session, {})) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.write() as session:
        assert [] == await find.rows(session, {})
        assert await find.first(session, {}) is None


async def test_constants_and_lists_of_constants_stay_in_the_statement(database: Database) -> None:
    """As the statement has them, beside the values that are given; what it changed is counted."""
    change = Prepared(
        update(JournalRow)
        .where(col(JournalRow.kind).in_(("set", "passed")), col(JournalRow.enrolment) == bindparam("of"))
        .values(step="new", text=bindparam("said"))
        .returning(col(JournalRow.step), col(JournalRow.text))
    )
    async with database.write() as session:
        await Prepared(insert(JournalRow)).change_each(session, [LINE, {**LINE, "kind": "sent"}])
        assert [("new", "b")] == [tuple(row) for row in await change.rows(session, {"of": "one", "said": "b"})]
        assert [] == await change.rows(session, {"of": "two", "said": "b"})
        count = Prepared(update(JournalRow).where(col(JournalRow.enrolment) == bindparam("of")).values(step="c"))
        assert 2 == await count.change(session, {"of": "one"})


async def test_what_the_driver_raises_is_sqlalchemys_and_names_no_value(database: Database) -> None:
    """So it is judged as ever: a refusal is none of an outage, and what a log says of it is not personal."""
    record = Prepared(insert(JournalRow))
    with pytest.raises(IntegrityError) as refused:
        async with database.write() as session:
            await record.change(session, {**LINE, "at": None, "text": "ada@example.org"})
    assert not is_outage(refused.value)
    assert "ada@" not in f"{refused.value} {refused.value!r}"


async def test_a_database_that_is_away_is_an_outage(sqlite_url: str) -> None:
    """A table that is not there yet is found by the driver itself."""
    database = Database(sqlite_url)
    with pytest.raises(OperationalError) as away:
        async with database.write() as session:
            await Prepared(select(col(JournalRow.seq))).rows(session, {})
    assert is_outage(away.value)
    await database.close()


async def test_what_the_driver_raises_at_a_later_row_is_sqlalchemys_too(sqlite_url: str) -> None:
    """SQLite looks for a row only when it is asked for it."""
    await migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    find = Prepared(select(func.json_extract(col(JournalRow.text), "$.a")).order_by(col(JournalRow.seq)))
    async with database.write() as session:
        await Prepared(insert(JournalRow)).change_each(session, [{**LINE, "text": '{"a": 1}'}, LINE])
    with pytest.raises(OperationalError, match="malformed JSON"):
        async with database.write() as session:
            await find.rows(session, {})
    await database.close()


async def test_every_value_of_a_new_row_is_given(sqlite_url: str) -> None:
    """What SQLAlchemy would fill in is asked for, and never forgotten in silence."""
    await migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    with pytest.raises(TypeError, match="status"):
        async with database.write() as session:
            await Prepared(insert(DeliveryRow)).change(session, {"id": "delivery"})
    await database.close()
