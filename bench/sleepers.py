"""What it costs to wait: thousands of enrolments in the middle of a long wait, and nothing happens.

    idle CPU        of Waymark's worker, bridge and API, and of Temporal, in percent of one core
    bytes           that one sleeper takes in Temporal's database and in ours: learner, event, enrolment, journal
    the floor       bare workflows that have called one local activity and sleep, with their worker

At the end it is checked that all sleep on, in our tables and in Temporal's.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from temporalio.client import Client

from bench.counting import count_asleep, held_bytes, sqlite_bytes, until_asleep
from bench.figures import Column, Row, Table, Target
from bench.processes import OfBench
from bench.stage import FLOOR, PATIENCE_SECONDS, SUBJECT_OF, Servers, Written, Wrong, cloud_event, installed, on_stage
from waymark.stack.run import running

AT_ONCE = 500
OURS = ("worker", "bridge", "api")
DEFINITION = """
waymark: 1
journey: sleepers
title: A long wait
enter:
  - on: hr.learner.promoted
exit:
  - on: lms.course.completed
    when: event.data.course == "LEAD-1"
    as: goal
steps:
  - wait: 30d
  - send: hello
messages:
  hello: {subject: hello, body: hello}
"""
COLUMNS = (
    Column("asleep"),
    Column("Temporal's bytes each"),
    Column("Waymark's bytes each"),
    Column("idle CPU of Waymark", "%", 2),
    Column("worker", "%", 2),
    Column("bridge", "%", 2),
    Column("api", "%", 2),
    Column("Temporal", "%", 2),
    Column("seconds to fall asleep"),
)


async def measure(
    *, sleepers: int, seconds: float, on: Sequence[str] = ("floor", "sqlite", "postgresql"),
    stage: Servers | None = None,
) -> Table:  # fmt: skip
    """A row for each of `on`, idle for so many seconds; raises Wrong."""
    async with on_stage(stage) as stage:
        rows: list[Row] = []
        for subject in on:
            measured = (_floor if subject == "floor" else _waymark)(stage, subject, sleepers, seconds)
            rows.append(Row(SUBJECT_OF[subject], await measured))
        stage.progress.done()
    title = f"sleepers: {sleepers:,} enrolments asleep, idle for {seconds:g} s"
    remarks = ["All of them sleep on at the end, in Temporal and in Waymark's tables.", "100 % is one core."]
    return Table("sleepers", title, COLUMNS, rows, remarks, _targets(rows))


def _targets(rows: Sequence[Row]) -> Sequence[Target]:
    floor = next((row.figures["worker"] for row in rows if row.subject == FLOOR), None)
    return [
        Target(
            f"{row.subject}: idle CPU of its processes, {row.figures['asleep']:,.0f} asleep",
            row.figures["idle CPU of Waymark"], "%", at_most=1, floor=floor, decimals=2, subject=row.subject,
        )
        for row in rows
        if row.subject != FLOOR
    ]  # fmt: skip


async def _floor(stage: Servers, _: str, sleepers: int, seconds: float) -> dict[str, float]:
    folder = stage.new_folder("floor")
    calls = Written(folder / "calls.txt")
    work = ("work", "--address", stage.temporal.address, "--file", str(calls.file))
    before = await _held(stage)
    began = time.monotonic()
    async with running(OfBench("floor", work, folder / "ready"), folder) as worker:
        command = (
            sys.executable, "-m", "bench.floor", "start", "--address", stage.temporal.address, "--messages", "1",
            "--file", str(folder / "begun.txt"), "--prefix", folder.name, "--entries", str(sleepers),
            "--sleep-days", "30",
        )  # fmt: skip
        starter = await asyncio.create_subprocess_exec(*command)
        if await starter.wait() != 0:
            raise Wrong("the bare workflows could not be started")
        await stage.wait_for(calls, sleepers, said=FLOOR)
        asleep_after = time.monotonic() - began
        idle = await _idle(stage, {"worker": worker.pid, "Temporal": stage.pids["Temporal"]}, seconds)
        return {
            "asleep": sleepers,
            "seconds to fall asleep": asleep_after,
            **idle,
            **await _grown(stage, before, sleepers),
        }


async def _waymark(stage: Servers, database: str, sleepers: int, seconds: float) -> dict[str, float]:
    async with installed(stage, database, [DEFINITION], parts=OURS) as waymark:
        before, ours = await _held(stage), await held_bytes(waymark.database)
        began = time.monotonic()
        for start in range(0, sleepers, AT_ONCE):
            end, now = min(start + AT_ONCE, sleepers), time.time()
            entries = [_entry(f"sleeper-{number}", now) for number in range(start, end)]
            await waymark.produce(entries)
            await until_asleep(stage, waymark.database, end, said=SUBJECT_OF[database])
        asleep_after = time.monotonic() - began
        pids = {name: waymark.pids[name] for name in (*OURS, "Temporal")}
        idle = await _idle(stage, pids, seconds)
        if await count_asleep(waymark.database) != sleepers:
            raise Wrong("somebody woke")
        return {
            "asleep": sleepers, "seconds to fall asleep": asleep_after, **idle,
            "idle CPU of Waymark": sum(idle[name] for name in OURS),
            "Waymark's bytes each": (await held_bytes(waymark.database) - ours) / sleepers,
            **await _grown(stage, before, sleepers),
        }  # fmt: skip


def _entry(learner: str, at: float) -> str:
    data = {"given_name": learner.title(), "email": f"{learner}@example.org", "country": "GB", "to_level": "manager"}
    return cloud_event("hr.learner.promoted", learner, at, data)


async def _idle(stage: Servers, pids: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Percent of one core, by process, while nothing is asked of them and the falling asleep is over."""
    await _until_calm(stage, pids)
    before, began = stage.used(pids), time.monotonic()
    await asyncio.sleep(seconds)
    taken = time.monotonic() - began
    return {name: (used - before[name]) * 100 / taken for name, used in stage.used(pids).items()}


async def _until_calm(stage: Servers, pids: Mapping[str, int]) -> None:
    """Until two seconds take no more CPU than idleness might."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = sum(stage.used(pids).values())
        await asyncio.sleep(2)
        if sum(stage.used(pids).values()) - before < 0.2:
            return
        stage.progress.say("waiting for calm")


@dataclass(frozen=True)
class _Held:
    """How much Temporal holds."""

    workflows: int
    size: int


async def _held(stage: Servers) -> _Held:
    client = await Client.connect(stage.temporal.address)
    counted = await client.count_workflows("ExecutionStatus = 'Running'")
    return _Held(counted.count, sqlite_bytes(stage.folder / "temporal" / "temporal.db"))


async def _grown(stage: Servers, before: _Held, sleepers: int) -> dict[str, float]:
    """Temporal's bytes for each; raises Wrong unless that many more workflows run."""
    now = await _held(stage)
    if now.workflows - before.workflows != sleepers:
        raise Wrong(f"{now.workflows - before.workflows} more workflows run in Temporal, and {sleepers} should")
    return {"Temporal's bytes each": (now.size - before.size) / sleepers}
