"""Entries at an even rate through Kafka, far below what the machine can do: how soon the first letter is there.

    first letter      from the event's time to the last byte of the letter
    the floor         from the call of signal-with-start to the call of the local activity, at the same rate
    CPU               of all servers and processes of the row, on the floor of who starts the workflows too; not of the
                      benchmark itself, which gives Kafka the events

At the end it is checked that every learner got one letter, and that every enrolment waits for what comes next.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.counting import until_asleep
from bench.figures import Column, Row, Table, Target, percentile
from bench.pacing import paced
from bench.processes import OfBench, cpu_seconds_of_ended
from bench.stage import FLOOR, SUBJECT_OF, Servers, Waymark, Written, Wrong, installed, on_stage, promoted
from waymark.stack.run import running

PER_SECOND = 10.0
WARM_UP = 20
DEFINITION = """
waymark: 1
journey: steady
title: A letter, and a long wait
enter:
  - on: hr.learner.promoted
steps:
  - send: hello
  - wait: 30d
  - send: hello
messages:
  hello:
    subject: hello
    body: |
      Dear {{ learner.given_name }},

      ask **one** question in your next one-to-one, and *listen*.
"""
COLUMNS = (
    Column("p50", "ms"),
    Column("p99", "ms"),
    Column("the longest", "ms"),
    Column("CPU of all processes", "cores", 2),
)


async def measure(
    *, seconds: float, on: Sequence[str] = ("floor", "sqlite", "postgresql"), per_second: float = PER_SECOND,
    stage: Servers | None = None,
) -> Table:  # fmt: skip
    """A row for each of `on`; raises Wrong."""
    number = round(seconds * per_second)
    async with on_stage(stage) as stage:
        rows: list[Row] = []
        for subject in on:
            measured = _floor(stage, number, per_second) if subject == "floor" else _waymark(
                stage, subject, number, per_second
            )  # fmt: skip
            rows.append(Row(SUBJECT_OF[subject], await measured))
        stage.progress.done()
    title = f"steady: {per_second:g} entries a second for {seconds:g} s, from the event to the arrival of the letter"
    remarks = ["Every learner got one letter, and every enrolment waits for the next step."]
    return Table("steady", title, COLUMNS, rows, remarks, _targets({row.subject: row.figures for row in rows}))


def _targets(figures: Mapping[str, Mapping[str, float]]) -> Sequence[Target]:
    floor = figures.get(FLOOR, {})
    return [
        Target(
            f"{said}: {name} from the event to the letter", ours[name], "ms", at_most=most, floor=floor.get(name),
            subject=said,
        )
        for said, ours in figures.items()
        if said != FLOOR
        for name, most in (("p50", 150), ("p99", 1000))
    ]  # fmt: skip


def _figures(began_at: Mapping[str, float], came_at: Sequence[tuple[str, float]], cores: float) -> dict[str, float]:
    """Raises Wrong unless each came once."""
    if sorted(name for name, _ in came_at) != sorted(began_at):
        raise Wrong(f"{len(came_at)} letters came, {len(set(came_at))} different ones, of {len(began_at)}")
    taken = [(at - began_at[name]) * 1000 for name, at in came_at]
    return {
        "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "the longest": max(taken),
        "CPU of all processes": cores,
    }  # fmt: skip


async def _floor(stage: Servers, number: int, per_second: float) -> dict[str, float]:
    folder = stage.new_folder("floor")
    calls = Written(folder / "calls.txt")
    work = ("work", "--address", stage.temporal.address, "--file", str(calls.file))
    async with running(OfBench("floor", work, folder / "ready"), folder) as worker:
        await _start_floor(stage, folder / "warm.txt", "warm", WARM_UP, per_second)
        await stage.wait_for(calls, WARM_UP, said=f"{FLOOR}, warming up")
        pids = {"Temporal": stage.pids["Temporal"], "worker": worker.pid}
        before, began = stage.used(pids), time.monotonic()
        starter = cpu_seconds_of_ended()
        await _start_floor(stage, folder / "begun.txt", folder.name, number, per_second)
        starter = cpu_seconds_of_ended() - starter
        await stage.wait_for(calls, WARM_UP + number, said=FLOOR)
        cores = _cores(before, {**stage.used(pids), "starter": starter}, began)
        begun = {name: float(at) for at, name in Written(folder / "begun.txt").lines()}
        return _figures(begun, [(line[1], float(line[0])) for line in calls.lines() if line[1] in begun], cores)


async def _start_floor(stage: Servers, file: Path, prefix: str, number: int, per_second: float) -> None:
    command = (
        sys.executable, "-m", "bench.floor", "start", "--address", stage.temporal.address, "--file", str(file),
        "--prefix", prefix, "--entries", str(number), "--messages", "1", "--per-second", str(per_second),
    )  # fmt: skip
    starter = await asyncio.create_subprocess_exec(*command)
    if await starter.wait() != 0:
        raise Wrong("the bare workflows could not be started")


async def _waymark(stage: Servers, database: str, number: int, per_second: float) -> dict[str, float]:
    async with installed(stage, database, [DEFINITION]) as waymark:
        await _produce(waymark, "warm", WARM_UP, per_second)
        await stage.wait_for(waymark.arrived, WARM_UP, said=f"{SUBJECT_OF[database]}, warming up")
        before, began = stage.used(waymark.pids), time.monotonic()
        began_at = await _produce(waymark, "learner", number, per_second)
        await stage.wait_for(waymark.arrived, WARM_UP + number, said=SUBJECT_OF[database])
        cores = _cores(before, stage.used(waymark.pids), began)
        await until_asleep(stage, waymark.database, WARM_UP + number, said=SUBJECT_OF[database])
        came = [(to.partition("@")[0], float(at)) for at, to, _ in waymark.arrived.lines()]
        return _figures(began_at, [each for each in came if each[0] in began_at], cores)


async def _produce(waymark: Waymark, prefix: str, number: int, per_second: float) -> Mapping[str, float]:
    """Produce the events that enter; answers each learner's event time."""
    began_at: dict[str, float] = {}

    async def enter(place: int) -> None:
        learner = f"{prefix}-{place}"
        began_at[learner] = time.time()
        await waymark.produce([promoted(learner, began_at[learner])])

    await paced(number, per_second, enter)
    return began_at


def _cores(before: Mapping[str, float], after: Mapping[str, float], began: float) -> float:
    return (sum(after.values()) - sum(before.values())) / (time.monotonic() - began)
