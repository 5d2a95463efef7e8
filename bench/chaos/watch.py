"""A writer of our own beside Waymark: when could nothing be written down? It goes by no plan, and so also sees what
nobody had planned: a process that was frozen while it held SQLite's lock, a PostgreSQL that takes its time to begin
again. Nor does it see what was planned and did not come about. Each time it adds a row that fills a page of its own, so
that it needs room on the disk as whoever adds something does: a full disk is an outage where this fails, and only then.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos.house import House
from bench.chaos.judge import Window
from store.database import Database

EVERY_SECONDS = 0.25
SLOW_SECONDS = 1.0
"""A write that takes longer has met an outage, or one that begins."""
PAGE_CHARACTERS = 6_000
"""More than half of a page of PostgreSQL, more than one of SQLite."""
ADDING = text("INSERT INTO chaos_watch VALUES (:page)")


@dataclass
class Watch:
    """Writes into a table that nobody else knows. `windows`: when it could not, and can again.
    `is_out`: now it cannot.
    """

    house: House
    database: Database
    windows: list[Window] = field(default_factory=list[Window])
    is_out: bool = False

    async def begin(self) -> None:
        """Make the table."""
        async with self.database.write() as session:
            connection = await session.connection()
            await connection.execute(text("CREATE TABLE chaos_watch (page TEXT NOT NULL)"))
            if self.database.is_postgres:  # neither compressed nor put elsewhere
                await connection.execute(text("ALTER TABLE chaos_watch ALTER COLUMN page SET STORAGE PLAIN"))

    async def go_on(self) -> None:
        """Until cancelled."""
        while True:
            began = time.time()
            if not await self._has_written():
                await self._outlast(began)
            await asyncio.sleep(EVERY_SECONDS)

    async def _outlast(self, began: float) -> None:
        """Whatever is open meanwhile stays so: nobody can write down how it went. As it may be that nothing can be read
        either, it is read once more when it is over: what had been claimed before.
        """
        left_open: set[str] = set()
        tried_at = began
        self.is_out = True
        while self.is_out:
            left_open |= await self.house.open_attempts() or set()
            await asyncio.sleep(EVERY_SECONDS)
            tried_at = time.time()
            self.is_out = not await self._has_written()
        ended = time.time()
        left_open |= await self.house.open_attempts(at=tried_at) or set()
        self.windows.append(Window("seen", began, ended, frozenset(left_open)))

    async def _has_written(self) -> bool:
        try:
            async with asyncio.timeout(SLOW_SECONDS), self.database.write() as session:
                await (await session.connection()).execute(ADDING, {"page": "x" * PAGE_CHARACTERS})
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True


@asynccontextmanager
async def watching(house: House) -> AsyncGenerator[Watch]:
    """Watch for as long as this lasts."""
    watch = Watch(house, Database(house.url, pool_size=1))
    await watch.begin()
    going_on = asyncio.create_task(watch.go_on())
    try:
        yield watch
    finally:
        going_on.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going_on
        await watch.database.close()
