"""What it costs to wait: thousands of enrolments in the middle of a long wait, and nothing happens.

    idle CPU        of Waymark's worker, bridge and API, of Temporal, and of PostgreSQL's server (database), in percent
                    of one core
    just before     what all of these took in the ten seconds before the count, when falling asleep should be over
    bytes           that one sleeper takes in Temporal's database and in ours: learner, event, enrolment, journal
    the floor       bare workflows that have called one local activity and sleep, with their worker

Each row has servers of its own: in Temporal nobody sleeps but those whom the row tells of. At the end it is checked
that all sleep on, in our tables and in Temporal's.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

from temporalio.client import Client

from bench.counting import count_asleep, held_bytes, sqlite_bytes, until_asleep
from bench.figures import Column, Row, Table, Target
from bench.processes import OfBench
from bench.stage import FLOOR, SUBJECT_OF, Servers, Written, Wrong, cloud_event, installed, on_stage
from waymark.stack.run import running

AT_ONCE = 500
CALM_PERCENT, CALM_SECONDS = 4.0, 10.0
"""Calm is when so many seconds took no more of a core, which is twice what idleness takes."""
CALM_WITHIN_SECONDS = 180.0
LOOK_SECONDS = 2.0
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
    Column("database", "%", 2),
    Column("just before", "%", 2),
    Column("seconds to fall asleep"),
)


async def measure(
    *, sleepers: int, seconds: float, on: Sequence[str] = ("floor", "sqlite", "postgresql")
) -> Table:  # fmt: skip
    """A row for each of `on`, idle for so many seconds, on servers of its own; raises Wrong."""
    rows: list[Row] = []
    for subject in on:
        async with on_stage(None) as stage:
            figures = await (_floor if subject == "floor" else _waymark)(stage, subject, sleepers, seconds)
            stage.progress.done()
        rows.append(Row(SUBJECT_OF[subject], figures, _remark(figures["just before"])))
    title = f"sleepers: {sleepers:,} enrolments asleep, idle for {seconds:g} s"
    remarks = ["All of them sleep on at the end, in Temporal and in Waymark's tables.", "100 % is one core."]
    return Table("sleepers", title, COLUMNS, rows, remarks, _targets(rows))


def _remark(just_before: float) -> str:
    """What is to be known of a row whose processes were not calm."""
    if just_before <= CALM_PERCENT:
        return ""
    return (
        f"not calm after {CALM_WITHIN_SECONDS:.0f} s: {just_before:.1f} % of a core in the {CALM_SECONDS:.0f} s before "
        f"the count, where {CALM_PERCENT:g} % is calm; what came of falling asleep is in its figures"
    )


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
    before = await _empty_bytes(stage)
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
        before, ours = await _empty_bytes(stage), await held_bytes(waymark.database)
        began = time.monotonic()
        for start in range(0, sleepers, AT_ONCE):
            end, now = min(start + AT_ONCE, sleepers), time.time()
            entries = [_entry(f"sleeper-{number}", now) for number in range(start, end)]
            await waymark.produce(entries)
            await until_asleep(stage, waymark.database, end, said=SUBJECT_OF[database])
        asleep_after = time.monotonic() - began
        pids = {name: waymark.pids[name] for name in (*OURS, "Temporal", "database") if name in waymark.pids}
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
    just_before = await _until_calm(stage, pids)
    before, began = stage.used(pids), time.monotonic()
    await asyncio.sleep(seconds)
    taken = time.monotonic() - began
    idle = {name: (used - before[name]) * 100 / taken for name, used in stage.used(pids).items()}
    return {**idle, "just before": just_before}


async def _until_calm(stage: Servers, pids: Mapping[str, int]) -> float:
    """Until some seconds took no more CPU than idleness might, or patience is over; answers what they took, in percent
    of one core.
    """
    looks = deque[tuple[float, float]](maxlen=1 + round(CALM_SECONDS / LOOK_SECONDS))
    began = time.monotonic()
    while True:
        looks.append((time.monotonic(), sum(stage.used(pids).values())))
        if len(looks) == looks.maxlen:
            (since, before), (until, used) = looks[0], looks[-1]
            percent = (used - before) * 100 / (until - since)
            if percent <= CALM_PERCENT or until - began > CALM_WITHIN_SECONDS:
                return percent
            stage.progress.say(f"waiting for calm: {percent:.1f} % of a core")
        await asyncio.sleep(LOOK_SECONDS)


async def _empty_bytes(stage: Servers) -> int:
    """How many bytes Temporal holds before anybody sleeps; raises Wrong where somebody does."""
    await _check_running(stage, 0)
    return _temporal_bytes(stage)


async def _grown(stage: Servers, before: int, sleepers: int) -> dict[str, float]:
    """Temporal's bytes for each; raises Wrong unless that many workflows run."""
    await _check_running(stage, sleepers)
    return {"Temporal's bytes each": (_temporal_bytes(stage) - before) / sleepers}


async def _check_running(stage: Servers, wanted: int) -> None:
    client = await Client.connect(stage.temporal.address)
    running_now = (await client.count_workflows("ExecutionStatus = 'Running'")).count
    if running_now != wanted:
        raise Wrong(f"{running_now} workflows run in Temporal, and {wanted} should")


def _temporal_bytes(stage: Servers) -> int:
    return sqlite_bytes(stage.folder / "temporal" / "temporal.db")
