"""Two workers at once, each carrying enrolments of two versions of a journey, and each killed in turn: everybody gets
what was written in the version that she entered, once, whoever carried her.

The first worker has read version 1 before there was another; the second one starts beside it; the third one never knew
version 1 as the one that takes entries. Who carried whom is Temporal's own record: every task of a history names the
process that did it.
"""

import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlmodel import col, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from store.tables import DeliveryRow, Enrolment, Learner
from tests.support.api import event
from tests.support.processes import Installation, installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until

EACH = 4
"""So many enter at a time; again and again, where both workers are to have some."""
ROUNDS = 50
"""Whoever asks for work beside another one and has got none of 200 enrolments does not work."""
JOURNEY = """\
waymark: 1
journey: changing
title: Two messages, and later three
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - await: {on: lms.course.started, within: 30d}
  - send: two
    at: anytime
messages:
  one: {subject: First of version 1, body: Hello}
  two: {subject: Second of version 1, body: Hello again}
"""
MORE = """\
  - send: three
    at: anytime
messages:
  three: {subject: Third of version 2, body: Goodbye}
"""
CHANGED = JOURNEY.replace("version 1", "version 2").replace("messages:\n", MORE)
SUBJECTS = {
    1: ["First of version 1", "Second of version 1"],
    2: ["First of version 2", "Second of version 2", "Third of version 2"],
}


@dataclass
class Scene:
    """An installation, its workers by name, and who entered under which version."""

    installed: Installation
    sink: SmtpSink
    temporal: Client
    workers: dict[str, str] = field(default_factory=dict[str, str])
    entered: dict[str, int] = field(default_factory=dict[str, int])

    async def begin(self, worker: str) -> None:
        """Start a worker, and note by which name Temporal knows it."""
        await self.installed.start("worker", worker)
        self.workers[f"{self.installed.processes[worker].pid}@{socket.gethostname()}"] = worker

    async def promote(self, version: int) -> None:
        """Some enter; until each was told the first thing, and waits."""
        learners = [f"learner-{len(self.entered) + n}" for n in range(EACH)]
        self.entered.update(dict.fromkeys(learners, version))
        await self._emit("hr.learner.promoted", learners)
        await until(lambda: all(self.told(each) for each in learners))
        await until(self.is_at_rest)

    async def promote_until_carried_by(self, *workers: str, version: int) -> None:
        """Until each of these has taken turns of enrolments of this version."""
        for done in count():
            if all([await self.have_carried(who, version) for who in workers]):
                return
            assert done < ROUNDS, f"not all of {workers} carry version {version}"
            await self.promote(version)

    async def start_course(self, learners: Sequence[str]) -> None:
        """What they all await comes; until they have ended."""
        before = len(await self.enrolments("ended"))
        await self._emit("lms.course.started", learners)
        await until(lambda: self.installed.have_ended(before + len(learners)), timeout=150, every=0.2)
        await until(self.is_at_rest)

    async def _emit(self, type_: str, learners: Sequence[str]) -> None:
        events = [
            event(
                type_, each, id_=f"{type_}-{each}", time=datetime.now(UTC), given_name="Ann",
                email=f"{each}@example.org",
            )
            for each in learners
        ]  # fmt: skip
        assert [] == (await self.installed.emit(events))["rejected"]

    def told(self, learner: str) -> list[str]:
        return [str(mail.message["subject"]) for mail in self.sink.for_(f"{learner}@example.org")]

    async def enrolments(self, *statuses: str) -> Sequence[Enrolment]:
        async with self.installed.database.read() as session:
            return (await session.exec(select(Enrolment).where(col(Enrolment.status).in_(statuses)))).all()

    async def is_at_rest(self) -> bool:
        """Nobody takes a turn, and nobody wants one: a worker that is killed now interrupts nothing."""
        rows = await self.enrolments("active", "ended")
        return len(rows) == len(self.entered) and not any(row.lease_until or row.wake_wanted_at for row in rows)

    async def have_carried(self, worker: str, version: int) -> list[str]:
        """The learners of a version of whom this worker has taken turns."""
        carried = await self.carried()
        return [each for each, workers in carried.items() if worker in workers and self.entered[each] == version]

    async def is_carried_by(self, worker: str, learners: Sequence[str]) -> bool:
        """Whether this worker has taken turns of each of them: Temporal writes down that a turn is over, and by then
        the store has known for a moment what came of it.
        """
        carried = await self.carried()
        return all(worker in carried[each] for each in learners)

    async def carried_by_alone(self, worker: str) -> list[str]:
        """The learners of whom no other has taken a turn."""
        return [each for each, workers in (await self.carried()).items() if workers == {worker}]

    async def carried(self) -> dict[str, set[str]]:
        """Of each learner the workers that have taken a turn."""
        names = await self.names()
        rows = await self.enrolments("active", "ended")
        return {names[row.learner]: await self._carriers(row.id) for row in rows}

    async def names(self) -> dict[str, str]:
        """What the events call her, by our id."""
        return {row.id: row.source_id for row in await self.installed.rows(Learner)}

    async def _carriers(self, enrolment: str) -> set[str]:
        history = await self.temporal.get_workflow_handle(enrolment).fetch_history()
        done = (each for each in history.events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        return {self.workers[each.workflow_task_completed_event_attributes.identity] for each in done}


@asynccontextmanager
async def scene(database_url: str, sink: SmtpSink, folder: Path) -> AsyncGenerator[Scene]:
    async with (
        own_temporal(folder / "temporal") as temporal,
        installation(
            folder, database_url=database_url, temporal_address=temporal.address, smtp_url=sink.url,
            WAYMARK_HAND_OVER="20s", WAYMARK_ANSWER="20s",
        ) as installed,
    ):  # fmt: skip
        yield Scene(installed, sink, await Client.connect(temporal.address))


@pytest.mark.timeout(600)
async def test_two_workers_and_two_versions(database_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> None:
    """All three carry both versions, each carries on what another began, and nobody gets what another version says."""
    async with scene(database_url, smtp_sink, tmp_path) as it:
        await it.installed.start("api")
        await it.installed.publish("changing", JOURNEY)
        await it.begin("first")
        await it.promote(1)
        await it.begin("second")
        await it.promote_until_carried_by("first", "second", version=1)
        await it.installed.publish("changing", CHANGED)
        await it.promote_until_carried_by("first", "second", version=2)

        orphans = await it.carried_by_alone("first")
        assert {1, 2} == {it.entered[each] for each in orphans}
        await it.installed.kill("first")
        await it.start_course(orphans)
        await until(lambda: it.is_carried_by("second", orphans))

        await it.begin("third")
        await it.promote_until_carried_by("third", version=2)
        await it.installed.kill("second")
        await it.start_course([each for each in it.entered if each not in orphans])
        await until(lambda: it.have_carried("third", 1))
        assert await it.have_carried("third", 2)

        names, rows = await it.names(), await it.enrolments("active", "ended")
        assert {(learner, version, "completed") for learner, version in it.entered.items()} == {
            (names[row.learner], row.version, row.outcome) for row in rows
        }
        assert {"sent"} == {row.status for row in await it.installed.rows(DeliveryRow)}
        assert {learner: SUBJECTS[version] for learner, version in it.entered.items()} == {
            learner: it.told(learner) for learner in it.entered
        }
