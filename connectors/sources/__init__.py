"""The registry of sources: importing it imports them all."""

from connectors.sources import cloudevents
from connectors.sources.base import (
    SOURCES,
    Raw,
    RefusalCode,
    Refused,
    Source,
    Translated,
    Translation,
    judge_time,
    source_of,
    topics,
)
from connectors.sources.cloudevents import to_cloudevent

__all__ = [
    "SOURCES",
    "Raw",
    "RefusalCode",
    "Refused",
    "Source",
    "Translated",
    "Translation",
    "cloudevents",
    "judge_time",
    "source_of",
    "to_cloudevent",
    "topics",
]
