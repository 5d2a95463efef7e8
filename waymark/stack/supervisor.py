"""Start the parts of the stack in order, keep them running, and stop them in reverse.

Theory of operation. The parts stand in rows: a row is started side by side when all rows before it are ready. Until a
part was ready once, its failure ends the whole `up` (with its reason and its log); after that a part that ends is
started again, sooner at first and later when it ends again and again. The first of a signal, `stop()` and a failure
stops the rows in reverse. If we die without that (kill -9), the kernel tells the children to stop; what a machine that
cannot do so leaves behind is stopped by the next `up`, by pid *and* start time.

Only readiness is waited for, never a length of time. The data of every part stays in the home.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from waymark.stack import process, run
from waymark.stack.home import Home, PartRecord, PartState, StackRecord, StackState
from waymark.stack.parts import CannotStart, Part, PartError

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
WELL_AFTER_SECONDS = 60.0  # a part that ran so long starts its pauses anew
STOP_SECONDS = 60.0
"""How long a part may take to end: a worker finishes its turns, and brings to its end what it has on its way."""


@dataclass(frozen=True)
class Task:
    """Something that is run to its end between two rows, as a migration."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Watched:
    """A part and what became of it."""

    part: Part
    how: str | None
    state: PartState = "starting"
    child: "subprocess.Popen[bytes] | None" = None
    identity: str | None = None
    since: datetime | None = None
    restarts: int = 0
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Planned:
    """A part to be started, and how its server is had."""

    part: Part
    how: str | None = None


Row = Sequence[Planned | Task]
Tell = Callable[[str], None]


