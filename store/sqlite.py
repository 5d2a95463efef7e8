"""SQLite for transactions that write: in the event loop's own thread.

The usual driver gives each connection a thread, and every statement three or four hops to it and back, which cost ten
times what SQLite does. Our writing transactions are short, and one process writes at a time anyway. So their statements
are run where they are asked for, and only waiting is given back to the loop: for other tasks of this process by a lock
(`store.database.Database.write`), for other processes here, in `begin`. What reads keeps its thread, because a list may
be long.
"""

import asyncio
import sqlite3
import time
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util.concurrency import await_

DRIVER = "sqlite+direct"
PAUSES_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.015)
"""How long is waited before a writer of another process is asked again; the last one from then on."""


async def _pass() -> None:
    """Nothing: SQLAlchemy insists that whatever it runs for a coroutine awaits something."""


class Cursor(sqlite3.Cursor):
    """A cursor of the standard library as SQLAlchemy's asyncio side asks for it."""

    def execute(self, sql: str, parameters: Any = (), /) -> "Cursor":
        await_(_pass())
        super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> "Cursor":
        await_(_pass())
        super().executemany(sql, parameters)
        return self

    async def _async_soft_close(self) -> None:
        """What it has found may still be read."""


class DirectConnection(sqlite3.Connection):
    """A connection of the standard library, with our cursors."""

    def cursor(self, factory: Any = Cursor) -> Any:
        return super().cursor(factory)


class Dialect(SQLiteDialect_pysqlite):
    """The standard library's driver, taken for an asynchronous one."""

    driver = "direct"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:  # noqa: ARG003 - only files are opened
        return AsyncAdaptedQueuePool


registry.register("sqlite.direct", __name__, "Dialect")


def write_ahead(cursor: Any, *, busy_seconds: float) -> None:
    """Turn the write-ahead log on. While others do so on a file that is new, SQLite says `busy` and waits for nobody,
    whatever `busy_timeout` is. Raises OperationalError after `busy_seconds`.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(PAUSES_SECONDS[-1])
        else:
            return


def never_block(connection: sqlite3.Connection) -> None:
    """A connection that finds the database busy says so at once."""
    sqlite3.Connection.execute(connection, "PRAGMA busy_timeout=0")


def begin(connection: Connection, *, busy_seconds: float) -> None:
    """BEGIN IMMEDIATE; while another process writes, the loop goes on. Raises OperationalError after `busy_seconds`."""
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + busy_seconds
    attempt = 0
    while time.monotonic() < deadline:
        try:
            sqlite3.Connection.execute(driver, "BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                break
        else:
            return
        await_(asyncio.sleep(PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS) - 1)]))
        attempt += 1
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # what it raises is raised as SQLAlchemy's own
