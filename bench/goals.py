"""How soon a goal ends a journey, and how soon the pause of a whole journey is in force, among thousands of enrolments
in the middle of a long wait.

    goal        from the event's time until Temporal has closed the enrolment's workflow; ten a second
    pause       from the call of the API until the last letter arrives before the journey is resumed: the waits of some
                hundred end evenly from five seconds before the call to five seconds after it, each with a letter, and
                entries, ten a second, go on to come that each send one. Less than nothing where none came after the
                call; how many did stands beside it.

At the end it is checked that every goal ended its enrolment as such and that nobody else ended; that letters came in
the last second before the pause, that nobody who came after it is enrolled, and that every letter it held came once
after the journey was resumed.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
from sqlalchemy import func, or_, select
from sqlmodel import col
from temporalio.client import Client

from bench.counting import count_enrolments, until_asleep
from bench.figures import Column, Row, Table, Target, percentile
from bench.pacing import paced
from bench.stage import PATIENCE_SECONDS, SUBJECT_OF, Servers, Waymark, Wrong, cloud_event, installed, on_stage
from journeys.events import Json
from store.tables import Enrolment, Learner, LoggedEvent

PER_SECOND = 10.0
WAITS = 300
"""So many waits end around the pause."""

AROUND_PAUSE_SECONDS = 5.0
STILL_SECONDS = 2.0
"""So long the pause goes on when the last wait that it holds is over."""

DAY_SECONDS = 86_400.0
DEFINITION = """
waymark: 1
journey: goals
title: A long wait, and a goal
enter:
  - on: hr.learner.promoted
exit:
  - on: lms.course.completed
    when: event.data.course == "LEAD-1"
    as: goal
steps:
  - send: hello
    when: entry.data.to_level == "director"
  - wait: {until: entry.data.waits_until}
  - send: awake
messages:
  hello: {subject: hello, body: hello}
  awake: {subject: awake, body: hello}
