"""What becomes of bad input in the whole house: each bad thing comes among good ones, on real servers, and is named.

Kafka and HTTP bring it in, Temporal carries whom it concerns, SMTP takes what is said. Whatever the bad one is, the
good ones' messages arrive.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from connectors.sources import Raw
from connectors.sources.cloudevents import CloudEvents
from tests.support.api import Api, event, parts_over, serving
from tests.support.house import Running, running_house
from tests.support.smtp import Behaviour, SmtpSink
from tests.support.until import until
from workers.bridge import Bridge
from workers.records import Incoming, Record, incoming_of

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
TOO_MUCH = (
    "event.data.many.all(a, event.data.many.all(b, event.data.many.all(c, event.data.many.all(d, a+b+c+d >= 0))))"
)

GREETINGS = f"""\
waymark: 1
journey: greetings
title: Greetings
enter:
  - on: hr.learner.hired
    key: event.data.position
  - on: lms.assessment.scored
    when: event.data.score > 0.5
exit:
  - on: lms.course.failed
    when: {json.dumps(TOO_MUCH)}
    as: left
steps:
  - send: hello
    via: [email]
    at: anytime
  - send: start
    via: [email]
    at: anytime
messages:
  hello:
    subject: Hello
    body: Welcome, {{{{ learner.given_name }}}}.
  start:
    subject: Start
    body: You start on {{{{ entry.data.starts_on | default("2026-03-02") | date }}}}.
