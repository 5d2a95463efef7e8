"""Kafka, typed: the one module that knows the kafka-python package.

A `Consumer` belongs to one thread: it is made, used and closed there. Offsets are committed by hand. Faults that pass
are `Passing`; what is raised otherwise is for good. What the package cannot read stands aside, and does not keep us
from what follows.
"""

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, cast

from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.consumer.fetcher import Fetcher as _Fetcher
from kafka.errors import IllegalArgumentError, IllegalStateError, KafkaConfigurationError, KafkaError
from kafka.record import MemoryRecords
from kafka.record import util as _util
from kafka.structs import OffsetAndMetadata, TopicPartition

from store.queries.outbox import DEAD_LETTERS, Outgoing
from workers.records import Record, Refusal

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

CONNECT_MS, ANSWER_MS, TOPIC_MS = 5_000, 10_000, 5_000
"""How long a producer looks for a broker (and for its answer, once there is one), how long it waits for an answer to
any request before it sends it again, and how long for what a topic is.
"""

ENDS_WITHIN_SECONDS = 5.0
"""How long it is waited for the end of a producer's thread; whatever it is at then, it sends no record any more."""

CHECKS_SUMS = importlib.util.find_spec("crc32c") is not None
"""Whether the sum of every batch is checked: in pure Python that costs six records of seven. That of a batch which
cannot be read is in any case.
"""

_FOR_GOOD = (IllegalArgumentError, IllegalStateError, KafkaConfigurationError)

log = logging.getLogger(__name__)


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
                check_crcs=CHECKS_SUMS,
            )
        )
        self._consumer._fetcher.PartitionRecords = _Fetched  # noqa: SLF001 - it asks itself for the class, see there

    def poll(self, timeout_seconds: float) -> list[Record]:
        """What has come, within this time; raises Passing."""
        self._go_on_joining()
        found = _passing(lambda: self._consumer.poll(timeout_ms=int(timeout_seconds * 1000)))
        return [_record(r) for records in found.values() for r in records]

    def _go_on_joining(self) -> None:
        """Whoever has begun to join the group does so to the end. The package joins anew where a topic has other
        partitions than were shared out, and forgets that it does when a poll ends meanwhile: the next one finds nothing
        to be joined for, and there are no heartbeats and no partitions ever after.
        """
        coordinator = self._consumer._coordinator  # noqa: SLF001 - no public name says it
        if coordinator.rejoining:
            coordinator.request_rejoin()

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
    """Writes records; idempotent, so that a retry of its own makes no second one. Each partition has at most one batch
    under way, and none is given up before `close` (the package would after two minutes, and go on with the next): what
    the brokers have of a partition is what was sent there first. Whoever is not told that all has come closes it.
    """

    def __init__(self, bootstrap: str) -> None:
        """Connects; raises Passing where no broker answers."""
        self._producer: Any = _passing(
            lambda: KafkaProducer(
                bootstrap_servers=bootstrap.split(","), client_id="waymark-relay", acks="all", enable_idempotence=True,
                compression_type="gzip", linger_ms=5, reconnect_backoff_max_ms=LONGEST_BACKOFF_MS,
                request_timeout_ms=ANSWER_MS, max_block_ms=TOPIC_MS,
                bootstrap_timeout_ms=CONNECT_MS,  # pyright: ignore[reportCallIssue] - its types are of an older release
            )
        )  # fmt: skip

    def send(self, records: Sequence[Outgoing], *, timeout_seconds: float = 30.0) -> int:
        """Send them in order, and wait for the answers, in this time (and `TOPIC_MS`, where a topic becomes known just
        at its end); answers how many of the first ones the brokers have. Others may be under way then, until `close`.
        """
        deadline = monotonic() + timeout_seconds
        futures: list[Any] = []
        try:
            for record in records:
                if monotonic() > deadline:
                    break
                body, key = record.payload.encode(), record.key.encode()
                futures.append(self._producer.send(record.topic, body, key, headers=_headers(record)))
            for future in futures:  # the package's flush has this time for every batch anew
                future.get(timeout=max(0.0, deadline - monotonic()))
        except KafkaError:
            pass  # what has arrived is counted below; the rest is sent again
        return next((n for n, future in enumerate(futures) if not future.succeeded()), len(futures))

    def close(self) -> None:
        """End, within `ENDS_WITHIN_SECONDS`; what the brokers have not got yet is not sent any more. The package closes
        nothing while a record is under way that it waits for in vain: it would go on sending it, for two minutes.
        """
        sender = self._producer._sender  # noqa: SLF001 - no public name ends it
        sender.force_close()
        sender.join(ENDS_WITHIN_SECONDS)
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=0)


_PartitionRecords: Any = _Fetcher.PartitionRecords
_batches_of: Any = MemoryRecords
_number_at: Any = cast("Any", _util).decode_varint


