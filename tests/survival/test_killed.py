"""Worker, bridge and API killed (-9) at ten random moments of a run: nothing lost, nothing said twice, nobody stuck,
doubt marked. The SMTP server's own record is the judge.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlmodel import col, select
from temporalio.client import Client

from store.tables import DeliveryRow, Enrolment, JournalRow, OutboxRow
from tests.support.api import event
from tests.support.processes import START_SECONDS, Installation, Kind, installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until

LEARNERS = 200
MESSAGES = ("one", "two", "three")
KILLS = 10
SECONDS = 20.0
"""How long the events are spread over."""
PROCESSES: dict[str, Kind] = {"worker": "worker", "another worker": "worker", "bridge": "bridge", "api": "api"}
JOURNEY = """\
waymark: 1
journey: three
title: Three messages
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - wait: 1s
  - send: two
    at: anytime
  - wait: 2s
  - send: three
    at: anytime
messages:
  one: {subject: One, body: "Hello {{ learner.given_name }}"}
  two: {subject: Two, body: "Hello again"}
  three: {subject: Three, body: "And again"}
"""


def promoted(number: int) -> dict[str, Any]:
    return event(
        "hr.learner.promoted", f"learner-{number}", id_=f"promoted-{number}", time=datetime.now(UTC),
        given_name=f"Name {number}", email=address(number),
    )  # fmt: skip


def address(number: int) -> str:
    return f"learner-{number}@example.org"


@dataclass
class Killer:
    """Kills processes at random moments, starts them again at once, and notes which attempts were open then."""

    installed: Installation
    sink: SmtpSink
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter[str])
    open_at_a_kill: set[str] = field(default_factory=set[str])
    _starting: dict[str, "asyncio.Task[None]"] = field(default_factory=dict[str, "asyncio.Task[None]"])

    async def run(self) -> None:
        await until(lambda: self.sink.arrived)
        for number in range(KILLS):
            await asyncio.sleep(self.chance.uniform(0.5, 3.0))  # chance is the matter here, and no condition
            running = await until(self._running, timeout=2 * START_SECONDS)  # all may be starting at once
            await self._kill(running if number in {2, 7} else [self.chance.choice(running)])
        await asyncio.gather(*self._starting.values())

    def _running(self) -> Sequence[str]:
        """What has been started again since its last kill."""
        return [name for name in PROCESSES if name not in self._starting or self._starting[name].done()]

    async def _kill(self, names: Sequence[str]) -> None:
        await asyncio.gather(*(self.installed.kill(name) for name in names))
        self.open_at_a_kill |= await open_attempts(self.installed)
        for name in names:
            self.killed[name] += 1
            self._starting[name] = asyncio.create_task(self.installed.start(PROCESSES[name], name))


async def open_attempts(installed: Installation) -> set[str]:
    async with installed.database.read() as session:
        query = select(DeliveryRow.id).where(col(DeliveryRow.attempt).is_not(None), col(DeliveryRow.status) == "queued")
        return set((await session.exec(query)).all())


async def feed(installed: Installation) -> None:
    """Events come over all the kills; their sender tries again until an answer comes."""
    for first in range(0, LEARNERS, 10):
        if first:
            await asyncio.sleep(10 * SECONDS / LEARNERS)
        answer = await installed.emit([promoted(number) for number in range(first, first + 10)])
        assert [] == answer["rejected"]


@pytest.mark.timeout(900)
async def test_ten_kills_lose_nothing_and_say_nothing_twice(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """200 learners, three messages each; every process killed again and again, and started again at once."""
    smtp_sink.slow_seconds = 0.2
    for number in range(LEARNERS):
        smtp_sink.always(address(number), "late")  # so that a kill finds messages taken and not yet answered
    began = time.monotonic()
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url,
            WAYMARK_ANSWER="10s",  # who is answered later is in doubt without a kill
        ) as installed,
    ):  # fmt: skip
        await asyncio.gather(*(installed.start(kind, name) for name, kind in PROCESSES.items()))
        await installed.publish("three", JOURNEY)
        killer = Killer(installed, smtp_sink, random.Random(20260301))
        started = time.monotonic()
        await asyncio.gather(feed(installed), killer.run())
        await until(lambda: installed.have_ended(LEARNERS), timeout=300, every=0.2)
        ended = time.monotonic()
        await nobody_is_carried_on(temporal.address)
        doubts = await judge(installed, smtp_sink)
        assert doubts <= killer.open_at_a_kill
        print(
            f"{sum(killer.killed.values())} kills at {KILLS} moments {dict(killer.killed)}; "
            f"{len(killer.open_at_a_kill)} attempts were open, {len(doubts)} are in doubt; "
            f"{len(smtp_sink.arrived)} arrived; {ended - started:.1f} s of {time.monotonic() - began:.1f} s"
        )


async def nobody_is_carried_on(temporal_address: str) -> None:
    """Every workflow ends too."""
    client = await Client.connect(temporal_address)

    async def none_runs() -> bool:
        return (await client.count_workflows("ExecutionStatus='Running'")).count == 0

    await until(none_runs, timeout=150, every=0.5)


async def judge(installed: Installation, sink: SmtpSink) -> set[str]:
    """Hold what the store says against what arrived; answers the deliveries in doubt."""
    arrived = Counter(str(mail.message["message-id"]).strip("<>").partition("@")[0] for mail in sink.arrived)
    assert {1} == set(arrived.values()), "something was said twice"
    deliveries: dict[str, DeliveryRow] = {row.id: row for row in await installed.rows(DeliveryRow)}
    in_doubt = {id_ for id_, row in deliveries.items() if row.status == "may_have_gone"}
    sent = {id_ for id_, row in deliveries.items() if row.status == "sent"}
    assert LEARNERS * len(MESSAGES) == len(deliveries)
    assert set(deliveries) == sent | in_doubt
    assert sent <= set(arrived) <= sent | in_doubt
    assert {None} == {row.attempt for id_, row in deliveries.items() if id_ in sent}
    enrolments: list[Enrolment] = list(await installed.rows(Enrolment))
    assert {("ended", "completed", None)} == {(row.status, row.outcome, row.lease_until) for row in enrolments}
    assert LEARNERS == len(enrolments)
    lines: Sequence[JournalRow] = await installed.rows(JournalRow)
    assert_told_once(sorted(lines, key=lambda line: line.seq or 0), enrolments)
    told = Counter(orjson.loads(row.payload)["id"] for row in await installed.rows(OutboxRow))
    assert {1} == set(told.values()), "something was told to Kafka twice"
    assert 2 * LEARNERS + len(deliveries) == len(told)
    return in_doubt


def assert_told_once(lines: Sequence[JournalRow], enrolments: Sequence[Enrolment]) -> None:
    """Each journal tells each thing once, in order."""
    kinds = {
        row.id: [line.kind for line in lines if line.enrolment == row.id and line.kind != "deferred"]
        for row in enrolments
    }
    expected = ["entered", "sent", "waiting", "sent", "waiting", "sent", "ended"]
    assert [] == [told for told in kinds.values() if told != expected]
