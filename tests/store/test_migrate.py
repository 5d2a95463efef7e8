"""Migrations: they make the tables that `store.tables` describes, once, whoever else tries at the same time."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from store import migrate
from store.database import Database

_POSTGRES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"


async def test_the_migrated_schema_is_what_the_tables_say(database_url: str) -> None:
    """Autogenerate finds nothing left to do, on either database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)

    async with database.engine.connect() as connection:
        left = await connection.run_sync(_compare)

    assert [] == left
    assert await migrate.is_current(database)
    await database.close()


async def test_partial_indexes_are_what_the_tables_say(database_url: str) -> None:
    """Autogenerate does not compare the conditions of indexes; their definitions are the same all the same."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    migrated = await _indexes(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.drop_all)
        await connection.run_sync(SQLModel.metadata.create_all)

    assert await _indexes(database) == migrated
    await database.close()


async def test_an_upgrade_of_an_upgraded_database_changes_nothing(database_url: str) -> None:
    """A second upgrade is harmless."""
    await migrate.upgrade(database_url)
    await migrate.upgrade(database_url)

    database = Database(database_url)
    assert await migrate.is_current(database)
    await database.close()


async def test_upgrades_at_the_same_time_do_not_disturb_each_other(database_url: str) -> None:
    """Eight processes may start together on an empty database."""
    await asyncio.gather(*(asyncio.to_thread(migrate.upgrade_now, database_url) for _ in range(8)))

    database = Database(database_url)
    assert await migrate.is_current(database)
    await database.close()


@pytest.mark.parametrize("has_words", [False, True])
async def test_a_database_that_was_made_at_0003_comes_along(database_url: str, has_words: bool) -> None:
    """With the bids' own words, as 0003 made them for a while, and without."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    async with database.engine.begin() as connection:
        if not has_words:
            await connection.execute(text("ALTER TABLE bids DROP COLUMN draft"))
            await connection.execute(text("ALTER TABLE bids DROP COLUMN undrafted"))
        if database.is_postgres:
            await connection.execute(text("DROP FUNCTION beside_enrolment"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    assert not await migrate.is_current(database)

    await migrate.upgrade(database_url)

    async with database.engine.connect() as connection:
        assert [] == await connection.run_sync(_compare)
    assert await migrate.is_current(database)
    await database.close()


async def test_an_empty_database_is_not_current(database_url: str) -> None:
    """What has not been migrated is known as such."""
    database = Database(database_url)
    assert not await migrate.is_current(database)
    await database.close()


def _compare(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return compare_metadata(context, SQLModel.metadata)


async def _indexes(database: Database) -> dict[str, str]:
    async with database.engine.connect() as connection:
        found = await connection.execute(text(_POSTGRES if database.is_postgres else _SQLITE))
        return {name: definition for name, definition in found if "alembic" not in name}
