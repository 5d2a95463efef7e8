"""What the sweeper asks every few seconds costs nothing for those who sleep."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event

from store import migrate
from store.database import Database
from store.queries import sweeping

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_on_sqlite_no_sleeper_is_read(sqlite_url: str) -> None:
    """Each part goes by an index of those that may want something, and none by the ids of all; whether somebody holds
    who waits for a message is asked by her id.
    """
    await migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    seen: list[tuple[str, Any]] = []
    async with database.read() as session:
        connection = await session.connection()
        event.listen(connection.sync_connection, "before_cursor_execute", lambda *a: seen.append((a[2], a[3])))
        instants = dict.fromkeys(("wanted_before", "due_before", "tried_before"), NOW)
        assert [] == await sweeping.list_unwoken(session, **instants, after="", limit=200)
        (asked, values) = seen[-1]
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", values)).all()
    await database.close()
    read = [line for *_, line in plan if " enrolments " in line and not line.endswith("(id=?)")]
    indexes = {line.partition("USING INDEX ")[2].partition(" ")[0] for line in read}
    assert {"ix_enrolments_wake_wanted", "ix_enrolments_due", "ix_enrolments_held"} == indexes
