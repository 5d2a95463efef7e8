"""One chaotic run: everything starts, events come, the plan is carried out, all grows quiet, and then is counted.

Theory of operation. Three things go on at once until each has come to its end: the feed brings the events in, the
troublemaker carries the plan out, the house starts again what has ended. Then it is waited until nothing happens any
more: every enrolment has ended, or for `PATIENCE_SECONDS` neither a letter came nor an enrolment ended. That is longer
than the pause after which Waymark by itself looks again (a retry after a breaker, the sweeper's rest). Where it does
not grow quiet within `QUIET_WITHIN_SECONDS`, the same may be said again without end: then it is counted all the same.
Only then is asked and counted, see `judge`; Temporal, too, which may carry a workflow on though our tables say that all
has ended. What is found is told and kept at once, before the whole input is brought in once more, by which nobody may
be told anything, and nobody enter. A replay that is never answered, or refused, is a finding as any other.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

import httpx2
import orjson

from bench.chaos.faults import Done, Troublemaker
from bench.chaos.feed import ENTERS, JOURNEY, TOPICS, Coming, Feed, Refused, coming
from bench.chaos.house import Frozen, House, Misled, faketime, open_house
from bench.chaos.judge import Away, Became, Ended, Enrolled, Evidence, InDoubt, Told, Verdict, Window, judge
from bench.chaos.plan import Planned, draw, draw_short
from bench.chaos.stories import Keeper, Stories, printed
from bench.chaos.watch import Watch, watching
from bench.figures import Column, Progress, Row, Table, Target
from store.queries.outbox import OUTCOMES
from workers.kafka import Passing
from workers.records import Record

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

PATIENCE_SECONDS = 180.0
QUIET_WITHIN_SECONDS = 1200.0
MARKERS = 32
"""Learners who come after the replay, by each road: enough to fall into every partition of every topic."""
BROUGHT_WITHIN_SECONDS = 600.0
"""So long after the last event was due it may take until all have been acknowledged; and so long for all on replay."""

COLUMNS = (
    Column("learners"),
    Column("messages"),
    Column("faults"),
    Column("lost"),
    Column("lost by Kafka"),
    Column("stuck"),
    Column("still carried by Temporal"),
    Column("said twice"),
    Column("said again in doubt"),
    Column("told wrongly"),
    Column("outcomes missing"),
    Column("in doubt"),
    Column("may be in doubt"),
    Column("unexplained"),
    Column("ended by itself"),
    Column("said on replay"),
    Column("entered on replay"),
    Column("replay not taken in"),
    Column("taken over while frozen"),
    Column("database away", "s", 1),
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

    @property
    def subject(self) -> str:
        """What its row is called."""
        return f"{self.on}, {self.in_doubt}, seed {self.seed}"

    @property
    def freezes_workers(self) -> bool:
        """Whether every plan that may be drawn for it does."""
        return self.plan is None and not self.is_calm and not self.is_short


@dataclass(frozen=True)
class Replay:
    """What came of the whole input brought in once more: who was told something, and who entered again. `why_not`: why
    not all of it was taken in; None where it was.
    """

    told: Sequence[str]
    entered: Sequence[str]
    why_not: str | None = None

    @property
    def is_good(self) -> bool:
        """It was taken in, and nothing came of it."""
        return self.why_not is None and not self.told and not self.entered


@dataclass(frozen=True)
class Outcome:
    """How it went. `stories` are the first ones, and say where the others are; `entered`: how many learners did, by
    what the API acknowledged and what stands in Kafka's log; `happened`: the faults that were done.
    `taken_over`: how often another took over what a frozen worker had under way, before that was let go.
    """

    asked: Asked
    verdict: Verdict
    plan: Sequence[Planned]
    stories: Sequence[str]
    remarks: Sequence[str]
    letters: int
    entered: int
    replay: Replay
    seconds: float
    happened: Sequence[Done] = field(default_factory=tuple[Done, ...])
    taken_over: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing that must not be."""
        return self.verdict.is_good and self.replay.is_good and self.entered == self.asked.learners

    def row(self) -> Row:
        """Its figures."""
        verdict, replay = self.verdict, self.replay
        figures = {
            "learners": self.entered, "messages": self.letters, "faults": len(self.happened),
            "lost": len(verdict.lost), "lost by Kafka": len(verdict.forgotten), "stuck": len(verdict.stuck),
            "still carried by Temporal": len(verdict.carried), "said twice": len(verdict.twice),
            "said again in doubt": len(verdict.again),
            "told wrongly": len(verdict.wrong) + len(verdict.strange), "outcomes missing": len(verdict.untold),
            "in doubt": len(verdict.doubts), "may be in doubt": verdict.might_doubt,
            "unexplained": len(verdict.unexplained), "ended by itself": len(verdict.fallen),
            "said on replay": len(replay.told),
            "entered on replay": len(replay.entered), "replay not taken in": int(replay.why_not is not None),
            "taken over while frozen": self.taken_over, "database away": verdict.away_seconds,
            "whole run": self.seconds,
        }  # fmt: skip
        return Row(self.asked.subject, figures)


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """All runs, of one size, as a table with its targets; its title says the size, so that others stay apart."""
    rows = [outcome.row() for outcome in outcomes]
    figures = (
        "lost", "lost by Kafka", "stuck", "still carried by Temporal", "said twice", "told wrongly", "outcomes missing",
        "unexplained", "ended by itself", "said on replay", "entered on replay", "replay not taken in",
    )  # fmt: skip
    targets = [
        Target(f"{figure}: {row.subject}", row.figures[figure], at_most=0, subject=row.subject)
        for row in rows for figure in figures
    ]  # fmt: skip
    for outcome, row in zip(outcomes, rows, strict=True):
        asked = outcome.asked.learners
        entered = Target(
            f"learners: {row.subject}", outcome.entered, at_least=asked, at_most=asked, subject=row.subject
        )  # fmt: skip
        targets.append(entered)
        if outcome.asked.freezes_workers:
            targets.append(
                Target(f"taken over while frozen: {row.subject}", outcome.taken_over, at_least=1, subject=row.subject)
            )
    remarks = list(dict.fromkeys(remark for outcome in outcomes for remark in outcome.remarks))
    (size,) = {f"{one.asked.learners:,} learners, {one.asked.seconds / 60:g} minutes of faults" for one in outcomes}
    title = f"chaos: {size}: processes killed and frozen, servers and providers that fail, clocks that are wrong"
    return Table("chaos", title, COLUMNS, rows, remarks, targets)


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
    """One run from start to count; raises ValueError where its plan wants what this machine cannot do."""
    began = time.monotonic()
    async with open_house(asked.on, in_doubt=asked.in_doubt, with_disk=not asked.is_short, seed=asked.seed) as house:
        missing = missing_means(has_disk=house.disk is not None)
        plan = planned_for(asked, missing)
        say.plan(plan)
        running = _Running(house, asked, plan, say)
        try:
            verdict, stories, replay = await running.go_through()
        except BaseException:
            running.keep_at_least()
            raise
        remarks = [f"left out: {fault}, as {why}" for fault, why in missing.items()] if not asked.is_short else []
        remarks += [f"could not happen (seed {asked.seed}): {fault}" for fault in running.trouble.left_out]
        remarks += [f"ended by itself: {ended}" for ended in verdict.fallen]
        if replay.why_not is not None:
            remarks.append(f"{asked.subject}: the replay was not taken in: {replay.why_not}")
        said_of = [*told_of(running.trouble.happened, house.frozen), *told_of_clocks(running.under_wrong_clocks)]
        remarks += [f"{asked.subject}: {said}" for said in said_of]
        return Outcome(
            asked, verdict, plan, stories, remarks, running.letters, running.entered, replay, time.monotonic() - began,
            in_order(running.trouble.happened), sum(bool(frozen.taken_over) for frozen in house.frozen),
        )  # fmt: skip


