"""The source `cloudevents`: pairs of raw records and what they say, and what every record keeps to.

A raw file is named `<case>.kafka` or `<case>.http`: header lines, an empty line, and the body as it came. Its partner
`<case>.json` is the list of what comes of it: `{"event": ...}` as JSON, or `{"refused": code, "is_unreadable": ...}`.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sources import (
    SOURCES,
    Raw,
    Refused,
    Translated,
    Translation,
    judge_time,
    source_of,
    to_cloudevent,
    topics,
)
from journeys.events import Event, Json

GOLDEN = Path(__file__).parents[2] / "golden" / "events" / "cloudevents"
RAW = sorted(path for path in GOLDEN.iterdir() if path.suffix in {".kafka", ".http"})
translate = SOURCES["cloudevents"].translate


def read(path: Path) -> Raw:
    head, _, body = (
        path.read_bytes().partition(b"\n\n")
        if not path.read_bytes().startswith(b"\n")
        else (b"", b"", path.read_bytes()[1:])
    )
    lines = [line.partition(b": ") for line in head.split(b"\n") if line]
    transport = cast(Literal["kafka", "http"], path.suffix[1:])
    headers: dict[str, str | bytes | None] = {
        name.decode(): value if transport == "kafka" else value.decode("latin-1") for name, _, value in lines
    }
    return Raw(body, headers, transport)


def written(translation: Translation) -> dict[str, Any]:
    match translation:
        case Translated(event):
            as_cloudevent = to_cloudevent(event)
            fields = {
                name: as_cloudevent.get(name)
                for name in ("id", "source", "type", "subject", "time", "data", "effective")
            }
            return {"event": fields}
        case Refused(code=code, is_unreadable=is_unreadable):
            return {"refused": code, "is_unreadable": is_unreadable}


@pytest.mark.parametrize("path", RAW, ids=lambda path: path.name)
def test_each_record_says_what_its_partner_holds(path: Path) -> None:
    """A raw record is translated, or refused with its code, as the file beside it says."""
    expected = json.loads(path.with_suffix(".json").read_text())
    assert [written(translation) for translation in translate(read(path))] == expected


def test_every_partner_has_its_record() -> None:
    """No expectation stands alone."""
    assert {path.stem for path in GOLDEN.glob("*.json")} == {path.stem for path in RAW}


def test_a_record_over_the_limit_is_refused_unread() -> None:
    """One MiB is taken; a byte more, and 5 MB, are refused."""
    event: dict[str, Json] = {"id": "1", "source": "s", "type": "t", "subject": "ada", "time": "2026-03-02T09:00:00Z"}
    empty = len(json.dumps({**event, "data": {"x": ""}}))
    fits = json.dumps({**event, "data": {"x": "y" * (1024 * 1024 - empty)}}).encode()
    assert isinstance(translate(Raw(fits))[0], Translated)
    for body in (fits + b" ", b"x" * 5_000_000, b"[" * 5_000_000):
        (refused,) = translate(Raw(body))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.is_unreadable) == ("too_large", True)


@pytest.mark.parametrize(
    "body",
    [
        b'"\\' * 500_000,
        b'"\\""' * 260_000,
        b"[" * 1_000_000,
        b'{"a":[' * 150_000,
        b"[NaN," * 200_000,
        b'["\\ud800",' + b'"x",' * 250_000 + b"1]",
        b"[" + b"9223372036854775808," * 50_000 + b"1]",
        b'{"x":[' + b"1e300," * 170_000 + b"1]}",
    ],
    ids=range(8),
)
def test_no_record_takes_long(body: bytes) -> None:
    """The worst that fits the limit is judged within two seconds of this process's own time."""
    assert len(body) <= 1024 * 1024
    began = time.process_time()
    assert isinstance(translate(Raw(body))[0], Refused)
    assert time.process_time() - began < 2


def test_a_tombstone_is_refused() -> None:
    """A Kafka record without a value is refused as empty."""
    (refused,) = translate(Raw(None))
    assert isinstance(refused, Refused)
    assert refused.code == "empty"


@pytest.mark.parametrize("field", ["id", "source", "type", "subject", "time", "effective", "specversion"])
def test_a_refusal_names_no_person(field: str) -> None:
    """Whatever field a name or a number of a person got into, the detail does not repeat it."""
    for secret in ("Ada Lovelace", "+49 170 1234567", "ada@corp.example", "x" * 2000):
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "s",
            "type": "t",
            "subject": "u",
            "time": "2026-03-02T09:00:00Z",
        }
        for value in (secret, [secret]):
            for translation in translate(Raw(json.dumps({**event, field: value}).encode())):
                assert isinstance(translation, Translated) or secret not in translation.detail


NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "is_taken"),
    [
        (timedelta(0), True),
        (timedelta(days=-20_000), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, microseconds=1), False),
    ],
)
def test_a_time_too_far_ahead_is_refused(ahead: timedelta, is_taken: bool) -> None:
    """The lead itself is still taken; an instant more is not."""
    judged = judge_time(Event("1", "s", "t", "u", NOW + ahead), now=NOW, lead=timedelta(hours=24))
    assert (judged is None) is is_taken
    assert judged is None or judged.code == "time_too_far_ahead"


def test_2970_is_refused_by_the_lead() -> None:
    """A time in 2970 can be read, and is judged by the clock."""
    (translated,) = translate(read(GOLDEN / "time_in_2970.kafka"))
    assert isinstance(translated, Translated)
    assert judge_time(translated.event, now=NOW, lead=timedelta(days=3650)) is not None


def test_the_topics_are_those_of_the_interface() -> None:
    """hr.events and lms.events are read by this source."""
    assert {"hr.events", "lms.events"} <= set(topics())
    assert source_of("lms.events") is SOURCES["cloudevents"]
    assert source_of("other") is None


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=40).filter(
    str.strip
)
instants = st.datetimes(datetime(1900, 1, 2), datetime(8999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  (the strategy adds it)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
events = st.builds(
    Event,
    id=texts,
    source=texts,
    type=texts,
    subject=texts,
    time=instants,
    data=st.dictionaries(texts, values, max_size=4),
    effective=st.none() | instants,
)


@given(events)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(event: Event) -> None:
    """`to_cloudevent` and `translate` are each other's inverse."""
    body = json.dumps(to_cloudevent(event)).encode()
    assert translate(Raw(body, {"content-type": "application/cloudevents+json"})) == (Translated(event),)


@given(
    st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()), st.sampled_from(["kafka", "http"])
)
@settings(max_examples=300, deadline=None)
def test_nothing_raises(body: bytes, transport: Literal["kafka", "http"]) -> None:
    """Whatever comes, the answer is a value."""
    for headers in (
        {},
        {"ce_id": body, "ce-id": "%ff\xff"},
        {"content-type": b"\xff"},
        {"content-type": "application/cloudevents-batch+json"},
    ):
        for translation in translate(Raw(body, cast(dict[str, str | bytes | None], headers), transport)):
            assert isinstance(translation, Translated | Refused)
