"""The faults: how each begins, and how it ends. Each stops what it started, and starts again what it stopped."""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos.house import House, faketime
from bench.chaos.judge import Window
from bench.chaos.plan import Planned
from bench.chaos.providers import Mode

HOUR = 3600
LOCKING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
sys.stdin.read()
"""
"""Holds SQLite's lock until its input ends."""
CUTTING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'chaos'
"""


class Impossible(Exception):
    """A fault that could not be done, as what it is about was away already."""


class Fault(Protocol):
    """One thing that goes wrong."""

    @property
    def is_outage(self) -> bool:
        """Whether nobody can write anything down as long as it lasts."""
        ...

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

    @property
    def is_outage(self) -> bool:
        return self.subject == "database"

    async def begin(self, house: House) -> None:
        await house.kill(self.subject)

    async def end(self, house: House) -> None:
        await house.start(self.subject)


@dataclass
class Rebalance:
    """A bridge leaves in order, and comes again: the group moves its partitions twice."""

    subject: str
    is_outage: bool = False

    async def begin(self, house: House) -> None:
        await house.stop(self.subject)

    async def end(self, house: House) -> None:
        await house.start(self.subject)


@dataclass
class Freeze:
    """SIGSTOP, for longer than a lease (or Kafka's session) holds, so that another takes over; then SIGCONT."""

    subject: str
    is_outage: bool = False

    async def begin(self, house: House) -> None:
        house.freeze(self.subject)

    async def end(self, house: House) -> None:
        house.thaw(self.subject)


@dataclass
class WrongClock:
    """Stopped in order, and started with a clock that is wrong by so many seconds; then killed, so that what it had
    written by its clock stays, and started with the right one.
    """

    subject: str
    seconds: int
    is_outage: bool = False

    async def begin(self, house: House) -> None:
        await house.stop(self.subject)
        library = faketime()
        assert library is not None, "plans without the library have no such fault"
        wrong = {"LD_PRELOAD": library, "FAKETIME": f"{self.seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        await house.start(self.subject, {**wrong, "DONT_FAKE_MONOTONIC": "1"})

    async def end(self, house: House) -> None:
        await house.kill(self.subject)
        await house.start(self.subject)


@dataclass
class Cut:
    """PostgreSQL ends every connection of ours."""

    is_outage: bool = True

    async def begin(self, house: House) -> None:
        try:
            async with asyncio.timeout(5.0), house.database.read() as session:
                await (await session.connection()).execute(text(CUTTING))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Impossible("the database was away already") from error

    async def end(self, house: House) -> None:
        pass


@dataclass
class Lock:
    """Another program writes to SQLite and takes its time."""

    is_outage: bool = True
    _holder: asyncio.subprocess.Process | None = None

    async def begin(self, house: House) -> None:
        file = house.url.partition(":///")[2]
        command = (sys.executable, "-c", LOCKING, file)
        self._holder = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)

    async def end(self, house: House) -> None:  # noqa: ARG002 - as every fault
        assert self._holder is not None
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        await self._holder.wait()


@dataclass
class Full:
    """No room is left on the disk of the database."""

    is_outage: bool = True

    async def begin(self, house: House) -> None:
        assert house.disk is not None, "plans without the disk have no such fault"
        await asyncio.to_thread(house.disk.fill)

    async def end(self, house: House) -> None:
        assert house.disk is not None
        house.disk.empty()


@dataclass
class Misbehave:
    """A provider refuses, hangs, or drops the line when it has the message."""

    subject: str
    mode: Mode
    is_outage: bool = False

    async def begin(self, house: House) -> None:
        house.providers[self.subject].mode = self.mode

    async def end(self, house: House) -> None:
        house.providers[self.subject].mode = "takes"


FAULTS: Mapping[str, Callable[[str], Fault]] = {
    "kill": Kill,
    "rebalance": Rebalance,
    "freeze": Freeze,
    "hour-ahead": lambda subject: WrongClock(subject, HOUR),
    "hour-behind": lambda subject: WrongClock(subject, -HOUR),
    "cut": lambda _: Cut(),
    "restart": Kill,
    "lock": lambda _: Lock(),
    "full": lambda _: Full(),
    "refuse": lambda subject: Misbehave(subject, "refuse"),
    "hang": lambda subject: Misbehave(subject, "hang"),
    "drop": lambda subject: Misbehave(subject, "drop"),
}


@dataclass
class Troublemaker:
    """Carries a plan out, and notes when the database was away by it, with what was under way then. `happened` is what
    did, `left_out` what could not.
    """

    house: House
    begin_at: float
    windows: list[Window] = field(default_factory=list[Window])
    happened: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])
    _one_at_a_time: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def carry_out(self, plan: Sequence[Planned]) -> None:
        """Each at its time; returns when the last has ended."""
        async with asyncio.TaskGroup() as faults:
            for planned in plan:
                faults.create_task(self._carry_out(planned))

    async def _carry_out(self, planned: Planned) -> None:
        await asyncio.sleep(max(0.0, self.begin_at + planned.at - time.time()))
        async with self._one_at_a_time[planned.subject]:  # stopping in order may take longer than was planned
            try:
                await self._suffer(planned)
            except Impossible as why:
                self.left_out.append(f"{planned}, as {why}")

    async def _suffer(self, planned: Planned) -> None:
        fault = FAULTS[planned.fault](planned.subject)
        began = time.time()
        left_open: set[str] = set()
        try:
            await fault.begin(self.house)
            if fault.is_outage:
                left_open |= await self.house.open_attempts() or set()
            await asyncio.sleep(planned.seconds)
            if fault.is_outage:
                left_open |= await self.house.open_attempts() or set()
        finally:
            await fault.end(self.house)
        if fault.is_outage:
            self.windows.append(Window(planned.fault, began, time.time(), frozenset(left_open)))
        self.happened.append(f"{began - self.begin_at:7.1f} to {time.time() - self.begin_at:7.1f}  {planned}")
