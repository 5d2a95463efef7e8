"""How soon what is done by hand acts on a learner in the middle of a wait of 30 days: from the call until the turn that
it wakes is over. One worker, Temporal with its database in a file, SQLite; nothing else goes on meanwhile.

The limit that Waymark has set itself is two seconds, for the longest of them.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlmodel import col, select

from bench.figures import Column, Row, Table, Target
from bench.stage import Wrong
from journeys.codec import program_to_json
from journeys.compiler import compile_definition
from journeys.events import Event
from journeys.identity import learner_id
from store.queries import journeys, moving, steering, withdrawing
from store.queries.steering import Steered
from store.tables import Enrolment
from waymark.settings import load
from waymark.stack import process, temporal
from waymark.stack.run import running
from waymark.vocabulary import vocabulary
from waymark.wiring import House, migrate, open_activities, open_house
from workers.ingest import Incoming
from workers.worker import turns_worker
from workflows.contracts import Queues

DEFINITION = """\
waymark: 1
journey: steered
title: Steered
enter: [{on: hr.learner.promoted}]
exit: [{on: hr.learner.left, as: left}]
steps: [{wait: 30d, id: rest}, {send: bye}]
messages: {bye: {subject: Bye, body: Bye}}
"""
COLUMNS = (Column("half of them within", "ms"), Column("19 of 20 within", "ms"), Column("the longest", "ms"))
PATIENCE_SECONDS = 30.0
LIMIT_MS = 2_000


async def measure(*, learners: int) -> Table:
    """A row for each act."""
    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            server = temporal.TemporalServer(temporal.take(_say).what, process.free_port())
            await stack.enter_async_context(running(server, folder / "temporal"))
            environment = {
                "WAYMARK_HOME": str(folder), "WAYMARK_TEMPORAL_ADDRESS": server.address,
                "WAYMARK_SMTP_URL": "smtp://127.0.0.1:9", "WAYMARK_SECRET": uuid4().hex,
            }  # fmt: skip
            settings = load(environment=environment, dotenv=folder / "none", with_home=False).settings
            await migrate(settings)
            queues = Queues()
            house = await stack.enter_async_context(open_house(settings, queues=queues))
            activities, _ = await stack.enter_async_context(open_activities(house))
            await stack.enter_async_context(turns_worker(house.client, activities, queues=queues))
            rows = await _acts(house, learners)
    title = f"steering: {learners} learners in the middle of a wait of 30 days, one after the other"
    return Table("steering", title, COLUMNS, rows, targets=[_target(row) for row in rows])


def _target(row: Row) -> Target:
    return Target(
        f"{row.subject}: the longest", row.figures["the longest"], "ms", at_most=LIMIT_MS, subject=row.subject
    )


async def _acts(house: House, learners: int) -> list[Row]:
    for number in range(2):
        await _publish(house, DEFINITION.replace("30d", f"{30 + number}d"))
        if number == 0:
            await house.ingest.take([_event("hr.learner.promoted", n) for n in range(learners)])
            await _until_asleep(house)
    async with house.database.read() as session:
        ids = (await session.exec(select(Enrolment.id).order_by(col(Enrolment.learner)))).all()
    program_of = house.programs.by_hash

    async def pause(id_: str) -> None:
        async with house.database.write() as session:
            await _done(steering.pause(session, id_, program_of=program_of, by="bench", now=_now()))
        await house.gateway.poke([id_])

    async def resume(id_: str) -> None:
        async with house.database.write() as session:
            await _done(steering.resume(session, id_, program_of=program_of, by="bench", now=_now()))
        await house.gateway.poke([id_])

    async def move(id_: str) -> None:
        async with house.database.write() as session:
            await _done(
                moving.move(session, id_, version=2, step_map={}, program_of=program_of, by="bench", now=_now())
            )
        await house.gateway.poke([id_])

    async def withdraw(id_: str) -> None:
        async with house.database.write() as session:
            await withdrawing.withdraw(session, id_, by="bench", now=_now())
        await house.gateway.poke([id_])

    rows = [
        await _row(house, name, ids, act) for name, act in (("paused", pause), ("resumed", resume), ("moved", move))
    ]
    half = len(ids) // 2
    rows.append(await _row(house, "withdrawn", ids[:half], withdraw))
    numbers = {_learner_of(house, n): n for n in range(learners)}

    async def leave(id_: str) -> None:
        async with house.database.read() as session:
            (row,) = (await session.exec(select(Enrolment.learner).where(col(Enrolment.id) == id_))).all()
        await house.ingest.take([_event("hr.learner.left", numbers[row])])

    rows.append(await _row(house, "out by an exit's event", ids[half:], leave))
    return rows


async def _row(house: House, name: str, ids: Sequence[str], act: Callable[[str], Awaitable[None]]) -> Row:
    taken: list[float] = []
    for id_ in ids:
        began = time.perf_counter()
        await act(id_)
        await _until_asleep(house, id_)
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    figures = {
        "half of them within": statistics.median(taken),
        "19 of 20 within": taken[min(len(taken) - 1, len(taken) * 19 // 20)],
        "the longest": taken[-1],
    }
    return Row(name, figures)


async def _until_asleep(house: House, id_: str | None = None) -> None:
    """Until the turn that was wanted is over: of this enrolment, or of all."""
    wanted = select(Enrolment.id).where(
        col(Enrolment.wake_wanted_at).is_not(None)
        | col(Enrolment.lease_until).is_not(None)
        | (col(Enrolment.fence) == 0)
    )
    if id_ is not None:
        wanted = wanted.where(col(Enrolment.id) == id_)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        async with house.database.read() as session:
            if (await session.exec(wanted.limit(1))).first() is None:
                return
        await asyncio.sleep(0.005)
    raise Wrong("an enrolment was not woken")


async def _done(steered: Awaitable[object]) -> None:
    answer = await steered
    if not isinstance(answer, Steered):
        raise Wrong(f"refused: {answer}")


async def _publish(house: House, definition: str) -> None:
    compiled = compile_definition(definition, vocabulary=vocabulary())
    assert compiled.program is not None, compiled.problems
    program = compiled.program
    new = journeys.NewVersion(
        program.journey, program.title, program.hash, "application/yaml", definition, program_to_json(program)
    )
    async with house.database.write() as session:
        await journeys.publish(session, new, at=_now())


def _learner_of(house: House, number: int) -> str:
    return learner_id(house.settings.signing_secret(), f"learner-{number}")


def _event(type_: str, number: int) -> Incoming:
    return Incoming(Event(f"{type_}-{number}", "bench", type_, f"learner-{number}", _now(), {}))


def _say(part: str, text: str, share: float | None) -> None:
    """What is got, and how far, interests nobody here."""


def _now() -> datetime:
    return datetime.now(UTC)
