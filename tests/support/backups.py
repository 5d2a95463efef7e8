"""A backup of an installation's database, taken while it runs, and put in its place again while nothing runs."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from tests.support.until import until


async def back_up(url: str) -> None:
    """Copy the database as it stands; one backup, which stays until it is restored."""
    if url.startswith("sqlite"):
        await asyncio.to_thread(_copy, _file(url), _backup(url))
        return
    server, name = _place(url)
    connection = await asyncpg.connect(f"{server}/postgres")
    try:  # a template may have no connections: those that there are break, as they do when a server is moved
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await until(lambda: _is_left_alone(connection, name))
        await connection.execute(f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await connection.close()


async def restore(url: str) -> None:
    """Put the backup where the database is; nobody may have that open."""
    if url.startswith("sqlite"):
        for file in (_file(url), *_file(url).parent.glob(f"{_file(url).name}-*")):
            file.unlink(missing_ok=True)
        _backup(url).rename(_file(url))
        return
    server, name = _place(url)
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.execute(f'ALTER DATABASE "{name}_backup" RENAME TO "{name}"')
    finally:
        await connection.close()


async def _is_left_alone(connection: asyncpg.Connection, name: str) -> bool:
    return 0 == await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name)


def _copy(database: Path, backup: Path) -> None:
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


def _file(url: str) -> Path:
    return Path(url.partition("///")[2])


def _backup(url: str) -> Path:
    return _file(url).with_suffix(".backup")


def _place(url: str) -> tuple[str, str]:
    server, _, name = url.replace("+asyncpg", "").rpartition("/")
    return server, name
