"""How much one relay manages: from the outbox to our own topic, page by page, as the bridge that has the lease does it,
in a process of its own.

    records per second     from the first page to the empty outbox
    CPU a record           of the relay's process, with its producer's thread; the broker's is not in it
    database               what PostgreSQL's server took for each

The records are as large as those that tell of a message; they stand in the outbox before the relay begins, so that
every page is full. At the end it is checked that the outbox is empty, and that the topic has each record once.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
from sqlalchemy import func, select

from bench.figures import Column, Progress, Row, Table
from bench.processes import cpu_seconds, say_aloud
from bench.stage import PATIENCE_SECONDS, SUBJECT_OF, Wrong, open_database
from journeys.events import Json
from store.database import Database
from store.migrate import upgrade
from store.queries.outbox import OUTCOMES, Outcome, record_many
from store.tables import OutboxRow
from waymark.stack import kafka, process
from waymark.stack.run import running
from waymark.wiring import real_clock
from workers.kafka import Consumer
from workers.relay import PAGE, Relay

AT_ONCE = 1_000
COLUMNS = (
    Column("records"),
    Column("records per second"),
    Column("CPU a record", "ms", 3),
    Column("database", "ms", 3),
)


async def measure(*, records: int, on: Sequence[str] = ("sqlite", "postgresql")) -> Table:
    """A row for each database, each with a broker of its own; raises Wrong."""
    rows: list[Row] = []
    for database in on:
        with tempfile.TemporaryDirectory(prefix="waymark-bench-") as folder:
            rows.append(Row(SUBJECT_OF[database], await _measure(database, records, Path(folder))))
    title = f"relay: {records:,} records from the outbox to our own topic, by one relay"
    return Table("relay", title, COLUMNS, rows, ["The outbox is empty, and the topic has each record once."])


async def _measure(database: str, records: int, folder: Path) -> dict[str, float]:
    progress = Progress()
    async with AsyncExitStack() as stack:
        broker = kafka.KafkaServer(kafka.take(say_aloud).what, process.free_port())
        await stack.enter_async_context(running(broker, folder / "kafka"))
        url, pids = await open_database(stack, database, folder)
        await upgrade(url)
        opened = Database(url)
        stack.push_async_callback(opened.close)
        await _fill(opened, records)
        progress.say(f"{SUBJECT_OF[database]}: {records:,} records are being relayed")
        figures = await _relayed(Relay(opened, broker.address, real_clock), records, pids)
        await _check(opened, broker.address, records)
        progress.done()
        return figures


async def _fill(database: Database, records: int) -> None:
    """An outbox full of messages that went."""
    for start in range(0, records, AT_ONCE):
        outcomes = [_outcome(number) for number in range(start, min(start + AT_ONCE, records))]
        async with database.write() as session:
            await record_many(session, outcomes)


def _outcome(number: int) -> Outcome:
    learner = f"lrn-{uuid4().hex}"
    enrolment = f"enr-{uuid4().hex}"
    data: dict[str, Json] = {
        "delivery": f"{enrolment}:send-1:{number}:0", "enrolment": enrolment, "journey": "first-time-manager",
        "learner": learner, "message": "hello", "channel": "email", "status": "sent",
    }  # fmt: skip
    return Outcome("waymark.delivery.sent", learner, data, datetime.now(UTC))


async def _relayed(relay: Relay, records: int, pids: Mapping[str, int]) -> dict[str, float]:
    """Page after page. The first is not counted: what is made once is made for it."""
    await relay.relay_page()
    left = records - PAGE
    served = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began, used = time.perf_counter(), time.process_time()
    while await relay.relay_page():
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    each = {name: (cpu_seconds(pid) - served[name]) * 1000 / left for name, pid in pids.items()}
    is_over = asyncio.Event()
    is_over.set()
    await relay.run(is_over)  # ends its producer, and gives the lease back
    return {"records": records, "records per second": left / seconds, "CPU a record": cpu * 1000 / left, **each}


async def _check(database: Database, bootstrap: str, records: int) -> None:
    """Raises Wrong unless all have come, each once, and none is left."""
    async with database.read() as session:
        query = select(func.count()).select_from(OutboxRow)
        left = (await (await session.connection()).execute(query)).scalar_one()
    times = await asyncio.to_thread(_read, bootstrap, records)
    if left or len(times) != records or set(times.values()) != {1}:
        raise Wrong(f"{left} records are left, {len(times)} of {records} have come, of {times.total()} in the topic")


def _read(bootstrap: str, records: int) -> Counter[str]:
    """How often each record is in the topic, by its id."""
    consumer = Consumer(bootstrap, [OUTCOMES], group=uuid4().hex)
    times: Counter[str] = Counter()
    moved_at = time.monotonic()
    while times.total() < records and time.monotonic() - moved_at < PATIENCE_SECONDS:
        if found := consumer.poll(1.0):
            times.update(orjson.loads(record.value or b"{}")["id"] for record in found)
            moved_at = time.monotonic()
    times.update(orjson.loads(record.value or b"{}")["id"] for record in consumer.poll(1.0))  # those that are too many
    consumer.close()
    return times
