"""What was accepted is there, whoever is killed after it; what comes again does nothing."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from store.tables import DeliveryRow, Enrolment, LoggedEvent, OutboxRow
from tests.support.api import event
from tests.support.processes import Installation, installation, temporal_server
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.stack import kafka, process
from waymark.stack.run import running

JOURNEY = """\
waymark: 1
journey: one
title: One message
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
messages:
  one: {subject: One, body: Hello}
"""


def promoted(name: str) -> dict[str, Any]:
    return event(
        "hr.learner.promoted", name, id_=f"promoted-{name}", time=datetime.now(UTC), email=f"{name}@example.org"
    )


@pytest.mark.timeout(300)
async def test_what_the_api_has_accepted_survives_its_kill(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Temporal is frozen while it is accepted, so that nobody has been woken when the API is killed over it; the
    bridge's sweeper wakes them. The same file sent again is all duplicates, and sends nothing.
    """
    file = [promoted(f"learner-{n}") for n in range(20)]
    temporal = temporal_server(in_memory=True)
    async with (
        running(temporal, tmp_path / "temporal") as server,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url
        ) as installed,
    ):
        await installed.start_all("api", "worker")
        await installed.publish("one", JOURNEY)
        server.send_signal(signal.SIGSTOP)
        sending = asyncio.create_task(installed.emit(file))
        await until(lambda: logged(installed, len(file)), timeout=150)
        await installed.kill("api")
        server.send_signal(signal.SIGCONT)
        await installed.start_all("api", "bridge")
        answer = await sending  # its sender had no answer, and has sent it again
        assert (0, len(file), []) == (answer["accepted"], answer["duplicates"], answer["rejected"])
        await until(lambda: installed.have_ended(len(file)), timeout=150)
        before = await content(installed)
        again = await installed.emit(file)
        assert (0, len(file)) == (again["accepted"], again["duplicates"])
        assert before == await content(installed)
        assert {1} == set(Counter(mail.recipient for mail in smtp_sink.arrived).values())
        assert len(file) == len(smtp_sink.arrived)


async def logged(installed: Installation, number: int) -> bool:
    return len(await installed.rows(LoggedEvent)) == number


async def content(installed: Installation) -> dict[str, Any]:
    """Whatever an event could have changed."""
    rows = {model: await installed.rows(model) for model in (LoggedEvent, Enrolment, DeliveryRow, OutboxRow)}
    return {model.__name__: sorted(repr(row.model_dump()) for row in found) for model, found in rows.items()}


@pytest.mark.timeout(300)
async def test_a_bridge_killed_between_store_and_offset_takes_duplicates_and_no_more(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Temporal is frozen, so that the bridge stands between its transaction and its commit when it is killed."""
    broker = kafka.KafkaServer(kafka.take(lambda *_: None).what, process.free_port())
    temporal = temporal_server(in_memory=True)
    events = [promoted(f"learner-{n}") for n in range(40)]
    async with (
        running(broker, tmp_path / "kafka"),
        running(temporal, tmp_path / "temporal") as server,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url,
            WAYMARK_KAFKA_BOOTSTRAP=broker.address,
        ) as installed,
    ):  # fmt: skip
        await installed.start_all("api", "worker", "bridge")
        await installed.publish("one", JOURNEY)
        server.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(produce, broker.address, events)
        await until(lambda: installed.rows(LoggedEvent), timeout=150)  # a batch; what follows waits as it cannot poke
        assert 0 == await asyncio.to_thread(committed, broker.address)
        await installed.kill("bridge")
        server.send_signal(signal.SIGCONT)
        await installed.start("bridge")
        await until(lambda: installed.have_ended(len(events)), timeout=120)
        await until(lambda: have_been_committed(broker.address, len(events)), timeout=150)
        assert await logged(installed, len(events))
        assert {1} == set(Counter(mail.recipient for mail in smtp_sink.arrived).values())
        assert len(events) == len(smtp_sink.arrived)

        await asyncio.to_thread(produce, broker.address, [promoted("the-last")])
        await until(lambda: installed.have_ended(len(events) + 1), timeout=150)
        assert 0 == await installed.stop("bridge")
        assert len(events) + 1 == await asyncio.to_thread(committed, broker.address), (
            "SIGTERM: the offsets are committed"
        )


def produce(bootstrap: str, events: Sequence[dict[str, Any]]) -> None:
    producer: Any = KafkaProducer(bootstrap_servers=bootstrap)
    for one in events:
        producer.send("hr.events", orjson.dumps(one), one["subject"].encode())
    producer.flush(timeout=120)
    producer.close()


async def have_been_committed(bootstrap: str, number: int) -> bool:
    return await asyncio.to_thread(committed, bootstrap) == number


def committed(bootstrap: str) -> int:
    """The sum of the offsets that the bridge's group has committed."""
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        found = admin.list_group_offsets(["waymark"])
    finally:
        admin.close()
    offsets = found.get("waymark", found)
    return sum(o.offset for tp, o in offsets.items() if tp.topic == "hr.events" and o.offset > 0)