"""


def hired(learner: str, **data: Any) -> dict[str, Any]:
    """A good event: whoever is hired is greeted twice."""
    written: dict[str, Any] = {"position": "1", "given_name": learner, "email": address(learner), **data}
    return event("hr.learner.hired", learner, **{name: value for name, value in written.items() if value is not ...})


def address(learner: str) -> str:
    return f"{learner}@example.org"


def as_text(written: Mapping[str, Any]) -> bytes:
    return json.dumps(written).encode()


def changed(old: str, new: str, **data: Any) -> bytes:
    """An event as its sender writes it, with one text in it put in place of another, whatever that makes of it."""
    return as_text(hired("nobody", **data)).replace(old.encode(), new.encode())


def without(name: str) -> bytes:
    return as_text({key: value for key, value in hired("nobody").items() if key != name})


@dataclass(frozen=True)
class Bad:
    """A body; what is said of it as a record and as a request: refused with `code`, or taken where that is None."""

    name: str
    body: bytes
    code: str | None
    status: int = 202


MARK = '"nobody@example.org"'
TAKEN_BEFORE = {**hired("known"), "id": "taken before"}

BAD = [
    Bad("not UTF-8", b"\xff\xfe\x00", "not_utf8", 400),
    Bad("not UTF-8 within a text", as_text(hired("nobody")).replace(b"nobody@", b"nob\xf6dy@"), "not_utf8", 400),
    Bad("not JSON", b"<event/>", "not_json", 400),
    Bad("cut off", as_text(hired("nobody"))[:-9], "not_json", 400),
    Bad("nothing", b"", "empty", 400),
    Bad("not an object", b'"hello"', "not_an_event"),
    Bad("5 MB", changed(MARK, f'"{"x" * 5_000_000}"'), "too_large", 413),
    Bad("10,000 deep", changed(MARK, "[" * 10_000 + "]" * 10_000), "too_deep", 400),
    Bad("200 deep", changed(MARK, "[" * 200 + "]" * 200), "too_deep"),
    Bad("NUL", changed(MARK, '"a\\u0000b"'), "nul_character"),
    Bad("NUL in a name", changed('"email"', '"e\\u0000mail"'), "nul_character"),
    Bad("a lone surrogate", changed(MARK, '"\\ud800"'), "lone_surrogate"),
    Bad("NaN", changed(MARK, "NaN"), "not_finite", 400),
    Bad("infinity", changed(MARK, "-Infinity"), "not_finite", 400),
    Bad("an integer beyond all bounds", changed(MARK, "9" * 5000), "number_out_of_range"),
    Bad("no subject", without("subject"), "missing_field"),
    Bad("a blank subject", as_text({**hired("nobody"), "subject": " "}), "missing_field"),
    Bad("no time", without("time"), "missing_field"),
    Bad("a time without a zone", as_text({**hired("nobody"), "time": "2026-03-02T09:00:00"}), "bad_time"),
    Bad("a time in 2970", as_text({**hired("nobody"), "time": "2970-01-01T00:00:00Z"}), "time_too_far_ahead"),
    Bad("no id", without("id"), "missing_field"),
    Bad("data that is a list", as_text({**hired("nobody"), "data": [1]}), "bad_data"),
    Bad("the same id with other data", as_text({**TAKEN_BEFORE, "data": {"level": "9"}}), "conflicting_duplicate"),
    Bad("a time in 1970", as_text({**event("lms.course.started", "known"), "time": "1970-01-01T00:00:00Z"}), None),
    Bad("an unknown type", as_text(event("acme.chair.adjusted", "known", height=3)), None),
    Bad("a learner nobody has introduced", as_text(event("lms.course.started", "stranger")), None),
    Bad("no field that the key names", as_text(hired("unkeyed", position=...)), None),
    Bad("a condition's field missing", as_text(event("lms.assessment.scored", "known")), None),
    Bad("a condition's field of another type", as_text(event("lms.assessment.scored", "known", score="high")), None),
    Bad("a condition that takes too long", as_text(event("lms.course.failed", "known", many=[*range(300)])), None),
    Bad("profile fields of other types", as_text(event("hr.learner.changed", "known", email=5, zone=["x"])), None),
]


@dataclass
class Whole:
    """The house with its worker, its API, and a bridge on a topic of this test's own."""

    api: Api
    running: Running
    smtp: SmtpSink
    topic: str
    bootstrap: str

    def produce(self, bodies: Sequence[bytes]) -> None:
        """Write these, one after the other, to one partition: what held one up would hold up all that follow."""
        producer: Any = KafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=8_000_000)
        for body in bodies:
            producer.send(self.topic, body, b"key", partition=0)
        producer.flush(timeout=30)
        producer.close()

    async def post(self, body: bytes, *, media_type: str = STRUCTURED) -> tuple[int, Any]:
        """Status and body of the answer."""
        answer = await self.api.client.post("/v1/events", content=body, headers={"content-type": media_type})
        return answer.status_code, answer.json()

    async def all_greeted(self, learners: Sequence[str]) -> None:
        """Until each has her two messages, once each."""

        def arrived() -> bool:
            return all(len(self.smtp.for_(address(learner))) >= 2 for learner in learners)

        await until(arrived)
        assert dict.fromkeys(learners, 2) == {one: len(self.smtp.for_(address(one))) for one in learners}

    async def letters(self) -> list[dict[str, Any]]:
        """The dead letters, as the API lists them, in their order on the topic."""
        found = (await self.api.get("/v1/dead-letters", topic=self.topic, limit=500))["items"]
        return sorted(found, key=lambda letter: letter["offset"])

    async def deliveries(self, learner: str) -> dict[str, dict[str, Any]]:
        """Her deliveries by message."""
        return {one["message"]: one for one in (await self.api.get("/v1/deliveries", learner=learner))["items"]}

    async def enrolled(self) -> set[str]:
        """Who is or was in the journey."""
        return {one["learner"] for one in (await self.api.get("/v1/enrolments", limit=500))["items"]}


def translate(record: Record) -> Sequence[Incoming]:
    """As for our own topics, whatever this one is called."""
    raw = Raw(record.value, dict(record.headers), "kafka")
    return [incoming_of(one, record=record) for one in CloudEvents.translate(raw)]


@pytest.fixture
async def whole(
    database_url: str, temporal_address: str, kafka_bootstrap: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Whole]:
    """The house, on SQLite and on PostgreSQL, with the journey published."""
    topic = f"bad-{uuid.uuid4().hex[:12]}"
    admin: Any = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    admin.create_topics(
        {topic: {"num_partitions": 4, "replication_factor": 1, "configs": {"max.message.bytes": 8_000_000}}},
        wait_for_metadata=True,
    )
    admin.close()
    limits: dict[str, Any] = {"hand_over": timedelta(seconds=5), "answer": timedelta(seconds=5)}
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path, **limits
    ) as running:
        house = running.house
        async with serving(parts_over(house.database, house.ingest, house.gateway), house.ingest) as api:
            assert 201 == (await api.publish(GREETINGS, "greetings")).status_code
            stop = asyncio.Event()
            bridge = Bridge(house.ingest, kafka_bootstrap, topics=[topic], group=topic, translate=translate)
            task = asyncio.create_task(bridge.run(stop))
            yield Whole(api, running, smtp_sink, topic, kafka_bootstrap)
            stop.set()
            await asyncio.wait_for(task, 60)


