"""Half an hour of steady work: does the memory of any process grow?

Learners enter at a steady rate, nothing fails. Every ten seconds the resident memory of each process is read. The first
third is not counted (caches fill, Java and the allocators take what they want); of the rest a line is fitted by least
squares. Its slope over the counted time, as a share of the mean, says whether memory is flat.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from bench.chaos.feed import Feed, coming
from bench.chaos.house import House, open_house
from bench.chaos.plan import OURS
from bench.figures import Column, Row, Table, Target

PER_SECOND = 2.0
EVERY_SECONDS = 10.0
NOT_COUNTED_SHARE = 1 / 3
FLAT_SHARE = 0.1
"""A process that grew by less than this share of its mean while it was counted is flat."""
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

Sample = tuple[float, float]
"""Seconds since the beginning, and MiB."""


def slope_per_hour(samples: Sequence[Sample]) -> float:
    """MiB an hour, by least squares."""
    at, of = fmean(s[0] for s in samples), fmean(s[1] for s in samples)
    spread = sum((s[0] - at) ** 2 for s in samples)
    return 3600 * sum((s[0] - at) * (s[1] - of) for s in samples) / spread if spread else 0.0


def resident_mib(pid: int) -> float:
    """What a process has in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB


async def run(*, on: str, minutes: float, per_second: float = PER_SECOND) -> tuple[Table, bool]:
    """The table, and whether every process of ours was flat."""
    seconds = minutes * 60
    async with open_house(on, with_disk=False) as house:
        events = coming(0, learners=int(seconds * per_second), seconds=seconds)
        feeding = asyncio.create_task(Feed(house.bootstrap, house.http).bring(events, begin_at=time.time()))
        samples = await _sample(house, feeding)
    rows = [Row(name, _figures(taken)) for name, taken in samples.items()]
    columns = (Column("at first", "MiB", 1), Column("at the end", "MiB", 1), Column("slope", "MiB/h", 1), Column("growth", "%", 1))  # fmt: skip  # noqa: E501
    targets = [
        Target(f"growth of {row.subject}", row.figures["growth"], "%", at_most=100 * FLAT_SHARE, decimals=1)
        for row in rows
        if row.subject in OURS
    ]
    title = f"soak: {minutes:g} minutes, {per_second:g} entries a second with three messages each, on {on}"
    remarks = ["Growth: the slope over the counted two thirds, as a share of the mean."]
    return Table("soak", title, columns, rows, remarks, targets), all(target.is_reached for target in targets)


async def _sample(house: House, feeding: "asyncio.Task[None]") -> Mapping[str, Sequence[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in house.processes}
    began = time.monotonic()
    while not feeding.done():
        for name, running in house.processes.items():
            samples[name].append((time.monotonic() - began, resident_mib(running.child.pid)))
        await asyncio.wait({feeding}, timeout=EVERY_SECONDS)
    feeding.result()
    return samples


def _figures(samples: Sequence[Sample]) -> dict[str, float]:
    counted = samples[int(len(samples) * NOT_COUNTED_SHARE) :]
    slope = slope_per_hour(counted)
    lasted = (counted[-1][0] - counted[0][0]) / 3600
    return {
        "at first": samples[0][1],
        "at the end": samples[-1][1],
        "slope": slope,
        "growth": 100 * slope * lasted / fmean(s[1] for s in counted),
    }
