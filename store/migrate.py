"""Bringing a database to the present form: Alembic, in one transaction, safe when several processes do it at once.

On PostgreSQL an advisory lock lets one process migrate while the others wait; on SQLite the transaction itself does.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x7761796D61726B  # "waymark"


async def upgrade(database_url: str) -> None:
    """Bring the database to the newest revision; nothing happens where it is there already."""
    database = Database(database_url, pool_size=1, answers_within=None)  # an index of a large table takes its time
    try:
        async with database.engine.begin() as connection:
            await _lock(connection, is_postgres=database.is_postgres)
            await connection.run_sync(_upgrade)
    finally:
        await database.close()


async def is_current(database: Database) -> bool:
    """Whether the database has the newest revision."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_revision) == newest()


def newest() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade_now(database_url: str) -> None:
    """`upgrade`, for who has no event loop."""
    asyncio.run(upgrade(database_url))


async def _lock(connection: AsyncConnection, *, is_postgres: bool) -> None:
    if is_postgres:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
