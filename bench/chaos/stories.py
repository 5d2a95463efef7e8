"""What is told and kept of a run that went wrong: the whole story of each learner with whom something was not as it
should be, as everybody tells it, and the logs of all processes. A run that goes wrong is seldom seen twice.
"""

import contextlib
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import orjson

from bench.chaos.feed import TOPICS, Coming
from bench.chaos.house import House
from bench.chaos.judge import Evidence
from workers.kafka import Passing
from workers.records import Record

PRINTED = 50
"""So many are printed, of stories and of other findings; all stand in files beside the logs."""
HEAD = "--- "
LOST = "(the API did not tell)"


@dataclass(frozen=True)
class Stories:
    """Tells stories, from all that was gathered."""

    house: House
    evidence: Evidence
    events: Sequence[Coming]
    begin_at: float

    async def tell(self, learners: Sequence[str]) -> Sequence[str]:
        """One story for each."""
        records: defaultdict[str, list[Record]] = defaultdict(list)
        with contextlib.suppress(TimeoutError, Passing):  # what the others tell is worth telling without Kafka
            for record in await self.house.produced(TOPICS) if learners else ():
                records[(record.key or b"").decode(errors="replace")].append(record)
        return [await self._tell(learner, records[learner]) for learner in learners]

    async def _tell(self, learner: str, records: Sequence[Record]) -> str:
        lines = [f"{HEAD}{learner}"]
        lines += [f"{e.at:9.3f} to come by {e.road}: {e.id}" for e in self.events if e.learner == learner]
        for record in records:
            found = orjson.loads(record.value or b"{}").get("id")
            lines.append(f"          in Kafka: {record.topic} {record.partition}/{record.offset}: {found}")
        letters = [letter for letter in self.house.providers.letters() if letter.learner == learner]
        lines += [f"{letter.at - self.begin_at:9.3f} provider: {letter}" for letter in letters]
        for path in (f"/v1/learners/{learner}/timeline", f"/v1/deliveries?learner={learner}"):
            lines += [f"          {path.rpartition('/')[2]}: {said}" for said in await self._ask(path)]
        lines += [f"          enrolment: {said}" for said in await self._ask(f"/v1/enrolments?learner={learner}")]
        return "\n".join([*lines, f"          open in our table: {'; '.join(self._open(learner)) or 'never'}"])

    async def _ask(self, path: str) -> Sequence[str]:
        try:
            items: Sequence[Mapping[str, object]] = (await self.house.http.get(path)).json().get("items", [])
        except (httpx2.HTTPError, ValueError):
            return [LOST]
        return [orjson.dumps(item).decode() for item in items]

    def _open(self, learner: str) -> Sequence[str]:
        """Which of her deliveries were open when somebody died, or nothing could be written."""
        hers = {told.delivery for told in self.evidence.told if told.learner == learner}
        deaths = [
            f"{delivery} when {death.who} died at {death.at - self.begin_at:.3f}"
            for death in self.evidence.deaths for delivery in sorted(hers & death.open)
        ]  # fmt: skip
        windows = [
            f"{delivery} when nothing could be written ({window.cause}) "
            f"from {window.began - self.begin_at:.3f} to {window.ended - self.begin_at:.3f}"
            for window in self.evidence.windows for delivery in sorted(hers & window.open)
        ]  # fmt: skip
        return [*deaths, *windows]


def printed(stories: Sequence[str], folder: Path) -> Sequence[str]:
    """Of whom there are any, the first ones, and where the others are."""
    if not stories:
        return []
    names = [story.partition("\n")[0].removeprefix(HEAD) for story in stories]
    return [f"stories of {len(names)}: {', '.join(names)}", *_first(stories, folder / "stories.txt")]


async def tell_aloud(name: str, teller: Stories, learners: Sequence[str], *, more: Sequence[str] = ()) -> None:
    """Keep the stories of these and the logs, and print them on standard error; `more` is what else was not as it
    should be. Nothing where nothing was.
    """
    if not (learners or more):
        return
    stories = await teller.tell(learners)
    folder = folder_of(name)
    keep(folder, teller.house, stories=stories, findings=more)
    told = [f"the logs of this run are in {folder}", *_first(more, folder / "findings.txt"), *printed(stories, folder)]
    print(*told, sep="\n", file=sys.stderr, flush=True)


@dataclass
class Keeper:
    """Keeps what there is of one run, in one folder, once or again. `say_where` is told at the first time."""

    name: str
    house: House
    say_where: Callable[[Path], None]
    folder: Path | None = None

    def keep(self, **texts: Sequence[object]) -> None:
        """What there is now, in the place of what was."""
        if self.folder is None:
            self.folder = folder_of(self.name)
            self.say_where(self.folder)
        keep(self.folder, self.house, **texts)

    def keep_at_least(self, **texts: Sequence[object]) -> None:
        """This, where nothing has been kept yet: what was found stays, whatever happens afterwards."""
        if self.folder is None:
            self.keep(**texts)


def _first(told: Sequence[str], file: Path) -> Sequence[str]:
    """The first ones, and where the others are."""
    left = len(told) - PRINTED
    return [*told[:PRINTED], *([f"... and {left} more, all in {file}"] if left > 0 else [])]


def folder_of(name: str) -> Path:
    """A folder of this run's own below `.chaos`."""
    folder = Path.cwd() / ".chaos" / f"{name}-{int(time.time())}"
    folder.mkdir(parents=True)
    return folder


def keep(folder: Path, house: House, **texts: Sequence[object]) -> None:
    """The logs of all processes without the servers' data, and these texts, each in a file of its name."""
    for name, running in house.processes.items():
        shutil.copyfile(running.folder / "log", folder / f"{name}.log")
    shutil.copyfile(house.folder / "letters.log", folder / "letters.log")
    for name, lines in texts.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