class _Fetched(_PartitionRecords):
    """What was fetched of one partition, of which nothing stops the reading of what follows.

    As the package has it, a record that it cannot read is raised once; then its reader is used up and asked again
    without end, and the partition stands still until somebody moves its offset. Here such a record is read once more,
    with less demanded of it. Where that fails too, its batch from there on is one record with a refusal, at the last of
    its offsets, so that the position and what is committed go past exactly that. A batch whose sum is wrong may say
    anything of its offsets: of it only the next offset is passed over, and it is fetched again.
    """

    def _unpack_records(self, tp: Any, records: Any, key_deserializer: Any, value_deserializer: Any) -> Iterator[Any]:
        batches = _Batches(self, records)
        while self:
            try:
                unpacked: Any = super()._unpack_records  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                yield from unpacked(tp, batches, key_deserializer, value_deserializer)
            except Exception as error:  # noqa: BLE001 - whatever the codecs raise for what they are given
                if not _is_read(batches.batch):
                    yield self._get_past(tp, batches, error)

    def _get_past(self, tp: Any, batches: "_Batches", error: Exception) -> Any:
        found = _read_again(tp, batches.batch)
        if found is not None:
            batches.is_again = True
            self.next_fetch_offset = found.offset + 1
            return found
        at = max(self.next_fetch_offset, self.fetch_offset)  # what was fetched may begin before what was asked for
        first, last = _extent(batches, at)
        self.next_fetch_offset = (first if last is None else last) + 1
        if last is None:  # nobody knows where the next batch begins: it is fetched again, from the next offset on
            self.drain()
        refusal = _refuse(tp, first, self.next_fetch_offset - 1, error)
        log.error("%s", refusal.detail)
        return _record_of(tp, self.next_fetch_offset - 1, value=refusal)


class _Batches:
    """The batches that were fetched, as the package asks for them: one after the other, or the same `is_again`."""

    def __init__(self, fetched: Any, records: Any) -> None:
        self.batch: Any = None
        self.is_again = False
        self._came: Any = None
        self._fetched, self._records = fetched, records
        self._is_checked: bool = fetched.check_crcs

    def next_batch(self) -> Any:
        if self.is_again:  # it is open already: what the sum of its bytes was cannot be asked any more
            self.is_again, self._fetched.check_crcs = False, False
            return self.batch
        self.batch, self._fetched.check_crcs = None, self._is_checked
        self.batch = self._records.next_batch()
        self._came = None if self.batch is None else self.batch._buffer  # noqa: SLF001 - who opens it puts others there
        return self.batch

    def is_whole(self) -> bool:
        """Whether the bytes that came have the sum that their header says."""
        again = None if self._came is None else _batches_of(bytes(self._came)).next_batch()
        return again is not None and bool(again.validate_crc())


def _is_read(batch: Any) -> bool:
    """Whether all records of it were: what is wrong comes after the last, and concerns nobody."""
    return batch is not None and batch.magic == 2 and batch._next_record_index >= batch.records_count  # noqa: SLF001


def _read_again(tp: Any, batch: Any) -> Any:
    """The record that `batch` stumbled over, whatever bytes the names of its headers are; None where it is unreadable.

    https://kafka.apache.org/documentation/#record has the format.
    """
    if batch is None or batch.magic != 2 or not batch._decompressed:  # noqa: SLF001 - no public name says it
        return None
    try:
        reading = _Reading(batch._buffer, batch._pos)  # noqa: SLF001
        length = reading.number()
        end = reading.at + length
        reading.number()  # its attributes, of which there are none
        reading.number()  # its time
        offset = batch.base_offset + reading.number()
        key, value = reading.field(), reading.field()
        headers = [
            ((reading.field() or b"").decode(errors="replace"), reading.field()) for _ in range(reading.number())
        ]
        if reading.at != end:
            return None
    except (IndexError, ValueError):
        return None
    batch._pos = end  # noqa: SLF001
    batch._next_record_index += 1  # noqa: SLF001
    return _record_of(tp, offset, key=key, value=value, headers=headers)


class _Reading:
    """Goes through a record's bytes; raises IndexError at their end."""

    def __init__(self, buffer: bytearray, at: int) -> None:
        self._buffer, self.at = buffer, at

    def number(self) -> int:
        number, self.at = _number_at(self._buffer, self.at)
        return number

    def field(self) -> bytes | None:
        size = self.number()
        if size < 0:
            return None
        start, self.at = self.at, self.at + size
        if self.at > len(self._buffer):
            raise IndexError
        return bytes(self._buffer[start : self.at])


def _extent(batches: _Batches, at: int) -> tuple[int, int | None]:
    """The first and the last offset of what is left of a batch; the last is None where it is not to be believed."""
    if not batches.is_whole():
        return at, None
    batch = batches.batch
    last: int = batch.last_offset if batch.magic == 2 else batch.base_offset
    first: int = max(at, batch.base_offset) if batch.magic == 2 else at
    return (first, last) if first <= last else (at, None)


def _refuse(tp: Any, first: int, last: int, error: Exception) -> Refusal:
    place = f"offset {first}" if first == last else f"offsets {first} to {last}"
    of = f"{place} of partition {tp.partition} of {tp.topic}"
    return Refusal(
        "unreadable",
        f"{of} cannot be read ({type(error).__name__}) and was passed over: have its producer send those events again, "
        "compressed by gzip, snappy, lz4, zstd or not at all; what came already is a duplicate and does no harm",
    )


def _record_of(tp: Any, offset: int, *, key: Any = None, value: Any = None, headers: Any = ()) -> Any:
    """As the package gives them; -1: not known."""
    return ConsumerRecord(tp.topic, tp.partition, -1, offset, -1, 0, key, value, headers, None, -1, -1, -1)


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
    if isinstance(record.value, Refusal):
        return Record(record.topic, record.partition, record.offset, refusal=record.value)
    return Record(
        record.topic, record.partition, record.offset, record.key, tuple(record.headers or ()), record.value
    )  # fmt: skip
