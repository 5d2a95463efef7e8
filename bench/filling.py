"""Rows put directly into Waymark's tables by the hundred thousand: what would have been there after years.

Ids are in no order, as real ones are. Both databases make the rows themselves.
"""

from collections.abc import Mapping

from sqlalchemy import text

from store.database import Database
from store.tables import DeliveryRow, Enrolment

CHUNK = 100_000
JOURNEYS = 10

_POSTGRESQL_HEX = "lpad(to_hex(({n} * 2654435761) % 4294967296), 8, '0') || lpad(to_hex({n}), 24, '0')"
_SQLITE_HEX = "printf('%08x%024x', ({n} * 2654435761) % 4294967296, {n})"
_POSTGRESQL = {
    "numbers": "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n(i)",
    "hex": _POSTGRESQL_HEX.format(n="i"),
    "learner_hex": _POSTGRESQL_HEX.format(n="(i / 10)"),
    "now": "now()",
    "later": "now() + interval '30 days'",
    "json": "CAST('{}' AS jsonb)",
}
_SQLITE = {
    "numbers": (
        "(WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) SELECT i FROM n)"
    ),
    "hex": _SQLITE_HEX.format(n="i"),
    "learner_hex": _SQLITE_HEX.format(n="(i / 10)"),
    "now": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
    "later": "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+30 days')",
    "json": "'{}'",
}

_LEARNERS = """
INSERT INTO learners (id, source_id, profile, profile_times, created_at, updated_at)
SELECT 'lrn-' || {hex}, 'known-' || i, {json}, {json}, {now}, {now} FROM {numbers}
"""
_IDENTITIES = """
INSERT INTO identities (source_id, learner) SELECT 'known-' || i, 'lrn-' || {hex} FROM {numbers}
"""
_ENROLMENTS = """
INSERT INTO enrolments (id, journey, version, program, learner, entry_key, ordinal, entry, status, outcome, step,
                        waiting_for, due_at, entered_at, ended_at, run, fence, created_at)
SELECT 'enr-' || {hex}, 'journey-' || (i % :journeys), 1, 'program', 'lrn-' || {learner_hex}, '', 0, {json},
       status, CASE WHEN status = 'ended' THEN 'goal' END, 'rest', '30 days',
       CASE WHEN status = 'ended' THEN NULL ELSE {later} END, {now}, CASE WHEN status = 'ended' THEN {now} END,
       '{{}}', 1, {now}
FROM (SELECT i, CASE WHEN (i / 10) % 1000 = 1 THEN 'paused' WHEN (i / 10 + i) % 5 < 2 THEN 'active' ELSE 'ended' END
             AS status
      FROM {numbers}) AS numbered
"""


async def add_learners(database: Database, first: int, last: int) -> None:
    """Learners `known-<first>` to `known-<last>`, of whom nothing is known."""
    words = _words(database)
    for statement in (_LEARNERS, _IDENTITIES):
        await _in_chunks(database, statement.format(**words), first, last, {})


async def add_enrolments(database: Database, first: int, last: int) -> None:
    """Enrolments, ten a learner and one a journey: two fifths active, some paused, the others ended.

    The learners must be there: `known-0` to `known-<last / 10>`.
    """
    await _in_chunks(database, _ENROLMENTS.format(**_words(database)), first, last, {"journeys": JOURNEYS})


async def add_copies(database: Database, first: int, last: int, *, enrolment: str) -> None:
    """An enrolment of each learner `known-<first>` to `known-<last>`, who must be there: as this one is, with its
    deliveries.
    """
    hers, its = "'lrn-' || {hex}", "'enr-' || {hex}"
    enrolments = _copying(Enrolment, "id", {"id": its, "learner": hers})
    deliveries = _copying(
        DeliveryRow, "enrolment", {"id": "pattern.node || {hex}", "enrolment": its, "learner": hers, "recipient": hers}
    )
    for statement in (enrolments, deliveries):
        await _in_chunks(database, statement.format(**_words(database)), first, last, {"pattern": enrolment})


def _copying(table: type[Enrolment | DeliveryRow], by: str, own: Mapping[str, str]) -> str:
    """Every column as the pattern has it, but for those of one's own."""
    name = {Enrolment: "enrolments", DeliveryRow: "deliveries"}[table]
    names = list(table.model_fields)
    values = ", ".join(own.get(each, f'pattern."{each}"') for each in names)
    columns = ", ".join(f'"{each}"' for each in names)
    return (
        f"INSERT INTO {name} ({columns}) SELECT {values} "
        f"FROM {name} AS pattern, {{numbers}} WHERE pattern.{by} = :pattern"
    )


async def analyse(database: Database) -> None:
    """What a database does by itself in the night, once."""
    async with database.write() as session:
        await (await session.connection()).execute(text("ANALYZE"))


def _words(database: Database) -> dict[str, str]:
    return _POSTGRESQL if database.is_postgres else _SQLITE


async def _in_chunks(
    database: Database, statement: str, first: int, last: int, values: Mapping[str, int | str]
) -> None:
    for start in range(first, last + 1, CHUNK):
        async with database.write() as session:
            chunk = {"first": start, "last": min(start + CHUNK - 1, last), **values}
            await (await session.connection()).execute(text(statement), chunk)
