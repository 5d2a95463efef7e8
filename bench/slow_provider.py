"""Whether a slow provider delays the others: SMTP answers five seconds after it has a letter, a webhook at once, and
both get twenty messages a second.

    webhook       from the event's time until the receiver has the message: alone, then beside the slow SMTP server
    twice as many by webhook and no letters: what as many messages cost each other where no provider is slow
    letters       that the SMTP server has had by the end; what it cannot take yet waits on its channel's queue

At the end it is checked that every webhook's message came once, that no letter came twice, and that every letter has
gone, is going or waits: none was given up.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from sqlalchemy import func, select
from sqlmodel import col

from bench.figures import Column, Row, Table, Target, percentile
from bench.pacing import paced
from bench.processes import OfBench
from bench.stage import PATIENCE_SECONDS, SUBJECT_OF, Servers, Waymark, Written, Wrong, cloud_event, installed, on_stage
from store.tables import DeliveryRow
from waymark.stack import process
from waymark.stack.parts import Listens
from waymark.stack.run import running

PER_SECOND = 20.0
ANSWER_SECONDS = 5.0
WARM_UP = 20
SECRET = "whsec_" + "d2F5bWFyay13YXltYXJrLXdheW1hcmstd2F5bWFyay0="
DEFINITIONS = [
    f"""
waymark: 1
journey: by-{channel}
title: One message by {channel}
enter:
  - on: hr.learner.promoted
    when: event.data.channel == "{channel}"
steps:
  - send: hello
    via: [{channel}]
messages:
  hello: {{subject: hello, body: hello}}
"""
    for channel in ("email", "webhook")
]
COLUMNS = (
    Column("messages"),
    Column("p50", "ms"),
    Column("p99", "ms"),
    Column("the longest", "ms"),
    Column("letters that came"),
)


async def measure(
    *, seconds: float, on: Sequence[str] = ("sqlite", "postgresql"), stage: Servers | None = None
) -> Table:
    """Three rows for each database; raises Wrong."""
    rows: list[Row] = []
    targets: list[Target] = []
    async with on_stage(stage) as stage:
        for database in on:
            alone, twice, beside = await _measure(stage, database, round(seconds * PER_SECOND))
            said = SUBJECT_OF[database]
            rows += [
                Row(f"{said}: webhook alone", alone), Row(f"{said}: twice as many by webhook", twice),
                Row(f"{said}: beside a slow SMTP server", beside),
            ]  # fmt: skip
            figure = f"{said}: p99 by webhook, as a multiple of its own alone"
            targets.append(Target(figure, beside["p99"] / alone["p99"], at_most=2, floor=1, decimals=2, subject=said))
        stage.progress.done()
    title = (
        f"slow_provider: {PER_SECOND:g} messages a second by webhook for {seconds:g} s, and as many to an SMTP server "
        f"that answers after {ANSWER_SECONDS:g} s"
    )
    remarks = ["Every message by webhook came once; no letter came twice, and none was given up."]
    return Table("slow_provider", title, COLUMNS, rows, remarks, targets)


async def _measure(stage: Servers, database: str, number: int) -> Sequence[dict[str, float]]:
    port, file = process.free_port(), stage.new_folder("receiver") / "arrived.txt"
    arguments = ("--port", str(port), "--file", str(file))
    receiver = OfBench("receiver", arguments, file.with_name("ready"), (Listens(port),))
    settings = {"WAYMARK_WEBHOOK_URL": f"http://127.0.0.1:{port}/", "WAYMARK_WEBHOOK_SECRET": SECRET}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(receiver, file.parent))
        waymark = await stack.enter_async_context(
            installed(stage, database, DEFINITIONS, settings=settings, smtp_delay_seconds=ANSWER_SECONDS)
        )
        arrived = Written(file)
        await _produce(waymark, "warm", ["webhook"], WARM_UP)
        await stage.wait_for(arrived, WARM_UP, said="warming up")
        begun = await _produce(waymark, "alone", ["webhook"], number)
        await stage.wait_for(arrived, WARM_UP + number, said="webhook alone")
        alone = _figures(begun, arrived)
        begun = await _produce(waymark, "twice", ["webhook", "webhook"], number)
        await stage.wait_for(arrived, WARM_UP + 3 * number, said="twice as many by webhook")
        twice = _figures(begun, arrived)
        begun = await _produce(waymark, "beside", ["webhook", "email"], number)
        await stage.wait_for(arrived, WARM_UP + 4 * number, said="webhook beside a slow SMTP server")
        letters = await _letters(waymark, number)
        return alone, twice, {**_figures(begun, arrived), "letters that came": letters}


async def _produce(waymark: Waymark, prefix: str, channels: Sequence[str], number: int) -> dict[str, float]:
    """Enter so many into the journey of each channel; answers the event time of each who gets it by webhook."""
    begun: dict[str, float] = {}

    async def enter(place: int) -> None:
        at = time.time()
        learners = {f"{prefix}-{which}-{place}": channel for which, channel in enumerate(channels)}
        begun.update((learner, at) for learner, channel in learners.items() if channel == "webhook")
        await waymark.produce([_entry(learner, channel, at) for learner, channel in learners.items()])

    await paced(number, PER_SECOND, enter)
    return begun


def _entry(learner: str, channel: str, at: float) -> str:
    return cloud_event("hr.learner.promoted", learner, at, {"channel": channel, "email": f"{learner}@example.org"})


def _figures(begun: dict[str, float], arrived: Written) -> dict[str, float]:
    came = [(learner, float(at)) for at, learner, _ in arrived.lines() if learner in begun]
    if sorted(learner for learner, _ in came) != sorted(begun):
        raise Wrong(f"{len(came)} messages came by webhook, {len(dict(came))} different ones, of {len(begun)}")
    taken = [(at - begun[learner]) * 1000 for learner, at in came]
    return {
        "messages": len(taken), "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99),
        "the longest": max(taken),
    }  # fmt: skip


async def _letters(waymark: Waymark, number: int) -> float:
    """How many letters have come; raises Wrong where one came twice, or a delivery is neither on its way nor done."""
    query = (
        select(col(DeliveryRow.status), func.count())
        .where(col(DeliveryRow.journey) == "by-email")
        .group_by(col(DeliveryRow.status))
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:  # the last ones may just be entering
        async with waymark.database.read() as session:
            rows = (await (await session.connection()).execute(query)).all()
        found = {status: int(count) for status, count in rows}
        if sum(found.values()) == number or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    letters = [to for _, to, _ in waymark.arrived.lines()]
    if found.keys() - {"queued", "sent"} or sum(found.values()) != number or len(letters) != len(set(letters)):
        raise Wrong(f"of {number} letters: {found}; {len(letters)} came, {len(set(letters))} different ones")
    return len(letters)
