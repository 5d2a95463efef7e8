"""The faults: how each begins, and how it ends. Each stops what it started, and starts again what it stopped.

None excuses anything by having been planned: what it did is seen by others, when nothing could be written by `watch`,
who died and which server was away by `house`.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos.house import HOUR_SECONDS, KNOWN_SECONDS, LOOKED_AT_SECONDS, House, Misled, faketime
from bench.chaos.judge import Window
from bench.chaos.plan import Planned
from bench.chaos.providers import Mode

LOCKING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=float(sys.argv[2]), isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
"""Holds SQLite's lock until its input ends, and says when it has it; ends where it does not get it."""
CUTTING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'chaos'
"""
MISLED = Path(__file__).parent / "misled"
"""What a process whose clock is wrong is to load first."""


class Impossible(Exception):
    """A fault that could not be done, as what it is about was away already."""


class Fault(Protocol):
    """One thing that goes wrong."""

    async def begin(self, house: House) -> None:
        """It goes wrong; raises Impossible where it cannot."""
        ...

    async def end(self, house: House) -> None:
        """It is well again."""
        ...


@dataclass
class Kill:
    """kill -9, then started again."""

    subject: str

    async def begin(self, house: House) -> None:
        await house.kill(self.subject)

    async def end(self, house: House) -> None:
        await house.start(self.subject)


@dataclass
class Rebalance:
    """A bridge leaves in order, and comes again: the group moves its partitions twice."""

    subject: str

    async def begin(self, house: House) -> None:
        await house.stop(self.subject)

    async def end(self, house: House) -> None:
        await house.start(self.subject)


@dataclass
class Freeze:
    """SIGSTOP, for longer than a lease (or Kafka's session) holds, so that another takes over; then SIGCONT. A worker
    is frozen over a letter that it has handed over and whose answer it has not, where it has one soon, and for so much
    longer that another has taken that over.
    """

    subject: str

    async def begin(self, house: House) -> None:
        await house.freeze(self.subject)

    async def hold(self, house: House) -> None:
        """Once it has lasted as it was planned: until it has been to some purpose."""
        await house.hold(self.subject)

    async def end(self, house: House) -> None:
        await house.thaw(self.subject)


def _first(folder: Path) -> str:
    """The PYTHONPATH with this folder at its head."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


@dataclass
class WrongClock:
    """Stopped in order, and started with a clock that is wrong by so many seconds: it lasts from when it is ready. Then
    killed, so that what it had written by its clock stays, and started with the right one.
    """

    subject: str
    seconds: int
    _ready_at: float | None = None

    async def begin(self, house: House) -> None:
        await house.stop(self.subject)
        library = faketime()
        assert library is not None, "plans without the library have no such fault"
        wrong = {"LD_PRELOAD": library, "FAKETIME": f"{self.seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        await house.start(self.subject, {**wrong, "DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": _first(MISLED)})
        if not await house.has_become_ready(self.subject):
            raise Impossible("it did not become ready, or ended before")
        self._ready_at = time.time()

    async def end(self, house: House) -> None:
        if self._ready_at is not None:
            again_at = house.processes[self.subject].began_at  # with the right clock, where it has ended by itself
            ended = again_at if again_at > self._ready_at else time.time()
            house.misled.append(Misled(self.subject, self.seconds, self._ready_at, ended))
        await house.kill(self.subject)
        await house.start(self.subject)


@dataclass
class Cut:
    """PostgreSQL ends every connection of ours."""

    async def begin(self, house: House) -> None:
        began = time.time()
        try:
            async with asyncio.timeout(5.0), house.database.read() as session:
                await (await session.connection()).execute(text(CUTTING))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Impossible("the database was away already") from error
        house.cuts.append(await self._seen(house, began))

    async def _seen(self, house: House, began: float) -> Window:
        """From the cut until a reader of ours has got through again, with the attempts that were open at it: as whoever
        was told to end does so a little later, it is read a little later, too.
        """
        left_open: AbstractSet[str] | None = None
        while left_open is None and time.time() < began + KNOWN_SECONDS:
            await asyncio.sleep(LOOKED_AT_SECONDS)
            left_open = await house.open_attempts()
        return Window("cut", began, time.time(), frozenset(left_open or ()))

    async def end(self, house: House) -> None:
        pass


@dataclass
class Lock:
    """Another program writes to SQLite and takes its time."""

    within_seconds: float = 30.0
    """So long it may take until it gets the lock."""
    _holder: asyncio.subprocess.Process | None = None

    async def begin(self, house: House) -> None:
        file = house.url.partition(":///")[2]
        command = (sys.executable, "-c", LOCKING, file, str(self.within_seconds))
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self._holder = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nowhere)
        assert self._holder.stdout is not None
        if not await self._holder.stdout.readline():
            raise Impossible(f"it did not get the lock within {self.within_seconds:g} s")

    async def end(self, house: House) -> None:  # noqa: ARG002 - as every fault
        if self._holder is not None:
            with contextlib.suppress(ProcessLookupError):  # one that did not get it has ended
                self._holder.kill()
            await self._holder.wait()


@dataclass
class Full:
    """No room is left on the disk of the database."""

    _began: float | None = None

    async def begin(self, house: House) -> None:
        assert house.disk is not None, "plans without the disk have no such fault"
        began = time.time()
        if not await asyncio.to_thread(house.disk.fill):
            raise Impossible("room was left on the disk")
        self._began = began  # it is full before we know

    async def end(self, house: House) -> None:
        assert house.disk is not None
        house.disk.empty()
        if self._began is not None:
            house.full.append(Window("full", self._began, time.time()))


@dataclass
class Misbehave:
    """A provider refuses, hangs, or drops the line when it has the message."""

    subject: str
    mode: Mode

    async def begin(self, house: House) -> None:
        house.providers[self.subject].mode = self.mode

    async def end(self, house: House) -> None:
        house.providers[self.subject].mode = "takes"


FAULTS: Mapping[str, Callable[[str], Fault]] = {
    "kill": Kill,
    "rebalance": Rebalance,
    "freeze": Freeze,
    "hour-ahead": lambda subject: WrongClock(subject, HOUR_SECONDS),
    "hour-behind": lambda subject: WrongClock(subject, -HOUR_SECONDS),
    "cut": lambda _: Cut(),
    "restart": Kill,
    "lock": lambda _: Lock(),
    "full": lambda _: Full(),
    "refuse": lambda subject: Misbehave(subject, "refuse"),
    "hang": lambda subject: Misbehave(subject, "hang"),
    "drop": lambda subject: Misbehave(subject, "drop"),
}


@dataclass(frozen=True)
class Done:
    """A fault that was done, from when until when: seconds since the first event."""

    planned: Planned
    began: float
    ended: float

    def __str__(self) -> str:
        """One line."""
        return f"{self.began:7.1f} to {self.ended:7.1f}  {self.planned}"


@dataclass
class Troublemaker:
    """Carries a plan out; who is to be spared meanwhile suffers later what was planned for then. `happened` is what
    did, `left_out` what could not.
    """

    house: House
    begin_at: float
    happened: list[Done] = field(default_factory=list[Done])
    left_out: list[str] = field(default_factory=list[str])
    _one_at_a_time: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def carry_out(self, plan: Sequence[Planned]) -> None:
        """Each at its time; returns when the last has ended."""
        async with asyncio.TaskGroup() as faults:
            for planned in plan:
                faults.create_task(self._carry_out(planned))

    async def _carry_out(self, planned: Planned) -> None:
        await asyncio.sleep(max(0.0, self.begin_at + planned.at - time.time()))
        async with AsyncExitStack() as alone:  # stopping in order may take longer than was planned
            for subject in planned.spared:
                await alone.enter_async_context(self._one_at_a_time[subject])
            try:
                await self._suffer(planned)
            except Impossible as why:
                self.left_out.append(f"{planned}, as {why}")

    async def _suffer(self, planned: Planned) -> None:
        fault = FAULTS[planned.fault](planned.subject)
        began = time.time()
        try:
            await fault.begin(self.house)
            await asyncio.sleep(planned.seconds)
            if isinstance(fault, Freeze):
                await fault.hold(self.house)
        finally:
            await fault.end(self.house)
        self.happened.append(Done(planned, began - self.begin_at, time.time() - self.begin_at))
