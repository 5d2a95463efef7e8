"""What a source is, what it answers, and the register of all sources.

A source translates the records of one kind of system into canonical events. It is pure: no clock, no network. Bad
input is no exception here: a record comes out as `Translated` or `Refused`, with a code that never changes its
meaning.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol, TypeVar

from journeys.durations import format_duration
from journeys.events import Event

MAX_RECORD_BYTES = 1024 * 1024
"""The longest record that is taken, in bytes."""

RefusalCode = Literal[
    "empty",
    "too_large",
    "not_utf8",
    "not_json",
    "too_deep",
    "not_finite",
    "number_out_of_range",
    "nul_character",
    "lone_surrogate",
    "bad_content_type",
    "not_an_event",
    "missing_field",
    "bad_field",
    "field_too_long",
    "bad_specversion",
    "bad_time",
    "bad_data",
    "time_too_far_ahead",
]


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it came: by Kafka (one record) or by HTTP (one request). Header names in any case."""

    body: bytes | None
    headers: Mapping[str, str | bytes | None] = field(default_factory=dict[str, str | bytes | None])
    transport: Literal["kafka", "http"] = "kafka"


@dataclass(frozen=True, slots=True)
class Translated:
    """The record says this."""

    event: Event


@dataclass(frozen=True, slots=True)
class Refused:
    """The record cannot be used. `detail` is for people and holds no personal value.

    `is_unreadable`: the whole body could not be parsed, so that nothing is known of what it held.
    """

    code: RefusalCode
    detail: str
    is_unreadable: bool = False


Translation = Translated | Refused


class Source(Protocol):
    """One kind of system that sends us records."""

    name: ClassVar[str]
    topics: ClassVar[tuple[str, ...]]
    """The Kafka topics whose records it translates."""

    @staticmethod
    def translate(raw: Raw) -> tuple[Translation, ...]:
        """What the record says: one answer for each event it holds, in its order; never empty for Kafka, never
        raises.
        """
        ...


SOURCES: dict[str, type[Source]] = {}
"""Every source by its name; filled by `source`, complete once `connectors.sources` is imported."""


T = TypeVar("T", bound=type[Source])


def source(name: str) -> Callable[[T], T]:
    """Register a source; a second one of the same name, or for the same topic, is an error that names both files."""

    def register(cls: T) -> T:
        for other in SOURCES.values():
            shared = sorted({name} & {other.name}) or sorted(set(cls.topics) & set(other.topics))
            if shared:
                files = f"{inspect.getfile(other)} and {inspect.getfile(cls)}"
                raise TypeError(f"source or topic {shared[0]!r} is defined twice: in {files}")
        cls.name = name
        SOURCES[name] = cls
        return cls

    return register


def topics() -> tuple[str, ...]:
    """Every topic that some source reads, in order."""
    return tuple(sorted(topic for cls in SOURCES.values() for topic in cls.topics))


def source_of(topic: str) -> type[Source] | None:
    """The source that translates this topic's records."""
    return next((cls for cls in SOURCES.values() if topic in cls.topics), None)


def judge_time(event: Event, *, now: datetime, lead: timedelta) -> Refused | None:
    """Refuses an event whose `time` lies further ahead of `now` than `lead`; None: it may come in."""
    if event.time - now <= lead:
        return None
    ahead = format_duration(timedelta(seconds=round((event.time - now).total_seconds())))
    return Refused(
        "time_too_far_ahead",
        f"the event's time is {ahead} ahead of the clock; at most {format_duration(lead)} is taken: "
        "send it later, put the later instant in the extension `effective`, or raise WAYMARK_EVENT_LEAD",
    )
