"""How many events a second go through Kafka into the log, where they change no journey's course.

    profile updates    events that concern no journey: logged, and the profile of their learner brought up to date
    events in vain     events that sleeping enrolments listen to, and whose `when` does not hold for any of them

The records stand in Kafka before the bridge starts; the rate is that of all but the first tenth, in which the bridge
gets going. The floor of each is kafka-python reading the very same records in a process of its own, and decoding their
JSON.

At the end it is checked that every event is in the log, that every profile has the value of its latest update, and that
nobody was woken.

Calls to Temporal are those that its own frontend has counted, of whatever kind, from before the bridge starts until
some seconds after the last event is in the log; without polling, which goes on while nothing happens. What is polled in
just as long a time without any event is told beside it. Each run shows that the count can be more than nothing: a few
events follow that do reach their goal.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlmodel import col

from bench.calls import POLLING, Calls, calls_since, calls_so_far, in_words
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
UPDATES, IN_VAIN, NOT_IN_VAIN = "profile updates", "events in vain", "events that reach their goal"
UPDATES_EACH = 5
GETTING_GOING_SHARE = 0.1
REACHING = 10
"""So many goals are reached at the end, at most, to see that calls are seen."""

LATE_SECONDS = 8.0
"""So long after the last event a call still counts: the bridge pokes again who has waited for five."""

STILL_SECONDS = 2.0
"""So long nothing but polling comes, before the count begins."""

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
    async with on_stage(stage, is_counted=True) as stage:
        figures: dict[str, dict[str, float]] = {}
        told: dict[str, str] = {}
        for database in on:
            async with installed(stage, database, [DEFINITION], parts=("worker",)) as waymark:
                said = SUBJECT_OF[database]
                await waymark.produce(list(_updates(events)))
                await _floor_once(figures, stage, UPDATES, "hr.events", events)
                figures[f"{said}: {UPDATES}"] = await _updating(stage, waymark, events)
                await _asleep(stage, waymark, sleepers)
                await waymark.produce(list(_events_in_vain(events, sleepers)), topic="lms.events")
                await _floor_once(figures, stage, IN_VAIN, "lms.events", events)
                vain = f"{said}: {IN_VAIN}"
                figures[vain], told[vain] = await _in_vain(stage, waymark, events)
                figures[f"{said}: {NOT_IN_VAIN}"] = await _not_in_vain(stage, waymark, min(REACHING, sleepers))
        stage.progress.done()
    for subject, each in figures.items():
        if floor := figures.get(f"{FLOOR}: {subject.rpartition(': ')[2]}"):
            each["share of the floor"] = each["events per second"] / floor["events per second"]
    title = (
        f"ingest: {events:,} events through Kafka into the log, each kind beside a floor of its own; those in vain for "
        f"{sleepers:,} sleeping enrolments"
    )
    remarks = [
        "Every event is in the log, every profile has the value of its latest update, and everybody sleeps on.",
        f"Calls to Temporal: all that its frontend has counted, but for polling ({', '.join(sorted(POLLING))}).",
        (
            f"Those in vain are counted from the bridge's start to {LATE_SECONDS:g} s after the last event; those of "
            "events that reach their goal show that a call is seen."
        ),
    ]
    rows = [Row(subject, each, told.get(subject, "")) for subject, each in figures.items()]
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


async def _in_vain(stage: Servers, waymark: Waymark, events: int) -> tuple[dict[str, float], str]:
    """The figures, and in words what Temporal was asked, beside just as long a time without events."""
    logged, before = await _logged(waymark), await _calls_when_still(stage)
    began = time.monotonic()
    figures = await _taken(stage, waymark, before=logged, events=events, said=IN_VAIN, late_seconds=LATE_SECONDS)
    lasted, calls = time.monotonic() - began, calls_since(before, await calls_so_far(stage))
    woken = await count_enrolments(waymark.database, col(Enrolment.wake_wanted_at).is_not(None))
    if woken:
        raise Wrong(f"{woken} enrolments want waking, and none should")
    idle = await _idle(stage, waymark, lasted)
    asked = f"in {lasted:.0f} s, {in_words(calls.other)}, and polling: {in_words(calls.polling)}"
    beside = f"in as long without events, {in_words(idle.other)}, and polling: {in_words(idle.polling)}"
    return {**figures, "calls to Temporal": sum(calls.other.values())}, f"{asked}; {beside}"


async def _calls_when_still(stage: Servers) -> Calls:
    """What was asked so far, when nothing but polling has come for a while; raises Wrong where that never is."""
    before, patience_until = await calls_so_far(stage), time.monotonic() + PATIENCE_SECONDS
    while True:
        await asyncio.sleep(STILL_SECONDS)
        calls = await calls_so_far(stage)
        if calls.other == before.other:
            return calls
        if time.monotonic() > patience_until:
            raise Wrong(f"Temporal is still called: {in_words(calls_since(before, calls).other)}, and all are asleep")
        before = calls


async def _idle(stage: Servers, waymark: Waymark, seconds: float) -> Calls:
    """The bridge runs for so long, start and end included, and nothing comes."""
    before, until = await _calls_when_still(stage), time.monotonic() + seconds
    async with waymark.part("bridge"):
        await asyncio.sleep(until - time.monotonic())
    return calls_since(before, await calls_so_far(stage))


async def _not_in_vain(stage: Servers, waymark: Waymark, number: int) -> dict[str, float]:
    """Events that do meet a `when`, counted in the same way; raises Wrong where Temporal was not called."""
    before = await _calls_when_still(stage)
    now = time.time()
    async with waymark.part("bridge"):
        reached = [
            cloud_event("lms.course.completed", f"sleeper-{place}", now, {"course": "SAFETY-1"})
            for place in range(number)
        ]
        await waymark.produce(reached, topic="lms.events")
        patience_until = time.monotonic() + PATIENCE_SECONDS
        while (ended := await count_enrolments(waymark.database, col(Enrolment.outcome) == "goal")) < number:
            if time.monotonic() > patience_until:
                raise Wrong(f"{ended} of {number} enrolments have ended by their goal")
            await asyncio.sleep(0.2)
    calls = calls_since(before, await calls_so_far(stage))
    if not calls.other:
        raise Wrong(f"{number} enrolments were woken, and no call was counted: the count of those in vain says nothing")
    return {"calls to Temporal": sum(calls.other.values())}


async def _taken(
    stage: Servers, waymark: Waymark, *, before: int, events: int, said: str, late_seconds: float = 0.0
) -> dict[str, float]:
    """Start the bridge, and watch the log grow until all that Kafka holds is there; it goes on for `late_seconds`."""
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
        await asyncio.sleep(late_seconds)
    if samples[-1][1] != events:
        raise Wrong(f"{samples[-1][1]} events are in the log, and {wanted - before} were sent")
    return {"events per second": _rate(samples), "CPU an event": used * 1000 / (events - begun)}


async def _logged(waymark: Waymark) -> int:
    """How many events the log holds: nothing is ever taken out of it here, so that its last number says it."""
    async with waymark.database.read() as session:
        return (await (await session.connection()).execute(select(func.max(col(LoggedEvent.seq))))).scalar_one() or 0
