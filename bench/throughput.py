"""A burst of entries through Kafka, three messages each over two short waits, to an SMTP server on this machine;
beside bare Temporal workflows of the same shape in the same run.

What runs is what production runs: Temporal, Kafka and the database as servers of their own, `python -m waymark bridge`
and `worker`, and an SMTP server that writes down when each letter came. The floor runs on the same Temporal, with a
worker set up in the same way (`bench/floor.py`). Before each burst a few entries warm the processes up.

    first message     from the event's time to the last byte of the letter
    a later message   from when it was due: the instant of the message before it, and the wait
    CPU               what the processes used from the first event to the last letter, for each message

At the end it is checked that every learner got each message exactly once, and that every enrolment has ended.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
from sqlalchemy import select
from sqlmodel import col

from bench.figures import Column, Progress, Row, Table, percentile
from bench.processes import OfBench, cpu_seconds
from journeys import codec
from journeys.compiler import compile_definition
from journeys.events import Json
from store.database import Database
from store.migrate import upgrade
from store.queries import installation
from store.queries.journeys import NewVersion, publish
from store.queries.outbox import Outgoing
from store.tables import DeliveryRow, Enrolment, Learner
from waymark.stack import kafka, postgres, process, temporal
from waymark.stack.ours import Background
from waymark.stack.parts import Listens, Part
from waymark.stack.run import running
from waymark.vocabulary import vocabulary
from workers.kafka import Producer

SUBJECTS = ("one", "two", "three")
WAIT_SECONDS = 2.0
WARM_UP = 20
PATIENCE_SECONDS = 120.0
"""So long may pass without anything arriving; then something is wrong."""

FLOOR, SQLITE, POSTGRESQL = "bare Temporal (the floor)", "Waymark, SQLite", "Waymark, PostgreSQL"
SUBJECT_OF = {"floor": FLOOR, "sqlite": SQLITE, "postgresql": POSTGRESQL}

POLICY: dict[str, Json] = {"sending": None}
"""At any hour; the budget is the default: three messages a learner and day, as many as there are."""

DEFINITION = """
waymark: 1
journey: throughput
title: Three messages over short waits
enter:
  - on: hr.learner.promoted
steps:
  - send: one
  - wait: 2s
  - send: two
  - wait: 2s
  - send: three
messages:
""" + "".join(
    f"""
  {subject}:
    subject: {subject}
    body: |
      Dear {{{{ learner.given_name }}}},

      ask **one** question in your next one-to-one, and *listen*.
