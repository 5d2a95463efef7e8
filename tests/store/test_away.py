"""A database that is away, or full, says so in one way on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from store.database import Database
from store.migrate import upgrade
from tests.support.ingesting import Feed, event, journey
from workers.ingest import Incoming
from workers.outages import is_outage


async def write(database: Database, *statements: str) -> None:
    async with database.write() as session:
        core = await session.connection()
        for statement in statements:
            await core.execute(text(statement))


@pytest.mark.parametrize(
    ("code", "is_away"),
    [
        ("53100", True),  # the disk is full
        ("53300", True),  # too many connections
        ("57P01", True),  # an administrator ended the connection
        ("57P03", True),  # it is just starting
        ("58030", True),  # the disk fails
        ("25006", True),  # it only reads: another one has taken over
        ("22003", False),  # a number that does not fit
        ("22P05", False),  # a character that cannot be stored
        ("42703", False),  # a column that is not there
    ],
)
async def test_what_passes_is_told_from_what_stays(postgres_url: str, code: str, is_away: bool) -> None:
    """An error of which nothing that was given is the cause is an OperationalError; another one is none."""
    database = Database(postgres_url)
    with pytest.raises(DBAPIError) as raised:
        await write(database, f"DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{code}'; END $$")
    await database.close()
    assert is_away == isinstance(raised.value, OperationalError)


async def test_what_was_given_twice_stays_what_it_was(postgres_url: str) -> None:
    """A key that is there already is no outage."""
    database = Database(postgres_url)
    with pytest.raises(IntegrityError):
        await write(database, "CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1), (1)")
    await database.close()


async def test_a_connection_that_is_cut(postgres_url: str) -> None:
    """The transaction fails as one of a database that is away; the next one has a connection again."""
    database = Database(postgres_url)
    with pytest.raises(DBAPIError) as raised:
        await write(database, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1")
    assert is_outage(raised.value)
    await write(database, "SELECT 1")
    await database.close()


async def test_a_full_database_refuses_no_event(tmp_path: Path) -> None:
    """What comes while SQLite is full is no dead letter: the batch fails as a whole, and is taken later."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'waymark.db'}"
    await upgrade(url)
    database = Database(url)
    feed = Feed(database)
    await feed.publish(journey())
    batch = [Incoming(event("hr.learner.promoted", learner=f"ada-{n}", given_name="x" * 2_000)) for n in range(50)]
    async with database.write() as session:  # there is one connection that writes, which keeps this
        core = await session.connection()
        pages = (await core.execute(text("PRAGMA page_count"))).scalar_one()
        await core.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(OperationalError, match="full"):
        await feed.ingest.take(batch)
    async with database.write() as session:
        await (await session.connection()).execute(text("PRAGMA max_page_count = 1000000"))
    assert {"accepted"} == {taken.status for taken in await feed.ingest.take(batch)}
    await database.close()
