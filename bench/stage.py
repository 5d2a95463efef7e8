"""What benchmarks run on: Temporal, Kafka and the database as servers of their own, Waymark's processes as production
starts them, and an SMTP server that writes down when each letter came.

    async with servers(folder) as stage:
        async with installed(stage, "sqlite", [DEFINITION]) as waymark:
            await waymark.produce([promoted(learner, time.time()) for learner in learners])
            await stage.wait_for(waymark.arrived, len(learners), said="letters")
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

from bench.figures import Progress
from bench.processes import OfBench, cpu_seconds, say_aloud
from journeys import codec
from journeys.compiler import compile_definition
from journeys.events import Json
from store.database import Database
from store.migrate import upgrade
from store.queries import installation
from store.queries.journeys import NewVersion, publish
from store.queries.outbox import Outgoing
from waymark.stack import kafka, postgres, process, temporal
from waymark.stack.ours import Api, Background
from waymark.stack.parts import Listens, Part
from waymark.stack.run import running
from waymark.vocabulary import vocabulary
from workers.kafka import Producer

PATIENCE_SECONDS = 120.0
"""So long may pass without anything arriving; then something is wrong."""

FLOOR, SQLITE, POSTGRESQL = "bare Temporal (the floor)", "Waymark, SQLite", "Waymark, PostgreSQL"
SUBJECT_OF = {"floor": FLOOR, "sqlite": SQLITE, "postgresql": POSTGRESQL}

POLICY: dict[str, Json] = {"sending": None}
"""At any hour; the budget is the default: three messages a learner and day."""


class Wrong(Exception):
    """What came out of the run is not what the journey says, or nothing comes any more."""


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
        return [line.split() for line in self.file.read_text().splitlines()] if self.file.exists() else []


@dataclass(frozen=True)
class Servers:
    """Temporal and Kafka, with their processes by name; `folder` is for what one run writes."""

    folder: Path
    temporal: temporal.TemporalServer
    kafka: kafka.KafkaServer
    pids: Mapping[str, int]
    progress: Progress = field(default_factory=Progress)

    def new_folder(self, name: str) -> Path:
        """A folder that nobody has yet."""
        folder = self.folder / f"{name}-{secrets.token_hex(4)}"
        folder.mkdir()
        return folder

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


@asynccontextmanager
async def servers(folder: Path, *, is_counted: bool = False) -> AsyncGenerator[Servers]:
    """Temporal with its database in a file, as `waymark up` starts it, and Kafka. `is_counted`: Temporal counts the
    calls that it takes, which costs it a little.
    """
    metrics = process.free_port() if is_counted else None
    server = temporal.TemporalServer(temporal.take(say_aloud).what, process.free_port(), metrics_port=metrics)
    broker = kafka.KafkaServer(kafka.take(say_aloud).what, process.free_port())
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(running(server, folder / "temporal"))
        brokering = await stack.enter_async_context(running(broker, folder / "kafka"))
        yield Servers(folder, server, broker, {"Temporal": started.pid, "Kafka": brokering.pid})


@asynccontextmanager
async def on_stage(stage: Servers | None, *, is_counted: bool = False) -> AsyncGenerator[Servers]:
    """These servers; where there are none yet, servers of one's own, in a folder that goes with them."""
    if stage is not None:
        yield stage
        return
    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as folder:
        async with servers(Path(folder), is_counted=is_counted) as own:
            yield own


@dataclass(frozen=True)
class Waymark:
    """One installation: its database, its processes by name (servers included), what arrived by SMTP."""

    url: str
    database: Database
    arrived: Written
    producer: Producer
    pids: Mapping[str, int]
    api_url: str
    api_key: str
    folder: Path
    environment: Mapping[str, str]

    @asynccontextmanager
    async def part(self, name: str) -> AsyncGenerator[int]:
        """One of its processes, for as long as this lasts; answers the process."""
        port = int(self.api_url.rpartition(":")[2])
        async with running(_part(name, self.folder, port, self.environment), self.folder / name) as started:
            yield started.pid

    async def produce(self, events: Sequence[str], *, topic: str = "hr.events") -> None:
        """Give Kafka these CloudEvents, keyed by learner; raises Wrong where it does not take them."""
        records = [Outgoing(0, topic, str(orjson.loads(event)["subject"]), event) for event in events]
        sent = await asyncio.to_thread(self.producer.send, records)
        if sent < len(events):
            raise Wrong(f"Kafka took {sent} of {len(events)} events")