"""
    for subject in SUBJECTS
)

COLUMNS = (
    Column("messages per second", decimals=1),
    Column("share of the floor", decimals=2),
    Column("first p50", "s", 2),
    Column("first p99", "s", 2),
    Column("later p50", "s", 2),
    Column("later p99", "s", 2),
    Column("CPU a message", "ms", 1),
    Column("of it Temporal", "ms", 1),
    Column("worker", "ms", 1),
    Column("bridge", "ms", 1),
    Column("database", "ms", 1),
)


class Wrong(Exception):
    """What came out of the run is not what the journey says, or nothing comes any more."""


@dataclass(frozen=True)
class Arrival:
    """One message: whose, the how manieth, when it came."""

    learner: str
    place: int
    at: float


@dataclass(frozen=True)
class Burst:
    """One burst as it went. `instants` are the journey's (or the bare workflow's) own, by learner and place."""

    began_at: Mapping[str, float]
    arrivals: Sequence[Arrival]
    instants: Mapping[tuple[str, int], float]
    cpu: Mapping[str, float]

    def figures(self) -> dict[str, float]:
        """By the names of the columns."""
        first = [a.at - self.began_at[a.learner] for a in self.arrivals if a.place == 0]
        later = [
            a.at - self.instants[a.learner, a.place - 1] - WAIT_SECONDS for a in self.arrivals if a.place > 0
        ]  # fmt: skip
        seconds = max(a.at for a in self.arrivals) - min(self.began_at.values())
        messages = len(self.arrivals)
        each = {name: used * 1000 / messages for name, used in self.cpu.items()}
        return {
            "messages per second": messages / seconds,
            "first p50": percentile(first, 0.5),
            "first p99": percentile(first, 0.99),
            "later p50": percentile(later, 0.5),
            "later p99": percentile(later, 0.99),
            "CPU a message": sum(each.values()),
            "of it Temporal": each["Temporal"],
            **{name: each[name] for name in ("worker", "bridge", "database") if name in each},
        }

    def check(self) -> None:
        """Raise Wrong unless every learner got each message once."""
        came = Counter((a.learner, a.place) for a in self.arrivals)
        wanted = {(learner, place) for learner in self.began_at for place in range(len(SUBJECTS))}
        missing = wanted - came.keys()
        repeated = [each for each, times in came.items() if times > 1]
        strange = came.keys() - wanted
        if missing or repeated or strange:
            raise Wrong(f"{len(missing)} messages are missing, {len(repeated)} came twice, {len(strange)} are strange")


@dataclass
class Written:
    """A file that another process writes line by line."""

    file: Path
    _lines: int = 0
    _read: int = 0

    def count(self) -> int:
        """How many lines it has by now."""
        if self.file.exists():
            with self.file.open("rb") as opened:
                opened.seek(self._read)
                new = opened.read()
            self._lines += new.count(b"\n")
            self._read += len(new)
        return self._lines

    def lines(self) -> list[list[str]]:
        """All of them, in words."""
        return [line.split() for line in self.file.read_text().splitlines()]


@dataclass(frozen=True)
class Bench:
    """The servers of one run."""

    folder: Path
    temporal: temporal.TemporalServer
    kafka: kafka.KafkaServer
    pids: Mapping[str, int]
    progress: Progress = field(default_factory=Progress)

    async def wait_for(self, written: Written, number: int, *, said: str) -> None:
        """Until so many lines stand there; raises Wrong where nothing comes any more."""
        last, moved_at = -1, time.monotonic()
        while (now := written.count()) < number:
            if now != last:
                last, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > PATIENCE_SECONDS:
                raise Wrong(f"{said}: {now} of {number} came, and none for {PATIENCE_SECONDS:.0f} s")
            self.progress.say(f"{said}: {now:,} of {number:,} messages")
            await asyncio.sleep(0.2)

    def used(self, pids: Mapping[str, int]) -> dict[str, float]:
        """The CPU seconds of these processes so far."""
        return {name: cpu_seconds(pid) for name, pid in pids.items()}


async def measure(
    *, entries: int, on: Sequence[str] = ("floor", "sqlite", "postgresql"), folder: Path | None = None
) -> Table:
    """Every subject of `on`, one after the other on the same servers; raises Wrong."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as made:
        async with _servers(folder or Path(made)) as bench:
            for subject in on:
                burst = await _floor(bench, entries) if subject == "floor" else await _waymark(bench, subject, entries)
                burst.check()
                rows.append(Row(SUBJECT_OF[subject], burst.figures()))
            bench.progress.done()
    title = (
        f"throughput: {entries:,} entries in a burst, {len(SUBJECTS)} messages each over waits of {WAIT_SECONDS:g} s"
    )
    remarks = [
        "Every learner got each message exactly once, and every enrolment has ended.",
        "CPU is that of all servers and processes of the row: with Waymark, of Kafka and the SMTP server too.",
    ]
    return Table("throughput", title, COLUMNS, _with_shares(rows), remarks)


def _with_shares(rows: Sequence[Row]) -> list[Row]:
    floor = next((row.figures["messages per second"] for row in rows if row.subject == FLOOR), None)
    if floor is None:
        return list(rows)
    return [
        Row(row.subject, {**row.figures, "share of the floor": row.figures["messages per second"] / floor})
        for row in rows
    ]


@asynccontextmanager
async def _servers(folder: Path) -> AsyncGenerator[Bench]:
    """Temporal with its database in a file, as `waymark up` starts it, and Kafka."""
    server = temporal.TemporalServer(temporal.take(_say).what, process.free_port())
    broker = kafka.KafkaServer(kafka.take(_say).what, process.free_port())
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(running(server, folder / "temporal"))
        brokering = await stack.enter_async_context(running(broker, folder / "kafka"))
        yield Bench(folder, server, broker, {"Temporal": started.pid, "Kafka": brokering.pid})


