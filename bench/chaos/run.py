"""One chaotic run: everything starts, events come, the plan is carried out, all grows quiet, and then is counted.

Theory of operation. Three things go on at once until each has come to its end: the feed brings the events in, the
troublemaker carries the plan out, the house starts again what has ended. Then it is waited until nothing happens any
more: every enrolment has ended, or for `PATIENCE_SECONDS` neither a letter came nor an enrolment ended. That is longer
than the pause after which Waymark by itself looks again (a retry after a breaker, the sweeper's rest). Only then is
asked and counted, see `judge`. At last the whole input is brought in once more, and nobody may be told anything by it.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from bench.chaos.faults import Troublemaker
from bench.chaos.feed import ENTERS, JOURNEY, Coming, Feed, coming
from bench.chaos.house import House, faketime, open_house
from bench.chaos.judge import Enrolled, Evidence, InDoubt, Told, Verdict, judge
from bench.chaos.plan import Planned, draw, draw_short
from bench.figures import Column, Progress, Row, Table, Target

PATIENCE_SECONDS = 180.0
MARKERS = 16
"""Enough to fall into every partition."""
STORIES = 10
"""So many are told in full."""

COLUMNS = (
    Column("learners"),
    Column("messages"),
    Column("faults"),
    Column("lost"),
    Column("stuck"),
    Column("said twice"),
    Column("told wrongly"),
    Column("in doubt"),
    Column("may be in doubt"),
    Column("unexplained"),
    Column("said on replay"),
    Column("whole run", "s"),
)


@dataclass(frozen=True)
class Asked:
    """What kind of run."""

    seed: int
    learners: int
    seconds: float
    on: str = "sqlite"
    in_doubt: InDoubt = "leave"
    is_calm: bool = False
    is_short: bool = False
    plan: tuple[Planned, ...] | None = None
    """Given by hand; None: drawn from the seed."""


@dataclass(frozen=True)
class Outcome:
    """How it went."""

    asked: Asked
    verdict: Verdict
    plan: Sequence[Planned]
    stories: Sequence[str]
    remarks: Sequence[str]
    letters: int
    said_on_replay: int
    seconds: float
    happened: Sequence[str] = field(default_factory=tuple[str, ...])

    @property
    def is_good(self) -> bool:
        """Nothing that must not be."""
        return self.verdict.is_good and self.said_on_replay == 0

    def row(self) -> Row:
        """Its figures."""
        verdict = self.verdict
        figures = {
            "learners": self.asked.learners, "messages": self.letters, "faults": len(self.plan),
            "lost": len(verdict.lost), "stuck": len(verdict.stuck), "said twice": len(verdict.twice),
            "told wrongly": len(verdict.wrong) + len(verdict.strange), "in doubt": len(verdict.doubts),
            "may be in doubt": verdict.might_doubt, "unexplained": len(verdict.unexplained),
            "said on replay": self.said_on_replay, "whole run": self.seconds,
        }  # fmt: skip
        return Row(f"{self.asked.on}, {self.asked.in_doubt}, seed {self.asked.seed}", figures)


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """All runs as a table with its targets."""
    rows = [outcome.row() for outcome in outcomes]
    figures = ("lost", "stuck", "said twice", "told wrongly", "unexplained", "said on replay")
    targets = [
        Target(f"{figure}: {row.subject}", row.figures[figure], at_most=0) for row in rows for figure in figures
    ]  # fmt: skip
    remarks = list(dict.fromkeys(remark for outcome in outcomes for remark in outcome.remarks))
    return Table(
        "chaos", "chaos: processes killed and frozen, servers and providers that fail, clocks that are wrong",
        COLUMNS, rows, remarks, targets,
    )  # fmt: skip


def missing_means(*, has_disk: bool) -> dict[str, str]:
    """The faults that this machine cannot do, each with why."""
    missing: dict[str, str] = {}
    if faketime() is None:
        why = "libfaketime is not installed (Debian: apt-get install faketime)"
        missing |= {"hour-ahead": why, "hour-behind": why}
    if not has_disk:
        missing["full"] = "a small disk can only be mounted by root"
    return missing


async def run(asked: Asked, *, say: "Say") -> Outcome:
    """One run from start to count."""
    progress = Progress()
    began = time.monotonic()
    async with open_house(asked.on, in_doubt=asked.in_doubt, with_disk=not asked.is_short) as house:
        missing = missing_means(has_disk=house.disk is not None)
        plan = _plan(asked, without=list(missing))
        say.plan(plan)
        events = coming(asked.seed, learners=asked.learners, seconds=asked.seconds)
        begin_at = time.time() + 1.0
        feed = Feed(house.bootstrap, house.http)
        trouble = Troublemaker(house, begin_at)
        async with asyncio.TaskGroup() as both:
            both.create_task(feed.bring(events, begin_at=begin_at))
            both.create_task(trouble.carry_out(plan))
        await _grow_quiet(house, asked.learners, progress)
        evidence = await _gather(house, asked, feed, events, trouble)
        verdict = judge(evidence)
        stories = [
            await tell(house, learner, evidence, events, begin_at) for learner in verdict.learners()[:STORIES]
        ]  # fmt: skip
        said_on_replay = await _replay(house, feed, events, begin_at)
        if said_on_replay or not verdict.is_good:
            say.kept(_keep_logs(house, asked))
        progress.done()
        remarks = [f"left out: {fault}, as {why}" for fault, why in missing.items()] if not asked.is_short else []
        remarks += [f"ended by itself: {line}" for line in house.ended]
        return Outcome(
            asked, verdict, plan, stories, remarks, sum(letter.was_kept for letter in evidence.letters),
            said_on_replay, time.monotonic() - began, sorted(trouble.happened),
        )  # fmt: skip


async def _replay(house: House, feed: Feed, events: Sequence[Coming], begin_at: float) -> int:
    """Bring the whole input once more, and answer how many letters came of it. Markers that come after it tell when it
    has been taken in: each partition keeps its order.
    """
    known = {event.learner for event in events}
    before = sum(letter.learner in known for letter in house.providers.letters())
    await feed.bring(events, begin_at=begin_at)
    markers = coming(0, learners=MARKERS, seconds=0.0, prefix="marker")
    await feed.bring([replace(m, road="kafka") for m in markers if m.type == ENTERS], begin_at=time.time())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len({letter.learner for letter in house.providers.letters()} - known) < MARKERS:
        if time.monotonic() > deadline:
            raise TimeoutError("what came after the replay was never told anybody")
        await asyncio.sleep(0.5)
    return sum(letter.learner in known for letter in house.providers.letters()) - before


class Say:
    """What is told while a run goes on; by itself nothing."""

    def plan(self, plan: Sequence[Planned]) -> None:
        """What will happen."""

    def kept(self, folder: Path) -> None:
        """Where the logs of a run that went wrong were kept."""


def _plan(asked: Asked, *, without: Sequence[str]) -> tuple[Planned, ...]:
    if asked.plan is not None:
        return asked.plan
    if asked.is_calm:
        return ()
    if asked.is_short:
        return draw_short(asked.seed, on=asked.on, without=without)
    return draw(asked.seed, seconds=asked.seconds, on=asked.on, without=without)


async def _grow_quiet(house: House, learners: int, progress: Progress) -> None:
    """Until all have ended, or nothing happens any more."""
    last, moved_at = (-1, -1), time.monotonic()
    while time.monotonic() - moved_at < PATIENCE_SECONDS:
        counts = await house.counts()
        ended = counts.get("ended", 0)
        if ended == learners == sum(counts.values()):
            return
        now = ended, len(house.providers.letters())
        if now != last:
            last, moved_at = now, time.monotonic()
        progress.say(f"{ended:,} of {learners:,} have ended")
        await asyncio.sleep(1.0)


async def _gather(house: House, asked: Asked, feed: Feed, events: Sequence[Coming], trouble: Troublemaker) -> Evidence:
    by_id = {event.id: event for event in events}
    entries = {event.id for event in events if event.type == ENTERS}
    in_log = [orjson.loads(record.value or b"{}").get("id") for record in await house.produced(["hr.events"])]
    by_http = {id_ for id_ in feed.taken if by_id[id_].road == "http"}
    entered = {by_id[id_].learner for id_ in entries & ({str(id_) for id_ in in_log} | by_http)}
    enrolled = [
        Enrolled(str(item["learner"]), str(item["status"]), item["outcome"])
        for item in await house.items("/v1/enrolments", journey=JOURNEY)
    ]
    told = [
        Told(str(item["id"]), str(item["learner"]), str(item["message"]), str(item["status"]))
        for item in await house.items("/v1/deliveries", journey=JOURNEY)
    ]
    return Evidence(
        entered, house.providers.letters(), enrolled, told, trouble.open_then, trouble.windows, asked.in_doubt
    )  # fmt: skip


async def tell(house: House, learner: str, evidence: Evidence, events: Sequence[Coming], begin_at: float) -> str:
    """The whole story of one learner, as everybody tells it."""
    lines = [f"--- {learner}"]
    lines += [f"{event.at:9.3f} to come by {event.road}: {event.id}" for event in events if event.learner == learner]
    for record in await house.produced(["hr.events", "lms.events"]):
        if record.key == learner.encode():
            found = orjson.loads(record.value or b"{}").get("id")
            lines.append(f"          in Kafka: {record.topic} {record.partition}/{record.offset}: {found}")
    lines += [
        f"{letter.at - begin_at:9.3f} provider: {letter}" for letter in evidence.letters if letter.learner == learner
    ]  # fmt: skip
    for path in (f"/v1/learners/{learner}/timeline", f"/v1/deliveries?learner={learner}"):
        answer = await house.http.get(path)
        said = answer.json().get("items", [])
        lines += [f"          {path.rpartition('/')[2]}: {orjson.dumps(item).decode()}" for item in said]
    enrolments = await house.items("/v1/enrolments", learner=learner)
    lines += [f"          enrolment: {orjson.dumps(item).decode()}" for item in enrolments]
    open_then = [told.delivery for told in evidence.told if told.learner == learner and told.delivery in evidence.open_then]  # fmt: skip  # noqa: E501
    return "\n".join([*lines, f"          open when somebody died: {', '.join(open_then) or 'nothing'}"])


def _keep_logs(house: House, asked: Asked) -> Path:
    """Logs alone, without the servers' data."""
    kept = Path.cwd() / ".chaos" / f"{asked.on}-{asked.seed}-{int(time.time())}"
    kept.mkdir(parents=True)
    for name, running in house.processes.items():
        shutil.copyfile(running.folder / "log", kept / f"{name}.log")
    shutil.copyfile(house.folder / "letters.log", kept / "letters.log")
    return kept
