"""The real processes, `python -m waymark api|worker|bridge`, over servers that a test hands them: killed, frozen,
started again.
"""

import asyncio
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx2
import orjson
from sqlalchemy import func
from sqlmodel import SQLModel, col, select

from store.database import Database
from store.migrate import upgrade
from store.tables import DeliveryRow, Enrolment
from tests.support.policies import keep_policy
from tests.support.until import until
from waymark.stack import process
from waymark.stack.run import running
from waymark.stack.temporal import TemporalServer, take

Kind = Literal["api", "worker", "bridge"]
KEY = "a key of the tests, of no worth"
START_SECONDS = 240.0


@asynccontextmanager
async def own_temporal(folder: Path, *, in_memory: bool = True) -> AsyncGenerator[TemporalServer]:
    """A Temporal server of this test's own, which may be killed or lost."""
    server = temporal_server(in_memory=in_memory)
    async with running(server, folder):
        yield server


def temporal_server(*, in_memory: bool) -> TemporalServer:
    """A Temporal server that is still to be started."""
    return TemporalServer(take(lambda *_: None).what, process.free_port(), in_memory=in_memory)


@dataclass
class Installation:
    """One installation: its settings, its processes by name, its database and its API."""

    folder: Path
    environment: Mapping[str, str]
    database: Database
    http: httpx2.AsyncClient
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    async def start(self, kind: Kind, name: str | None = None, **settings: str) -> None:
        """Start one, called `name` (its kind where none is given), and wait until it is ready."""
        name = name or kind
        ready = self.folder / f"{name}-{uuid.uuid4().hex[:8]}.ready"
        environment = {**self.environment, **settings, "WAYMARK_READY_FILE": str(ready)}
        command = process.with_parent([sys.executable, "-m", "waymark", kind])
        log = self.folder / f"{name}.log"
        child = process.start(command, environment=environment, folder=self.folder, log=log)
        self.processes[name] = child

        def is_ready() -> bool:
            if child.poll() not in (None, -signal.SIGKILL):  # killed: by the test itself, which knows why
                raise RuntimeError(f"{name} ended with {child.returncode}:\n{process.last_lines(log, number=30)}")
            return ready.exists() or child.returncode is not None

        await until(is_ready, timeout=START_SECONDS)

    async def start_all(self, *kinds: Kind) -> None:
        """Start one of each, at the same time."""
        await asyncio.gather(*(self.start(kind) for kind in kinds))

    async def kill(self, name: str) -> None:
        """-9."""
        child = self.processes.pop(name)
        child.kill()
        await asyncio.to_thread(child.wait)

    async def stop(self, name: str) -> int:
        """SIGTERM; answers the exit status."""
        child = self.processes.pop(name)
        child.terminate()
        return await asyncio.to_thread(child.wait, START_SECONDS)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it does nothing, and its connections stay open."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.processes[name].send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def kept_running(self, name: Kind) -> AsyncGenerator[None]:
        """Start it again whenever it ends, as every supervisor does, for as long as this lasts."""

        async def keep() -> None:
            while True:
                await until(lambda: self.processes[name].poll() is not None, timeout=3600, every=0.2)
                await self.start(name)

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    async def end_all(self) -> None:
        """Kill whatever runs."""
        for name in list(self.processes):
            await self.kill(name)

    # what HTTP clients do: they try again while nobody answers

    async def publish(self, journey: str, definition: str) -> None:
        """Publish a definition."""
        answer = await self._persist("PUT", f"/v1/journeys/{journey}", definition.encode(), "application/yaml")
        assert answer.status_code in {200, 201}, answer.text

    async def emit(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send events as one batch, until an answer comes."""
        media = "application/cloudevents-batch+json"
        answer = await self._persist("POST", "/v1/events", orjson.dumps(list(events)), media)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a GET that must succeed."""
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def _persist(self, method: str, path: str, body: bytes, media: str) -> httpx2.Response:
        async def answer() -> httpx2.Response | None:
            try:
                answer = await self.http.request(method, path, content=body, headers={"content-type": media})
            except httpx2.TransportError:
                return None
            return None if answer.status_code >= 500 else answer

        return await until(answer, timeout=4 * START_SECONDS)  # it may be killed again while it starts

    # what stands in the store

    async def rows(self, model: type[SQLModel]) -> Sequence[Any]:
        """All rows of a table."""
        async with self.database.read() as session:
            return (await session.exec(select(model))).all()

    async def what_is_open(self) -> Sequence[str]:
        """A line for each process that runs, each enrolment and each delivery that is not over, without persons."""
        running = [f"{name} runs" for name, child in self.processes.items() if child.poll() is None]
        enrolments = [
            f"{row.id}: {row.status} at {row.step}, due {row.due_at}, wanted {row.wake_wanted_at}, lease until"
            f" {row.lease_until}, fence {row.fence}"
            for row in await self.rows(Enrolment)
            if row.status != "ended"
        ]
        deliveries = [
            f"{row.id} of {row.enrolment}: {row.status}, {row.reason}, due {row.due_at}, attempts {row.attempts}, until"
            f" {row.attempt_until}, updated {row.updated_at}"
            for row in await self.rows(DeliveryRow)
            if row.status in {"queued", "deferred"}
        ]
        return [f"At {datetime.now(UTC)}:", *running, *enrolments, *deliveries]

    async def have_ended(self, number: int) -> bool:
        """Whether so many enrolments have ended."""
        async with self.database.read() as session:
            query = select(func.count()).select_from(Enrolment).where(col(Enrolment.status) == "ended")
            return (await session.exec(query)).one() == number


@asynccontextmanager
async def installation(
    folder: Path, *, database_url: str, temporal_address: str, smtp_url: str, **settings: str
) -> AsyncGenerator[Installation]:
    """An installation whose database is migrated and whose processes are still to be started; all are killed at the
    end. Leases are short: an attempt has two seconds, then two to be answered. What the processes said last is told
    with what fails.
    """
    port = process.free_port()
    (folder / "admin.key").write_text(KEY)
    environment = {
        "WAYMARK_HOME": str(folder),
        "WAYMARK_DATABASE_URL": database_url,
        "WAYMARK_TEMPORAL_ADDRESS": temporal_address,
        "WAYMARK_SMTP_URL": smtp_url,
        "WAYMARK_HTTP_ADDRESS": f"127.0.0.1:{port}",
        "WAYMARK_KAFKA_BOOTSTRAP": "off",
        "WAYMARK_SECRET": uuid.uuid4().hex,
        "WAYMARK_HAND_OVER": "2s",
        "WAYMARK_ANSWER": "2s",
        **settings,
    }
    await upgrade(database_url)
    await keep_policy(database_url)
    database = Database(database_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}, timeout=20, trust_env=False
        )
        await stack.enter_async_context(http)
        installed = Installation(folder, environment, database, http)
        stack.push_async_callback(installed.end_all)
        try:
            yield installed
        except BaseException as error:
            for log in sorted([*folder.rglob("*.log"), *folder.rglob("log")]):
                error.add_note(f"{log.relative_to(folder)}:\n{process.last_lines(log, number=30)}")
            error.add_note("\n".join(await installed.what_is_open()))
            raise