# the floor


async def _floor(bench: Bench, entries: int) -> Burst:
    folder = bench.folder / "floor"
    folder.mkdir()
    calls = Written(folder / "calls.txt")
    work = ("work", "--address", bench.temporal.address, "--file", str(calls.file))
    async with running(OfBench("floor", work, folder / "ready"), folder) as worker:
        await _start_floor(bench, folder, "warm", WARM_UP)
        await bench.wait_for(calls, WARM_UP * len(SUBJECTS), said=f"{FLOOR}, warming up")
        pids = {"Temporal": bench.pids["Temporal"], "worker": worker.pid}
        before = bench.used(pids)
        starting = asyncio.create_task(_start_floor(bench, folder, "floor", entries))
        await bench.wait_for(calls, (WARM_UP + entries) * len(SUBJECTS), said=FLOOR)
        began_at = await starting
        cpu = {name: used - before[name] for name, used in bench.used(pids).items()}
    called = [line for line in calls.lines() if line[1].startswith("floor-")]
    arrivals = [Arrival(workflow, int(place), float(at)) for at, workflow, place, _ in called]
    instants = {(workflow, int(place)): float(now) for _, workflow, place, now in called}
    return Burst({f"floor-{number}": began_at for number in range(entries)}, arrivals, instants, cpu)


async def _start_floor(bench: Bench, folder: Path, prefix: str, entries: int) -> float:
    file = folder / f"{prefix}.txt"
    command = (
        sys.executable, "-m", "bench.floor", "start", "--address", bench.temporal.address, "--file", str(file),
        "--prefix", prefix, "--entries", str(entries), "--seconds", str(WAIT_SECONDS),
    )  # fmt: skip
    starter = await asyncio.create_subprocess_exec(*command)
    if await starter.wait() != 0:
        raise Wrong("the bare workflows could not be started")
    return float(file.read_text())


# Waymark


async def _waymark(bench: Bench, database: str, entries: int) -> Burst:
    folder = bench.folder / database
    folder.mkdir()
    async with AsyncExitStack() as stack:
        url, pids = await open_database(stack, database, folder)
        arrived, smtp, sink = await open_sink(stack, folder)
        await upgrade(url)
        await publish_journey(url)
        environment = _environment(bench, folder, url, smtp)
        for name in ("worker", "bridge"):
            part = Background(name, folder / f"{name}.ready", environment)
            pids[name] = (await stack.enter_async_context(running(part, folder / name))).pid
        producer = await asyncio.to_thread(Producer, bench.kafka.address)
        stack.callback(producer.close)
        await _produce(producer, "warm", WARM_UP)
        said = SUBJECT_OF[database]
        await bench.wait_for(arrived, WARM_UP * len(SUBJECTS), said=f"{said}, warming up")
        pids |= {**bench.pids, "SMTP": sink}
        before = bench.used(pids)
        began_at = await _produce(producer, "learner", entries)
        await bench.wait_for(arrived, (WARM_UP + entries) * len(SUBJECTS), said=said)
        cpu = {name: used - before[name] for name, used in bench.used(pids).items()}
        instants = await _ended(url, (WARM_UP + entries))
    came = [line for line in arrived.lines() if line[1].startswith("learner-")]
    arrivals = [Arrival(to.partition("@")[0], SUBJECTS.index(subject), float(at)) for at, to, subject in came]
    return Burst(began_at, arrivals, instants, cpu)


async def open_database(stack: AsyncExitStack, database: str, folder: Path) -> tuple[str, dict[str, int]]:
    """The URL of an empty database of one's own, and the process of its server where it has one."""
    if database == "sqlite":
        return f"sqlite+aiosqlite:///{folder / 'waymark.db'}", {}
    server = postgres.PostgresServer(postgres.take(_say).what, process.free_port())
    started = await stack.enter_async_context(running(server, folder / "postgresql"))
    return server.url(), {"database": started.pid}


