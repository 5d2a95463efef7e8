"""What production runs, as processes of their own, each of which may be killed, frozen or started anew at any time.

Temporal and Kafka, PostgreSQL or SQLite, two workers, two bridges and the API. Whatever ends is started again, as every
supervisor does, unless a fault has it down. What ended by itself is noted, and so is who died when and with what under
way, and when a server was down: what the judge goes by. The secret is of the seed, and so are all ids: a provider that
keeps every other letter keeps the same ones again.
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
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx2
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col
from temporalio.client import Client
from temporalio.service import RPCError

from bench.chaos import feed
from bench.chaos.judge import (
    ANSWER_SECONDS,
    ATTEMPT_SLACK_SECONDS,
    HAND_OVER_SECONDS,
    SERVERS,
    Away,
    Death,
    Ended,
    Window,
)
from bench.chaos.plan import API, BRIDGES, WORKERS
from bench.chaos.providers import Providers, open_providers
from bench.processes import say_aloud
from journeys import codec
from journeys.compiler import compile_definition
from store.database import Database
from store.migrate import upgrade
from store.queries import installation
from store.queries.journeys import NewVersion, publish
from store.tables import DeliveryRow, LoggedEvent, OutboxRow
from waymark.stack import kafka, postgres, process, temporal
from waymark.stack.ours import Api, Background
from waymark.stack.parts import NotReady, Part, PartError
from waymark.stack.run import end, start, start_ready
from waymark.vocabulary import vocabulary
from workers.kafka import Consumer, Passing
from workers.records import Record

KEY = "a key of the chaotic run, of no worth"
WEBHOOK_SECRET = "whsec_" + "Y2hhb3Mgb2Ygbm8gd29ydGgsIGZvciB0ZXN0cyBhbG9uZQ=="
DISK_MIB = 256
STOPS_WITHIN_SECONDS = 45.0
"""Whoever is asked to stop and is longer about it is killed."""
START_AGAIN_SECONDS = 0.3
LOOKED_AT_SECONDS = 0.2
"""How often it is looked whether something has ended, or has become ready."""
READY_WITHIN_SECONDS = 15.0
"""How long one look at whether something is ready may take."""
DEAD_FOR_SECONDS = 30.0
"""So long after a death it is tried to read what was open then; it is known if it was read within `KNOWN_SECONDS`."""
KNOWN_SECONDS = ATTEMPT_SLACK_SECONDS - 1.0
"""Nobody can have taken an attempt for over by then: it lasts for its slack after its answer should have come."""
LASTS_SECONDS = HAND_OVER_SECONDS + ANSWER_SECONDS + ATTEMPT_SLACK_SECONDS
"""So long after it was claimed an attempt is said to last."""
HOUR_SECONDS = 3600
"""By so much a wrong clock is wrong."""
MEETS_WITHIN_SECONDS = 30.0
"""So long it is waited for a worker to have a letter under way, before it is frozen in any case."""
MEETS_EVERY_SECONDS = 0.01
HELD_SECONDS = 120.0
"""So long a worker stays frozen at the longest, for another to take over what it was frozen over: Temporal gives its
task up and has some patience with its queue, and the other one watches the attempt for as long as one may last.
"""
STILL_SECONDS = 20.0
"""Where so long nobody could write, nobody takes over either: it was frozen while it held SQLite's lock."""
BEGINS_WITHIN_SECONDS = 60.0
"""So long a process of ours whose clock is wrong may take until it is ready."""
CARRIED_SECONDS = 150.0
"""So long after everything the last workflow may take to end, and Temporal to list it so."""
RELAYED_SECONDS = 150.0
"""So long after everything the outbox may take to be empty: two leases of the relay, and a pause after a failure."""
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

    def fill(self) -> bool:
        """Leave no room, though others write meanwhile; False where some was left."""
        with (self.folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(1 << 20))  # the last one in part
        return os.statvfs(self.folder).f_bavail == 0

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
    is_ready: bool = False
    is_noted: bool = False
    """Whether its end is."""
    began_at: float = field(default_factory=time.time)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Nobody starts it while another stops it, or it would run twice."""


@dataclass(frozen=True)
class Frozen:
    """A worker that was frozen, and when: over which letters that it had handed over, and which of these were taken
    over.
    """

    who: str
    at: float
    over: AbstractSet[str]
    taken_over: AbstractSet[str] = frozenset()

    def left_of(self, attempts: "Sequence[Attempt]") -> AbstractSet[str]:
        """What it was frozen over and is its own still, as far as it could not have been concluded by another."""
        return self.over & {each.delivery for each in attempts if not each.is_taken_over and each.at <= self.at}


@dataclass(frozen=True)
class Misled:
    """A process of ours whose clock was wrong by so many seconds: from when it was ready until it was ended."""

    who: str
    seconds: int
    began: float
    ended: float


@dataclass(frozen=True)
class Attempt:
    """A delivery that somebody has claimed and not concluded, or that was taken over from somebody; when that was."""

    delivery: str
    at: float
    is_taken_over: bool = False


def open_at(attempts: Sequence[Attempt], at: float, *, is_late: bool = False) -> AbstractSet[str]:
    """The deliveries that were open at an instant, by what is read after it: those that had been claimed by then. Where
    that is so late that an attempt may have been over before, those that were taken over since then are taken as open.
    """
    return {
        attempt.delivery for attempt in attempts
        if (is_late and attempt.at >= at if attempt.is_taken_over else attempt.at <= at)
    }  # fmt: skip


@dataclass
class House:
    """All of it. `ended` is what ended by itself, `deaths` those of workers, `away` when a server was down, `cuts` when
    all connections to the database were broken, `full` when its disk was, `frozen` which workers were.
    `misled`: whose clock was wrong.
    """

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
    ended: list[Ended] = field(default_factory=list[Ended])
    deaths: list[Death] = field(default_factory=list[Death])
    away: list[Away] = field(default_factory=list[Away])
    cuts: list[Window] = field(default_factory=list[Window])
    full: list[Window] = field(default_factory=list[Window])
    frozen: list[Frozen] = field(default_factory=list[Frozen])
    misled: list[Misled] = field(default_factory=list[Misled])
    _down: dict[str, float] = field(default_factory=dict[str, float])
    _looking: "set[asyncio.Task[None]]" = field(default_factory=set["asyncio.Task[None]"])

    # starting

    async def begin(self, name: str, part: Part) -> None:
        """Start one for the first time, and wait until it is ready."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        child = await start_ready(part, folder, log=folder / "log")
        self.processes[name] = Running(part, folder, child, is_ready=True)

    async def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one again, now with these settings added; `keep` does it where it cannot be started at once."""
        running = self.processes[name]
        part = running.part
        if environment and isinstance(part, Api | Background):
            part = replace(part, environment={**part.environment, **environment})
        async with running.turn:
            with contextlib.suppress(PartError, OSError):
                await self._start(name, part)
            running.is_down = False

    async def _start(self, name: str, part: Part) -> None:
        running = self.processes[name]
        running.child = await start(part, running.folder, log=running.folder / "log")
        running.began_at, running.is_ready, running.is_noted = time.time(), False, False
        self._look(self._become_ready(name, running.child))

    async def has_become_ready(self, name: str, *, within_seconds: float = BEGINS_WITHIN_SECONDS) -> bool:
        """Whether what was started last becomes ready in time; not where it ended, and another one took its place."""
        running = self.processes[name]
        child, deadline = running.child, time.monotonic() + within_seconds
        while time.monotonic() < deadline and running.child is child and child.poll() is None:
            if running.is_ready:
                return True
            await asyncio.sleep(LOOKED_AT_SECONDS)
        return False

    async def keep(self) -> None:
        """Start again whatever has ended and no fault has down, until cancelled."""
        while True:
            for name, running in list(self.processes.items()):
                status = running.child.poll()
                if status is None or running.is_down:
                    continue
                if not running.is_noted:
                    running.is_noted = True
                    now = time.time()
                    self.ended.append(Ended(name, status, running.began_at, now, running.is_ready))
                    self._note_end(name, now - 2 * LOOKED_AT_SECONDS)
                await asyncio.sleep(START_AGAIN_SECONDS)
                async with running.turn:
                    if not running.is_down and running.child.poll() is not None:
                        with contextlib.suppress(PartError, OSError):
                            await self._start(name, running.part)
            await asyncio.sleep(LOOKED_AT_SECONDS)

    async def _become_ready(self, name: str, child: "subprocess.Popen[bytes]") -> None:
        """Note when this one has become ready, if it does."""
        running = self.processes[name]
        while running.child is child and child.poll() is None:
            with contextlib.suppress(NotReady, TimeoutError, OSError):
                async with asyncio.timeout(READY_WITHIN_SECONDS):
                    await running.part.make_ready()
                if running.child is child and child.poll() is None:
                    running.is_ready = True
                    if name in self._down:
                        self.away.append(Away(name, self._down.pop(name), time.time()))
                return
            await asyncio.sleep(LOOKED_AT_SECONDS)

    # what faults do

    async def kill(self, name: str) -> None:
        """-9 (PostgreSQL: SIGQUIT, by which it ends at once with all its processes)."""
        running = self.processes[name]
        async with running.turn:
            running.is_down = running.is_noted = True
            began = time.time()
            running.child.send_signal(signal.SIGQUIT if name == "database" else signal.SIGKILL)
            await asyncio.to_thread(running.child.wait)
            self._note_end(name, began)

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait; nobody dies by that, unless it has to be killed."""
        running = self.processes[name]
        async with running.turn:
            running.is_down = running.is_noted = True
            began = time.time()
            await asyncio.to_thread(end, running.child, grace_seconds=STOPS_WITHIN_SECONDS)
            if running.child.returncode == -signal.SIGKILL:
                self._note_end(name, began)

    async def freeze(self, name: str) -> None:
        """SIGSTOP; a worker as soon as it has handed a letter over, if it does soon. The provider answers later."""
        deadline = time.monotonic() + MEETS_WITHIN_SECONDS
        while name in WORKERS and not self.providers.under_way(name) and time.monotonic() < deadline:
            await asyncio.sleep(MEETS_EVERY_SECONDS)
        began = time.time()
        self.processes[name].child.send_signal(signal.SIGSTOP)
        self._note_end(name, began)
        if name in WORKERS:
            self.frozen.append(Frozen(name, time.time(), self.providers.under_way(name)))

    async def hold(self, name: str) -> None:
        """Until another has taken over all that this one was frozen over, or that can be waited for no longer."""
        number = self._frozen_last(name)
        if number is None:
            return
        frozen, written_at = self.frozen[number], time.time()
        while time.time() < min(frozen.at + HELD_SECONDS, written_at + STILL_SECONDS):
            attempts = await self._attempts()
            if attempts is not None and not frozen.left_of(attempts):
                return
            if await self._may_write():
                written_at = time.time()
            await asyncio.sleep(LOOKED_AT_SECONDS)

    def _frozen_last(self, name: str) -> int | None:
        return max((n for n, frozen in enumerate(self.frozen) if frozen.who == name), default=None)

    async def thaw(self, name: str) -> None:
        """SIGCONT. What it had been frozen over and is its own no more was taken over: it could not conclude it."""
        try:
            attempts = await self._attempts()
        finally:
            last = max((n for n, death in enumerate(self.deaths) if death.who == name), default=None)
            if last is not None:
                self.deaths[last] = replace(self.deaths[last], thawed_at=time.time())
            self.processes[name].child.send_signal(signal.SIGCONT)
        number = self._frozen_last(name)
        if number is not None and attempts is not None:
            frozen = self.frozen[number]
            self.frozen[number] = replace(frozen, taken_over=frozen.over - frozen.left_of(attempts))

    def _note_end(self, name: str, began: float) -> None:
        """One has ended, or stands still: workers die, servers are away until they are ready again."""
        if name in WORKERS:
            self.deaths.append(Death(name, began, time.time()))
            self._look(self._look_at_death(len(self.deaths) - 1))
        elif name in SERVERS:
            self._down.setdefault(name, began)

    async def _look_at_death(self, number: int) -> None:
        """What was under way; a little later, as the database may still be busy with the last word of the dead."""
        at = self.deaths[number].at
        attempts: Sequence[Attempt] | None = None
        while attempts is None and time.time() < at + DEAD_FOR_SECONDS:
            await asyncio.sleep(LOOKED_AT_SECONDS)
            attempts = await self._attempts()
        if attempts is not None:
            is_known = time.time() < at + KNOWN_SECONDS
            left_open = frozenset(open_at(attempts, at, is_late=not is_known))
            self.deaths[number] = replace(self.deaths[number], open=left_open, is_known=is_known)

    def _look(self, looking: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(looking)
        self._looking.add(task)
        task.add_done_callback(self._looked_at)

    def _looked_at(self, task: "asyncio.Task[None]") -> None:
        """One that failed is kept, so that `looked` raises what it raised."""
        if task.cancelled() or task.exception() is None:
            self._looking.discard(task)

    async def end_all(self) -> None:
        """Ours first, then the servers."""
        for task in list(self._looking):
            task.cancel()
        for name in reversed(list(self.processes)):
            running = self.processes[name]
            running.is_down = True
            with contextlib.suppress(ProcessLookupError):
                running.child.send_signal(signal.SIGCONT)
            if name in SERVERS:
                await asyncio.to_thread(end, running.child)
            else:
                running.child.kill()
                await asyncio.to_thread(running.child.wait)

    # what can be asked

    async def looked(self) -> Sequence[Away]:
        """Wait until what is to be noted has been; when servers were down, those that still are included."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEAD_FOR_SECONDS):
                while self._looking:
                    await asyncio.gather(*self._looking)
        return [*self.away, *(Away(name, began, time.time()) for name, began in self._down.items())]

    async def open_attempts(self, *, at: float | None = None) -> AbstractSet[str] | None:
        """The deliveries that somebody has claimed by now (or by `at`) and not concluded; None where the database does
        not answer.
        """
        attempts = await self._attempts()
        return None if attempts is None else open_at(attempts, time.time() if at is None else at)

    async def _attempts(self) -> Sequence[Attempt] | None:
        query = select(
            col(DeliveryRow.id), col(DeliveryRow.status), col(DeliveryRow.attempt_until), col(DeliveryRow.updated_at)
        ).where(col(DeliveryRow.attempt).is_not(None), col(DeliveryRow.status).in_(("queued", "may_have_gone")))
        try:
            async with asyncio.timeout(3.0), self.database.read() as session:
                rows = (await (await session.connection()).execute(query)).all()
        except (SQLAlchemyError, OSError, TimeoutError):
            return None
        return [
            Attempt(id_, right(changed_at), is_taken_over=True)
            if status == "may_have_gone" or until is None
            else Attempt(id_, right(until) - LASTS_SECONDS)
            for id_, status, until, changed_at in rows
        ]

    async def _may_write(self) -> bool:
        """Whether anybody could write just now."""
        try:
            async with asyncio.timeout(3.0), self.database.write():
                pass
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    async def under_wrong_clocks(self) -> Sequence[tuple[Misled, int]]:
        """Whose clock was wrong, each with what it did meanwhile: letters that a worker handed over, else the events
        that stand in the log as received then by such a clock (where two were wrong by the same at once, of both).
        """
        return [(misled, await self._done_by(misled)) for misled in self.misled]

    async def _done_by(self, misled: Misled) -> int:
        if misled.who in WORKERS:
            return sum(
                letter.by == misled.who and misled.began <= letter.at <= misled.ended
                for letter in self.providers.letters()
            )
        began, ended = (
            datetime.fromtimestamp(at + misled.seconds, UTC) for at in (misled.began, misled.ended)
        )  # fmt: skip
        query = select(func.count()).where(col(LoggedEvent.received_at).between(began, ended))
        async with self.database.read() as session:
            return (await (await session.connection()).execute(query)).scalar_one()

    async def carried(self, *, within_seconds: float = CARRIED_SECONDS) -> Sequence[str]:
        """The workflows that Temporal still carries on, once none is or enough was waited: what it lists comes a little
        after what it does. Raises RuntimeError where it does not say.
        """
        deadline = time.monotonic() + within_seconds
        client: Client | None = None
        while True:
            is_over = time.monotonic() > deadline
            try:
                client = client or await Client.connect(self.temporal_address)
                found = [each.id async for each in client.list_workflows("ExecutionStatus='Running'")]
                if is_over or not found:
                    return found
            except (RPCError, RuntimeError) as error:
                if is_over:
                    raise RuntimeError("Temporal does not say which workflows it carries on") from error
            await asyncio.sleep(1.0)

    async def relayed(self, *, within_seconds: float = RELAYED_SECONDS) -> bool:
        """Whether nothing is left to be relayed, once that is so or enough was waited."""
        query = select(func.count()).select_from(OutboxRow)
        deadline = time.monotonic() + within_seconds
        while True:
            async with self.database.read() as session:
                left = (await (await session.connection()).execute(query)).scalar_one()
            if not left or time.monotonic() > deadline:
                return not left
            await asyncio.sleep(1.0)

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


def right(at: datetime) -> float:
    """An instant that one of our processes wrote down not long ago, though its clock may be wrong by an hour."""
    said = at.timestamp()
    return said - HOUR_SECONDS * round((said - time.time()) / HOUR_SECONDS)


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
async def open_house(
    on: str, *, in_doubt: str = "leave", with_disk: bool = True, seed: int = 0
) -> AsyncGenerator[House]:
    """Everything runs and is ready, the journey is live; nothing is left at the end, nor where we are told to end."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waymark-chaos-")))
        folder.chmod(0o711)  # PostgreSQL runs as another user
        disk = Disk.mount() if with_disk else None
        if disk is not None:
            stack.callback(disk.unmount)
        providers = await open_providers(folder / "letters.log", WORKERS)
        stack.callback(providers.close)
        broker = kafka.KafkaServer(kafka.take(say_aloud).what, process.free_port())
        timer = temporal.TemporalServer(temporal.take(say_aloud).what, process.free_port())
        database = (
            postgres.PostgresServer(postgres.take(say_aloud).what, process.free_port()) if on != "sqlite" else None
        )
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
        await _begin_all(house, servers)
        if database is not None:
            await _make_database(database, disk)
        await upgrade(url)
        await _publish(house.database)
        await _begin_ours(house, _environment(house, port, in_doubt, seed), port)
        keeping = asyncio.create_task(house.keep())
        stack.push_async_callback(_cancel, keeping)
        yield house


