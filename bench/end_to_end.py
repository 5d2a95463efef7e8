"""What a learner's next event and a journey's next step cost when they are not her first, through real servers and
Waymark's processes as production starts them.

    through Kafka     events of one learner, in portions, which her sleeping enrolment listens to in vain: CPU of the
                      bridge and of the database's server for one event
    through Temporal  a few enrolments of one long journey, most of its steps short waits: CPU of the worker, of
                      Temporal and of the database's server for one turn, and how late a letter came, in the first
                      tenth of the turns and in the last
    woken             enrolments that an event wakes once more, when each has taken a few turns: CPU of the same for one
                      turn, by a worker that has just begun and has none of their workflows at hand, so that each is
                      replayed from its history; and then by the same worker, which has

The waits are until given instants, a fraction of a second apart. A timer of Temporal's may be late by about as much,
and a turn goes through all waits that are over: the rows say how many turns it took, and whether a history became so
long that it was continued as new. At the end it is checked that every event is in the log, that the enrolment has slept
on, that each got every letter once, and that all have completed.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import func, select
from sqlmodel import col
from temporalio.client import Client

from bench.counting import count_asleep, count_enrolments, until_asleep
from bench.figures import Row, percentile
from bench.processes import cpu_seconds
from bench.stage import PATIENCE_SECONDS, Servers, Waymark, Wrong, cloud_event, installed, promoted
from journeys.events import Json
from store.queries import installation
from store.tables import Enrolment, LoggedEvent
from waymark.stack.ours import Background
from waymark.stack.run import running

UNLIMITED: dict[str, Json] = {"sending": None, "budget": None}
LISTENING = """
waymark: 1
journey: listening
title: Listening
enter: [{on: hr.learner.promoted}]
exit: [{on: lms.course.progressed, when: 'event.data.course == "SAFETY-1"', as: goal}]
steps: [{wait: 60d}, {send: hello}]
messages: {hello: {subject: hello, body: hello}}
"""
TURNS_BEFORE = 8
"""So often each has been woken before it is counted."""
WARM = 20
"""So many others wake first, so that nobody counted pays for what a worker does once."""
ENROLMENTS = 4
WAITS_EACH = 4
"""So many waits, and a letter."""

APART_SECONDS = 0.4
GETTING_READY_SECONDS = 6.0
WARM_UP_WAITS = 8
TENTHS = 10


@dataclass(frozen=True)
class Spent:
    """At one moment: turns or events so far, and the CPU seconds of each process."""

    number: int
    cpu: Mapping[str, float]

    def each(self, before: "Spent") -> dict[str, float]:
        """What one of those between has cost, in ms; raises Wrong where there was none."""
        number = self.number - before.number
        if number <= 0:
            raise Wrong("there was not one between two looks: take more")
        cost = {name: (self.cpu[name] - before.cpu[name]) * 1000 / number for name in self.cpu}
        parts = {"of it the database": "database", "of it Temporal": "Temporal", "of it the worker": "worker"}
        return {"CPU": sum(cost.values()), **{said: cost[name] for said, name in parts.items() if name in cost}}


def _spent(waymark: Waymark, names: Sequence[str], number: int) -> Spent:
    return Spent(number, {name: cpu_seconds(waymark.pids[name]) for name in names if name in waymark.pids})


# one learner's events


async def by_her_events(stage: Servers, database: str, sizes: Sequence[int]) -> Sequence[Row]:
    """A row for each of these sizes: the price of those since the one before; raises Wrong."""
    async with installed(stage, database, [LISTENING]) as waymark:
        await waymark.produce([promoted(learner, time.time()) for learner in ("known-0", "known-1")])
        await until_asleep(stage, waymark.database, 2, said="through Kafka")
        await _portion(stage, waymark, "known-1", sizes[0])  # what is done once is not hers to pay for
        rows: list[Row] = []
        had = 0
        for size in sizes:
            cost = await _portion(stage, waymark, "known-0", size - had)
            rows.append(Row(f"through Kafka, her events: {size:,}", {"her events": size, **cost}))
            had = size
        if await count_asleep(waymark.database) != 2:
            raise Wrong("an event in vain has woken an enrolment")
    return rows


async def _portion(stage: Servers, waymark: Waymark, learner: str, number: int) -> dict[str, float]:
    """Produce so many of her events, and wait until the log has them; answers what one has cost."""
    data: dict[str, Json] = {"course": "OTHER", "progress": 0.5}
    events = [
        cloud_event("lms.course.progressed", learner, time.time(), data, id_=uuid4().hex) for _ in range(number)
    ]  # fmt: skip
    logged, parts = await _logged(waymark), ("bridge", "database")
    before = _spent(waymark, parts, 0)
    await waymark.produce(events, topic="lms.events")
    patience_until = time.monotonic() + PATIENCE_SECONDS
    while (came := await _logged(waymark) - logged) < number:
        if time.monotonic() > patience_until:
            raise Wrong(f"{came} of {number} events are in the log")
        stage.progress.say(f"through Kafka: {came:,} of {number:,} in the log")
        await asyncio.sleep(0.05)
    return _spent(waymark, parts, number).each(before)


async def _logged(waymark: Waymark) -> int:
    async with waymark.database.read() as session:
        return (await (await session.connection()).execute(select(func.max(col(LoggedEvent.seq))))).scalar_one() or 0


# who is woken


def waking(times: int) -> str:
    """The definition of a journey in which so many events wake her, one after the other."""
    awaits = "".join(
        f"  - await: {{on: lms.course.started, when: 'event.data.course == \"C-{n}\"', within: 60d}}\n"
        f"    id: wake-{n}\n"
        for n in range(times)
    )
    head = "waymark: 1\njourney: waking\ntitle: Waking\nenter: [{on: hr.learner.promoted}]\nsteps:\n"
    return f"{head}{awaits}  - send: hello\nmessages: {{hello: {{subject: hello, body: hello}}}}\n"


async def by_memory(stage: Servers, database: str, enrolments: int) -> Sequence[Row]:
    """Two rows: what a turn costs a worker without the workflow at hand, and with it; raises Wrong."""
    counted, others = (
        [f"{name}-{n}" for n in range(number)] for name, number in (("woken", enrolments), ("warm", WARM))
    )
    definition = waking(TURNS_BEFORE + 3)
    async with installed(stage, database, [definition], parts=("bridge",)) as waymark:
        async with _working(waymark, "first"):
            await waymark.produce([promoted(learner, time.time()) for learner in (*counted, *others)])
            await _until_at(stage, waymark, 0, enrolments + WARM)
            for place in range(TURNS_BEFORE):
                await _wake(stage, waymark, [*counted, *others], place, enrolments + WARM)
        async with _working(waymark, "second") as working:
            for place in (TURNS_BEFORE, TURNS_BEFORE + 1):
                await _wake(stage, working, others, place, WARM)
            rows: list[Row] = []
            for place, said in ((TURNS_BEFORE, "from its history"), (TURNS_BEFORE + 1, "at hand")):
                before = await _look(working)
                await _wake(stage, working, counted, place, enrolments + (WARM if place > TURNS_BEFORE else 0))
                cost = {"steps": TURNS_BEFORE + 4, **(await _look(working)).each(before)}
                rows.append(Row(f"through Temporal, woken, {said}", cost, f"after {place} turns with an event each"))
    return rows


@asynccontextmanager
async def _working(waymark: Waymark, name: str) -> AsyncGenerator[Waymark]:
    """A worker of its own, which knows nobody when it begins."""
    folder = waymark.folder / f"worker-{name}"
    part = Background("worker", folder / "ready", waymark.environment)
    async with running(part, folder) as child:
        yield replace(waymark, pids={**waymark.pids, "worker": child.pid})


async def _wake(stage: Servers, waymark: Waymark, learners: Sequence[str], place: int, number: int) -> None:
    """One event wakes each of them; then so many wait for the next one."""
    data: dict[str, Json] = {"course": f"C-{place}"}
    now = time.time()
    events = [
        cloud_event("lms.course.started", learner, now, data, id_=f"{learner}-{place}") for learner in learners
    ]  # fmt: skip
    await waymark.produce(events, topic="lms.events")
    await _until_at(stage, waymark, place + 1, number)


async def _until_at(stage: Servers, waymark: Waymark, place: int, number: int) -> None:
    """Until so many wait for this event, and nobody takes a turn any more."""
    at_rest = col(Enrolment.step) == f"wake-{place}", col(Enrolment.lease_until).is_(None)
    patience_until = time.monotonic() + PATIENCE_SECONDS
    while (come := await count_enrolments(waymark.database, *at_rest)) < number:
        if time.monotonic() > patience_until:
            raise Wrong(f"{come} of {number} wait for the event {place}")
        stage.progress.say(f"through Temporal: {come:,} of {number:,} wait for the event {place}")
        await asyncio.sleep(0.2)


# one long journey


def long_journey(steps: int) -> str:
    """Its definition: so many steps, in groups of some waits and a letter."""
    lines: list[str] = []
    for place in range(1, steps + 1):
        group, within = divmod(place - 1, WAITS_EACH + 1)
        if within == WAITS_EACH:
            lines.append(f"  - {{send: hello, id: send-{group}}}")
            continue
        after = round((group * WAITS_EACH + within + 1) * APART_SECONDS * 1000)
        until = f'string(timestamp(entry.data.begins_at) + duration("{after}ms"))'
        lines.append(f"  - {{wait: {{until: '{until}'}}, id: wait-{place}}}")
    head = "waymark: 1\njourney: long\ntitle: Long\nenter: [{on: hr.learner.promoted}]\nsteps:\n"
    return head + "\n".join(lines) + "\nmessages: {hello: {subject: hello, body: hello}}\n"


@dataclass(frozen=True)
class Walk:
    """A journey of `groups` of waits, each with a letter at its end, and when each learner's begins."""

    groups: int
    begins_at: Mapping[str, float]

    def lateness(self, arrived: Sequence[tuple[float, str]]) -> list[list[float]]:
        """Of each group's letters, how late they came, in ms. Raises Wrong unless each learner got one of each."""
        came: dict[str, list[float]] = {learner: [] for learner in self.begins_at}
        for at, learner in sorted(arrived):
            if learner in came:
                came[learner].append(at)
        if any(len(each) != self.groups for each in came.values()):
            raise Wrong(f"{[len(each) for each in came.values()]} letters came, and {self.groups} should have to each")
        return [
            [(each[group] - self._due(learner, group)) * 1000 for learner, each in came.items()]
            for group in range(self.groups)
        ]

    def _due(self, learner: str, group: int) -> float:
        return self.begins_at[learner] + (group + 1) * WAITS_EACH * APART_SECONDS


