"""Events over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import Api, event

STRUCTURED = {"content-type": "application/cloudevents+json"}


async def test_structured(api: Api) -> None:
    """One event in structured mode is accepted, and a duplicate the second time."""
    one = event("hr.learner.hired", "ada", given_name="Ada")
    first = await api.client.post("/v1/events", json=one, headers=STRUCTURED)
    second = await api.client.post("/v1/events", json=one, headers=STRUCTURED)
    assert (202, {"accepted": 1, "duplicates": 0, "rejected": []}) == (first.status_code, first.json())
    assert {"accepted": 0, "duplicates": 1, "rejected": []} == second.json()


async def test_plain_json(api: Api) -> None:
    """An event may come as plain application/json too."""
    answer = await api.client.post("/v1/events", json=event("hr.learner.hired", "ada"))
    assert 1 == answer.json()["accepted"]


async def test_binary(api: Api) -> None:
    """In binary mode the attributes stand in headers and the body is the data."""
    headers = {
        "ce-id": "1", "ce-source": "hr", "ce-type": "hr.learner.hired", "ce-subject": "ad%C3%A9",
        "ce-time": "2026-03-02T09:00:00Z", "ce-specversion": "1.0",
    }  # fmt: skip
    answer = await api.client.post("/v1/events", json={"given_name": "Adé"}, headers=headers)
    assert {"accepted": 1, "duplicates": 0, "rejected": []} == answer.json()
    assert "Adé" == (await api.get("/v1/learners/adé"))["profile"]["given_name"]


async def test_batch_with_rejected(api: Api) -> None:
    """A batch says of each rejected event its place and why, and takes the others."""
    good, late = event("hr.learner.hired", "ada"), event("hr.learner.hired", "eve")
    late["time"] = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    answer = await api.emit({"id": "x"}, good, late, {**good, "data": {"level": "other"}})
    assert (1, 0) == (answer["accepted"], answer["duplicates"])
    assert [(0, "missing_field"), (2, "time_too_far_ahead"), (3, "conflicting_duplicate")] == [
        (one["index"], one["code"]) for one in answer["rejected"]
    ]


async def test_all_rejected(api: Api) -> None:
    """202 also when every event is rejected."""
    answer = await api.client.post("/v1/events", json={"id": "x"}, headers=STRUCTURED)
    assert (202, 0) == (answer.status_code, answer.json()["accepted"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_utf8"),
        (b"", 400, "empty"),
        (b'{"a": NaN}', 400, "not_finite"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "too_deep"),
        (b'{"data": "' + b"x" * 5_000_000 + b'"}', 413, "too_large"),
    ],
)  # fmt: skip
async def test_unreadable(api: Api, body: bytes, status: int, code: str) -> None:
    """A body that cannot be read is a problem with a stable code, and the API goes on."""
    answer = await api.client.post("/v1/events", content=body, headers=STRUCTURED)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "application/problem+json" == answer.headers["content-type"]
    assert 200 == (await api.client.get("/healthz")).status_code


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
async def test_characters_no_database_keeps(api: Api, text: str) -> None:
    """NUL and lone surrogates are refused with a code, never stored."""
    body = '{"id":"1","source":"hr","type":"hr.learner.hired","subject":"ada","time":"2026-03-02T09:00:00Z",'
    body += f'"data":{{"given_name":"{text}"}}}}'
    answer = await api.client.post("/v1/events", content=body, headers=STRUCTURED)
    refused = answer.json() if answer.status_code == 400 else answer.json()["rejected"][0]
    assert refused["code"] in {"nul_character", "lone_surrogate"}


async def test_not_json_type(api: Api) -> None:
    """Another media type is refused, with what is taken."""
    answer = await api.client.post("/v1/events", content="<a/>", headers={"content-type": "application/xml"})
    assert (415, "unsupported_media_type") == (answer.status_code, answer.json()["code"])


async def test_event_enrols(api: Api) -> None:
    """An event that a journey is entered by starts an enrolment."""
    await api.publish()
    await api.emit(
        event("hr.learner.hired", "ada", country="GB"),
        event("hr.learner.promoted", "ada", position_id="p1"),
    )
    items = (await api.get("/v1/enrolments", learner="ada"))["items"]
    assert [("first-weeks", "p1", "active")] == [(i["journey"], i["entry_key"], i["status"]) for i in items]


async def test_two_at_once(api: Api) -> None:
    """The same event sent ten times at once is accepted once."""
    one = event("hr.learner.hired", "ada")
    answers = await asyncio.gather(*(api.emit(one) for _ in range(10)))
    assert (1, 9) == (sum(a["accepted"] for a in answers), sum(a["duplicates"] for a in answers))


async def test_no_raw_values_in_problems(api: Api) -> None:
    """What is wrong with an event is said without its values: they may be a person's."""
    wrong = event("hr.learner.hired", "ada")
    wrong["time"] = "Ada Lovelace of 12 Byron Street"
    answer = await api.client.post("/v1/events", json=wrong, headers=STRUCTURED)
    assert "bad_time" == answer.json()["rejected"][0]["code"]
    assert "Lovelace" not in answer.text