async def test_bad_records_stand_aside(whole: Whole) -> None:
    """On Kafka: what cannot be used is a dead letter with its reason, in its place; every good one is greeted."""
    good = [f"good-{number}" for number in range(len(BAD) + 1)]
    bodies = [as_text(TAKEN_BEFORE), as_text(hired(good[0]))]
    for bad, learner in zip(BAD, good[1:], strict=True):
        bodies += [bad.body, as_text(hired(learner))]
    whole.produce(bodies)

    await whole.all_greeted(["known", *good])
    expected = [(2 + 2 * place, bad.code) for place, bad in enumerate(BAD) if bad.code is not None]
    assert expected == [(letter["offset"], letter["reason"]) for letter in await whole.letters()]
    assert {"known", *good} == await whole.enrolled()
    await _nothing_bad_was_taken(whole)


async def test_bad_requests_are_answered(whole: Whole) -> None:
    """Over HTTP: each is answered with its code; 400 and 413 where nothing of it can be read; the API goes on."""
    assert 202 == (await whole.post(as_text(TAKEN_BEFORE)))[0]
    answers: dict[str, tuple[int, str | None]] = {}
    for number, bad in enumerate(BAD):
        status, said = await whole.post(bad.body)
        rejected = said.get("rejected") or []
        answers[bad.name] = status, said["code"] if status >= 400 else rejected[0]["code"] if rejected else None
        assert (202, 1) == ((good := await whole.post(as_text(hired(f"good-{number}"))))[0], good[1]["accepted"])

    assert {bad.name: (bad.status, bad.code) for bad in BAD} == answers
    good_ones = {"known", *(f"good-{number}" for number in range(len(BAD)))}
    await whole.all_greeted(sorted(good_ones))
    assert good_ones == await whole.enrolled()
    assert [] == await whole.letters()
    await _nothing_bad_was_taken(whole)


async def _nothing_bad_was_taken(whole: Whole) -> None:
    """The first of two with one id stands; what no profile holds is not in one; who was refused does not exist."""
    known = await whole.api.get("/v1/learners/known")
    assert {"given_name": "known", "email": address("known")} == known["profile"]
    assert 404 == (await whole.api.client.get("/v1/learners/nobody")).status_code
    for learner in ("stranger", "unkeyed"):
        assert 200 == (await whole.api.client.get(f"/v1/learners/{learner}")).status_code
    (enrolment,) = (await whole.api.get("/v1/enrolments", learner="known"))["items"]
    assert ("ended", "completed") == (enrolment["status"], enrolment["outcome"])


async def test_a_bad_event_takes_no_other_of_its_batch_down(whole: Whole) -> None:
    """What is JSON and no event is rejected by its place; the others of the batch are taken."""
    await whole.post(as_text(TAKEN_BEFORE))
    readable = [bad for bad in BAD if bad.status == 202]
    parts = [part for number, bad in enumerate(readable) for part in (bad.body, as_text(hired(f"good-{number}")))]
    status, said = await whole.post(b"[" + b",".join(parts) + b"]", media_type=BATCH)

    assert 202 == status
    expected = [(2 * place, bad.code) for place, bad in enumerate(readable) if bad.code is not None]
    assert expected == [(one["index"], one["code"]) for one in said["rejected"]]
    assert len(parts) - len(expected) == said["accepted"]
    await whole.all_greeted(["known", *(f"good-{number}" for number in range(len(readable)))])