class _Running:
    """One run while it goes on."""

    def __init__(self, house: House, asked: Asked, plan: Sequence[Planned], say: "Say") -> None:
        self.house, self.asked, self.plan, self.say = house, asked, plan, say
        self.begin_at = time.time() + 1.0
        self.feed = Feed(house.bootstrap, house.http)
        self.trouble = Troublemaker(house, self.begin_at)
        self.letters = self.entered = 0
        self.under_wrong_clocks: Sequence[tuple[Misled, int]] = ()
        self._events = coming(asked.seed, learners=asked.learners, seconds=asked.seconds)
        self._keeper = Keeper(f"{asked.on}-{asked.in_doubt}-{asked.seed}", house, say.kept)

    async def go_through(self) -> tuple[Verdict, Sequence[str], Replay]:
        """Trouble, quiet, count, replay."""
        async with watching(self.house) as watch:
            await self._suffer()
            await grow_quiet(self.house, self.asked.learners)
            evidence = await self._gather(watch)
        self.letters = sum(letter.was_kept for letter in evidence.letters)
        self.under_wrong_clocks = await self.house.under_wrong_clocks()
        self.entered = len(evidence.entered - evidence.never_came)
        verdict = judge(evidence)
        self.say.judged(verdict)
        teller = Stories(self.house, evidence, self._events, self.begin_at)
        stories = await teller.tell(verdict.learners())
        if not verdict.is_good:
            self.keep(stories, verdict.fallen)
        replay = await self._replay(evidence)
        if not replay.is_good:
            of_replay = {*replay.told, *replay.entered} - set(verdict.learners())
            stories = [*stories, *await teller.tell(sorted(of_replay))]
            self.keep(stories, verdict.fallen)
        folder = self._keeper.folder
        return verdict, printed(stories, folder) if folder else stories, replay

    async def _suffer(self) -> None:
        """All comes in while everything fails; raises TimeoutError where nobody would take it."""
        lasts = max([self.asked.seconds, *(planned.at + planned.seconds for planned in self.plan)])
        async with asyncio.timeout(lasts + BROUGHT_WITHIN_SECONDS), asyncio.TaskGroup() as both:
            both.create_task(self.feed.bring(self._events, begin_at=self.begin_at))
            both.create_task(self.trouble.carry_out(self.plan))

    async def _gather(self, watch: Watch) -> Evidence:
        house = self.house
        carried = await house.carried()
        in_log = {str(orjson.loads(record.value or b"{}").get("id")) for record in await house.produced(TOPICS)}
        entered = entered_of(self._events, taken=self.feed.taken.keys(), in_log=in_log)
        forgotten = forgotten_of(self._events, taken=self.feed.taken.keys(), in_log=in_log)
        told = [
            Told(str(item["id"]), str(item["learner"]), str(item["message"]), str(item["status"]))
            for item in await house.items("/v1/deliveries", journey=JOURNEY)
        ]
        away = await house.looked()
        return Evidence(
            entered, house.providers.letters(), await _enrolled(house), told, house.deaths,
            [*house.cuts, *watch.windows, *restarts(away)], self.asked.in_doubt, house.ended, away, house.full,
            [event.learner for event in forgotten], carried,
            {event.learner for event in forgotten if event.type == ENTERS}, await self._outcomes(),
        )  # fmt: skip

    async def _outcomes(self) -> AbstractSet[Became]:
        """What stands in our own topic, once all that is to be relayed has been."""
        await self.house.relayed()
        return outcomes_of(await self.house.produced([OUTCOMES]))

    async def _replay(self, evidence: Evidence) -> Replay:
        """Bring the whole input once more, and see what comes of it. Markers come after it by the same topics, in every
        partition, each of which keeps its order: once they have ended, all before them has been taken in. What comes by
        HTTP is taken in when it is acknowledged. Whatever was told since the count belongs to it, as nothing was due;
        but of whom Kafka had lost the entry, she enters only now, and rightly.
        """
        learners = {event.learner for event in self._events}
        before = Counter(enrolled.learner for enrolled in evidence.enrolled)
        now, why_not = await tried(self._bring_again(learners))
        since = self.house.providers.letters()[len(evidence.letters) :]
        known = learners - evidence.missed()
        told = {letter.learner for letter in since} & known
        return Replay(sorted(told), sorted(known & ((now or before) - before).keys()), why_not)

    async def _bring_again(self, learners: AbstractSet[str]) -> Counter[str]:
        """Answers how many enrolments each of them has when all was taken in."""
        await self.feed.bring(self._events, begin_at=self.begin_at)
        await self._mark(learners)
        return Counter(enrolled.learner for enrolled in await _enrolled(self.house))

    async def _mark(self, known: AbstractSet[str]) -> None:
        """Bring markers in and wait for them; raises TimeoutError where nothing comes of them for too long."""
        events = markers()
        for type_ in dict.fromkeys(event.type for event in events):
            await self.feed.bring([event for event in events if event.type == type_], begin_at=time.time())
        await self._check_partitions({event.learner for event in events})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                ended = {e.learner for e in await _enrolled(self.house) if e.status == "ended"} - known
                if len(ended) == MARKERS:
                    return
                await asyncio.sleep(0.5)

    async def _check_partitions(self, marking: AbstractSet[str]) -> None:
        """Every partition that has anything must have a marker, or the replay would prove nothing there."""
        records = await self.house.produced(TOPICS)
        used = {(record.topic, record.partition) for record in records}
        marked = {(r.topic, r.partition) for r in records if (r.key or b"").decode() in marking}
        if used != marked:
            raise RuntimeError(f"no marker fell into {sorted(used - marked)}: make MARKERS more than {MARKERS}")

    def keep(self, stories: Sequence[str], fallen: Sequence[Ended]) -> None:
        """Keep what there is, once or again."""
        self._keeper.keep(stories=stories, **self._happened(fallen))

    def keep_at_least(self) -> None:
        """Keep what happened, where no finding has been kept."""
        self._keeper.keep_at_least(stories=[], **self._happened(()))

    def _happened(self, fallen: Sequence[Ended]) -> Mapping[str, Sequence[object]]:
        ended = [f"{ended} WITHOUT A CAUSE" if ended in fallen else ended for ended in self.house.ended]
        return {"plan": self.plan, "happened": in_order(self.trouble.happened), "ended": ended}


