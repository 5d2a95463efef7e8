"""What comes in: an event, or why what came is none; and the Kafka record it came in, from and to a dead letter."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import cast

from connectors.sources import Raw, Refused, Translation, source_of
from journeys.events import Event, Json
from store.tables import DeadLetter


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be used: a code that never changes its meaning, and words without personal values."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record: kept as a dead letter where it cannot be used. `refusal`: why nothing of it could be read, so
    that there is nothing to be translated.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    value: bytes | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event that came in, or why what came is none; `record` where it came by Kafka."""

    event: Event | Refusal
    record: Record | None = None


def incoming_of(translation: Translation, *, record: Record | None = None) -> Incoming:
    """What a source's translator said, as ingest takes it."""
    if isinstance(translation, Refused):
        return Incoming(Refusal(translation.code, translation.detail), record)
    return Incoming(translation.event, record)


def translate(record: Record) -> Sequence[Incoming]:
    """What a record says, by the translator of its topic; never raises, never empty."""
    source = source_of(record.topic)
    if source is None:
        return [Incoming(Refusal("unknown_topic", "no source reads this topic"), record)]
    raw = Raw(record.value, dict(record.headers), "kafka")
    return [incoming_of(one, record=record) for one in source.translate(raw)]


def letter_of(record: Record, refusal: Refusal, *, at: datetime) -> DeadLetter:
    """The dead letter that a record becomes; its id is made of its place in the topic."""
    place = f"{record.topic} {record.partition} {record.offset}"
    return DeadLetter(
        id=f"dead-{sha256(place.encode()).hexdigest()[:32]}",
        reason=refusal.code,
        detail=refusal.detail.replace("\0", ""),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=at,
        key=record.key,
        headers={"base64": [[_write(name.encode()), _write(value)] for name, value in record.headers]},
        value=record.value,
    )


def record_of(letter: DeadLetter) -> Record:
    """The record again, as it came."""
    headers = cast("list[list[str | None]]", letter.headers.get("base64", cast("Json", [])))
    read = tuple(((_read(name) or b"").decode(), _read(value)) for name, value in headers)
    has_come = letter.reason != "unreadable"  # or nothing of it did, and its refusal is all there is
    refusal = None if has_come else Refusal(letter.reason, letter.detail)
    return Record(letter.topic, letter.partition, letter.offset, letter.key, read, letter.value, refusal)


def _write(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _read(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
