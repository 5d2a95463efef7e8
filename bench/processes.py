"""Processes of a benchmark: how those of its own are started, and what a process has cost."""

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waymark.stack.parts import Launch, Listens, NotReady

CORES = 2
"""What a run may use of the machine, with all its servers."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class OfBench:
    """`python -m bench.<module> ...` as a part of the stack; ready when it has made its file."""

    module: str
    arguments: tuple[str, ...]
    ready_file: Path
    ports: tuple[Listens, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    ready_within_seconds: float = 60.0
    address: str = "-"

    @property
    def name(self) -> str:
        """As its module."""
        return self.module

    def prepare(self, folder: Path) -> Launch:  # noqa: ARG002 - what it writes is named in its arguments
        """Told where to say that it is ready."""
        self.ready_file.unlink(missing_ok=True)
        options = ("--ready-file", str(self.ready_file))
        return Launch((sys.executable, "-m", f"bench.{self.module}", *self.arguments, *options), self.environment)

    async def make_ready(self) -> None:
        """Ready when the file is there."""
        if not self.ready_file.exists():
            raise NotReady(f"it has not made {self.ready_file}")


def cpu_seconds(pid: int) -> float:
    """What a process and all below it have used so far: in it, in the kernel for it, and by children that ended."""
    parents, used = _all_processes()
    family = {pid}
    while new := {child for child, parent in parents.items() if parent in family} - family:
        family |= new
    return sum(used.get(member, 0.0) for member in family)


def on_two_cores() -> None:
    """From now on this process and those that it starts have two cores, where the machine has more: figures of one
    machine are then beside those of another what they say they are. Only where the system can do it (Linux).
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def cpu_seconds_of_ended() -> float:
    """What the children of this process that have ended used, and theirs: taken before and after, what one used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _all_processes() -> tuple[dict[int, int], dict[int, float]]:
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = sum(map(int, fields[11:15])) / _TICKS
    return parents, used


def say_aloud(part: str, text: str, share: float | None) -> None:
    """What is being got for a part, on standard error; how far it is nobody asks."""
    if share is None:
        print(f"{part}: {text}", file=sys.stderr, flush=True)