"""
COLUMNS = (
    Column("number"),
    Column("p50", "s", 2),
    Column("p99", "s", 2),
    Column("the longest", "s", 2),
    Column("letters after the call"),
)
Figures = Mapping[str, float]


async def measure(
    *, enrolments: int, seconds: float, waits: int = WAITS, on: Sequence[str] = ("sqlite", "postgresql"),
    stage: Servers | None = None,
) -> Table:  # fmt: skip
    """Two rows for each database; raises Wrong."""
    async with on_stage(stage) as stage:
        figures: dict[str, Figures] = {}
        for database in on:
            async with installed(stage, database, [DEFINITION], parts=("worker", "bridge", "api")) as waymark:
                said = SUBJECT_OF[database]
                now = time.time()
                sleepers = [f"sleeper-{number}" for number in range(enrolments)]
                await waymark.produce([_entry(name, "manager", now) for name in sleepers])
                await until_asleep(stage, waymark.database, enrolments, said=said)
                figures[f"{said}: goal, to the end"] = await _goals(stage, waymark, round(seconds * PER_SECOND))
                figures[f"{said}: pause, to the last letter"] = await _pause(stage, waymark, waits)
        stage.progress.done()
    title = (
        f"goals: {PER_SECOND:g} a second among {enrolments:,} enrolments in a long wait; and the whole journey paused "
        f"while {waits} waits end"
    )
    rows = [Row(subject, each) for subject, each in figures.items()]
    remarks = [
        "Every goal ended its enrolment, and nobody else's.",
        "Letters came until the pause; nobody entered after it; what it held came once, when the journey was resumed.",
    ]
    return Table("goals", title, COLUMNS, rows, remarks, [_target(subject, each) for subject, each in figures.items()])


def _target(subject: str, figures: Figures) -> Target:
    measured = figures.get("p99", figures["the longest"])
    return Target(
        f"{subject}{', p99' if 'p99' in figures else ''}", measured, "s", at_most=2, decimals=2, subject=subject
    )


def _entry(learner: str, level: str, at: float, waits_until: float | None = None) -> str:
    until = at + 30 * DAY_SECONDS if waits_until is None else waits_until
    waits = datetime.fromtimestamp(until, UTC).isoformat()
    data: dict[str, Json] = {"to_level": level, "email": f"{learner}@example.org", "waits_until": waits}
    return cloud_event("hr.learner.promoted", learner, at, data)


# goals


async def _goals(stage: Servers, waymark: Waymark, number: int) -> Figures:
    began_at: dict[str, float] = {}

    async def reach(place: int) -> None:
        learner = f"sleeper-{place}"
        began_at[learner] = time.time()
        event = cloud_event("lms.course.completed", learner, began_at[learner], {"course": "LEAD-1"})
        await waymark.produce([event], topic="lms.events")

    await paced(number, PER_SECOND, reach)
    await _until(stage, waymark, number, said="goals")
    closed_at = await _closed(stage, waymark)
    if set(closed_at) != set(began_at):
        raise Wrong(f"{len(closed_at)} enrolments have ended by a goal, and {number} should have")
    taken = [closed_at[learner] - at for learner, at in began_at.items()]
    return {
        "number": number, "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "the longest": max(taken),
    }  # fmt: skip


async def _until(stage: Servers, waymark: Waymark, number: int, *, said: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (ended := await count_enrolments(waymark.database, col(Enrolment.outcome) == "goal")) < number:
        if time.monotonic() > deadline:
            raise Wrong(f"{ended} of {number} enrolments have ended by their goal")
        stage.progress.say(f"{said}: {ended:,} of {number:,} have ended")
        await asyncio.sleep(0.2)


async def _closed(stage: Servers, waymark: Waymark) -> dict[str, float]:
    """When Temporal closed the workflow of each who ended, by the source's id of the learner."""
    query = (
        select(col(Enrolment.id), col(Learner.source_id))
        .join(Learner, col(Learner.id) == col(Enrolment.learner))
        .where(col(Enrolment.status) == "ended")
    )
    async with waymark.database.read() as session:
        ended = (await (await session.connection()).execute(query)).all()
    client = await Client.connect(stage.temporal.address)
    closed: dict[str, float] = {}
    for enrolment, learner in ended:
        await client.get_workflow_handle(enrolment).result()
        told = await client.get_workflow_handle(enrolment).describe()
        assert told.close_time is not None
        closed[learner] = told.close_time.timestamp()
    return closed


# the pause


@dataclass(frozen=True)
class Pause:
    """One pause as it went: when it was called for and answered, when the journey was to go on, what came when."""

    called_at: float
    answered_at: float
    resumed_at: float
    came: Sequence[tuple[str, float]]

    def figures(self) -> Figures:
        """By the names of the columns; raises Wrong unless letters came in the last second before the call."""
        if not any(self.called_at - 1.0 <= at < self.called_at for _, at in self.came):
            raise Wrong("no letter came in the last second before the pause: that it held any would say nothing")
        until = [at for _, at in self.came if at < self.resumed_at]
        return {
            "number": len(until), "the longest": max(until) - self.called_at,
            "letters after the call": sum(at >= self.called_at for at in until),
        }  # fmt: skip

    def check(self, awaited: set[str], entered: Mapping[str, float]) -> None:
        """Raise Wrong unless all of these got their letter once, some when the journey went on again, and nobody else;
        `entered` says when each who entered came.
        """
        names = [name for name, _ in self.came]
        wanted = awaited | entered.keys()
        too_late = [name for name, at in entered.items() if at > self.answered_at]
        if too_late:
            raise Wrong(f"{len(too_late)} who came after the pause was in force have entered")
        if len(names) != len(set(names)) or set(names) != wanted:
            raise Wrong(f"{len(names)} letters came, {len(set(names))} different ones, and {len(wanted)} should have")
        if all(at < self.resumed_at for _, at in self.came):
            raise Wrong("the pause has held no letter")


