"""Migrations: they make the tables that `store.tables` describes, once, whoever else tries at the same time."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from store import migrate
from store.database import Database
from store.queries import drafts

_APPROVED = """
INSERT INTO drafts (
  id, journey, message, key, number, program, state, origin, prompt, calls, tokens_in, tokens_out,
  created_at, updated_at
) VALUES (
  'd', 'j', 'm', 'k', 1, 'p', 'approved', 'model', '{}', 0, 0, 0, '2026-03-02 09:00:00', '2026-03-02 09:00:00'
)
"""
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
        await _undo_0005(connection)
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


async def test_what_was_approved_before_it_was_kept_stays_without(database_url: str) -> None:
    """A draft of 0004 goes on, approved: in spite of what, and who wanted it, nobody knows."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await _undo_0005(connection)
        await connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
        await connection.execute(text(_APPROVED))

    await migrate.upgrade(database_url)

    async with database.read() as session:
        row = await drafts.find(session, "d")
    assert row is not None
    assert ("approved", None, None) == (row.state, row.approved_despite, row.wanted_by)
    await database.close()


async def _undo_0005(connection: AsyncConnection) -> None:
    for name in ("approved_despite", "wanted_by"):
        await connection.execute(text(f"ALTER TABLE drafts DROP COLUMN {name}"))


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
