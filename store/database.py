"""Opening the database, and its transactions. SQLite (WAL) and PostgreSQL; the same code above.

The edge owns the transaction: `async with database.write() as session` is one, committed at the end, rolled back on
an exception. `read()` is one that writes nothing. On SQLite a write begins with BEGIN IMMEDIATE, so that two writers
wait for each other at the beginning and never meet a lock that cannot be had in the middle.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import orjson
from sqlalchemy import CursorResult, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

T = TypeVar("T")

BUSY_SECONDS = 30
"""How long a writer waits for another one on SQLite."""


class Database:
    """One database, opened; `is_postgres` for the few statements that differ."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.is_postgres = url.startswith("postgresql")
        self.engine = _open(url, pool_size)
        self._reading = self.engine.execution_options(reading=True)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """A transaction that may write."""
        async with AsyncSession(self.engine, expire_on_commit=False, autoflush=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A transaction that only reads; it never waits for a writer."""
        async with AsyncSession(self._reading, expire_on_commit=False, autoflush=False) as session, session.begin():
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
        await self.engine.dispose()


def changed(result: object) -> int:
    """How many rows a statement changed."""
    return cast("CursorResult[Any]", result).rowcount


def is_deadlock(error: DBAPIError) -> bool:
    """Whether the database says that the same transaction may succeed when it is run again."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return code in {"40001", "40P01"} or "database is locked" in str(error.orig)


def _open(url: str, pool_size: int) -> AsyncEngine:
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": pool_size,
        "hide_parameters": True,  # an error's text goes to logs, and parameters are personal
        "json_serializer": _dumps,
        "json_deserializer": orjson.loads,
    }
    if url.startswith("postgresql"):
        return create_async_engine(url, pool_pre_ping=True, **options)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL for readers beside a writer; NORMAL loses nothing that a killed process had committed."""
    connection.isolation_level = None  # transactions are begun by us, see `_begin_sqlite`
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")
