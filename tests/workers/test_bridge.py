"""The bridge on a real Kafka: nothing is lost, nothing is taken in twice, bad records stand aside."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition

from connectors.sources import to_cloudevent
from journeys.events import Event
from store import migrate
from store.database import Database
from store.queries import outbox
from store.tables import DeadLetter, Enrolment, Installation, LoggedEvent, OutboxRow
from tests.support.ingesting import Feed, event, hours, journey
from tests.support.topics import new_topic, translate
from tests.support.until import until
from workers import bridge as bridging
from workers.bridge import Bridge, Stuck, run_bridge
from workers.dead_letters import DeadLetters
from workers.kafka import Consumer, Passing
from workers.records import Incoming, Record
from workers.relay import Relay


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    yield Feed(database)
    await database.close()


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """A topic of this test's own, with four partitions that the broker tells of."""
    return new_topic(kafka_bootstrap, partitions=4)


def produce(bootstrap: str, topic: str, values: Sequence[bytes | Event], *, partition: int | None = None) -> None:
    """Write these to the topic, events keyed by learner, and wait until the broker has them."""
    producer: Any = KafkaProducer(bootstrap_servers=bootstrap)
    for value in values:
        body = value if isinstance(value, bytes) else json.dumps(to_cloudevent(value)).encode()
        key = value.subject.encode() if isinstance(value, Event) and value.subject else None
        producer.send(topic, body, key, partition=partition)
    producer.flush(timeout=30)
    producer.close()


def committed(bootstrap: str, topic: str, group: str) -> int:
    """The sum of the group's committed offsets."""
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        found = admin.list_group_offsets([group])
    finally:
        admin.close()
    offsets = found.get(group, found)
    return sum(o.offset for tp, o in offsets.items() if tp.topic == topic and o.offset > 0)


@asynccontextmanager
async def running(feed: Feed, bootstrap: str, topic: str, *, group: str = "") -> AsyncGenerator[Bridge]:
    """A bridge that runs."""
    bridge = Bridge(feed.ingest, bootstrap, topics=[topic], group=group or topic, translate=translate)
    stop = asyncio.Event()
    task = asyncio.create_task(bridge.run(stop))
    try:
        yield bridge
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def logged(feed: Feed) -> int:
    """How many events the log holds."""
    return len(await feed.rows(LoggedEvent))


async def test_events_come_in_and_their_offsets_are_committed(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """From the topic into the log, the enrolments and the pokes."""
    await feed.publish(journey())
    produce(kafka_bootstrap, topic, [event("hr.learner.promoted", learner=f"learner {n}") for n in range(20)])

    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: len(feed.pokes.poked) == 20)
        await until(lambda: committed(kafka_bootstrap, topic, topic) == 20)

    assert 20 == len(await feed.rows(Enrolment))


