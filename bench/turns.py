"""What Waymark's own part of a turn costs: turns taken one after the other by one process, with its database and an
SMTP server, and without Temporal or Kafka. One enrolment is ingested, and has three turns with a message each.

It is what to watch while the worker is made faster. CPU seconds, too, depend on what else the machine does (a core
that two virtual machines share counts in full for both): compare runs that were taken in turn.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlmodel import col

from bench.figures import Column, Row, Table
from bench.stage import SUBJECT_OF, Wrong, open_database, open_sink, promoted, publish_all
from bench.throughput import DEFINITION, SUBJECTS
from connectors.channels.base import Limits
from connectors.channels.opening import close_channels, open_channels
from connectors.sources import source_of
from store.database import Database
from store.migrate import upgrade
from store.tables import Enrolment
from waymark.settings import load
from waymark.wiring import build_delivering, build_requesting, real_clock
from workers.ingest import Ingest
from workers.programs import Programs
from workers.records import Record, translate
from workers.turns import Turns
from workflows.contracts import Queues, TurnOrder

AT_ONCE = 40
COLUMNS = (
    Column("events per second"),
    Column("CPU an event", "ms", 2),
    Column("turns per second"),
    Column("CPU a turn", "ms", 2),
)


class NobodyWakes:
    """There is no Temporal: the benchmark takes the turns itself."""

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:  # noqa: ARG002 - nobody is woken
        """Nobody."""
        return ()


async def measure(*, entries: int, on: Sequence[str]) -> Table:
    """A row for each database."""
    rows: list[Row] = []
    for database in on:
        with tempfile.TemporaryDirectory(prefix="waymark-bench-") as folder:
            rows.append(await _measure(database, entries, Path(folder)))
    title = f"turns: {entries:,} events ingested, {entries * len(SUBJECTS):,} turns with a message each, one process"
    return Table("turns", title, COLUMNS, rows)


async def _measure(database: str, entries: int, folder: Path) -> Row:
    async with AsyncExitStack() as stack:
        url, _ = await open_database(stack, database, folder)
        arrived, smtp, _ = await open_sink(stack, folder)
        await upgrade(url)
        await publish_all(url, [DEFINITION])
        opened = Database(url)
        stack.push_async_callback(opened.close)
        environment = {"WAYMARK_HOME": str(folder), "WAYMARK_SMTP_URL": smtp, "WAYMARK_SECRET": uuid4().hex}
        settings = load(environment=environment, dotenv=folder / "none", with_home=False).settings
        channels = open_channels(settings.of_channels(), limits=Limits())
        stack.push_async_callback(close_channels, channels)
        programs = Programs()
        ingest = Ingest(opened, programs, uuid4().hex, timedelta(hours=1), real_clock, NobodyWakes())
        delivering, requesting = build_delivering(settings, channels, programs), build_requesting(settings, {})
        turns = Turns(opened, programs, delivering, real_clock, Queues(), requesting)
        figures = await _taken("event", entries, lambda: _ingest(ingest, entries))
        figures |= await _taken("turn", entries * len(SUBJECTS), lambda: _take_all(opened, turns))
        if arrived.count() != entries * len(SUBJECTS):
            raise Wrong(f"{arrived.count()} messages came, and {entries * len(SUBJECTS)} should have")
        return Row(SUBJECT_OF[database], figures)


async def _taken(name: str, number: int, work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    began, used = time.perf_counter(), time.process_time()
    await work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    article = "an" if name == "event" else "a"
    return {f"{name}s per second": number / seconds, f"CPU {article} {name}": cpu * 1000 / number}


async def _ingest(ingest: Ingest, entries: int) -> None:
    assert source_of("hr.events") is not None
    headers = (("content-type", b"application/cloudevents+json"),)
    now = time.time()
    records = [
        Record("hr.events", 0, number, None, headers, promoted(f"learner-{number}", now).encode())
        for number in range(entries)
    ]
    await ingest.store([incoming for record in records for incoming in translate(record)])


async def _take_all(database: Database, turns: Turns) -> None:
    async with database.read() as session:
        ids = (await (await session.connection()).execute(select(col(Enrolment.id)))).scalars().all()
    places = asyncio.Semaphore(AT_ONCE)

    async def take(enrolment: str) -> None:
        now = datetime.now(UTC)
        outcome: str | None = None
        for _ in SUBJECTS:
            async with places:
                taken = await turns.take(TurnOrder(enrolment, now))
            now, outcome = taken.due_at or now, taken.outcome
        if outcome != "completed":
            raise Wrong(f"an enrolment should have been completed after three turns, and its outcome is {outcome}")

    await asyncio.gather(*(take(enrolment) for enrolment in ids))
