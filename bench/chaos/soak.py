"""Half an hour of steady work: does the memory of any process grow?

Learners enter at a steady rate, nothing fails. Every ten seconds the resident memory of each process is read. The first
third is not counted (caches fill, Java and the allocators take what they want); of the rest a line is fitted by least
squares. Its slope over the counted time, as a share of the mean, says whether memory is flat.

When no more comes, everybody must have been told everything, once, by the providers' own log, and no process may have
ended by itself: memory that stays flat because nothing is done, or because a process begins anew, is not what is looked
for. The whole story of whoever was not is told. Nothing here is a matter of speed: whatever else the machine does
meanwhile may only make it slow.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.chaos.feed import CHANNEL_OF, ENTERS, Feed, coming
from bench.chaos.house import House, open_house
from bench.chaos.judge import Evidence
from bench.chaos.plan import OURS
from bench.chaos.providers import Letter
from bench.chaos.stories import Stories, tell_aloud
from bench.figures import Column, Progress, Row, Table, Target

PER_SECOND = 2.0
EVERY_SECONDS = 10.0
PATIENCE_SECONDS = 180.0
"""So long may nothing be said at the end, before those who were not told everything are counted."""
NOT_COUNTED_SHARE = 1 / 3
FLAT_SHARE = 0.03
"""A process that grew by less than this share of its mean while it was counted is flat."""
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

COLUMNS = (
    Column("at first", "MiB", 1),
    Column("at the end", "MiB", 1),
    Column("slope", "MiB/h", 1),
    Column("growth", "%", 1),
    Column("learners"),
    Column("messages"),
    Column("not told"),
    Column("said twice"),
    Column("processes that ended"),
)

Sample = tuple[float, float]
"""Seconds since the beginning, and MiB."""


@dataclass(frozen=True)
class Said:
    """What the providers' log says of those who were to be told everything: how many messages, how many never, how many
    more than once.
    """

    messages: int
    missing: int
    twice: int

    @classmethod
    def count(cls, learners: Sequence[str], letters: Sequence[Letter]) -> "Said":
        """Of what a provider kept."""
        times = Counter((letter.learner, letter.message) for letter in letters if letter.was_kept)
        wanted = [times[learner, message] for learner in learners for message in CHANNEL_OF]
        return cls(sum(wanted), sum(said == 0 for said in wanted), sum(said > 1 for said in wanted))


def not_once(learners: Sequence[str], letters: Sequence[Letter]) -> Sequence[str]:
    """Who was not told everything, or something more than once."""
    times = Counter((letter.learner, letter.message) for letter in letters if letter.was_kept)
    return [learner for learner in learners if any(times[learner, message] != 1 for message in CHANNEL_OF)]


def slope_per_hour(samples: Sequence[Sample]) -> float:
    """MiB an hour, by least squares."""
    at, of = fmean(s[0] for s in samples), fmean(s[1] for s in samples)
    spread = sum((s[0] - at) ** 2 for s in samples)
    return 3600 * sum((s[0] - at) * (s[1] - of) for s in samples) / spread if spread else 0.0


def resident_mib(pid: int) -> float:
    """What a process has in memory now; raises OSError where it is gone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB


async def run(*, on: str, minutes: float, per_second: float = PER_SECOND) -> tuple[Table, bool]:
    """The table, and whether every process of ours was flat, nobody was forgotten, and none ended."""
    seconds = minutes * 60
    events = coming(0, learners=int(seconds * per_second), seconds=seconds)
    learners = [event.learner for event in events if event.type == ENTERS]
    async with open_house(on, with_disk=False) as house:
        watch = _Watch(house, on, events[-1].at)
        begin_at = time.time()
        feeding = asyncio.create_task(Feed(house.bootstrap, house.http).bring(events, begin_at=begin_at))
        samples = await watch.sample(feeding)
        said = await watch.until_said(learners)
        ended = len(house.ended)
        letters = house.providers.letters()
        teller = Stories(house, Evidence(frozenset(learners), letters, (), ()), events, begin_at)
        await tell_aloud(f"soak-{on}", teller, not_once(learners, letters), more=[str(one) for one in house.ended])
    title = f"soak: {minutes:g} minutes, {per_second:g} entries a second with three messages each"
    remarks = [
        f"Growth: the slope over the counted two thirds, as a share of the mean; up to {100 * FLAT_SHARE:g} % is flat.",
        "Temporal and Kafka are shown, not judged; why Temporal on SQLite takes more was not looked into.",
        "Not told, said twice: messages, by the providers' own log.",
    ]
    whole = {
        "learners": len(learners), "messages": said.messages, "not told": said.missing, "said twice": said.twice,
        "processes that ended": ended,
    }  # fmt: skip
    names = [*OURS, *(name for name in samples if name not in OURS)]
    rows = [Row(f"{on}: all", whole), *(Row(f"{on}: {name}", _figures(samples[name])) for name in names)]
    targets = list(_targets(on, whole, {row.subject: row.figures for row in rows}))
    return Table("soak", title, COLUMNS, rows, remarks, targets), all(target.is_reached for target in targets)


def _targets(on: str, whole: Mapping[str, float], figures: Mapping[str, Mapping[str, float]]) -> Iterator[Target]:
    for name in OURS:
        growth = figures[f"{on}: {name}"]["growth"]
        yield Target(
            f"growth of {name}: {on}", growth, "%", at_most=100 * FLAT_SHARE, decimals=1, subject=f"{on}: {name}"
        )
    for name in ("not told", "said twice", "processes that ended"):
        yield Target(f"{name}: {on}", whole[name], at_most=0, subject=f"{on}: all")


class _Watch:
    """Looks on, and says how far it is."""

    def __init__(self, house: House, on: str, seconds: float) -> None:
        self._house, self._on, self._seconds = house, on, seconds
        self._progress = Progress()

    async def sample(self, feeding: "asyncio.Task[None]") -> Mapping[str, Sequence[Sample]]:
        """The memory of each process, until all has been brought in; at least twice."""
        samples: dict[str, list[Sample]] = {name: [] for name in self._house.processes}
        began = time.monotonic()
        while not feeding.done() or min(map(len, samples.values())) < 2:
            elapsed = time.monotonic() - began
            for name, running in self._house.processes.items():
                with contextlib.suppress(OSError):  # it has ended, and is about to be started again
                    samples[name].append((elapsed, resident_mib(running.child.pid)))
            self._say(max(0.0, self._seconds - elapsed), samples)
            if feeding.done():
                await asyncio.sleep(0.5)
            else:
                await asyncio.wait({feeding}, timeout=EVERY_SECONDS)
        feeding.result()
        return samples

    def _say(self, left: float, samples: Mapping[str, Sequence[Sample]]) -> None:
        memory = ", ".join(f"{name} {samples[name][-1][1]:.0f} MiB" for name in OURS if samples[name])
        messages = len(self._house.providers.letters())
        minutes, seconds = divmod(round(left), 60)
        self._progress.say(f"{self._on}: {minutes}:{seconds:02} left; {messages:,} messages; {memory}")

    async def until_said(self, learners: Sequence[str]) -> Said:
        """Once everybody has been told everything, or nothing more is said."""
        last, moved_at = -1, time.monotonic()
        while True:
            said = Said.count(learners, self._house.providers.letters())
            if said.messages != last:
                last, moved_at = said.messages, time.monotonic()
            if said.missing == 0 or time.monotonic() - moved_at > PATIENCE_SECONDS:
                self._progress.done()
                return said
            self._progress.say(f"{self._on}: {said.missing:,} messages are still to be said")
            await asyncio.sleep(0.5)


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
