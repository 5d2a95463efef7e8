"""Opening the database, and its transactions. SQLite (WAL) and PostgreSQL; the same code above.

The edge owns the transaction: `async with database.write() as session` is one, committed at the end, rolled back on
an exception. `read()` is one that writes nothing. On SQLite a write begins with BEGIN IMMEDIATE, so that two writers
wait for each other at the beginning and never meet a lock that cannot be had in the middle.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast
from weakref import WeakSet

import asyncpg
import orjson
from sqlalchemy import CursorResult, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel.ext.asyncio.session import AsyncSession

from store import sqlite

T = TypeVar("T")

_CONNECTION = "connection"

BUSY_SECONDS = 30
"""How long a writer waits for another one on SQLite."""

ANSWER_SECONDS = 60.0
"""How long PostgreSQL may take for one statement. A host that vanishes after it has acknowledged what it was asked says
nothing ever again, and nothing is left to be sent that would not get through: without an end we would wait for hours.
"""

AWAY = ("08", "53", "57", "58", "XX", "25006")
"""What PostgreSQL's codes begin with where nothing is wrong with what was asked: the connection broke, something has
run out (room on the disk, memory, connections), somebody intervened, the system or the server itself failed; it only
reads now.
"""


class Database:
    """One database, opened; `is_postgres` for the few statements that differ.

    `answers_within`: so many seconds PostgreSQL may take for a statement, before it is given up with TimeoutError, as
    an outage; None: as long as it likes, which is for migrations.
    """

    def __init__(self, url: str, *, pool_size: int = 10, answers_within: float | None = ANSWER_SECONDS) -> None:
        self.url = url
        self.is_postgres = url.startswith("postgresql")
        self._reading = _open(url, pool_size, answers_within)
        self._writing = self._reading if self.is_postgres else _open_to_write(url)
        writers = [] if self.is_postgres else [asyncio.Semaphore(1)]
        self._answering = writers  # on PostgreSQL as many as the pool has left
        self._beginning = [asyncio.Semaphore(max(1, pool_size * 2 // 5) if self.is_postgres else 1), *writers]

    @property
    def engine(self) -> AsyncEngine:
        """For migrations, which make their own transactions."""
        return self._writing

    @asynccontextmanager
    async def write(self, *, is_answer: bool = False) -> AsyncGenerator[AsyncSession]:
        """A transaction that may write; in the order in which they asked, but what others have answered us is written
        before anything new is begun: until it is, nobody can know that it was done. On SQLite one after the other.
        """
        async with AsyncExitStack() as turns:
            for turn in self._answering if is_answer else self._beginning:
                await turns.enter_async_context(_taken(turn))
            yield await turns.enter_async_context(_transaction(self._writing))

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A transaction that only reads; it never waits for a writer."""
        async with _transaction(self._reading) as session:
            yield session

    async def retrying(self, transaction: Callable[[], Awaitable[T]], *, attempts: int = 5) -> T:
        """Run a whole transaction again where the database broke a deadlock; anything else is the caller's."""
        for left in range(attempts - 1, -1, -1):
            try:
                return await transaction()
            except DBAPIError as error:
                if left == 0 or not is_deadlock(error):
                    raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Give all connections back."""
        await self._reading.dispose()
        await self._writing.dispose()


@asynccontextmanager
async def _taken(turn: asyncio.Semaphore) -> AsyncGenerator[None]:
    if turn.locked():
        async with asyncio.timeout(BUSY_SECONDS):  # as between processes; TimeoutError is an outage
            await turn.acquire()
    else:
        await turn.acquire()  # at once
    try:
        yield
    finally:
        turn.release()


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
    """One transaction of a connection; its session takes part in it where it is used at all: most statements are run on
    the connection, and a session that has work of its own costs as much as three of them.
    """
    async with _connecting(), engine.connect() as connection, connection.begin():
        session = AsyncSession(connection, expire_on_commit=False, autoflush=False)
        session.info[_CONNECTION] = connection
        try:
            yield session
            if session.in_transaction():
                await session.commit()
        finally:
            if session.in_transaction():
                await session.close()


async def connection_of(session: AsyncSession) -> AsyncConnection:
    """The connection of the session's transaction; asking the session itself costs as much as a small statement."""
    return cast("AsyncConnection", session.info[_CONNECTION])


def changed(result: object) -> int:
    """How many rows a statement changed."""
    return cast("CursorResult[Any]", result).rowcount