class Supervisor:
    """One `up` of one home."""

    def __init__(self, home: Home, rows: Sequence[Row], *, settings: Mapping[str, str], tell: Tell) -> None:
        """`settings` is what other commands in this home shall find: fields of the settings, by name."""
        self._home = home
        self._settings = dict(settings)
        self._tell = tell
        self._state: StackState = "starting"
        self._since = datetime.now(UTC)
        self._stopping = asyncio.Event()
        self._rows: list[tuple[list[Watched], list[Task]]] = [
            (
                [Watched(one.part, one.how) for one in row if isinstance(one, Planned)],
                [one for one in row if isinstance(one, Task)],
            )
            for row in rows
        ]
        self._watchers: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Ask it to stop; `run` returns when all is stopped."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until asked to stop; the caller holds the home's lock. Raises PartError where a part cannot start."""
        await stop_leftovers(self._home)
        try:
            if await self._or_stopped(self._start_all()):
                self._state = "ready"
                self._write()
                self._tell("ready")
                await self._stopping.wait()
        finally:
            await self._stop_all()

    async def _or_stopped(self, work: Coroutine[None, None, None]) -> bool:
        """Do the work unless we are asked to stop before it is done; whether it was done."""
        doing = asyncio.create_task(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return doing.done()
        finally:
            for future in (doing, stopping):
                future.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)

    async def _start_all(self) -> None:
        for watched_in_row, tasks in self._rows:
            for task in tasks:
                await self._do(task)
            starting = [self._watch_from_now(watched) for watched in watched_in_row]
            await _all_ready(starting, watched_in_row)

    def _watch_from_now(self, watched: Watched) -> "asyncio.Task[None]":
        watcher = asyncio.create_task(self._watch(watched))
        self._watchers.append(watcher)
        return watcher

    async def _do(self, task: Task) -> None:
        log = self._home.logs / f"{task.name}.log"
        child = process.start(
            process.with_parent(task.command), environment=task.environment, folder=Path.cwd(), log=log
        )
        try:
            while child.poll() is None:
                await asyncio.sleep(0.05)
        finally:
            run.end(child)
        if child.returncode != 0:
            end = process.last_lines(log, number=8)
            raise CannotStart(
                task.name, f"it {run.how_it_ended(child.returncode)}; its log is {log} and ends with:\n{end}"
            )

    async def _watch(self, watched: Watched) -> None:
        """Start a part and start it again whenever it ends; raises PartError when it was never ready."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._start_one(watched)
                await self._until_it_ends(watched)
            except (PartError, OSError) as error:
                if not watched.was_ready.is_set():
                    raise (
                        error if isinstance(error, PartError) else CannotStart(watched.part.name, str(error))
                    ) from error
                self._tell(str(error))
            if time.monotonic() - began > WELL_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._become(watched, "restarting")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            watched.restarts += 1

    async def _start_one(self, watched: Watched) -> None:
        part = watched.part
        log = self._log(watched)
        watched.child = await run.start(part, self._home.path / part.name, log=log)
        watched.identity = process.identify(watched.child.pid)
        watched.since = datetime.now(UTC)
        self._become(watched, "starting" if not watched.was_ready.is_set() else "restarting")
        try:
            await run.become_ready(part, watched.child, log=log)
        except PartError:
            await asyncio.to_thread(run.end, watched.child)
            raise
        again = "again " if watched.was_ready.is_set() else ""
        watched.was_ready.set()
        self._become(watched, "ready")
        how = f"  ({watched.how})" if watched.how else ""
        self._tell(f"{part.name:<10} {again}ready  {part.address}{how}")

    async def _until_it_ends(self, watched: Watched) -> None:
        child = watched.child
        assert child is not None
        while child.poll() is None:
            await asyncio.sleep(0.2)
        ended = run.how_it_ended(child.returncode)
        self._tell(f"{watched.part.name:<10} {ended} and is started again; its log is {self._log(watched)}")

    def _log(self, watched: Watched) -> Path:
        return self._home.logs / f"{watched.part.name}.log"

    async def _stop_all(self) -> None:
        self._state = "stopping"
        self._write()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for watched_in_row, _ in reversed(self._rows):
            await asyncio.gather(*(self._stop_one(watched) for watched in watched_in_row))
        self._state = "down"
        self._settings = {}
        self._write()

    async def _stop_one(self, watched: Watched) -> None:
        if watched.child is not None:
            await asyncio.to_thread(run.end, watched.child, grace_seconds=STOP_SECONDS)
            self._become(watched, "stopped")

    def _become(self, watched: Watched, state: PartState) -> None:
        watched.state = state
        self._write()

    def _write(self) -> None:
        watched = [one for row, _ in self._rows for one in row]
        record = StackRecord(
            state=self._state,
            pid=os.getpid(),
            identity=process.identify(os.getpid()),
            since=self._since,
            parts=[self._record(one) for one in watched],
            settings=self._settings,
        )
        self._home.write(record)

    def _record(self, watched: Watched) -> PartRecord:
        is_running = watched.state != "stopped" and watched.child is not None
        return PartRecord(
            name=watched.part.name,
            address=watched.part.address,
            state=watched.state,
            pid=watched.child.pid if is_running and watched.child else None,
            identity=watched.identity if is_running else None,
            since=watched.since,
            restarts=watched.restarts,
            log=str(self._log(watched)),
            how=watched.how,
        )


async def _all_ready(watchers: Sequence["asyncio.Task[None]"], watched: Sequence[Watched]) -> None:
    """Wait until all are ready; raises the first failure."""
    ready = asyncio.gather(*(one.was_ready.wait() for one in watched))
    try:
        await asyncio.wait({ready, *watchers}, return_when=asyncio.FIRST_COMPLETED)
        for watcher in watchers:
            if watcher.done():
                watcher.result()
        await ready
    finally:
        ready.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ready


async def stop_leftovers(home: Home) -> None:
    """Stop what an `up` that was killed left running in this home; the caller holds its lock."""
    left = [found for part in home.record().parts if (found := part.process()) is not None and found.is_alive()]
    await asyncio.gather(*(asyncio.to_thread(process.stop, one, grace_seconds=STOP_SECONDS) for one in left))


def stop_on_signals(supervisor: Supervisor) -> None:
    """Ctrl-C and SIGTERM stop the supervisor in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