async def _pause(stage: Servers, waymark: Waymark, waits: int) -> Figures:
    """Waits end and entries come; the journey is paused in the middle of it, and resumed when nothing is under way."""
    due_at = await _asleep_for_a_while(stage, waymark, waits)
    middle = (min(due_at.values()) + max(due_at.values())) / 2
    await _until_instant(middle - AROUND_PAUSE_SECONDS)
    came_at: dict[str, float] = {}
    coming = asyncio.create_task(_enter(waymark, round(2 * AROUND_PAUSE_SECONDS * PER_SECOND), came_at))
    await _until_instant(middle)
    called_at = time.time()
    await _ask_for(waymark, "pause", "paused")
    answered_at = time.time()
    await coming
    await _until_instant(max(due_at.values()) + STILL_SECONDS)
    before = await _settled(waymark, len(came_at))
    resumed_at = time.time()
    await _ask_for(waymark, "resume", "live")
    await stage.wait_for(waymark.arrived, len(due_at) + len(before), said="letters that the pause has held")
    entered = await _settled(waymark, len(came_at))
    came = [(to.partition("@")[0], float(at)) for at, to, _ in waymark.arrived.lines()]
    pause = Pause(called_at, answered_at, resumed_at, came)
    pause.check(set(due_at), {name: came_at[name] for name in entered})
    return pause.figures()


async def _asleep_for_a_while(stage: Servers, waymark: Waymark, waits: int) -> Mapping[str, float]:
    """Enrolments in a wait that ends soon; answers when, by the source's id of the learner."""
    now = time.time()
    begins = now + 10.0 + waits / 20
    due_at = {
        f"waiting-{place}": begins + 2 * AROUND_PAUSE_SECONDS * (place + 0.5) / waits for place in range(waits)
    }  # fmt: skip
    await waymark.produce([_entry(name, "manager", now, until) for name, until in due_at.items()])
    is_waiting = (
        col(Enrolment.status) == "active",
        col(Enrolment.due_at) <= datetime.fromtimestamp(now + DAY_SECONDS, UTC),
        col(Enrolment.fence) > 0,
        col(Enrolment.wake_wanted_at).is_(None),
        col(Enrolment.lease_until).is_(None),
    )
    while (asleep := await count_enrolments(waymark.database, *is_waiting)) < waits:
        if time.time() > begins:
            raise Wrong(f"{asleep} of {waits} enrolments were asleep when the first wait was over: take fewer")
        stage.progress.say(f"waits: {asleep:,} of {waits:,} have begun")
        await asyncio.sleep(0.2)
    return due_at


async def _until_instant(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.time()))


async def _enter(waymark: Waymark, number: int, came_at: dict[str, float]) -> None:
    async def one(place: int) -> None:
        learner = f"late-{place}"
        came_at[learner] = time.time()
        await waymark.produce([_entry(learner, "director", came_at[learner])])

    await paced(number, PER_SECOND, one)


async def _settled(waymark: Waymark, entries: int) -> set[str]:
    """Wait until all who came are in the log and nothing is under way any more; answers who of them entered."""
    late = select(func.count()).select_from(LoggedEvent).where(col(LoggedEvent.event_id).startswith("late-"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with waymark.database.read() as session:
            logged = (await (await session.connection()).execute(late)).scalar_one()
        busy = await count_enrolments(
            waymark.database,
            or_(col(Enrolment.wake_wanted_at).is_not(None), col(Enrolment.lease_until).is_not(None)),
        )
        if logged == entries and busy == 0:
            break
        if time.monotonic() > deadline:
            raise Wrong(f"{logged} of {entries} entries are in the log, and {busy} enrolments are not at rest")
        await asyncio.sleep(0.2)
    query = (
        select(col(Learner.source_id))
        .join(Enrolment, col(Enrolment.learner) == col(Learner.id))
        .where(col(Learner.source_id).startswith("late-"))
    )
    async with waymark.database.read() as session:
        return set((await (await session.connection()).execute(query)).scalars().all())


async def _ask_for(waymark: Waymark, what: str, status: str) -> None:
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        url = f"{waymark.api_url}/v1/journeys/goals/{what}"
        answer = await client.post(url, json={}, headers={"Authorization": f"Bearer {waymark.api_key}"})
    if answer.status_code != 200 or answer.json()["status"] != status:
        raise Wrong(f"the API answers {answer.status_code} to {what}: {answer.text[:300]}")
