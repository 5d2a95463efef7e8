"""How many events a second go through Kafka into the log, where they change no journey's course.

    profile updates    events that concern no journey: logged, and the profile of their learner brought up to date
    events in vain     events that sleeping enrolments listen to, and whose `when` does not hold for any of them

The records stand in Kafka before the bridge starts; the rate is that of all but the first tenth, in which the bridge
gets going. The floor of each is kafka-python reading the very same records in a process of its own, and decoding their
JSON.

At the end it is checked that every event is in the log, that every profile has the value of its latest update, and that
Temporal was not called: the history of no workflow has grown, and there is no new one.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlmodel import col
from temporalio.client import Client

from bench.counting import count_enrolments, until_asleep
from bench.figures import Column, Row, Table, Target
from bench.processes import cpu_seconds
from bench.stage import (
    PATIENCE_SECONDS,
    SUBJECT_OF,
    Servers,
    Waymark,
    Written,
    Wrong,
    cloud_event,
    installed,
    on_stage,
    promoted,
)
from store.tables import Enrolment, Learner, LoggedEvent

FLOOR = "kafka-python and JSON (the floor)"
UPDATES, IN_VAIN = "profile updates", "events in vain"
UPDATES_EACH = 5
GETTING_GOING_SHARE = 0.1
DEFINITION = """
waymark: 1
journey: listening
title: Asleep, and listening
enter:
  - on: hr.learner.promoted
exit:
  - on: lms.course.completed
    when: event.data.course == "SAFETY-1"
    as: goal
steps:
  - await: {on: lms.course.progressed, when: 'event.data.course == "SAFETY-1"', within: 60d}
    then: [{send: hello}]
    else: [{send: hello}]
messages:
  hello: {subject: hello, body: hello}
