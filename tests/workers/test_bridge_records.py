"""What the bridge has polled is stored, whatever else goes wrong; and a bridge that hangs makes way for another."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from connectors.sources import to_cloudevent
from journeys.events import Event
from store import migrate
from store.database import Database
from store.tables import DeadLetter, LoggedEvent
from tests.support.ingesting import Feed, event
from tests.support.topics import new_topic, translate
from tests.support.until import until
from workers import bridge as bridging
from workers.bridge import Bridge
from workers.dead_letters import DeadLetters
from workers.kafka import Consumer, Passing


@pytest.fixture
async def feed(sqlite_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database."""
    await migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    yield Feed(database)
    await database.close()


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """A topic of this test's own, with two partitions."""
    return new_topic(kafka_bootstrap, partitions=2)


def events(number: int) -> Sequence[Event]:
    """So many events, each of another learner."""
    return [event("lms.course.started", learner=f"learner {n}") for n in range(number)]


def body(of: Event) -> bytes:
    return json.dumps(to_cloudevent(of)).encode()


def producer_of(bootstrap: str, **options: Any) -> Any:
    """Whose records come in one batch, which goes when it is closed."""
    return KafkaProducer(bootstrap_servers=bootstrap, linger_ms=30_000, **options)


@asynccontextmanager
async def running(feed: Feed, bootstrap: str, topic: str) -> AsyncGenerator[Bridge]:
    """A bridge that runs."""
    bridge = Bridge(feed.ingest, bootstrap, topics=[topic], group=topic, translate=translate)
    stop = asyncio.Event()
    task = asyncio.create_task(bridge.run(stop))
    try:
        yield bridge
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def has_logged(feed: Feed, number: int) -> bool:
    return len(await feed.rows(LoggedEvent)) >= number


async def test_what_was_polled_is_stored_though_nobody_says_how_far_we_lag(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader of a partition may be away for the one question, after the answer to the other has come."""
    asked: list[None] = []

    def nobody_says(_: Consumer) -> dict[object, object]:
        asked.append(None)
        raise Passing("KafkaTimeoutError")

    monkeypatch.setattr(Consumer, "lags", nobody_says)
    monkeypatch.setattr(bridging, "LAG_CHECK_SECONDS", 0.0)
    producer = producer_of(kafka_bootstrap)
    for one in events(20):
        producer.send(topic, body(one))
    producer.close()

    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: has_logged(feed, 20))
        assert asked


HANGS = """
import asyncio, sys, threading
import typer
from waymark.cli import main
from workers import bridge
from workers.dead_letters import DeadLetters
from workers.kafka import Consumer

bridge.CALL_SECONDS = 0.5
Consumer.poll = lambda *_: threading.Event().wait()

def build():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(hang)
    return app

def hang(bootstrap: str, topic: str):
    asyncio.run(bridge.Bridge(None, bootstrap, topics=[topic]).run(asyncio.Event()))

main.build = build
main.main()
"""


def test_a_call_that_hangs_ends_the_process(kafka_bootstrap: str, topic: str) -> None:
    """At once, though its thread lives on: whoever started the process can start it again."""
    command = [sys.executable, "-c", HANGS, kafka_bootstrap, topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert 1 == done.returncode
    assert "workers.bridge.Hung: a call into Kafka has not come back" in done.stderr


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_are_read_however_their_producer_compresses(
    feed: Feed, kafka_bootstrap: str, topic: str, codec: str
) -> None:
    """By each codec that Kafka knows."""
    producer = producer_of(kafka_bootstrap, compression_type=codec)
    for one in events(20):
        producer.send(topic, body(one), partition=0)
    producer.close()
    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: has_logged(feed, 20))
    assert [] == await feed.rows(DeadLetter)


async def test_a_batch_that_cannot_be_read_is_one_dead_letter(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it and after it is taken in, of its partition and of others, and the offsets go past it."""
    before, within, after, beside = (events(24)[n : n + 6] for n in (0, 6, 12, 18))
    for batch, codec in ((before, None), (within, "zstd"), (after, "gzip")):
        producer = producer_of(kafka_bootstrap, compression_type=codec)
        for one in batch:
            producer.send(topic, body(one), partition=0)
        producer.close()
    producer = producer_of(kafka_bootstrap)
    for one in beside:
        producer.send(topic, body(one), partition=1)
    producer.close()
    monkeypatch.setattr("kafka.codec.zstd", None)

    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: has_logged(feed, 18))
        await until(lambda: committed(kafka_bootstrap, topic) == 24)

    (letter,) = await feed.rows(DeadLetter)
    assert ("unreadable", 11, None) == (letter["reason"], letter["offset"], letter["value"])
    assert f"offsets 6 to 11 of partition 0 of {topic} cannot be read (UnsupportedCodecError)" in letter["detail"]
    again = await DeadLetters(feed.database, feed.ingest, translate).replay(str(letter["id"]))
    assert again is not None
    assert ("rejected", "unreadable", letter["detail"]) == (again.status, again.code, again.detail)
    assert [letter] == await feed.rows(DeadLetter)
    async with running(feed, kafka_bootstrap, topic):
        producer = producer_of(kafka_bootstrap, compression_type="gzip")
        producer.send(topic, body(within[0]), partition=0)
        producer.close()
        await until(lambda: has_logged(feed, 19))


class NotUtf8(str):
    """The name of a header, which a producer in another language wrote by another encoding."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Latin-1, whatever is asked for."""
        return str.encode(self, "latin-1" if encoding == "utf-8" else encoding, errors)


@pytest.mark.parametrize("codec", [None, "gzip"])
async def test_a_header_whose_name_is_not_utf8_stops_nobody(
    feed: Feed, kafka_bootstrap: str, topic: str, codec: str | None
) -> None:
    """Nothing of ours has such a name: its event is taken in, as are those of the same batch."""
    producer = producer_of(kafka_bootstrap, compression_type=codec)
    for n, one in enumerate(events(9)):
        headers = [("content-type", b"application/cloudevents+json"), (NotUtf8("länge"), b"9")] if n % 3 == 1 else None
        producer.send(topic, body(one), partition=0, headers=headers)
    producer.close()
    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: has_logged(feed, 9))
        await until(lambda: committed(kafka_bootstrap, topic) == 9)
    assert [] == await feed.rows(DeadLetter)


def committed(bootstrap: str, topic: str) -> int:
    """The sum of the committed offsets of the group that is called as the topic is."""
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        found = admin.list_group_offsets([topic])
    finally:
        admin.close()
    return sum(o.offset for tp, o in found.get(topic, found).items() if tp.topic == topic and o.offset > 0)
