"""The log is asked for a batch of events, and answers by its index, however many a source has sent."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import event, text

from journeys.events import Event
from store import migrate
from store.database import Database
from store.queries import events

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MANY = 3_000
READ = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'events'"
SCANNED = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'events'"


async def record(database: Database, names: Sequence[tuple[str, str]]) -> None:
    logged = [Event(id_, source, "hr.learner.changed", None, NOW, {}) for source, id_ in names]
    async with database.write() as session:
        await events.record(session, [(one, f"digest of {one.id}", None) for one in logged], at=NOW)


async def test_the_digests_of_those_that_are_there(database: Database) -> None:
    """By source and id together, whatever these are made of; nothing for the others."""
    there = [("/hr", "1"), ("/lms", "1"), ("/hr", 'it\'s, \\ a {"list"}'), ("/hr", "ü")]
    await record(database, there)
    async with database.read() as session:
        asked = {*there, ("/lms", "ü"), ("/hr", "2"), ("", "")}
        assert {name: f"digest of {name[1]}" for name in there} == await events.find_digests(session, asked)
        assert {} == await events.find_digests(session, {("/hr", "3")})
        assert {} == await events.find_digests(session, set())


async def test_on_postgresql_what_a_source_has_sent_before_is_not_read(postgres_url: str) -> None:
    """Without statistics of the table: a batch of a hundred reads a hundred, not thousands."""
    await migrate.upgrade(postgres_url)
    database = Database(postgres_url)
    names = [("/hr", str(number)) for number in range(MANY)]
    await record(database, names)
    before = await tuples_read(database)
    async with database.read() as session:
        assert 100 == len(await events.find_digests(session, names[:100]))
    assert 100 <= await tuples_read(database) - before <= 200
    await database.close()


async def tuples_read(database: Database) -> int:
    """So many entries of its indexes and rows of the table itself were read until now."""
    read = 0
    for statement in ("SELECT pg_stat_force_next_flush()", READ, SCANNED):
        async with database.write() as session:
            found = (await (await session.connection()).execute(text(statement))).scalar_one()
        read += int(found or 0)
    return read


async def test_on_sqlite_each_is_searched_for_by_the_index(sqlite_url: str) -> None:
    """Its plan scans what was asked for, and not the log."""
    await migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    seen: list[str] = []
    async with database.read() as session:
        connection = await session.connection()
        event.listen(connection.sync_connection, "before_cursor_execute", lambda *a: seen.append(a[2]))
        await events.find_digests(session, {("/hr", "1"), ("/lms", "2")})
        (asked,) = seen
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", ("[]",))).all()
    await database.close()
    assert [line for *_, line in plan if line.startswith("SEARCH events USING INDEX")]
    assert not [line for *_, line in plan if line.startswith("SCAN events")]