async def test_a_learner_nobody_had_introduced_is_greeted_when_she_is(whole: Whole) -> None:
    """Her event is kept; the profile comes later, and what she is entered by then reaches her."""
    whole.produce([as_text(event("lms.course.started", "stranger", course="MGR-101")), as_text(hired("good"))])
    await whole.all_greeted(["good"])
    assert {} == (await whole.api.get("/v1/learners/stranger"))["profile"]
    whole.produce([as_text(hired("stranger"))])
    await whole.all_greeted(["stranger"])
    types = [item["data"]["type"] for item in (await whole.api.get("/v1/learners/stranger/timeline"))["items"]
             if item["kind"] == "event"]  # fmt: skip
    assert {"lms.course.started", "hr.learner.hired"} == set(types)


async def test_a_condition_that_cannot_be_judged_is_in_the_journal(whole: Whole) -> None:
    """The exit that CEL gave up on did not end her journey; her journal says so without the event's values."""
    await whole.api.client.post("/v1/halt")  # she stays where she is until the event is there
    await whole.api.emit(hired("ada"), hired("good"))
    (enrolment,) = (await whole.api.get("/v1/enrolments", learner="ada"))["items"]
    await whole.api.emit(event("lms.course.failed", "ada", many=[*range(300)]))
    await whole.api.client.post("/v1/go")
    await whole.all_greeted(["ada", "good"])
    journal = (await whole.api.get(f"/v1/enrolments/{enrolment['id']}"))["journal"]
    assert any("takes too long" in line["text"] + json.dumps(line["data"]) for line in journal)


@dataclass(frozen=True)
class Hard:
    """Someone who is hard to reach: how the SMTP server treats her first message, and what becomes of it."""

    learner: str
    behaviour: Behaviour | None
    data: Mapping[str, Any]
    status: str
    reason: str
    arrived: int
    """How many messages she gets in the end, of two."""


HARD = [
    Hard("refused", "refuse", {}, "failed", "550", 1),
    Hard("later", "later", {}, "sent", "", 2),
    Hard("later-after-data", "later_after_data", {}, "sent", "", 2),
    Hard("hanging", "hang", {}, "sent", "", 2),
    Hard("dropped", "drop_after_data", {}, "may_have_gone", "", 2),
    Hard("silent", "hang_after_data", {}, "may_have_gone", "", 2),
    Hard("unreachable", None, {"email": ...}, "skipped", "no_address", 0),
    Hard("nowhere", None, {"email": "not an address"}, "failed", "", 0),
    Hard("nameless", None, {"given_name": ...}, "skipped", "variable_missing: learner.given_name", 1),
]


async def test_whom_a_message_cannot_reach_holds_nobody_up(whole: Whole) -> None:
    """Each way of not arriving has its status and reason; nobody else's message waits for it, and journeys go on."""
    for hard in HARD:
        if hard.behaviour is not None:
            whole.smtp.treat(address(hard.learner), hard.behaviour)
    good = [f"good-{number}" for number in range(len(HARD))]
    whole.produce([as_text(hired(h.learner, **h.data) if h else hired(g)) for pair in zip(HARD, good, strict=True)
                   for h, g in ((pair[0], ""), (None, pair[1]))])  # fmt: skip
    await whole.all_greeted(good)

    async def all_ended() -> bool:
        found = (await whole.api.get("/v1/enrolments", limit=100))["items"]
        return len(found) == len(HARD) + len(good) and all(one["status"] == "ended" for one in found)

    await until(all_ended)
    for hard in HARD:
        first = (await whole.deliveries(hard.learner))["hello"]
        assert (hard.learner, hard.status) == (hard.learner, first["status"])
        assert hard.reason in (first["reason"] or ""), hard.learner
        assert hard.arrived == len(whole.smtp.for_(address(hard.learner))), hard.learner


async def test_a_template_that_fails_skips_its_message_alone(whole: Whole) -> None:
    """A date that is none cannot be written as one: skipped, and the other message of hers arrives."""
    whole.produce([as_text(hired("good-1")), as_text(hired("ada", starts_on="soon")), as_text(hired("good-2"))])
    await whole.all_greeted(["good-1", "good-2"])
    await until(lambda: whole.smtp.for_(address("ada")))

    async def is_skipped() -> bool:
        second = (await whole.deliveries("ada")).get("start")
        return second is not None and ("skipped", True) == (second["status"], "template_failed" in second["reason"])

    await until(is_skipped)
    assert ["Hello"] == [str(mail.message["subject"]) for mail in whole.smtp.for_(address("ada"))]
