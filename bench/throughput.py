"""A burst of entries through Kafka, three messages each over two short waits, to an SMTP server on this machine;
beside bare Temporal workflows of the same shape in the same run.

What runs is what production runs: Temporal, Kafka and the database as servers of their own, `python -m waymark bridge`
and `worker`, and an SMTP server that writes down when each letter came. The floor runs on the same Temporal, with a
worker set up in the same way (`bench/floor.py`). Before each burst a few entries warm the processes up. Temporal keeps
what is its own in SQLite on every row: the rows say where Waymark's tables are.

    first message     from the event's time to the last byte of the letter
    a later message   from when it was due: the instant of the message before it, and the wait
    CPU               what the processes used from the first event to the last letter, for each message

At the end it is checked that every learner got each message exactly once, and that every enrolment has ended.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlmodel import col

from bench.figures import Column, Row, Table, Target, percentile
from bench.processes import OfBench, cpu_seconds_of_ended
from bench.stage import (
    FLOOR,
    PATIENCE_SECONDS,
    POSTGRESQL,
    SQLITE,
    SUBJECT_OF,
    Servers,
    Waymark,
    Written,
    Wrong,
    installed,
    promoted,
    servers,
)
from store.database import Database
from store.tables import DeliveryRow, Enrolment, Learner
from waymark.stack.run import running

SUBJECTS = ("one", "two", "three")
WAIT_SECONDS = 2.0
WARM_UP = 20

DEFINITION = """
waymark: 1
journey: throughput
title: Three messages over short waits
enter:
  - on: hr.learner.promoted
steps:
  - send: one
  - wait: 2s
  - send: two
  - wait: 2s
  - send: three
messages:
""" + "".join(
    f"""
  {subject}:
    subject: {subject}
    body: |
      Dear {{{{ learner.given_name }}}},

      ask **one** question in your next one-to-one, and *listen*.
"""
    for subject in SUBJECTS
)

COLUMNS = (
    Column("messages per second", decimals=1),
    Column("share of the floor", decimals=2),
    Column("first p50", "s", 2),
    Column("first p99", "s", 2),
    Column("later p50", "s", 2),
    Column("later p99", "s", 2),
    Column("CPU a message", "ms", 1),
    Column("of it Temporal", "ms", 1),
    Column("worker", "ms", 1),
    Column("bridge", "ms", 1),
    Column("database", "ms", 1),
)


@dataclass(frozen=True)
class Arrival:
    """One message: whose, the how manieth, when it came."""

    learner: str
    place: int
    at: float


@dataclass(frozen=True)
class Burst:
    """One burst as it went. `instants` are the journey's (or the bare workflow's) own, by learner and place."""

    began_at: Mapping[str, float]
    arrivals: Sequence[Arrival]
    instants: Mapping[tuple[str, int], float]
    cpu: Mapping[str, float]

    def figures(self) -> dict[str, float]:
        """By the names of the columns."""
        first = [a.at - self.began_at[a.learner] for a in self.arrivals if a.place == 0]
        later = [
            a.at - self.instants[a.learner, a.place - 1] - WAIT_SECONDS for a in self.arrivals if a.place > 0
        ]  # fmt: skip
        seconds = max(a.at for a in self.arrivals) - min(self.began_at.values())
        messages = len(self.arrivals)
        each = {name: used * 1000 / messages for name, used in self.cpu.items()}
        return {
            "messages per second": messages / seconds,
            "first p50": percentile(first, 0.5),
            "first p99": percentile(first, 0.99),
            "later p50": percentile(later, 0.5),
            "later p99": percentile(later, 0.99),
            "CPU a message": sum(each.values()),
            "of it Temporal": each["Temporal"],
            **{name: each[name] for name in ("worker", "bridge", "database") if name in each},
        }

    def check(self) -> None:
        """Raise Wrong unless every learner got each message once."""
        came = Counter((a.learner, a.place) for a in self.arrivals)
        wanted = {(learner, place) for learner in self.began_at for place in range(len(SUBJECTS))}
        missing = wanted - came.keys()
        repeated = [each for each, times in came.items() if times > 1]
        strange = came.keys() - wanted
        if missing or repeated or strange:
            raise Wrong(f"{len(missing)} messages are missing, {len(repeated)} came twice, {len(strange)} are strange")


async def measure(*, entries: int, on: Sequence[str] = ("floor", "sqlite", "postgresql")) -> Table:
    """Every subject of `on`, one after the other on the same servers; raises Wrong."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as folder:
        async with servers(Path(folder)) as stage:
            for subject in on:
                burst = await _floor(stage, entries) if subject == "floor" else await _waymark(stage, subject, entries)
                burst.check()
                rows.append(Row(SUBJECT_OF[subject], burst.figures()))
            stage.progress.done()
    title = (
        f"throughput: {entries:,} entries in a burst, {len(SUBJECTS)} messages each over waits of {WAIT_SECONDS:g} s"
    )
    remarks = [
        "Every learner got each message exactly once, and every enrolment has ended.",
        "CPU with Waymark is that of all servers, with Kafka and SMTP's, and of worker and bridge.",
        "CPU on the floor is that of Temporal, the worker and the process that starts the workflows.",
    ]
    rows = _with_shares(rows)
    return Table("throughput", title, COLUMNS, rows, remarks, targets_of({row.subject: row.figures for row in rows}))


