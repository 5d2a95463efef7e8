"""Kafka, typed: the one module that knows the kafka-python package.

A `Consumer` belongs to one thread: it is made, used and closed there. Offsets are committed by hand. Faults that pass
are `Passing`; what is raised otherwise is for good.
"""

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import IllegalArgumentError, IllegalStateError, KafkaConfigurationError, KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from store.queries.outbox import DEAD_LETTERS, Outgoing
from workers.records import Record

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""

SESSION_MS = 10_000
"""So long a bridge that was killed keeps its partitions, and its successor waits for them."""
FETCH_MS = 2_000
"""How long a broker that has nothing keeps us waiting; what comes meanwhile it gives at once."""

LONGEST_BACKOFF_MS = 3_000
"""How long nobody calls a broker that did not answer: one that is back is noticed after that."""

METADATA_MS = 10_000
"""How old what is known of topics may be: partitions that a topic was given after we joined, or that the package had
not heard of when it joined, are read after that.
"""

_FOR_GOOD = (IllegalArgumentError, IllegalStateError, KafkaConfigurationError)


class Passing(Exception):
    """Kafka is away, or moving partitions about: try again."""


class Consumer:
    """Reads records of some topics as a member of a group."""

    def __init__(self, bootstrap: str, topics: Sequence[str], *, group: str, most: int = 500) -> None:
        """Connects; raises Passing where no broker answers."""
        self._consumer: Any = _passing(
            lambda: KafkaConsumer(
                *topics,
                bootstrap_servers=bootstrap.split(","),
                group_id=group,
                client_id="waymark-bridge",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=most,
                session_timeout_ms=SESSION_MS,
                fetch_max_wait_ms=FETCH_MS,
                reconnect_backoff_max_ms=LONGEST_BACKOFF_MS,
                metadata_max_age_ms=METADATA_MS,
                check_crcs=importlib.util.find_spec("crc32c")
                is not None,  # in pure Python it costs six records of seven
            )
        )

    def poll(self, timeout_seconds: float) -> list[Record]:
        """What has come, within this time; raises Passing."""
        found = _passing(lambda: self._consumer.poll(timeout_ms=int(timeout_seconds * 1000)))
        return [_record(r) for records in found.values() for r in records]

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit where to go on in those of these partitions that are still ours; raises Passing."""
        ours: set[Any] = self._consumer.assignment()
        due = {
            TopicPartition(topic, number): OffsetAndMetadata(at, "", -1)
            for (topic, number), at in offsets.items()
            if TopicPartition(topic, number) in ours
        }
        if due:
            _passing(lambda: self._consumer.commit(due, timeout_ms=10_000))

    def has_partitions(self) -> bool:
        """Whether the group has given us any."""
        return bool(self._consumer.assignment())

    def pause(self) -> None:
        """Fetch nothing, from whatever partition is ours now; polling goes on, so that we stay in the group."""
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(*self._consumer.paused())

    def lags(self) -> dict[Partition, tuple[int, int]]:
        """For each partition of ours that has more to read: where we stand, and its end; raises Passing."""
        ours: set[Any] = self._consumer.assignment()
        ends: dict[Any, int] = _passing(lambda: self._consumer.end_offsets(list(ours))) if ours else {}
        stands: dict[Any, int] = {
            tp: _passing(lambda tp=tp: self._consumer.position(tp, timeout_ms=5_000)) for tp in ours
        }
        return {(tp.topic, tp.partition): (stands[tp], end) for tp, end in ends.items() if (stands[tp] or 0) < end}

    def close(self) -> None:
        """Leave the group at once; where the brokers do not hear of it, when the session is over."""
        with contextlib.suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5_000)


class Producer:
    """Writes records; idempotent, so that a retry of its own makes no second one."""

    def __init__(self, bootstrap: str) -> None:
        """Connects; raises Passing where no broker answers."""
        self._producer: Any = _passing(
            lambda: KafkaProducer(
                bootstrap_servers=bootstrap.split(","), client_id="waymark-relay", acks="all", enable_idempotence=True,
                compression_type="gzip", linger_ms=5, reconnect_backoff_max_ms=LONGEST_BACKOFF_MS,
            )
        )  # fmt: skip

    def send(self, records: Sequence[Outgoing], *, timeout_seconds: float = 30.0) -> int:
        """Send them in order; answers how many of the first ones the brokers have."""
        futures: list[Any] = []
        try:
            for record in records:
                body, key = record.payload.encode(), record.key.encode()
                futures.append(self._producer.send(record.topic, body, key, headers=_headers(record)))
            self._producer.flush(timeout=timeout_seconds)
        except KafkaError:
            pass  # what has arrived is counted below; the rest is sent again
        return next((n for n, future in enumerate(futures) if not future.succeeded()), len(futures))

    def close(self) -> None:
        """Wait shortly for what is under way, and end; what the brokers have not got by then is not sent any more."""
        with contextlib.suppress(KafkaError):  # no broker answers: the package cannot even wait in vain without it
            self._producer.close(timeout=5)


def _headers(record: Outgoing) -> list[tuple[str, bytes]]:
    """What the record is: a CloudEvent, but for what tells of a dead letter."""
    kind = b"application/json" if record.topic == DEAD_LETTERS else b"application/cloudevents+json; charset=utf-8"
    return [("content-type", kind)]


def _passing(call: Any) -> Any:
    try:
        return call()
    except _FOR_GOOD:
        raise
    except KafkaError as error:
        raise Passing(type(error).__name__) from error


def _record(record: Any) -> Record:
    return Record(
        record.topic, record.partition, record.offset, record.key, tuple(record.headers or ()), record.value
    )  # fmt: skip
