"""How soon a goal ends a journey, and how soon the pause of a whole journey is in force, among thousands of enrolments
in the middle of a long wait.

    goal        from the event's time until Temporal has closed the enrolment's workflow; ten a second
    pause       from the call of the API until the last letter arrives, while entries go on to come that each send one

At the end it is checked that every goal ended its enrolment as such, that nobody else ended, that letters came until
the pause and that nobody who came after it is enrolled.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import httpx2
from sqlalchemy import func, or_, select
from sqlmodel import col
from temporalio.client import Client

from bench.counting import count_enrolments, until_asleep
from bench.figures import Column, Row, Table, Target, percentile
from bench.pacing import paced
from bench.stage import PATIENCE_SECONDS, SUBJECT_OF, Servers, Waymark, Wrong, cloud_event, installed, on_stage
from store.tables import Enrolment, Learner, LoggedEvent

PER_SECOND = 10.0
BEFORE_PAUSE_SECONDS, AFTER_PAUSE_SECONDS = 5.0, 5.0
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
  - wait: 30d
  - send: hello
messages:
  hello: {subject: hello, body: hello}
"""
COLUMNS = (Column("number"), Column("p50", "s", 2), Column("p99", "s", 2), Column("the longest", "s", 2))
Figures = Mapping[str, float]


async def measure(
    *, enrolments: int, seconds: float, on: Sequence[str] = ("sqlite", "postgresql"), stage: Servers | None = None
) -> Table:
    """Two rows for each database; raises Wrong."""
    async with on_stage(stage) as stage:
        figures: dict[str, Figures] = {}
        for database in on:
            async with installed(stage, database, [DEFINITION], parts=("worker", "bridge", "api")) as waymark:
                said = SUBJECT_OF[database]
                now = time.time()
                await waymark.produce([_entry(f"sleeper-{number}", "manager", now) for number in range(enrolments)])
                await until_asleep(stage, waymark.database, enrolments, said=said)
                figures[f"{said}: goal, to the end"] = await _goals(stage, waymark, round(seconds * PER_SECOND))
                figures[f"{said}: pause, to the last letter"] = await _pause(stage, waymark)
        stage.progress.done()
    title = (
        f"goals: {PER_SECOND:g} a second among {enrolments:,} enrolments in a long wait; and the whole journey paused"
    )
    rows = [Row(subject, each) for subject, each in figures.items()]
    remarks = ["Every goal ended its enrolment, and nobody else's; nobody entered after the pause."]
    return Table("goals", title, COLUMNS, rows, remarks, [_target(subject, each) for subject, each in figures.items()])


def _target(subject: str, figures: Figures) -> Target:
    measured = figures.get("p99", figures["the longest"])
    return Target(f"{subject}{', p99' if 'p99' in figures else ''}", measured, "s", at_most=2, decimals=2)


def _entry(learner: str, level: str, at: float) -> str:
    return cloud_event("hr.learner.promoted", learner, at, {"to_level": level, "email": f"{learner}@example.org"})


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


async def _pause(stage: Servers, waymark: Waymark) -> Figures:
    """Entries that each send a letter go on to come; the journey is paused in between."""
    came_before = waymark.arrived.count()
    before, after = round(BEFORE_PAUSE_SECONDS * PER_SECOND), round(AFTER_PAUSE_SECONDS * PER_SECOND)
    await _enter(waymark, range(before))
    await stage.wait_for(waymark.arrived, came_before + 1, said="letters before the pause")
    going_on = asyncio.create_task(_enter(waymark, range(before, before + after)))
    paused_at = time.time()
    await _ask_for_pause(waymark)
    await going_on
    entries = before + after
    await _enter(waymark, range(entries, entries + after))
    entered = await _settled(waymark, entries + after)
    too_late = entered & {f"late-{place}" for place in range(entries, entries + after)}
    letters = [(to.partition("@")[0], float(at)) for at, to, _ in waymark.arrived.lines()]
    if too_late or len(letters) != len({name for name, _ in letters}) or not {name for name, _ in letters} <= entered:
        raise Wrong(
            f"{len(too_late)} entered after the pause; {len(letters)} letters came for {len(entered)} enrolments"
        )
    return {"number": len(letters), "the longest": max(0.0, max(at for _, at in letters) - paused_at)}


async def _enter(waymark: Waymark, places: Sequence[int]) -> None:
    async def one(place: int) -> None:
        await waymark.produce([_entry(f"late-{places[place]}", "director", time.time())])

    await paced(len(places), PER_SECOND, one)


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


async def _ask_for_pause(waymark: Waymark) -> None:
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        url = f"{waymark.api_url}/v1/journeys/goals/pause"
        answer = await client.post(url, json={}, headers={"Authorization": f"Bearer {waymark.api_key}"})
    if answer.status_code != 200 or answer.json()["status"] != "paused":
        raise Wrong(f"the API answers {answer.status_code} to the pause: {answer.text[:300]}")
