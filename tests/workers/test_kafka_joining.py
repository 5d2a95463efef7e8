"""A member of the group that polls shortly, and joins anew meanwhile."""

import time
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer

from tests.support.topics import new_topic
from workers.kafka import Consumer

SHORT_SECONDS = 0.001
"""No poll is long enough for joining a group: each ends in the middle of it."""


def test_who_polls_shortly_joins_anew_all_the_same(kafka_bootstrap: str) -> None:
    """A topic is given partitions after its consumer has joined; what comes in them is read."""
    topic = new_topic(kafka_bootstrap, partitions=1)
    consumer = Consumer(kafka_bootstrap, [topic], group=topic)
    try:
        while not consumer.has_partitions():
            consumer.poll(1.0)
        _give_partitions(kafka_bootstrap, topic, 2)
        _produce(kafka_bootstrap, topic, partition=1)
        deadline = time.monotonic() + 120
        while not (found := consumer.poll(SHORT_SECONDS)):
            assert time.monotonic() < deadline, "its group has forgotten it"
    finally:
        consumer.close()
    assert [(topic, 1)] == [(record.topic, record.partition) for record in found]


def _give_partitions(bootstrap: str, topic: str, number: int) -> None:
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_partitions({topic: number})
    admin.close()


def _produce(bootstrap: str, topic: str, *, partition: int) -> None:
    producer: Any = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, b"{}", partition=partition)
    producer.flush(timeout=30)
    producer.close()