@contextmanager
def _ended_in_order() -> Generator[None]:
    """SIGTERM (of `timeout`, of a supervisor) cancels, once, as Ctrl-C does: what was started is stopped, what was
    mounted is unmounted, and the exit status says why.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    is_told = False

    def told() -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, told)
    try:
        yield
    except asyncio.CancelledError:
        if is_told:
            sys.exit(128 + signal.SIGTERM)
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def _begin_all(house: House, parts: Sequence[tuple[str, Part]]) -> None:
    """All at once; where one cannot begin, the others have been stopped again when it is said."""
    async with asyncio.TaskGroup() as beginning:
        for name, part in parts:
            beginning.create_task(house.begin(name, part))


async def _begin_ours(house: House, environment: Mapping[str, str], port: int) -> None:
    (house.folder / "admin.key").write_text(KEY)
    ours: list[tuple[str, Part]] = [
        (name, Background(kind, house.folder / f"{name}.ready", {**environment, **_lines(house.providers, name)}))
        for kind, names in (("worker", WORKERS), ("bridge", BRIDGES))
        for name in names
    ]
    here = {**environment, **_lines(house.providers, API)}
    ours.append((API, Api("127.0.0.1", port, f"http://127.0.0.1:{port}", here)))
    await _begin_all(house, ours)


def _lines(providers: Providers, name: str) -> Mapping[str, str]:
    """Where this process finds the providers: each worker at a port of its own."""
    smtp, webhook = (provider.ports.get(name, provider.port) for provider in (providers.smtp, providers.webhook))
    return {
        "WAYMARK_SMTP_URL": f"smtp://127.0.0.1:{smtp}",
        "WAYMARK_WEBHOOK_URL": f"http://127.0.0.1:{webhook}/",
        "WAYMARK_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def _environment(house: House, port: int, in_doubt: str, seed: int) -> Mapping[str, str]:
    return {
        "WAYMARK_HOME": str(house.folder),
        "WAYMARK_DATABASE_URL": house.url,
        "WAYMARK_TEMPORAL_ADDRESS": house.temporal_address,
        "WAYMARK_KAFKA_BOOTSTRAP": house.bootstrap,
        "WAYMARK_HTTP_ADDRESS": f"127.0.0.1:{port}",
        "WAYMARK_SECRET": secret_of(seed),
        "WAYMARK_HAND_OVER": f"{HAND_OVER_SECONDS:.0f}s",
        "WAYMARK_ANSWER": f"{ANSWER_SECONDS:.0f}s",
        "WAYMARK_IN_DOUBT": in_doubt,
    }


def secret_of(seed: int) -> str:
    """Of which all ids of a run are made: the same of the same seed."""
    return sha256(f"chaos {seed}".encode()).hexdigest()


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