def is_deadlock(error: DBAPIError) -> bool:
    """Whether the database says that the same transaction may succeed when it is run again."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return code in {"40001", "40P01"} or "database is locked" in str(error.orig)


def _open(url: str, pool_size: int, answers_within: float | None) -> AsyncEngine:
    options = {"pool_size": pool_size, "max_overflow": pool_size, **_options()}
    if url.startswith("postgresql"):
        limit = {"command_timeout": answers_within}
        engine = create_async_engine(url, pool_pre_ping=True, connect_args=limit, **options)
        event.listen(engine.sync_engine, "handle_error", _say_away)
        _give_up_together(engine)
        return engine
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_reading)
    return engine


def _open_to_write(url: str) -> AsyncEngine:
    """One connection to SQLite, as one task of a process writes at a time; see `store.sqlite`."""
    engine = create_async_engine(
        make_url(url).set(drivername=sqlite.DRIVER),
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "factory": sqlite.DirectConnection},
        **_options(),
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "connect", _never_block)
    event.listen(engine.sync_engine, "begin", _begin_writing)
    return engine


@asynccontextmanager
async def _connecting() -> AsyncGenerator[None]:
    """A server that ends while one connects is away, too: SQLAlchemy passes on as it is what asyncpg says then."""
    try:
        yield
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError) as error:
        code: str | None = getattr(error, "sqlstate", None)
        if code is not None and not code.startswith(AWAY):
            raise
        raise OperationalError(None, None, error, hide_parameters=True) from error


def _say_away(context: ExceptionContext) -> OperationalError | None:
    """The driver gives almost every error of PostgreSQL the same class: those that pass are OperationalError here, as
    on SQLite, so that no event is taken for unusable because the disk was full. After a statement that took too long
    the connection is of no use: a ROLLBACK would be waited for as long again.
    """
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True
    error = context.sqlalchemy_exception
    if not isinstance(error, DBAPIError) or isinstance(error, OperationalError):
        return None
    code = getattr(error.orig, "sqlstate", None) or ""
    is_confused = isinstance(error, InternalError) and not code  # the driver's own, where a line broke midway
    if not code.startswith(AWAY) and not is_confused:
        return None
    return OperationalError(
        error.statement, error.params, error.orig or error, error.hide_parameters, context.is_disconnect
    )  # fmt: skip


def _give_up_together(engine: AsyncEngine) -> None:
    """A host that vanished has taken all connections with it, and each would be found dead by somebody who waits for as
    long as a statement may take, though the server has long been back. So the first that is given up for its silence
    takes along those that nobody uses, and those that are being asked whether they still live: they are made anew for
    whoever needs one, which costs little where only a statement took too long.
    """
    idle: WeakSet[ConnectionPoolEntry] = WeakSet()

    def come(_connection: object, entry: ConnectionPoolEntry) -> None:
        idle.add(entry)

    def go(_connection: object, entry: ConnectionPoolEntry, _user: object) -> None:
        idle.discard(entry)

    def cut(_connection: object, _entry: ConnectionPoolEntry, error: BaseException | None) -> None:
        if isinstance(error, TimeoutError):
            for entry in tuple(idle):
                if entry.driver_connection is not None:
                    entry.driver_connection.terminate()  # without a word: the answer could only be waited for

    event.listen(engine.sync_engine, "checkin", come)
    event.listen(engine.sync_engine, "checkout", go)
    event.listen(engine.sync_engine, "invalidate", cut)


def _options() -> dict[str, Any]:
    return {
        "hide_parameters": True,  # an error's text goes to logs, and parameters are personal
        "json_serializer": _dumps,
        "json_deserializer": _loads,
    }


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _loads(value: str | bytes | float) -> object:
    """A bare number comes from SQLite as one: a column declared JSON has numeric affinity there, and holds no text that
    reads as a number.
    """
    return value if isinstance(value, int | float) else orjson.loads(value)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL for readers beside a writer; NORMAL loses nothing that a killed process had committed."""
    connection.isolation_level = None  # transactions are begun by us, see below
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    sqlite.write_ahead(cursor, busy_seconds=BUSY_SECONDS)
    cursor.close()


def _never_block(connection: Any, _record: object) -> None:
    """Waiting for another process is given back to the loop, see `store.sqlite.begin`."""
    sqlite.never_block(connection)


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    sqlite.begin(connection, busy_seconds=BUSY_SECONDS)
