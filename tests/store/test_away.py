"""A database that is away, or full, says so in one way on SQLite and on PostgreSQL."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from store.database import ANSWER_SECONDS, Database
from store.migrate import upgrade
from tests.support.ingesting import Feed, event, journey
from tests.support.until import until
from workers.ingest import Incoming
from workers.outages import is_outage


async def write(database: Database, *statements: str) -> None:
    async with database.write() as session:
        core = await session.connection()
        for statement in statements:
            await core.execute(text(statement))


CONFUSED = asyncpg.InternalClientError("got result for unknown protocol state")


@pytest.mark.parametrize(
    ("code", "is_away"),
    [
        ("53100", True),  # the disk is full
        ("53300", True),  # too many connections
        ("57P01", True),  # an administrator ended the connection
        ("57P03", True),  # it is just starting
        ("58030", True),  # the disk fails
        ("XX000", True),  # an error of the server's own
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


@pytest.mark.parametrize("where", ["connect", "setup_asyncpg_json_codec"])
async def test_a_driver_that_a_broken_line_has_confused_is_away(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whether SQLAlchemy makes it an error of its own, or passes it on as it is."""

    async def confused(*_given: Any, **_named: Any) -> None:
        raise CONFUSED

    monkeypatch.setattr(*((asyncpg, where) if where == "connect" else (PGDialect_asyncpg, where)), confused)
    database = Database(postgres_url)
    with pytest.raises(OperationalError) as raised:
        await write(database, "SELECT 1")
    assert is_outage(raised.value)
    await database.close()


async def test_a_server_that_ends_while_one_connects_is_away(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is closed before the driver has told it how JSON is spelt."""
    spell = PGDialect_asyncpg.setup_asyncpg_json_codec

    async def closed(self: PGDialect_asyncpg, connection: Any) -> None:
        await connection._connection.close()
        await spell(self, connection)

    monkeypatch.setattr(PGDialect_asyncpg, "setup_asyncpg_json_codec", closed)
    database = Database(postgres_url)
    for transaction in (database.read, database.write):
        with pytest.raises(OperationalError) as raised:
            async with transaction() as session:
                await session.connection()
        assert is_outage(raised.value)
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
    """Stands between us and a server; from `vanish` on it acknowledges what it gets, and says nothing. Once it is back,
    it knows nothing of the connections of before.
    """

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.partition(":")
        self._tasks: set[asyncio.Task[None]] = set()
        self.come_back()

    async def start(self) -> int:
        """Answers the port at which it stands."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def vanish(self) -> None:
        """Whoever is connected by now waits until `stop`."""
        self._is_there.clear()

    def come_back(self) -> None:
        """On the same address, for those who connect from now on."""
        self._is_there = asyncio.Event()
        self._is_there.set()

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
        is_there = self._is_there
        await is_there.wait()
        there, back = await asyncio.open_connection(self._host, int(self._port))
        await asyncio.gather(self._pass_on(reader, back, is_there), self._pass_on(there, writer, is_there))

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_there: asyncio.Event
    ) -> None:
        while said := await reader.read(65536):
            await is_there.wait()
            writer.write(said)
        writer.close()


@pytest.fixture
async def between(postgres_url: str) -> AsyncIterator[Vanishing]:
    url = make_url(postgres_url)
    between = Vanishing(f"{url.host}:{url.port}")
    yield between
    await between.stop()


async def through(between: Vanishing, postgres_url: str) -> Database:
    """The database through this one; three seconds for a statement."""
    url = make_url(postgres_url).set(host="127.0.0.1", port=await between.start())
    return Database(url.render_as_string(hide_password=False), answers_within=3.0)


async def test_a_server_that_vanished_without_a_word_is_away(postgres_url: str, between: Vanishing) -> None:
    """It is waited for no longer than a statement may take, though its connection looks whole."""
    database = await through(between, postgres_url)
    await write(database, "SELECT 1")
    between.vanish()
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(30):
            await write(database, "SELECT 1")
    assert is_outage(raised.value)
    assert "asyncpg" in "".join(traceback.format_tb(raised.value.__traceback__)), "it was this test that gave up"
    await database.close()


