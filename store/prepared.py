"""Statements that every turn runs, at a fraction of what SQLAlchemy asks for running one.

A `Prepared` is a statement of SQLAlchemy's, compiled once for each set of parameters. Where a transaction
writes to SQLite (`store.sqlite`) it goes straight to the driver, in the transaction's own connection, with the types of
SQLAlchemy on the way in and out; elsewhere SQLAlchemy runs it. The same rows come either way.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Executable, exc
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import changed, connection_of
from store.sqlite import DirectConnection

Row = Sequence[Any]
Process = Callable[[Any], Any]


@dataclass(frozen=True)
class _Compiled:
    """SQL for the driver: what stands at each place, and what turns values into the driver's and back."""

    sql: str
    given: Sequence[tuple[str, Any, Process | None]]
    out: Sequence[tuple[int, Process]]

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """In the order of their places."""
        return [
            values.get(name, constant) if process is None else process(values.get(name, constant))
            for name, constant, process in self.given
        ]

    def row(self, found: tuple[Any, ...]) -> Row:
        """As SQLAlchemy would give it."""
        if not self.out:
            return found
        row = list(found)
        for place, process in self.out:
            row[place] = process(row[place])
        return row


@dataclass
class Prepared:
    """One statement. Its values are named, and always the same names."""

    statement: Executable
    _compiled: dict[tuple[str, ...], _Compiled] = field(default_factory=dict[tuple[str, ...], _Compiled])

    async def rows(self, session: AsyncSession, values: Mapping[str, Any]) -> Sequence[Row]:
        """What it finds, or returns."""
        connection = await connection_of(session)
        driver = _driver_of(connection)
        if driver is None:
            return cast("Sequence[Row]", (await connection.execute(self.statement, dict(values))).all())
        compiled = self._for(connection, tuple(values))
        found, _ = _run(driver, compiled, values)
        return [compiled.row(row) for row in found]

    async def first(self, session: AsyncSession, values: Mapping[str, Any]) -> Row | None:
        """The first row, if there is any."""
        found = await self.rows(session, values)
        return found[0] if found else None

    async def change(self, session: AsyncSession, values: Mapping[str, Any]) -> int:
        """Run it; answers how many rows it changed."""
        connection = await connection_of(session)
        driver = _driver_of(connection)
        if driver is None:
            return changed(await connection.execute(self.statement, dict(values)))
        compiled = self._for(connection, tuple(values))
        _, number = _run(driver, compiled, values)
        return number

    async def change_each(self, session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of these, which name the same values."""
        connection = await connection_of(session)
        driver = _driver_of(connection)
        if driver is None:
            await connection.execute(self.statement, [dict(row) for row in rows])
            return
        for row in rows:
            _run(driver, self._for(connection, tuple(row)), row)

    def _for(self, connection: AsyncConnection, names: tuple[str, ...]) -> _Compiled:
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = _compile(self.statement, connection.dialect, names)
        return compiled


def _driver_of(connection: AsyncConnection) -> DirectConnection | None:
    """The driver's connection where statements run in this thread."""
    sync: Any = connection.sync_connection
    driver = sync.connection.dbapi_connection
    return driver if isinstance(driver, DirectConnection) else None


def _run(driver: DirectConnection, compiled: _Compiled, values: Mapping[str, Any]) -> tuple[list[Any], int]:
    """Run it to its last row; answers the rows, and how many it changed. What the driver raises, at whichever row, is
    raised as SQLAlchemy's own, without the values, which are personal.
    """
    try:
        cursor = sqlite3.Connection.execute(driver, compiled.sql, compiled.parameters(values))
        return cursor.fetchall(), cursor.rowcount
    except sqlite3.Error as error:
        kind = getattr(exc, type(error).__name__, exc.DBAPIError)
        raise kind(compiled.sql, None, error, hide_parameters=True) from error


def _compile(statement: Any, dialect: Dialect, names: tuple[str, ...]) -> _Compiled:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    lacking = [column.key for column in (*compiled.insert_prefetch, *compiled.update_prefetch)]
    if lacking:
        raise TypeError(f"a prepared statement is given every value: it lacks {', '.join(lacking)}")
    values = compiled.construct_params(dict.fromkeys(names), escape_names=False)
    sql, places = str(compiled), compiled.positiontup
    if compiled.post_compile_params:  # lists, which are part of the statement
        expanded = compiled._process_parameters_for_postcompile(values)  # noqa: SLF001 - no public way for lists
        sql, places, values = expanded.statement, expanded.positiontup, {**values, **expanded.additional_parameters}
    given = [(name, values.get(name), _bind_process(compiled, name, dialect)) for name in places]
    columns = list(getattr(statement, "exported_columns", ()))
    processes = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _Compiled(sql, given, [(n, process) for n, process in enumerate(processes) if process is not None])


def _bind_process(compiled: Any, name: str, dialect: Dialect) -> Process | None:
    bound = compiled.binds.get(name)
    return None if bound is None else bound.type.dialect_impl(dialect).bind_processor(dialect)
