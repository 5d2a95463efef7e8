"""The relay where brokers do not answer, or not everybody: nothing is missing, order is kept, nobody is in the way."""

import asyncio
import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.errors import ClusterAuthorizationFailedError
from kafka.structs import TopicPartition

from store import migrate
from store.database import Database
from store.queries import outbox
from store.tables import DeadLetter, Installation, OutboxRow
from tests.support.ingesting import Feed
from tests.support.topics import new_topic
from tests.support.until import until
from waymark.stack import kafka, process
from waymark.stack.run import running
from waymark.wiring import real_clock
from workers.kafka import ENDS_WITHIN_SECONDS, TOPIC_MS, Passing
from workers.relay import LEASE, SENDS_WITHIN_SECONDS, Relay

KEYS = ("ada", "ben", "cleo")


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An empty database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    yield Feed(database)
    await database.close()


@pytest.fixture
def topic(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where outcomes go in this test: a topic of its own, with four partitions."""
    name = new_topic(kafka_bootstrap, partitions=4)
    monkeypatch.setattr(outbox, "OUTCOMES", name)
    return name


class Way:
    """A way to a broker. Shut, it takes connections and whatever is said, and answers nothing."""

    def __init__(self, to: str) -> None:
        self._host, _, self._port = to.partition(":")
        self.is_open = False

    @asynccontextmanager
    async def standing(self) -> AsyncGenerator[str]:
        """Answers its address."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_open:
            there, back = await asyncio.open_connection(self._host, int(self._port))
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        else:
            await reader.read()  # until whoever asks has given up
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while said := await reader.read(65536):
        writer.write(said)
    writer.close()


async def tell(feed: Feed, numbers: range) -> None:
    """An outcome for each number, of one learner after the other."""
    outcomes = [outbox.Outcome("waymark.test", KEYS[n % 3], {"n": n}, real_clock()) for n in numbers]
    async with feed.database.write() as session:
        await outbox.record_many(session, outcomes)


async def is_relayed(feed: Feed) -> bool:
    """Whether nothing is left to be."""
    return not await feed.rows(OutboxRow)


def read(bootstrap: str, topic: str) -> Mapping[str, Sequence[int]]:
    """The numbers that came of each learner."""
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    places = [TopicPartition(topic, place) for place in consumer.partitions_for_topic(topic)]
    consumer.assign(places)
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    found: defaultdict[str, list[int]] = defaultdict(list)
    while any(consumer.position(place) < end for place, end in ends.items()):
        for record in (record for records in consumer.poll(timeout_ms=1_000).values() for record in records):
            found[record.key.decode()].append(json.loads(record.value)["data"]["n"])
    consumer.close()
    return found


def told(numbers: range) -> Mapping[str, Sequence[int]]:
    """What `tell` told of each learner."""
    return {key: [n for n in numbers if n % 3 == place] for place, key in enumerate(KEYS)}


async def test_one_to_whom_no_broker_answers_lets_another_relay(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """It had the lease first. Once a broker answers it, it relays itself, when the other is gone."""
    await tell(feed, range(1200))
    way = Way(kafka_bootstrap)
    async with way.standing() as address:
        blind, seeing = (Relay(feed.database, to, real_clock) for to in (address, kafka_bootstrap))
        blind_ends, seeing_ends = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(blind.run(blind_ends))
        await until(lambda: feed.rows(Installation))  # the lease
        second = asyncio.create_task(seeing.run(seeing_ends))
        await until(lambda: is_relayed(feed))
        seeing_ends.set()
        await asyncio.wait_for(second, 60)

        way.is_open = True
        await tell(feed, range(1200, 1500))
        await until(lambda: is_relayed(feed))
        blind_ends.set()
        await asyncio.wait_for(first, 60)

    assert told(range(1500)) == await asyncio.to_thread(read, kafka_bootstrap, topic)
    assert [] == await feed.rows(Installation)


async def test_a_producer_that_can_do_no_more_is_replaced(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """As one is that was refused once, and answers nothing but that refusal ever after."""
    relay = Relay(feed.database, kafka_bootstrap, real_clock)
    await tell(feed, range(10))
    await relay.relay_page()
    assert relay._producer is not None
    relay._producer._producer._transaction_manager.transition_to_fatal_error(ClusterAuthorizationFailedError())
    await tell(feed, range(10, 20))
    with pytest.raises(Passing):
        await relay.relay_page()

    await relay.relay_page()
    assert told(range(20)) == await asyncio.to_thread(read, kafka_bootstrap, topic)


def producers() -> set[threading.Thread]:
    """The threads that send what relays hand over."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("waymark-relay-network")}


def test_a_page_is_over_long_before_its_lease() -> None:
    """By the sum of all that it may wait for, with a quarter of the lease to spare."""
    assert SENDS_WITHIN_SECONDS + TOPIC_MS / 1000 + ENDS_WITHIN_SECONDS <= 0.75 * LEASE.total_seconds()


@pytest.mark.timeout(300)
async def test_a_broker_that_hangs_is_given_up_before_the_lease_is_over(feed: Feed, tmp_path: Path) -> None:
    """Waiting for what a topic is, with records under way: nothing of it is sent any more, so that whoever relays next
    is alone. When the broker goes on, it has all in order, some perhaps twice.
    """
    broker = kafka.KafkaServer(kafka.take(lambda *_: None).what, process.free_port())
    letter = DeadLetter(id="dead", reason="not_json", detail="", topic="t", partition=2, offset=3, at=real_clock())
    async with running(broker, tmp_path / "kafka") as server:
        others = producers()
        relay = Relay(feed.database, broker.address, real_clock)
        await tell(feed, range(30))
        await relay.relay_page()
        await tell(feed, range(30, 60))
        async with feed.database.write() as session:
            await outbox.record_dead_letters(session, [letter])

        server.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Passing):
            await relay.relay_page()
        assert time.monotonic() - began < LEASE.total_seconds() / 2
        assert set() == producers() - others
        server.send_signal(signal.SIGCONT)

        await tell(feed, range(60, 90))
        ends = asyncio.Event()
        task = asyncio.create_task(relay.run(ends))
        await until(lambda: is_relayed(feed))
        ends.set()
        await asyncio.wait_for(task, 60)
        came = await asyncio.to_thread(read, broker.address, outbox.OUTCOMES)
        assert told(range(90)) == {key: list(dict.fromkeys(numbers)) for key, numbers in came.items()}
