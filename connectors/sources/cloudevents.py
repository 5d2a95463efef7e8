"""CloudEvents 1.0 with canonical types: the form in which any HR system or LMS may speak to Waymark directly.

Structured mode (one JSON object), batch (an array of them, over HTTP) and binary mode (attributes in headers: `ce_id`
on Kafka, `ce-id` over HTTP), with JSON data. Where nothing says which mode it is, a JSON object is an event and, over
HTTP, an array is a batch. Unknown extensions are passed over.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar, cast
from urllib.parse import unquote

from connectors.sources.base import MAX_RECORD_BYTES, Raw, Refused, Translated, Translation, source
from connectors.sources.reading import parse, unfit
from journeys.events import Event, Json

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_FIELD_BYTES = 1024
EARLIEST_YEAR, LATEST_YEAR = 1900, 9000
TEAM_EVENT = "performance.measured"
"""The type that may be about a team, and then has `team` in its data and no subject."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|([+-])(\d\d):(\d\d))?", re.ASCII)
_HARMLESS = re.compile(r"\d{4}-\d\d-\d\d[0-9TtZz:+\-. ]{0,30}|\d\.\d", re.ASCII)


@source("cloudevents")
class CloudEvents:
    """Events that are canonical already."""

    name: ClassVar[str]
    topics: ClassVar[tuple[str, ...]] = ("hr.events", "lms.events")

    @staticmethod
    def translate(raw: Raw) -> tuple[Translation, ...]:
        """One answer for each event of the record. An empty batch over HTTP has none."""
        if raw.body is not None and len(raw.body) > MAX_RECORD_BYTES:
            return (_too_large(raw.body),)
        headers = _headers(raw)
        if isinstance(headers, Refused):
            return (headers,)
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        attributes = _binary_attributes(raw, headers)
        if isinstance(attributes, Refused):
            return (attributes,)
        if content_type in {STRUCTURED, BATCH} or not attributes:
            return _in_body(raw, content_type)
        return (_binary(raw, attributes, content_type),)


def to_cloudevent(event: Event) -> dict[str, Json]:
    """The event in structured mode, as JSON holds it; `translate` reads it back as it was."""
    written: dict[str, Json] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": format_time(event.time),
        "datacontenttype": "application/json",
        "data": dict(event.data),
    }
    if event.subject is not None:
        written["subject"] = event.subject
    if event.effective is not None:
        written["effective"] = format_time(event.effective)
    return written


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC, with `Z`; a fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _too_large(body: bytes) -> Refused:
    return Refused("too_large", f"{len(body)} bytes; at most {MAX_RECORD_BYTES} are taken", is_unreadable=True)


# -- where the parts stand ---------------------------------------------------------------------------------------------


def _headers(raw: Raw) -> dict[str, str] | Refused:
    """Headers as text, by lower-case name."""
    read: dict[str, str] = {}
    for name, value in raw.headers.items():
        try:
            read[name.lower()] = _header_text(value)
        except UnicodeError:
            if name.lower().startswith(("ce_", "ce-", "content-type")):
                return Refused("not_utf8", f"the header {name[:60]} is not UTF-8", is_unreadable=True)
    return read


def _header_text(value: str | bytes | None) -> str:
    """HTTP servers hand over header bytes as Latin-1 text; what was UTF-8 on the line becomes so again."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode()
    return value if value.isascii() else value.encode("latin-1").decode()


def _binary_attributes(raw: Raw, headers: Mapping[str, str]) -> dict[str, Json] | Refused:
    """The attributes that stand in headers. None there: it is not binary mode."""
    prefix = "ce_" if raw.transport == "kafka" else "ce-"
    found = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    if raw.transport == "kafka":
        return cast(dict[str, Json], found)
    try:
        return {name: unquote(value.strip().strip('"'), errors="strict") for name, value in found.items()}
    except UnicodeDecodeError:
        return Refused("not_utf8", "a ce- header is percent-encoded and not UTF-8 within", is_unreadable=True)


def _is_json(content_type: str) -> bool:
    return content_type in {"", "application/json", "text/json"} or content_type.endswith("+json")


def _in_body(raw: Raw, content_type: str) -> tuple[Translation, ...]:
    """Structured mode, batch, or JSON that says nothing of itself."""
    if not _is_json(content_type):
        return (_bad_content_type(),)
    if not raw.body:
        return (Refused("empty", "the record is empty: an event is a JSON object", is_unreadable=True),)
    value = parse(raw.body)
    if isinstance(value, Refused):
        return (value,)
    if isinstance(value, list) and raw.transport == "http" and content_type != STRUCTURED:
        return tuple(_event_in(item) for item in value)
    if content_type == BATCH:
        detail = "a batch is a JSON array of events, and goes over HTTP: a Kafka record holds one event"
        return (Refused("not_an_event", detail, is_unreadable=raw.transport == "http"),)
    return (_event_in(value),)


def _binary(raw: Raw, attributes: dict[str, Json], content_type: str) -> Translation:
    if not _is_json(content_type):
        return _bad_content_type()
    data = parse(raw.body) if raw.body else {}
    if isinstance(data, Refused):
        return data
    if (refused := unfit(data)) is not None:
        return refused
    return _event({name: value for name, value in attributes.items() if name != "data"}, data)


def _bad_content_type() -> Refused:
    allowed = f"{STRUCTURED}, {BATCH} (HTTP), or application/json with ce headers"
    return Refused("bad_content_type", f"the content type is not JSON; allowed: {allowed}", is_unreadable=True)


# -- one event ---------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """Carries a refusal out of the reading of one event; never leaves this file."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


