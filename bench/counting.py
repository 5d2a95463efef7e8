"""What stands in Waymark's own tables, counted by a benchmark beside what it has seen arrive."""

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, func, select, text
from sqlmodel import col

from bench.stage import PATIENCE_SECONDS, Servers, Wrong
from store.database import Database
from store.tables import Enrolment

LONG = timedelta(days=1)


async def count_enrolments(database: Database, *conditions: ColumnElement[bool]) -> int:
    """How many meet all conditions."""
    query = select(func.count()).select_from(Enrolment).where(*conditions)
    async with database.read() as session:
        return (await (await session.connection()).execute(query)).scalar_one()


async def count_asleep(database: Database) -> int:
    """Enrolments in the middle of a long wait, whom nothing wants to wake."""
    return await count_enrolments(
        database,
        col(Enrolment.status) == "active",
        col(Enrolment.fence) > 0,
        col(Enrolment.wake_wanted_at).is_(None),
        col(Enrolment.lease_until).is_(None),
        col(Enrolment.due_at) > datetime.now(UTC) + LONG,
    )


async def until_asleep(stage: Servers, database: Database, number: int, *, said: str) -> None:
    """Wait until so many are asleep; raises Wrong where it gets no further."""
    last, moved_at = -1, time.monotonic()
    while (now := await count_asleep(database)) < number:
        if now != last:
            last, moved_at = now, time.monotonic()
        if time.monotonic() - moved_at > PATIENCE_SECONDS:
            raise Wrong(f"{said}: {now} of {number} enrolments are asleep, and no more for {PATIENCE_SECONDS:.0f} s")
        stage.progress.say(f"{said}: {now:,} of {number:,} asleep")
        await asyncio.sleep(0.5)


async def held_bytes(database: Database) -> int:
    """How much the database has in use."""
    if not database.is_postgres:
        return sqlite_bytes(Path(database.url.partition(":///")[2]))
    async with database.read() as session:
        connection = await session.connection()
        return (await connection.execute(text("SELECT pg_database_size(current_database())"))).scalar_one()


def sqlite_bytes(file: Path) -> int:
    """What is in use, whether it stands in the file or in its log yet."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