BAD = [
    (b"\xff\xfe", "not_utf8"),
    (b"{not json", "not_json"),
    (b"", "empty"),
    (b"[" * 10_000 + b"]" * 10_000, "too_deep"),
    (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "ada\\u0000"}', "nul_character"),
    (b'{"specversion": "1.0", "id": "\\ud800"}', "lone_surrogate"),
    (b'{"data": {"score": NaN}}', "not_finite"),
    (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2026-03-02T09:00:00Z"}', "missing_field"),
    (b'{"id": "1", "source": "s", "type": "t", "subject": "ada", "time": "2026-03-02T09:00:00"}', "bad_time"),
    (
        b'{"id": "1", "source": "s", "type": "t", "subject": "ada", "time": "2970-03-02T09:00:00Z"}',
        "time_too_far_ahead",
    ),
]


async def test_records_that_cannot_be_used_stand_aside(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """Each is a dead letter with its reason; the event after each of them is taken in."""
    mixed: list[bytes | Event] = []
    for n, (bad, _) in enumerate(BAD):
        mixed += [bad, event("lms.course.started", learner=f"learner {n}")]
    produce(kafka_bootstrap, topic, mixed, partition=0)

    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: _is(logged(feed), len(BAD)))

    letters = sorted(await feed.rows(DeadLetter), key=lambda row: row["offset"])
    assert [code for _, code in BAD] == [row["reason"] for row in letters]
    assert [bad for bad, _ in BAD] == [row["value"] or b"" for row in letters]


async def test_a_bridge_that_died_before_its_commit_takes_nothing_in_twice(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store had the batch, the offsets were never committed: the next bridge reads it all again, to no effect."""
    await feed.publish(journey())
    produce(kafka_bootstrap, topic, [event("hr.learner.promoted", learner=f"learner {n}") for n in range(10)])

    def die(*_: object) -> None:
        raise Passing("killed")

    monkeypatch.setattr(Consumer, "commit", die)
    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: _is(logged(feed), 10))
    assert 0 == committed(kafka_bootstrap, topic, topic)
    monkeypatch.undo()
    before = await feed.content()

    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: committed(kafka_bootstrap, topic, topic) == 10)

    assert before == await feed.content()


async def test_a_second_bridge_takes_over_partitions_without_loss(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """One joins and one leaves while events flow; each event is in the log once."""
    events = [event("lms.course.started", id_=str(n), learner=f"learner {n % 40}") for n in range(400)]
    async with running(feed, kafka_bootstrap, topic):
        produce(kafka_bootstrap, topic, events[:100])
        async with running(feed, kafka_bootstrap, topic):
            produce(kafka_bootstrap, topic, events[100:200])
            await until(lambda: _is(logged(feed), 200))
            produce(kafka_bootstrap, topic, events[200:300])
        produce(kafka_bootstrap, topic, events[300:])
        await until(lambda: _is(logged(feed), 400))
        await until(lambda: committed(kafka_bootstrap, topic, topic) == 400)


async def test_while_the_store_is_away_nothing_is_committed_and_nothing_is_lost(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bridge keeps its place in the group, and goes on when the database answers again."""
    monkeypatch.setattr(bridging, "PATIENCE_SECONDS", 0.1)
    tried = asyncio.Event()
    is_away = True
    ingest = feed.ingest
    store = ingest.store

    async def away(batch: Sequence[Incoming]) -> object:
        tried.set()
        if is_away:
            raise ConnectionRefusedError("the database is away")
        return await store(batch)

    object.__setattr__(ingest, "store", away)
    bridge = Bridge(ingest, kafka_bootstrap, topics=[topic], group=topic, translate=translate)
    stop = asyncio.Event()
    task = asyncio.create_task(bridge.run(stop))
    produce(kafka_bootstrap, topic, [event("lms.course.started")])
    await asyncio.wait_for(tried.wait(), 60)
    assert 0 == committed(kafka_bootstrap, topic, topic)

    is_away = False
    await until(lambda: committed(kafka_bootstrap, topic, topic) == 1)

    assert 1 == await logged(feed)
    stop.set()
    await asyncio.wait_for(task, 60)


async def test_the_bridge_process_says_when_it_is_ready_and_ends_in_order(feed: Feed, kafka_bootstrap: str) -> None:
    """Ready once the group has given it partitions; cancelled, it leaves the group and gives the relay's lease back."""
    ready = asyncio.Event()
    async with feed.database.write() as session:
        await outbox.record(session, type="waymark.test", key="ada", data={}, at=feed.clock.now)
    process = asyncio.create_task(
        run_bridge(
            database=feed.database, ingest=feed.ingest, bootstrap=kafka_bootstrap, clock=feed.clock,
            group=uuid.uuid4().hex, ready=ready.set,
        )
    )  # fmt: skip

    await asyncio.wait_for(ready.wait(), 60)
    await until(lambda: _is_empty(feed.rows(OutboxRow)))
    process.cancel()

    with pytest.raises(asyncio.CancelledError):
        await process
    assert [] == await feed.rows(Installation)


async def test_without_kafka_the_sweeper_runs_alone(feed: Feed) -> None:
    """And is ready at once."""
    ready, stop = asyncio.Event(), asyncio.Event()
    process = asyncio.create_task(
        run_bridge(
            database=feed.database, ingest=feed.ingest, bootstrap=None, clock=feed.clock, stop=stop, ready=ready.set
        )
    )

    await asyncio.wait_for(ready.wait(), 60)
    stop.set()
    await asyncio.wait_for(process, 60)


async def test_what_fails_for_good_ends_the_process(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that can do no more ends all parts with its error, for the supervisor to start them again."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Consumer, "poll", broken)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(
            run_bridge(
                database=feed.database, ingest=feed.ingest, bootstrap=kafka_bootstrap, clock=feed.clock, group=topic
            ),
            60,
        )


async def test_a_dead_letter_is_replayed_when_its_cause_is_mended(feed: Feed, kafka_bootstrap: str, topic: str) -> None:
    """Too far ahead today, taken in when its time has come; then the letter is gone."""
    feed.clock.now = event("x").time
    produce(kafka_bootstrap, topic, [event("lms.course.started", at=hours(48))])
    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: feed.rows(DeadLetter))
    (letter,) = await feed.rows(DeadLetter)
    letters = DeadLetters(feed.database, feed.ingest, translate)

    early = await letters.replay(str(letter["id"]))
    feed.clock.now += hours(48)
    taken = await letters.replay(str(letter["id"]))

    assert (early and early.code, taken and taken.status) == ("time_too_far_ahead", "accepted")
    assert [] == await feed.rows(DeadLetter)
    assert await letters.replay(str(letter["id"])) is None


async def test_the_relay_brings_the_outbox_to_its_topics_in_order(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row once, in order, and then the outbox is empty; a second relay has nothing to do meanwhile."""
    monkeypatch.setattr(outbox, "OUTCOMES", topic)
    async with feed.database.write() as session:
        for n in range(1200):
            await outbox.record(session, type="waymark.test", key="ada", data={"n": n}, at=feed.clock.now)
    stop = asyncio.Event()
    relays = [Relay(feed.database, kafka_bootstrap, feed.clock) for _ in range(2)]
    tasks = [asyncio.create_task(relay.run(stop)) for relay in relays]

    await until(lambda: _is_empty(feed.rows(OutboxRow)))
    stop.set()
    await asyncio.gather(*tasks)

    assert list(range(1200)) == [one["data"]["n"] for one in await asyncio.to_thread(_read, kafka_bootstrap, topic)]


async def test_what_is_said_of_a_dead_letter_is_json_and_no_cloudevent(
    feed: Feed, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that goes by the content type takes an outcome for an event, and a dead letter not."""
    monkeypatch.setattr(outbox, "OUTCOMES", topic)
    at = feed.clock.now
    letter = DeadLetter(id=f"dead-{topic}", reason="not_json", detail="", topic="t", partition=2, offset=3, at=at)
    async with feed.database.write() as session:
        await outbox.record(session, type="waymark.test", key="ada", data={}, at=at)
        await outbox.record_dead_letters(session, [letter])
    relay = Relay(feed.database, kafka_bootstrap, feed.clock)
    await relay.relay_page()

    told = await asyncio.to_thread(_records, kafka_bootstrap, topic, outbox.DEAD_LETTERS)
    kinds = {record.topic: dict(record.headers)["content-type"].decode() for record in told}
    assert "application/cloudevents+json; charset=utf-8" == kinds[topic]
    assert "application/json" == kinds[outbox.DEAD_LETTERS]
    (mine,) = [json.loads(record.value) for record in told if record.key == letter.id.encode()]
    when = at.isoformat().replace("+00:00", "Z")
    expected = {"id": letter.id, "reason": "not_json", "topic": "t", "partition": 2, "offset": 3, "at": when}
    assert expected == mine


def _read(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """Every value of the topic."""
    return [json.loads(record.value) for record in _records(bootstrap, topic)]


def _records(bootstrap: str, *topics: str) -> list[Any]:
    """Everything that stands in these topics now."""
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    places = [TopicPartition(topic, place) for topic in topics for place in consumer.partitions_for_topic(topic)]
    consumer.assign(places)
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    found: list[Any] = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        found += [record for records in consumer.poll(timeout_ms=1_000).values() for record in records]
    consumer.close()
    return found


async def _is(number: Any, expected: int) -> bool:
    return await number == expected


async def _is_empty(rows: Any) -> bool:
    return not await rows


class Stops(Consumer):
    """A consumer that stops fetching, as if the package had lost a partition."""

    made = 0
    stopping = 1
    has_stopped = False

    def __init__(self, bootstrap: str, topics: Sequence[str], *, group: str) -> None:
        super().__init__(bootstrap, topics, group=group)
        Stops.made += 1
        self._stops = Stops.made <= Stops.stopping

    def poll(self, timeout_seconds: float) -> list[Record]:
        """Nothing; the partitions are ours, and their records stay where they are."""
        found = super().poll(min(timeout_seconds, 0.2))
        if not self._stops:
            return found
        for record in found:
            self._consumer.seek(TopicPartition(record.topic, record.partition), record.offset)
        if self.has_partitions():
            self.pause()
            Stops.has_stopped = True
        return []


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> type[Stops]:
    """The bridge's first consumer stops, and that is noticed within half a minute."""
    monkeypatch.setattr(bridging, "Consumer", Stops)
    monkeypatch.setattr(bridging, "LAG_CHECK_SECONDS", 10.0)  # twice so long it may be slow
    for name, value in (("made", 0), ("stopping", 1), ("has_stopped", False)):
        monkeypatch.setattr(Stops, name, value)
    return Stops


async def test_a_consumer_that_is_stuck_is_replaced(
    feed: Feed, kafka_bootstrap: str, topic: str, stops: type[Stops]
) -> None:
    """Nobody has to start the process again."""
    async with running(feed, kafka_bootstrap, topic):
        await until(lambda: stops.has_stopped)
        produce(kafka_bootstrap, topic, [event("hr.learner.promoted")])
        await until(lambda: logged(feed), timeout=180)
    assert 2 == stops.made


async def test_where_a_new_consumer_does_not_help_the_process_ends(
    feed: Feed, kafka_bootstrap: str, topic: str, stops: type[Stops]
) -> None:
    """Who started it starts it again."""
    stops.stopping = 2
    bridge = asyncio.create_task(
        Bridge(feed.ingest, kafka_bootstrap, topics=[topic], group=topic, translate=translate).run(asyncio.Event())
    )
    await until(lambda: stops.has_stopped)
    produce(kafka_bootstrap, topic, [event("hr.learner.promoted")])
    with pytest.raises(Stuck, match=f"of {topic} has records that do not come"):
        await asyncio.wait_for(bridge, 180)
    assert 2 == stops.made