async def open_sink(stack: AsyncExitStack, folder: Path) -> tuple[Written, str, int]:
    """An SMTP server: what arrived there, its URL, its process."""
    port = process.free_port()
    arrived = Written(folder / "arrived.txt")
    arguments = ("--port", str(port), "--file", str(arrived.file))
    part: Part = OfBench("sink", arguments, folder / "sink.ready", (Listens(port),))
    started = await stack.enter_async_context(running(part, folder / "sink"))
    return arrived, f"smtp://127.0.0.1:{port}", started.pid


def _environment(bench: Bench, folder: Path, url: str, smtp: str) -> dict[str, str]:
    return {
        "WAYMARK_HOME": str(folder / "home"),
        "WAYMARK_DATABASE_URL": url,
        "WAYMARK_TEMPORAL_ADDRESS": bench.temporal.address,
        "WAYMARK_KAFKA_BOOTSTRAP": bench.kafka.address,
        "WAYMARK_SMTP_URL": smtp,
        "WAYMARK_SECRET": uuid4().hex,
    }


async def publish_journey(url: str) -> None:
    """The journey of the burst is live."""
    compiled = compile_definition(DEFINITION, vocabulary=vocabulary())
    assert compiled.program is not None, compiled.problems
    program = compiled.program
    text = codec.program_to_json(program)
    new = NewVersion(program.journey, program.title, program.hash, "application/yaml", DEFINITION, text)
    database = Database(url)
    async with database.write() as session:
        await publish(session, new, at=datetime.now(UTC))
        await installation.keep_policy(session, POLICY, at=datetime.now(UTC))
    await database.close()


async def _produce(producer: Producer, prefix: str, entries: int) -> dict[str, float]:
    """Produce the events that enter; answers each learner's event time."""
    began_at = {f"{prefix}-{number}": time.time() for number in range(entries)}
    records = [Outgoing(0, "hr.events", learner, event_of(learner, at)) for learner, at in began_at.items()]
    sent = await asyncio.to_thread(producer.send, records)
    if sent < entries:
        raise Wrong(f"Kafka took {sent} of {entries} events")
    return began_at


def event_of(learner: str, at: float) -> str:
    """The event that enters, as a CloudEvent."""
    event = {
        "specversion": "1.0", "id": f"{learner}-promoted", "source": "/bench/hr", "type": "hr.learner.promoted",
        "subject": learner, "time": datetime.fromtimestamp(at, UTC).isoformat(), "datacontenttype": "application/json",
        "data": {
            "given_name": learner.title(), "email": f"{learner}@example.org", "country": "GB", "to_level": "manager",
        },
    }  # fmt: skip
    return orjson.dumps(event).decode()


async def _ended(url: str, entries: int) -> dict[tuple[str, int], float]:
    """When each message went by the journey's clock; raises Wrong unless every enrolment has ended as it should."""
    database = Database(url)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := entries - await _count_ended(database)) > 0:
            if time.monotonic() > deadline:
                raise Wrong(f"{left} enrolments have not ended")
            await asyncio.sleep(0.2)
        return await _instants(database)
    finally:
        await database.close()


async def _count_ended(database: Database) -> int:
    async with database.read() as session:
        query = select(col(Enrolment.id)).where(col(Enrolment.status) == "ended", col(Enrolment.outcome) == "completed")
        return len((await (await session.connection()).execute(query)).all())


async def _instants(database: Database) -> dict[tuple[str, int], float]:
    query = select(
        col(Learner.source_id), col(DeliveryRow.message), col(DeliveryRow.sent_at), col(DeliveryRow.status)
    ).join(Learner, col(Learner.id) == col(DeliveryRow.learner))  # fmt: skip
    async with database.read() as session:
        rows = (await (await session.connection()).execute(query)).all()
    unsent = [status for _, _, _, status in rows if status != "sent"]
    if unsent:
        raise Wrong(f"{len(unsent)} deliveries are not sent: {Counter(unsent)}")
    return {(learner, SUBJECTS.index(message)): sent_at.timestamp() for learner, message, sent_at, _ in rows if sent_at}


def _say(part: str, text: str, share: float | None) -> None:
    if share is None:
        print(f"{part}: {text}", file=sys.stderr, flush=True)
