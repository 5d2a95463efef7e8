"""A database that is away, or full, says so in one way on SQLite and on PostgreSQL."""

import asyncio
import traceback
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
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


class Vanishing:
    """Stands between us and a server; from `vanish` on it acknowledges what it gets, and says nothing."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.partition(":")
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Answers the port at which it stands."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def vanish(self) -> None:
        """Until `stop`."""
        self._is_there.clear()

    async def stop(self) -> None:
        """And cut what is left."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._is_there.wait()
        there, back = await asyncio.open_connection(self._host, int(self._port))
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(65536):
            await self._is_there.wait()
            writer.write(said)
        writer.close()


async def test_a_server_that_vanished_without_a_word_is_away(postgres_url: str) -> None:
    """It is waited for no longer than a statement may take, though its connection looks whole."""
    url = make_url(postgres_url)
    between = Vanishing(f"{url.host}:{url.port}")
    url = url.set(host="127.0.0.1", port=await between.start())
    database = Database(url.render_as_string(hide_password=False), answers_within=1.0)
    await write(database, "SELECT 1")
    between.vanish()
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(30):
            await write(database, "SELECT 1")
    assert is_outage(raised.value)
    assert "asyncpg" in "".join(traceback.format_tb(raised.value.__traceback__)), "it was this test that gave up"
    await between.stop()
    await database.close()


async def test_only_a_migration_may_take_as_long_as_it_likes(postgres_url: str) -> None:
    """Everybody else has a minute for a statement."""
    for patience, ends in ((None, True), (0.2, False)):
        database = Database(postgres_url, answers_within=patience)
        with nullcontext() if ends else pytest.raises(TimeoutError):
            await write(database, "SELECT pg_sleep(0.5)")
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