async def by_tenths(stage: Servers, database: str, steps: int) -> Sequence[Row]:
    """Two rows: the first tenth of a journey of so many steps, and the last; raises Wrong."""
    async with installed(stage, database, [long_journey(steps)]) as waymark:
        async with waymark.database.write() as session:
            await installation.keep_policy(session, UNLIMITED, at=datetime.now(UTC))
        groups = steps // (WAITS_EACH + 1)
        await _warm_up(stage, waymark, groups * WAITS_EACH)
        begins = time.time() + GETTING_READY_SECONDS
        walk = Walk(groups, {f"walker-{n}": begins + n * APART_SECONDS / ENROLMENTS for n in range(ENROLMENTS)})
        await waymark.produce([_entry(*each) for each in walk.begins_at.items()])
        seen = await _watch(stage, waymark, begins)
        late = walk.lateness([(float(at), to.partition("@")[0]) for at, to, _ in waymark.arrived.lines()])
        remark = await _in_words(stage, waymark, seen[-1].number - seen[0].number, groups * WAITS_EACH)
    tenth = max(1, groups // TENTHS)
    first, last = tenths(seen)
    return [
        _row("first", steps, first, late[:tenth]),
        _row("last", steps, last, late[-tenth:], remark),
    ]


def _row(which: str, steps: int, cost: Mapping[str, float], late: Sequence[Sequence[float]], remark: str = "") -> Row:
    letters = [each for group in late for each in group]
    figures = {"steps": steps, **cost, "a letter late by": percentile(letters, 0.5)}
    return Row(f"through Temporal, {which} tenth of a journey", figures, remark)


def tenths(seen: Sequence[Spent]) -> tuple[dict[str, float], dict[str, float]]:
    """What one of the first tenth has cost, and one of the last."""
    base, total = seen[0].number, seen[-1].number - seen[0].number
    if not total:
        raise Wrong("no turn was taken between two looks: take more")
    began = [each for each in seen if each.number == base][-1]
    early = next(each for each in seen if each.number - base >= total / TENTHS and each.number > base)
    late = [each for each in seen if each.number - base <= total * (TENTHS - 1) / TENTHS][-1]
    ended = next(each for each in seen if each.number == seen[-1].number)
    return early.each(began), ended.each(late)


def _entry(learner: str, begins_at: float) -> str:
    data: dict[str, Json] = {
        "email": f"{learner}@example.org", "to_level": "manager",
        "begins_at": datetime.fromtimestamp(begins_at, UTC).isoformat(),
    }  # fmt: skip
    return cloud_event("hr.learner.promoted", learner, time.time(), data)


async def _warm_up(stage: Servers, waymark: Waymark, waits: int) -> None:
    """Others go through it, of whose waits the last few alone are not over yet."""
    begins = time.time() + GETTING_READY_SECONDS / 2 - max(0, waits - WARM_UP_WAITS) * APART_SECONDS
    await waymark.produce([_entry(f"warm-{n}", begins) for n in range(ENROLMENTS)])
    await _until_completed(stage, waymark, ENROLMENTS)


async def _watch(stage: Servers, waymark: Waymark, begins: float) -> Sequence[Spent]:
    """Look again and again, from when all wait for the first instant until all have completed."""
    await asyncio.sleep(max(0.0, begins - APART_SECONDS - time.time()))
    entered = await count_enrolments(waymark.database)
    if entered != 2 * ENROLMENTS:
        raise Wrong(f"{entered} have entered when the first wait was about to end, and {2 * ENROLMENTS} should have")
    seen = [await _look(waymark)]
    looking = asyncio.create_task(_until_completed(stage, waymark, 2 * ENROLMENTS))
    while not looking.done():
        await asyncio.sleep(APART_SECONDS / 3)
        seen.append(await _look(waymark))
    await looking
    return [*seen, await _look(waymark)]


async def _look(waymark: Waymark) -> Spent:
    """Turns so far, of everybody."""
    async with waymark.database.read() as session:
        turns = (await (await session.connection()).execute(select(func.sum(col(Enrolment.fence))))).scalar_one()
    return await asyncio.to_thread(_spent, waymark, ("worker", "Temporal", "database"), int(turns))


async def _until_completed(stage: Servers, waymark: Waymark, number: int) -> None:
    last, moved_at = -1, time.monotonic()
    while (done := await count_enrolments(waymark.database, col(Enrolment.outcome) == "completed")) < number:
        if (came := waymark.arrived.count()) != last:
            last, moved_at = came, time.monotonic()
        if time.monotonic() - moved_at > PATIENCE_SECONDS:
            raise Wrong(f"{done} of {number} have completed, and no letter came for {PATIENCE_SECONDS:.0f} s")
        stage.progress.say(f"through Temporal: {came:,} letters, {done} of {number} have completed")
        await asyncio.sleep(0.5)


async def _in_words(stage: Servers, waymark: Waymark, turns: int, waits: int) -> str:
    """How many turns it took, and in how many runs of Temporal's: fewer than waits where several were over at once."""
    client = await Client.connect(stage.temporal.address)
    async with waymark.database.read() as session:
        ids = (await (await session.connection()).execute(select(col(Enrolment.id)))).scalars().all()
    runs = [(await client.count_workflows(f'WorkflowId = "{id_}"')).count for id_ in ids]
    return (
        f"{turns:,} turns for {ENROLMENTS * waits:,} waits of {ENROLMENTS} enrolments; the longest history was "
        f"continued as new {max(runs) - 1} times"
    )