def _event_in(value: Json) -> Translation:
    if not isinstance(value, dict):
        return Refused("not_an_event", "an event is a JSON object")
    if (refused := unfit(value)) is not None:
        return refused
    if "data_base64" in value:
        return Refused("bad_data", "data_base64 is not taken: `data` is a JSON object")
    return _event(value, value.get("data"))


def _event(attributes: Mapping[str, Json], data: Json) -> Translation:
    try:
        return Translated(_read_event(attributes, data))
    except _Wrong as wrong:
        return wrong.refused


def _read_event(attributes: Mapping[str, Json], data: Json) -> Event:
    _check_version(attributes.get("specversion"))
    event_type = _required(attributes, "type")
    known_data = _read_data(data)
    return Event(
        id=_required(attributes, "id"),
        source=_required(attributes, "source"),
        type=event_type,
        subject=_subject(attributes, event_type, known_data),
        time=_read_time("time", _required(attributes, "time")),
        data=known_data,
        effective=None if (at := _text(attributes, "effective")) is None else _read_time("effective", at),
    )


def _check_version(version: Json) -> None:
    """An absent version is taken as 1.0: what is written by hand often lacks it."""
    if version is not None and version != "1.0":
        raise _Wrong(Refused("bad_specversion", f"specversion is {_shown(version)}; allowed: 1.0"))


def _text(attributes: Mapping[str, Json], name: str) -> str | None:
    """The attribute's text; None where it is absent, null or blank."""
    value = attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Wrong(Refused("bad_field", f"`{name}` must be a text"))
    if "\0" in value:
        raise _Wrong(Refused("nul_character", f"`{name}` holds the character NUL (\\u0000), which no database keeps"))
    if len(value.encode(errors="replace")) > MAX_FIELD_BYTES:
        raise _Wrong(Refused("field_too_long", f"`{name}` is longer than {MAX_FIELD_BYTES} bytes"))
    return value if value.strip() else None


def _required(attributes: Mapping[str, Json], name: str) -> str:
    value = _text(attributes, name)
    if value is None:
        raise _Wrong(
            Refused("missing_field", f"`{name}` is missing: every event has id, source, type, subject and time")
        )
    return value


def _subject(attributes: Mapping[str, Json], event_type: str, data: Mapping[str, Json]) -> str | None:
    team = data.get("team")
    if event_type == TEAM_EVENT and isinstance(team, str) and team.strip() and _text(attributes, "subject") is None:
        return None
    return _required(attributes, "subject")


def _read_data(data: Json) -> dict[str, Json]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _Wrong(Refused("bad_data", "`data` must be a JSON object"))
    return data


def _read_time(name: str, text: str) -> datetime:
    """An RFC 3339 instant, in UTC. Digits beyond the microsecond are dropped."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise _bad_time(name, text, "write RFC 3339, as 2026-03-01T09:00:00Z")
    if parts[8] is None:
        raise _bad_time(name, text, "it has no zone; end it with Z or an offset, as +01:00")
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts.groups()[:6])
        microsecond = int((parts[7] or "0")[:6].ljust(6, "0"))
        at = datetime(year, month, day, hour, minute, second, microsecond, _zone(parts)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad_time(name, text, "there is no such instant") from None
    if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
        raise _bad_time(name, text, f"its year is not within {EARLIEST_YEAR} to {LATEST_YEAR}")
    return at


def _zone(parts: re.Match[str]) -> timezone:
    if parts[9] is None:
        return UTC
    if int(parts[11]) > 59:
        raise ValueError("minutes of an offset end at 59")
    offset = timedelta(hours=int(parts[10]), minutes=int(parts[11]))
    return timezone(offset if parts[9] == "+" else -offset)


def _bad_time(name: str, text: str, reason: str) -> _Wrong:
    return _Wrong(Refused("bad_time", f"`{name}` is {_shown(text)}: {reason}"))


def _shown(value: Json) -> str:
    """A wrong value where it looks like a time or a version: senders mix up fields, and a name must not get out."""
    return value if isinstance(value, str) and _HARMLESS.fullmatch(value) else "not as it must be"
