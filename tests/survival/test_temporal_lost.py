"""Temporal's database thrown away in the middle of a run: the sweeper starts what is missing, and all journeys end as
they would have.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store.tables import DeliveryRow, Enrolment
from tests.support.api import event
from tests.support.processes import Installation, installation, temporal_server
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.stack.run import running
from workers.sweeper import Sweeper
from workflows.gateway import Gateway, connect

LEARNERS = 30
RETRYING = range(20, 25)  # their first message is refused for now, until Temporal has been lost
AWAITING = range(25, 30)  # an event ends their wait, which comes when Temporal is there again
JOURNEY = """\
waymark: 1
journey: three
title: Three messages
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - await: {on: lms.course.started, within: 60s}
    then:
      - send: begun
        at: anytime
    else:
      - send: reminder
        at: anytime
  - wait: 1s
  - send: three
    at: anytime
messages:
  one: {subject: One, body: First}
  begun: {subject: Begun, body: Second}
  reminder: {subject: Reminder, body: Second}
  three: {subject: Three, body: Third}
"""


def address(number: int) -> str:
    return f"learner-{number}@example.org"


@asynccontextmanager
async def sweeping(installed: Installation, temporal_address: str) -> AsyncGenerator[None]:
    """The sweeper, which waits seconds where the bridge's waits minutes."""
    gateway = Gateway(await connect(temporal_address))
    limit = timedelta(seconds=2)
    sweeper = Sweeper(
        installed.database, gateway, lambda: datetime.now(UTC),
        wanted_for=limit, overdue_by=limit, untried_for=timedelta(seconds=15),
    )  # fmt: skip
    stop = asyncio.Event()
    sweeps = asyncio.create_task(sweeper.run(stop))
    yield
    stop.set()
    await sweeps


@pytest.mark.timeout(600)
async def test_a_lost_temporal_loses_no_journey(database_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> None:
    """Waiting for an instant, for an event, for a retry: each goes on, and nothing is said twice."""
    for number in RETRYING:
        smtp_sink.always(address(number), "later")
    folder = tmp_path / "temporal"
    temporal = temporal_server(in_memory=False)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(temporal, folder))
        installed = await stack.enter_async_context(
            installation(
                tmp_path,
                database_url=database_url,
                temporal_address=temporal.address,
                smtp_url=smtp_sink.url,
                WAYMARK_HAND_OVER="10s",
                WAYMARK_ANSWER="10s",
            )
        )
        await installed.start_all("api", "worker")
        await installed.publish("three", JOURNEY)
        await installed.emit([promoted(number) for number in range(LEARNERS)])
        await until(lambda: len(smtp_sink.arrived) == LEARNERS - len(RETRYING), timeout=150)
        await until(lambda: set(map(address, RETRYING)) <= set(smtp_sink.attempts), timeout=150)

        lost_at = datetime.now(UTC)
        server.kill()
        await asyncio.to_thread(server.wait)
        assert 1 <= len(thrown_away(folder))
        await stack.enter_async_context(running(temporal, folder))
        for number in RETRYING:
            smtp_sink.always(address(number), None)
        await installed.emit([started(number, lost_at) for number in AWAITING])
        async with installed.kept_running("worker"), sweeping(installed, temporal.address):
            await until(lambda: installed.have_ended(LEARNERS), timeout=240, every=0.2)

        subjects = {n: [str(m.message["subject"]) for m in smtp_sink.for_(address(n))] for n in range(LEARNERS)}
        assert {n: ["One", "Begun" if n in AWAITING else "Reminder", "Three"] for n in range(LEARNERS)} == subjects
        assert {"sent"} == {row.status for row in await installed.rows(DeliveryRow)}
        assert {("ended", "completed")} == {(row.status, row.outcome) for row in await installed.rows(Enrolment)}


def thrown_away(folder: Path) -> list[Path]:
    """The files of Temporal's database, which are there no more."""
    files = list(folder.glob("temporal.db*"))
    for file in files:
        file.unlink()
    return files


def promoted(number: int) -> dict[str, Any]:
    return event("hr.learner.promoted", f"learner-{number}", time=datetime.now(UTC), email=address(number))


def started(number: int, at: datetime) -> dict[str, Any]:
    return event("lms.course.started", f"learner-{number}", time=at, course="MGR-101")