def targets_of(figures: Mapping[str, Mapping[str, float]]) -> Sequence[Target]:
    """Beside the floor of the same run, the share on SQLite alone; none of what was not taken."""
    targets: list[Target] = []
    if FLOOR in figures and SQLITE in figures:
        share = figures[SQLITE]["share of the floor"]
        figure = "burst: messages per second, as a share of the floor"
        targets.append(Target(figure, share, at_least=0.7, floor=1.0, decimals=2, subject=SQLITE))
    for subject, said in ((SQLITE, "burst"), (POSTGRESQL, "burst on PostgreSQL")):
        if FLOOR in figures and subject in figures:
            slowest, floor = figures[subject]["first p99"], figures[FLOOR]["first p99"]
            figure = f"{said}: p99 of the first message"
            targets.append(Target(figure, slowest, "s", at_most=1.5 * floor, floor=floor, decimals=2, subject=subject))
    return targets


def _with_shares(rows: Sequence[Row]) -> list[Row]:
    floor = next((row.figures["messages per second"] for row in rows if row.subject == FLOOR), None)
    if floor is None:
        return list(rows)
    return [
        Row(row.subject, {**row.figures, "share of the floor": row.figures["messages per second"] / floor})
        for row in rows
    ]


# the floor


async def _floor(stage: Servers, entries: int) -> Burst:
    folder = stage.new_folder("floor")
    calls = Written(folder / "calls.txt")
    work = ("work", "--address", stage.temporal.address, "--file", str(calls.file))
    async with running(OfBench("floor", work, folder / "ready"), folder) as worker:
        await _start_floor(stage, folder, "warm", WARM_UP)
        await stage.wait_for(calls, WARM_UP * len(SUBJECTS), said=f"{FLOOR}, warming up")
        pids = {"Temporal": stage.pids["Temporal"], "worker": worker.pid}
        before = stage.used(pids)
        starting = asyncio.create_task(_start_floor(stage, folder, "floor", entries))
        await stage.wait_for(calls, (WARM_UP + entries) * len(SUBJECTS), said=FLOOR)
        began_at, starter = await starting
        cpu = {name: used - before[name] for name, used in stage.used(pids).items()} | {"starter": starter}
    called = [line for line in calls.lines() if line[1].startswith("floor-")]
    arrivals = [Arrival(workflow, int(place), float(at)) for at, workflow, place, _ in called]
    instants = {(workflow, int(place)): float(now) for _, workflow, place, now in called}
    return Burst({f"floor-{number}": began_at for number in range(entries)}, arrivals, instants, cpu)


async def _start_floor(stage: Servers, folder: Path, prefix: str, entries: int) -> tuple[float, float]:
    """When that began, and the CPU seconds of the process that did it."""
    file = folder / f"{prefix}.txt"
    command = (
        sys.executable, "-m", "bench.floor", "start", "--address", stage.temporal.address, "--file", str(file),
        "--prefix", prefix, "--entries", str(entries), "--seconds", str(WAIT_SECONDS),
    )  # fmt: skip
    before = cpu_seconds_of_ended()
    starter = await asyncio.create_subprocess_exec(*command)
    if await starter.wait() != 0:
        raise Wrong("the bare workflows could not be started")
    return float(file.read_text()), cpu_seconds_of_ended() - before


# Waymark


async def _waymark(stage: Servers, database: str, entries: int) -> Burst:
    async with installed(stage, database, [DEFINITION]) as waymark:
        await _produce(waymark, "warm", WARM_UP)
        said = SUBJECT_OF[database]
        await stage.wait_for(waymark.arrived, WARM_UP * len(SUBJECTS), said=f"{said}, warming up")
        before = stage.used(waymark.pids)
        began_at = await _produce(waymark, "learner", entries)
        await stage.wait_for(waymark.arrived, (WARM_UP + entries) * len(SUBJECTS), said=said)
        cpu = {name: used - before[name] for name, used in stage.used(waymark.pids).items()}
        instants = await _ended(waymark.database, WARM_UP + entries)
        lines = waymark.arrived.lines()
    came = [line for line in lines if line[1].startswith("learner-")]
    arrivals = [Arrival(to.partition("@")[0], SUBJECTS.index(subject), float(at)) for at, to, subject in came]
    return Burst(began_at, arrivals, instants, cpu)


async def _produce(waymark: Waymark, prefix: str, entries: int) -> dict[str, float]:
    """Produce the events that enter; answers each learner's event time."""
    began_at = {f"{prefix}-{number}": time.time() for number in range(entries)}
    await waymark.produce([promoted(learner, at) for learner, at in began_at.items()])
    return began_at


async def _ended(database: Database, entries: int) -> dict[tuple[str, int], float]:
    """When each message went by the journey's clock; raises Wrong unless every enrolment has ended as it should."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := entries - await _count_ended(database)) > 0:
        if time.monotonic() > deadline:
            raise Wrong(f"{left} enrolments have not ended")
        await asyncio.sleep(0.2)
    return await _instants(database)


async def _count_ended(database: Database) -> int:
    async with database.read() as session:
        query = select(col(Enrolment.id)).where(col(Enrolment.status) == "ended", col(Enrolment.outcome) == "completed")
        return len((await (await session.connection()).execute(query)).all())


async def _instants(database: Database) -> dict[tuple[str, int], float]:
    query = select(
        col(Learner.source_id), col(DeliveryRow.message), col(DeliveryRow.sent_at), col(DeliveryRow.status)
    ).join(Learner, col(Learner.id) == col(DeliveryRow.learner))  # fmt: skip
    async with database.read() as session:
        rows = (await (await session.connection()).execute(query)).all()
    unsent = [status for _, _, _, status in rows if status != "sent"]
    if unsent:
        raise Wrong(f"{len(unsent)} deliveries are not sent: {Counter(unsent)}")
    return {(learner, SUBJECTS.index(message)): sent_at.timestamp() for learner, message, sent_at, _ in rows if sent_at}