async def use_at_once(database: Database, number: int) -> None:
    """So many connections, all of them idle afterwards."""
    all_there = asyncio.Barrier(number)

    async def use() -> None:
        async with database.write() as session:
            await (await session.connection()).execute(text("SELECT 1"))
            await all_there.wait()

    await asyncio.gather(*(use() for _ in range(number)))


@pytest.mark.parametrize("is_inside", [False, True], ids=["between_transactions", "inside_one"])
async def test_one_waits_in_vain_for_a_server_that_came_back_not_each(
    postgres_url: str, between: Vanishing, is_inside: bool
) -> None:
    """The connections that nobody used when it vanished are not waited for, one after the other; nor is a ROLLBACK."""
    database = await through(between, postgres_url)
    await use_at_once(database, 4)
    with pytest.raises(TimeoutError):
        await _wait_in_vain(database, between, is_inside=is_inside)
    for _ in range(4):
        await write(database, "SELECT 1")
    await database.close()


async def _wait_in_vain(database: Database, between: Vanishing, *, is_inside: bool) -> None:
    async with database.write() as session:
        if is_inside:
            await (await session.connection()).execute(text("SELECT 1"))
        between.vanish()
        between.come_back()
        await (await session.connection()).execute(text("SELECT 2"))


async def test_who_asks_whether_a_connection_lives_is_freed_with_the_others(
    postgres_url: str, between: Vanishing
) -> None:
    """The one who came later waits no longer than the first, and then has what was asked for."""
    database = await through(between, postgres_url)
    await use_at_once(database, 2)
    between.vanish()
    between.come_back()
    first = asyncio.create_task(write(database, "SELECT 1"))
    await asyncio.wait({first}, timeout=0.5)
    second = asyncio.create_task(write(database, "SELECT 1"))
    with pytest.raises(TimeoutError):
        await first
    await second
    await database.close()


async def test_a_statement_that_takes_too_long_disturbs_nobody_who_works(postgres_url: str) -> None:
    """Their transactions go on to their commit; what the other one did is undone."""
    await write(setting_up := Database(postgres_url), "CREATE TABLE one (id int PRIMARY KEY)")
    await setting_up.close()
    database = Database(postgres_url, answers_within=3.0)
    await use_at_once(database, 3)
    async with database.write() as working:
        core = await working.connection()
        await core.execute(text("INSERT INTO one VALUES (1)"))
        with pytest.raises(TimeoutError):
            await write(database, "INSERT INTO one VALUES (2)", "SELECT pg_sleep(30)")
        await core.execute(text("INSERT INTO one VALUES (3)"))
    async with database.read() as session:
        kept = (await (await session.connection()).execute(text("SELECT id FROM one ORDER BY id"))).scalars().all()
    assert [1, 3] == kept
    await database.close()


async def test_only_a_migration_may_take_as_long_as_it_likes(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a table longer than everybody else may for a statement, which is a minute; three seconds here."""
    defaults = Database.__init__.__kwdefaults__
    assert defaults is not None
    assert ANSWER_SECONDS == defaults["answers_within"] == 60
    await upgrade(postgres_url)
    monkeypatch.setitem(defaults, "answers_within", 3.0)
    database = Database(postgres_url)
    holding = create_async_engine(postgres_url)
    async with holding.begin() as holder:
        await holder.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        migrating = asyncio.create_task(upgrade(postgres_url))
        await until(lambda: _is_waited_for(database))
        with pytest.raises(TimeoutError):  # it began later, and so what the migration waits for has taken longer
            await write(database, "SELECT pg_sleep(30)")
    await migrating
    await holding.dispose()
    await database.close()


async def _is_waited_for(database: Database) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.read() as session:
        return (await (await session.connection()).execute(text(waiting))).first() is not None


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