@asynccontextmanager
async def installed(
    stage: Servers,
    database: str,
    definitions: Sequence[str],
    *,
    parts: Sequence[str] = ("worker", "bridge"),
    settings: Mapping[str, str] | None = None,
    smtp_delay_seconds: float = 0.0,
) -> AsyncGenerator[Waymark]:
    """Waymark with these journeys live, on an empty database of its own; `parts` are worker, bridge, api."""
    folder = stage.new_folder(database)
    port, key = process.free_port(), secrets.token_hex(16)
    async with AsyncExitStack() as stack:
        url, pids = await open_database(stack, database, folder)
        arrived, smtp, sink = await open_sink(stack, folder, delay_seconds=smtp_delay_seconds)
        await upgrade(url)
        await publish_all(url, definitions)
        environment = {
            "WAYMARK_HOME": str(folder / "home"), "WAYMARK_DATABASE_URL": url, "WAYMARK_SMTP_URL": smtp,
            "WAYMARK_TEMPORAL_ADDRESS": stage.temporal.address, "WAYMARK_KAFKA_BOOTSTRAP": stage.kafka.address,
            "WAYMARK_SECRET": uuid4().hex, "WAYMARK_HTTP_ADDRESS": f"127.0.0.1:{port}", **(settings or {}),
        }  # fmt: skip
        (folder / "home").mkdir()
        (folder / "home" / "admin.key").write_text(key)
        for name in parts:
            part = _part(name, folder, port, environment)
            pids[name] = (await stack.enter_async_context(running(part, folder / name))).pid
        producer = await asyncio.to_thread(Producer, stage.kafka.address)
        stack.callback(producer.close)
        opened = Database(url)
        stack.push_async_callback(opened.close)
        pids |= {**stage.pids, "SMTP": sink}
        yield Waymark(url, opened, arrived, producer, pids, f"http://127.0.0.1:{port}", key, folder, environment)


def _part(name: str, folder: Path, port: int, environment: Mapping[str, str]) -> Part:
    if name == "api":
        return Api("127.0.0.1", port, f"http://127.0.0.1:{port}", environment)
    return Background(name, folder / f"{name}.ready", environment)


async def open_database(stack: AsyncExitStack, database: str, folder: Path) -> tuple[str, dict[str, int]]:
    """The URL of an empty database of one's own, and the process of its server where it has one."""
    if database == "sqlite":
        return f"sqlite+aiosqlite:///{folder / 'waymark.db'}", {}
    server = postgres.PostgresServer(postgres.take(say_aloud).what, process.free_port())
    started = await stack.enter_async_context(running(server, folder / "postgresql"))
    return server.url(), {"database": started.pid}


async def open_sink(
    stack: AsyncExitStack, folder: Path, *, delay_seconds: float = 0.0
) -> tuple[Written, str, int]:  # fmt: skip
    """An SMTP server that answers so late: what arrived there, its URL, its process."""
    port = process.free_port()
    arrived = Written(folder / "arrived.txt")
    arguments = ("--port", str(port), "--file", str(arrived.file), "--delay-seconds", str(delay_seconds))
    part: Part = OfBench("sink", arguments, folder / "sink.ready", (Listens(port),))
    started = await stack.enter_async_context(running(part, folder / "sink"))
    return arrived, f"smtp://127.0.0.1:{port}", started.pid


async def publish_all(url: str, definitions: Sequence[str]) -> None:
    """These journeys are live, and messages may go at any hour."""
    database = Database(url)
    async with database.write() as session:
        for definition in definitions:
            compiled = compile_definition(definition, vocabulary=vocabulary())
            assert compiled.program is not None, compiled.problems
            program = compiled.program
            text = codec.program_to_json(program)
            new = NewVersion(program.journey, program.title, program.hash, "application/yaml", definition, text)
            await publish(session, new, at=datetime.now(UTC))
        await installation.keep_policy(session, POLICY, at=datetime.now(UTC))
    await database.close()


def cloud_event(type_: str, learner: str, at: float, data: Mapping[str, Json], *, id_: str = "") -> str:
    """An event as a CloudEvent; its id is `id_`, or made of learner and type."""
    event = {
        "specversion": "1.0", "id": id_ or f"{learner}-{type_}", "source": "/bench", "type": type_, "subject": learner,
        "time": datetime.fromtimestamp(at, UTC).isoformat(), "datacontenttype": "application/json", "data": dict(data),
    }  # fmt: skip
    return orjson.dumps(event).decode()


def promoted(learner: str, at: float) -> str:
    """The event that enters."""
    data: dict[str, Json] = {
        "given_name": learner.title(), "email": f"{learner}@example.org", "country": "GB", "to_level": "manager",
    }  # fmt: skip
    return cloud_event("hr.learner.promoted", learner, at, data)
