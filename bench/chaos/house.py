"""What production runs, as processes of their own, each of which may be killed, frozen or started anew at any time.

Temporal and Kafka, PostgreSQL or SQLite, two workers, two bridges and the API. Whatever ends is started again, as every
supervisor does, unless a fault has it down; that something ended by itself is noted.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx2
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col

from bench.chaos import feed
from bench.chaos.plan import API, BRIDGES, WORKERS
from bench.chaos.providers import Providers, open_providers
from journeys import codec
from journeys.compiler import compile_definition
from store.database import Database
from store.migrate import upgrade
from store.queries import installation
from store.queries.journeys import NewVersion, publish
from store.tables import DeliveryRow
from waymark.stack import kafka, postgres, process, temporal
from waymark.stack.ours import Api, Background
from waymark.stack.parts import Part, PartError
from waymark.stack.run import end, start, start_ready
from waymark.vocabulary import vocabulary
from workers.kafka import Consumer, Passing
from workers.records import Record

KEY = "a key of the chaotic run, of no worth"
WEBHOOK_SECRET = "whsec_" + "Y2hhb3Mgb2Ygbm8gd29ydGgsIGZvciB0ZXN0cyBhbG9uZQ=="
HAND_OVER, ANSWER = "2s", "3s"
DISK_MIB = 256
START_AGAIN_SECONDS = 0.3
FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
)


def faketime() -> str | None:
    """The library that tells a process another time (Debian: the package faketime); None where there is none."""
    return next((library for library in FAKETIME if Path(library).exists()), None)


@dataclass
class Disk:
    """A small disk of our own, which can be full."""

    folder: Path

    @classmethod
    def mount(cls) -> "Disk | None":
        """A file system in memory; None where we may not have one."""
        if os.getuid() != 0 or shutil.which("mount") is None:
            return None
        folder = Path(tempfile.mkdtemp(prefix="waymark-disk-"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0711", "waymark-chaos", str(folder)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            folder.rmdir()
            return None
        return cls(folder)

    def fill(self) -> None:
        """Leave no room, though others write meanwhile."""
        with (self.folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(1 << 20))  # the last one in part

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / "ballast").unlink(missing_ok=True)

    def unmount(self) -> None:
        """Nothing is left of it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


@dataclass
class Running:
    """One process: how it is started, and whether a fault has it down."""

    part: Part
    folder: Path
    child: "subprocess.Popen[bytes]"
    is_down: bool = False
    began_at: float = field(default_factory=time.time)


@dataclass
class House:
    """All of it. `ended` is what ended by itself; `said` is called with what happens."""

    folder: Path
    on: str
    url: str
    http: httpx2.AsyncClient
    bootstrap: str
    temporal_address: str
    providers: Providers
    disk: Disk | None
    database: Database
    processes: dict[str, Running] = field(default_factory=dict[str, Running])
    ended: list[str] = field(default_factory=list[str])

    # starting

    async def begin(self, name: str, part: Part) -> None:
        """Start one for the first time, and wait until it is ready."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.processes[name] = Running(part, folder, await start_ready(part, folder, log=folder / "log"))

    async def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one again, now with these settings added; `keep` does it where it cannot be started at once."""
        running = self.processes[name]
        part = running.part
        if environment and isinstance(part, Api | Background):
            part = replace(part, environment={**part.environment, **environment})
        running.is_down = False
        with contextlib.suppress(PartError, OSError):
            running.child = await start(part, running.folder, log=running.folder / "log")
            running.began_at = time.time()

    async def keep(self) -> None:
        """Start again whatever has ended and no fault has down, until cancelled."""
        while True:
            for name, running in list(self.processes.items()):
                status = running.child.poll()
                if status is None or running.is_down:
                    continue
                self.ended.append(f"{time.time():.1f} {name} ended with {status}")
                await asyncio.sleep(START_AGAIN_SECONDS)
                if not running.is_down:
                    await self.start(name)
            await asyncio.sleep(0.2)

    # what faults do

    async def kill(self, name: str) -> None:
        """-9 (PostgreSQL: SIGQUIT, by which it ends at once with all its processes)."""
        running = self.processes[name]
        running.is_down = True
        running.child.send_signal(signal.SIGQUIT if name == "database" else signal.SIGKILL)
        await asyncio.to_thread(running.child.wait)

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait."""
        running = self.processes[name]
        running.is_down = True
        await asyncio.to_thread(end, running.child, grace_seconds=45.0)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Any other."""
        self.processes[name].child.send_signal(number)

    async def end_all(self) -> None:
        """Ours first, then the servers."""
        for name in reversed(list(self.processes)):
            running = self.processes[name]
            running.is_down = True
            with contextlib.suppress(ProcessLookupError):
                running.child.send_signal(signal.SIGCONT)
            if name in {"database", "temporal", "kafka"}:
                await asyncio.to_thread(end, running.child)
            else:
                running.child.kill()
                await asyncio.to_thread(running.child.wait)

    # what can be asked

    async def open_attempts(self) -> set[str]:
        """The deliveries that somebody has claimed and not concluded; none where the database does not answer."""
        query = select(col(DeliveryRow.id)).where(
            col(DeliveryRow.attempt).is_not(None), col(DeliveryRow.status) == "queued"
        )
        try:
            async with asyncio.timeout(3.0), self.database.read() as session:
                return set((await (await session.connection()).execute(query)).scalars())
        except (SQLAlchemyError, OSError, TimeoutError):
            return set()

    async def produced(self, topics: Sequence[str]) -> Sequence[Record]:
        """Everything that Kafka has of these topics, by a reader of our own."""
        return await asyncio.to_thread(_read_all, self.bootstrap, topics)

    async def items(self, path: str, **params: str) -> Sequence[Mapping[str, str | None]]:
        """Every item of a list of the API."""
        found: list[Mapping[str, str | None]] = []
        cursor: str | None = None
        while True:
            given = {**params, "limit": "500", **({"cursor": cursor} if cursor else {})}
            answer = await self.http.get(path, params=given)
            answer.raise_for_status()
            page = answer.json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    async def counts(self) -> Mapping[str, int]:
        """The enrolments by status, as the API says; empty where it does not answer."""
        try:
            answer = await self.http.get(f"/v1/journeys/{feed.JOURNEY}")
            return answer.json()["enrolments"] if answer.status_code == 200 else {}
        except httpx2.TransportError:
            return {}