async def tried(bringing: Awaitable[T]) -> tuple[T | None, str | None]:
    """What comes of it; or why it was not taken in, within its time."""
    found: T | None = None
    why_not: str | None = None
    try:
        async with asyncio.timeout(BROUGHT_WITHIN_SECONDS):
            found = await bringing
    except* (TimeoutError, httpx2.HTTPError, Passing, Refused) as group:
        why_not = ", ".join(f"{type(error).__name__} {error}".strip() for error in _each(group))
    return found, why_not


def _each(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """Those within groups within groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(cast("BaseExceptionGroup[E]", error))
        else:
            yield error


def entered_of(events: Sequence[Coming], *, taken: AbstractSet[str], in_log: AbstractSet[str]) -> AbstractSet[str]:
    """Who entered: whose entry was acknowledged to the feed by either road, or stands in Kafka's log though it was not.
    One that was acknowledged and is not in the log may have been read before: what came of it is judged.
    """
    known = taken | in_log
    return {event.learner for event in events if event.type == ENTERS and event.id in known}


def outcomes_of(records: Sequence[Record]) -> AbstractSet[Became]:
    """What they say, each of a delivery or an enrolment."""
    said = [orjson.loads(record.value or b"{}") for record in records]
    kinds = [(one["type"].removeprefix("waymark."), one["data"]) for one in said]
    return {(str(data[kind.partition(".")[0]]), kind) for kind, data in kinds}


def forgotten_of(events: Sequence[Coming], *, taken: AbstractSet[str], in_log: AbstractSet[str]) -> Sequence[Coming]:
    """What Kafka acknowledged to the feed and has not in its log."""
    lost = taken - in_log
    return [event for event in events if event.road == "kafka" and event.id in lost]


def restarts(away: Sequence[Away]) -> Sequence[Window]:
    """When the database's server was down: nothing could be written, and every connection was broken."""
    return [Window("restart", one.began, one.ended) for one in away if one.server == "database"]


def in_order(happened: Sequence[Done]) -> Sequence[Done]:
    """By when it began."""
    return sorted(happened, key=lambda done: done.began)


def told_of(happened: Sequence[Done], frozen: Sequence[Frozen]) -> Iterator[str]:
    """Which harm was done how often, and what the workers that were frozen were doing."""
    if happened:
        times = Counter(done.planned.harm for done in happened)
        yield f"faults: {', '.join(f'{harm} {times[harm]}' for harm in sorted(times))}."
    if frozen:
        over = sum(bool(one.over) for one in frozen)
        taken_over = sum(bool(one.taken_over) for one in frozen)
        yield (
            f"workers were frozen {len(frozen)} times, {over} of them over a letter whose answer they had not yet; and "
            f"of these another had taken the attempt over before they were let go {taken_over} times."
        )


def told_of_clocks(done: Sequence[tuple[Misled, int]]) -> Iterator[str]:
    """What those did whose clock was wrong, while they were ready: where that is nothing, nothing was tried."""
    for kind in ("worker", "bridge", "api"):
        of_kind = [(misled, number) for misled, number in done if misled.who.partition("-")[0] == kind]
        if of_kind:
            seconds = sum(misled.ended - misled.began for misled, _ in of_kind)
            did = "letters were handed over" if kind == "worker" else "events were taken in"
            number, idle = sum(number for _, number in of_kind), sum(not number for _, number in of_kind)
            yield (
                f"under a wrong clock, {kind}: {len(of_kind)} times, {seconds:.0f} s in all, in which "
                f"{number:,} {did}; {idle} times none."
            )


def markers() -> Sequence[Coming]:
    """The events of those who come after the replay: each enters, and completes."""
    events = coming(0, learners=MARKERS, seconds=0.0, prefix="marker")
    return [replace(event, road="kafka", at=0.0) for event in events]


async def _enrolled(house: House) -> Sequence[Enrolled]:
    return [
        Enrolled(str(item["learner"]), str(item["status"]), item["outcome"], str(item["id"]))
        for item in await house.items("/v1/enrolments", journey=JOURNEY)
    ]


class Say:
    """What is told while a run goes on; by itself nothing."""

    def plan(self, plan: Sequence[Planned]) -> None:
        """What will happen."""

    def judged(self, verdict: Verdict) -> None:
        """What was found, before all is brought in once more."""

    def kept(self, folder: Path) -> None:
        """Where the logs of a run that went wrong were kept."""


def planned_for(asked: Asked, missing: Mapping[str, str]) -> tuple[Planned, ...]:
    """What will happen; raises ValueError where a plan that was given wants what is missing here."""
    if asked.plan is not None:
        for planned in asked.plan:
            if planned.fault in missing:
                raise ValueError(f"{str(planned)!r} cannot be done here: {missing[planned.fault]}")
        return asked.plan
    if asked.is_calm:
        return ()
    if asked.is_short:
        return draw_short(asked.seed, on=asked.on, without=list(missing))
    return draw(asked.seed, seconds=asked.seconds, on=asked.on, without=list(missing))


async def grow_quiet(house: House, learners: int, *, within_seconds: float = QUIET_WITHIN_SECONDS) -> None:
    """Until all have ended, or nothing happens any more, or enough was waited."""
    progress = Progress()
    last, moved_at = (-1, -1), time.monotonic()
    deadline = moved_at + within_seconds
    while time.monotonic() < min(moved_at + PATIENCE_SECONDS, deadline):
        counts = await house.counts()
        ended = counts.get("ended", 0)
        if ended == learners == sum(counts.values()):
            break
        now = ended, len(house.providers.letters())
        if now != last:
            last, moved_at = now, time.monotonic()
        progress.say(f"{ended:,} of {learners:,} have ended")
        await asyncio.sleep(1.0)
    progress.done()
