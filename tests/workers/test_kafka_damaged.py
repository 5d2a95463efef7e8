"""A batch that was damaged on its way: what its header says of its offsets is not believed, whoever checks sums."""

import gzip
import struct
from collections.abc import Sequence
from typing import Any, cast

import pytest
from kafka.record import MemoryRecords, MemoryRecordsBuilder, util
from kafka.structs import TopicPartition

from workers.kafka import _Fetched  # pyright: ignore[reportPrivateUsage] - what reads batches is inside
from workers.records import Refusal

LENGTH_AT, SUM_AT, SUMMED_AT, CODEC_AT, LAST_DELTA_AT, RECORDS_AT = 8, 17, 21, 22, 23, 61
"""Where these stand in a batch: https://kafka.apache.org/documentation/#recordbatch."""
TOPIC = TopicPartition("hr.events", 0)
VALUES = [b"zero", b"one", b"two", b"three", b"four", b"five"]
Read = list[tuple[int, bytes | str]]


def batch(first: int, *, codec: int = 0, is_damaged: bool = False, last_delta: int | None = None) -> bytes:
    """Three records from this offset on, by no codec or by gzip. `is_damaged`: the second one's value is said to be
    longer than all that comes. `last_delta`: by how much, its header says, the last offset is more than the first.
    """
    builder: Any = cast("Any", MemoryRecordsBuilder)(2, 0, 10_000, first)
    for value in VALUES[first : first + 3]:
        builder.append(0, None, value)
    builder.close()
    made = bytearray(builder.buffer())
    if is_damaged:
        made[made.index(VALUES[first + 1]) - 1] = 0x7E
    if last_delta is not None:
        struct.pack_into(">i", made, LAST_DELTA_AT, last_delta)
    if codec:
        made[RECORDS_AT:] = gzip.compress(bytes(made[RECORDS_AT:]))
        made[CODEC_AT] = codec
        struct.pack_into(">i", made, LENGTH_AT, len(made) - LENGTH_AT - 4)
    return bytes(made)


def read(came: Sequence[bytes], *, at: int, checks_sums: bool) -> tuple[Read, int]:
    """What is read of these batches from this offset on, a refusal by its code; and from where on is read next."""
    records: Any = MemoryRecords(b"".join(came))
    fetched: Any = _Fetched(at, TOPIC, records, check_crcs=checks_sums)
    found: Read = []
    while fetched and (record := next(fetched.record_iterator, None)) is not None:
        found.append((record.offset, record.value.code if isinstance(record.value, Refusal) else record.value))
    return found, fetched.next_fetch_offset


@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
@pytest.mark.parametrize("checks_sums", [False, True])
def test_a_damaged_batch_skips_nothing_that_is_good(codec: int, checks_sums: bool) -> None:
    """Its last offset would go past the next batch. One offset is passed over; fetched again, it is whole."""
    damaged = batch(0, codec=codec, is_damaged=True, last_delta=100)
    found, next_at = read([damaged, batch(3)], at=0, checks_sums=checks_sums)
    expected: Read = [(0, "unreadable")] if checks_sums else [(0, VALUES[0]), (1, "unreadable")]
    assert (expected, len(expected)) == (found, next_at)
    found, next_at = read([batch(0), batch(3)], at=next_at, checks_sums=checks_sums)
    assert ([*enumerate(VALUES)][len(expected) :], 6) == (found, next_at)


@pytest.mark.parametrize("checks_sums", [False, True])
def test_a_batch_that_stays_damaged_is_passed_over_offset_by_offset(checks_sums: bool) -> None:
    """It is fetched from its beginning each time: what was passed over before is not passed over again."""
    damaged = batch(0, is_damaged=True, last_delta=100)
    found, next_at = read([damaged, batch(3)], at=2, checks_sums=checks_sums)
    assert ([(2, "unreadable")], 3) == (found, next_at)


def test_a_batch_whose_sum_is_right_is_passed_over_as_one() -> None:
    """Whoever sent it: its header is what was meant. What comes after it is read."""
    meant = bytearray(batch(0, is_damaged=True))
    struct.pack_into(">I", meant, SUM_AT, cast("Any", util).calc_crc32c(memoryview(meant)[SUMMED_AT:]))
    found, next_at = read([bytes(meant), batch(3)], at=0, checks_sums=False)
    assert ([(0, VALUES[0]), (2, "unreadable"), *[*enumerate(VALUES)][3:]], 6) == (found, next_at)