def _read_all(bootstrap: str, topics: Sequence[str]) -> list[Record]:
    consumer = Consumer(bootstrap, topics, group=f"chaos-{uuid4().hex}")
    found: list[Record] = []
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(Passing):
                new = consumer.poll(0.5)
                found += new
                if not new and consumer.has_partitions() and not consumer.lags():
                    return found
        raise TimeoutError("the Kafka log could not be read to its end within 60 s")
    finally:
        consumer.close()


# opening


@asynccontextmanager
async def open_house(on: str, *, in_doubt: str = "leave", with_disk: bool = True) -> AsyncGenerator[House]:
    """Everything runs and is ready, the journey is live; nothing is left at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waymark-chaos-")))
        folder.chmod(0o711)  # PostgreSQL runs as another user
        disk = Disk.mount() if with_disk else None
        if disk is not None:
            stack.callback(disk.unmount)
        providers = await open_providers(folder / "letters.log")
        stack.callback(providers.close)
        broker = kafka.KafkaServer(kafka.take(_say).what, process.free_port())
        timer = temporal.TemporalServer(temporal.take(_say).what, process.free_port())
        database = postgres.PostgresServer(postgres.take(_say).what, process.free_port()) if on != "sqlite" else None
        url = f"sqlite+aiosqlite:///{(disk.folder if disk else folder) / 'waymark.db'}"
        url = database.url("chaos") if database else url
        port = process.free_port()
        http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}, timeout=20, trust_env=False
        )
        await stack.enter_async_context(http)
        house = House(
            folder, on, url, http, broker.address, timer.address, providers, disk, Database(url, pool_size=2)
        )  # fmt: skip
        stack.push_async_callback(house.end_all)
        stack.push_async_callback(house.database.close)
        servers: list[tuple[str, Part]] = [("temporal", timer), ("kafka", broker)]
        if database is not None:
            servers.append(("database", database))
        await asyncio.gather(*(house.begin(name, part) for name, part in servers))
        if database is not None:
            await _make_database(database, disk)
        await upgrade(url)
        await _publish(house.database)
        await _begin_ours(house, _environment(house, port, in_doubt), port)
        keeping = asyncio.create_task(house.keep())
        stack.callback(keeping.cancel)
        yield house


async def _begin_ours(house: House, environment: Mapping[str, str], port: int) -> None:
    (house.folder / "admin.key").write_text(KEY)
    ours: list[tuple[str, Part]] = [
        (name, Background(kind, house.folder / f"{name}.ready", environment))
        for kind, names in (("worker", WORKERS), ("bridge", BRIDGES))
        for name in names
    ]
    ours.append((API, Api("127.0.0.1", port, f"http://127.0.0.1:{port}", environment)))
    await asyncio.gather(*(house.begin(name, part) for name, part in ours))


def _environment(house: House, port: int, in_doubt: str) -> Mapping[str, str]:
    return {
        "WAYMARK_HOME": str(house.folder),
        "WAYMARK_DATABASE_URL": house.url,
        "WAYMARK_TEMPORAL_ADDRESS": house.temporal_address,
        "WAYMARK_KAFKA_BOOTSTRAP": house.bootstrap,
        "WAYMARK_HTTP_ADDRESS": f"127.0.0.1:{port}",
        "WAYMARK_SMTP_URL": f"smtp://127.0.0.1:{house.providers.smtp.port}",
        "WAYMARK_WEBHOOK_URL": f"http://127.0.0.1:{house.providers.webhook.port}/",
        "WAYMARK_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "WAYMARK_SECRET": uuid4().hex,
        "WAYMARK_HAND_OVER": HAND_OVER,
        "WAYMARK_ANSWER": ANSWER,
        "WAYMARK_IN_DOUBT": in_doubt,
    }


async def _make_database(server: postgres.PostgresServer, disk: Disk | None) -> None:
    """A database of our own, its tables on the disk that can be full; PostgreSQL's own log of changes is not there."""
    engine = create_async_engine(server.url(), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        where = ""
        if disk is not None:
            place = disk.folder / "tables"
            place.mkdir(mode=0o700)
            user = postgres.run_as()
            if user is not None:
                shutil.chown(place, user)
            await connection.execute(text(f"CREATE TABLESPACE small LOCATION '{place}'"))
            where = " TABLESPACE small"
        await connection.execute(text(f"CREATE DATABASE chaos{where}"))
    await engine.dispose()


async def _publish(database: Database) -> None:
    compiled = compile_definition(feed.DEFINITION, vocabulary=vocabulary())
    assert compiled.program is not None, compiled.problems
    program = compiled.program
    written = codec.program_to_json(program)
    new = NewVersion(program.journey, program.title, program.hash, "application/yaml", feed.DEFINITION, written)
    async with database.write() as session:
        await publish(session, new, at=datetime.now(UTC))
        await installation.keep_policy(session, feed.POLICY, at=datetime.now(UTC))


def _say(part: str, words: str, share: float | None) -> None:
    if share is None:
        print(f"{part}: {words}", file=sys.stderr, flush=True)