"""
COLUMNS = (
    Column("events per second"),
    Column("share of the floor", decimals=2),
    Column("CPU an event", "ms", 2),
    Column("calls to Temporal"),
)


async def measure(
    *, events: int, sleepers: int, on: Sequence[str] = ("sqlite", "postgresql"), stage: Servers | None = None
) -> Table:
    """The floor, and two rows for each database; raises Wrong."""
    async with on_stage(stage) as stage:
        figures: dict[str, dict[str, float]] = {}
        for database in on:
            async with installed(stage, database, [DEFINITION], parts=("worker",)) as waymark:
                said = SUBJECT_OF[database]
                await waymark.produce(list(_updates(events)))
                await _floor_once(figures, stage, UPDATES, "hr.events", events)
                figures[f"{said}: {UPDATES}"] = await _updating(stage, waymark, events)
                await _asleep(stage, waymark, sleepers)
                await waymark.produce(list(_events_in_vain(events, sleepers)), topic="lms.events")
                await _floor_once(figures, stage, IN_VAIN, "lms.events", events)
                figures[f"{said}: {IN_VAIN}"] = await _in_vain(stage, waymark, events)
        stage.progress.done()
    for subject, each in figures.items():
        floor = figures[f"{FLOOR}: {subject.rpartition(': ')[2]}"]
        each["share of the floor"] = each["events per second"] / floor["events per second"]
    title = (
        f"ingest: {events:,} events through Kafka into the log, each kind beside a floor of its own; those in vain for "
        f"{sleepers:,} sleeping enrolments"
    )
    remarks = [
        "Every event is in the log, every profile has the value of its latest update, and everybody sleeps on.",
        "Calls to Temporal are what the histories of all workflows have grown by, and new workflows.",
    ]
    rows = [Row(subject, each) for subject, each in figures.items()]
    return Table("ingest", title, COLUMNS, rows, remarks, list(_targets(figures)))


def _targets(figures: Mapping[str, Mapping[str, float]]) -> Sequence[Target]:
    floor = figures[f"{FLOOR}: {UPDATES}"]["events per second"]
    least = min(6_000.0, floor / 4)
    return [
        *(
            Target(f"{subject}, per second", each["events per second"], at_least=least, floor=floor, subject=subject)
            for subject, each in figures.items()
            if subject.endswith(UPDATES) and not subject.startswith(FLOOR)
        ),
        *(
            Target(f"{subject}, calls to Temporal", each["calls to Temporal"], at_most=0, subject=subject)
            for subject, each in figures.items()
            if subject.endswith(IN_VAIN) and not subject.startswith(FLOOR)
        ),
    ]


# the floor


async def _floor_once(
    figures: dict[str, dict[str, float]], stage: Servers, kind: str, topic: str, events: int
) -> None:  # fmt: skip
    """What stands in Kafka now, read before Waymark reads it; the next database's records are like the first one's."""
    if f"{FLOOR}: {kind}" not in figures:
        figures[f"{FLOOR}: {kind}"] = await _floor(stage, topic, events)


async def _floor(stage: Servers, topic: str, events: int) -> dict[str, float]:
    file = stage.new_folder("floor") / "read.txt"
    command = (
        sys.executable, "-m", "bench.consuming", "--bootstrap", stage.kafka.address, "--topic", topic,
        "--file", str(file), "--number", str(events),
    )  # fmt: skip
    reader = await asyncio.create_subprocess_exec(*command)
    if await reader.wait() != 0:
        raise Wrong("the records could not be read")
    samples = [(float(at), int(read)) for at, read in Written(file).lines()]
    return {"events per second": _rate(samples)}


def _rate(samples: Sequence[tuple[float, int]]) -> float:
    """How many a second, from when a tenth was there to the end."""
    last_at, last = samples[-1]
    first_at, first = next(each for each in samples if each[1] >= last * GETTING_GOING_SHARE)
    if last == first:
        raise Wrong("all came in one batch: take more events")
    return (last - first) / (last_at - first_at)


# Waymark


async def _updating(stage: Servers, waymark: Waymark, events: int) -> dict[str, float]:
    figures = await _taken(stage, waymark, before=0, events=events, said=UPDATES)
    learners = -(-events // UPDATES_EACH)
    query = select(col(Learner.profile))
    async with waymark.database.read() as session:
        profiles = (await (await session.connection()).execute(query)).scalars().all()
    latest = [profile for profile in profiles if profile.get("role") == f"role {UPDATES_EACH - 1}"]
    if len(profiles) != learners or len(latest) < events // UPDATES_EACH:
        raise Wrong(f"{len(latest)} profiles of {len(profiles)} are up to date, and {learners} should be")
    return figures


def _updates(events: int) -> Sequence[str]:
    """As a directory sends them: the whole person each time, and some field has changed."""
    now, run = time.time() - events / 1000, secrets.token_hex(4)
    learners = -(-events // UPDATES_EACH)
    return [
        cloud_event(
            "hr.learner.changed", f"person-{number % learners}", now + number / 1000,
            {
                "given_name": "Ada", "family_name": "Lovelace", "email": f"person-{number % learners}@example.org",
                "country": "GB", "department": "Engines", "language": "en", "zone": "Europe/London",
                "role": f"role {number // learners}",
            },
            id_=f"changed-{run}-{number}",
        )
        for number in range(events)
    ]  # fmt: skip


async def _asleep(stage: Servers, waymark: Waymark, sleepers: int) -> None:
    now = time.time()
    async with waymark.part("bridge"):
        await waymark.produce([promoted(f"sleeper-{number}", now) for number in range(sleepers)])
        await until_asleep(stage, waymark.database, sleepers, said="going to sleep")


def _events_in_vain(events: int, sleepers: int) -> Sequence[str]:
    """Of another course than the one they listen for."""
    now = time.time()
    return [
        cloud_event(
            "lms.course.progressed", f"sleeper-{number % sleepers}", now, {"course": "OTHER"}, id_=f"vain-{number}"
        )
        for number in range(events)
    ]


async def _in_vain(stage: Servers, waymark: Waymark, events: int) -> dict[str, float]:
    before = await _logged(waymark)
    client = await Client.connect(stage.temporal.address)
    grown = await _histories(client, waymark)
    figures = await _taken(stage, waymark, before=before, events=events, said=IN_VAIN)
    woken = await count_enrolments(waymark.database, col(Enrolment.wake_wanted_at).is_not(None))
    if woken:
        raise Wrong(f"{woken} enrolments want waking, and none should")
    after = await _histories(client, waymark)
    calls = sum(after.values()) - sum(grown.values())
    return {**figures, "calls to Temporal": calls}


async def _histories(client: Client, waymark: Waymark) -> dict[str, int]:
    """How long the history of each enrolment's workflow is; raises where one has none."""
    async with waymark.database.read() as session:
        ids = (await (await session.connection()).execute(select(col(Enrolment.id)))).scalars().all()
    told = [await client.get_workflow_handle(id_).describe() for id_ in ids]
    return {each.id: each.history_length for each in told}


async def _taken(stage: Servers, waymark: Waymark, *, before: int, events: int, said: str) -> dict[str, float]:
    """Start the bridge, and watch the log grow until all that Kafka holds is there."""
    wanted = before + events
    samples: list[tuple[float, int]] = []
    async with waymark.part("bridge") as bridge:
        pids = [bridge, *(waymark.pids[name] for name in ("database",) if name in waymark.pids)]
        patience_until = time.monotonic() + PATIENCE_SECONDS
        used, begun = 0.0, 0
        while not samples or samples[-1][1] < events:
            count = await _logged(waymark) - before
            if not samples or count != samples[-1][1]:
                samples.append((time.time(), count))
                patience_until = time.monotonic() + PATIENCE_SECONDS
            if used == 0.0 and count >= events * GETTING_GOING_SHARE:
                used, begun = sum(map(cpu_seconds, pids)), count
            if time.monotonic() > patience_until:
                raise Wrong(f"{said}: {count} of {events} events are in the log, and no more come")
            stage.progress.say(f"{said}: {count:,} of {events:,} in the log")
            await asyncio.sleep(0.05)
        used = sum(map(cpu_seconds, pids)) - used
    if samples[-1][1] != events:
        raise Wrong(f"{samples[-1][1]} events are in the log, and {wanted - before} were sent")
    return {"events per second": _rate(samples), "CPU an event": used * 1000 / (events - begun)}


async def _logged(waymark: Waymark) -> int:
    """How many events the log holds: nothing is ever taken out of it here, so that its last number says it."""
    async with waymark.database.read() as session:
        return (await (await session.connection()).execute(select(func.max(col(LoggedEvent.seq))))).scalar_one() or 0
