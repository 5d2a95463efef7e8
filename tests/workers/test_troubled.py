"""A journey that fails for many holds itself and says so; on real servers and both databases."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from journeys.events import Event
from store.tables import DeliveryRow, OutboxRow
from tests.support.smtp import SmtpSink
from tests.support.steering import JOURNEY, Steered, steered_house
from workers.troubled import Guard, Rule

MISSING = JOURNEY.replace("  - wait: 30d\n  - send: bye\n", "").replace("body: Hello}", 'body: "{{ learner.team }}"}')
SHORT = JOURNEY.replace("  - wait: 30d\n  - send: bye\n", "").replace("  bye: {subject: Bye, body: Bye}\n", "")
HOUR = timedelta(hours=1)


@pytest.fixture
async def steered(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Steered]:
    """A house with a journey of one message."""
    async with steered_house(
        database_url=database_url, temporal_address=temporal_address, mail=smtp_sink, home=tmp_path, definition=None
    ) as steered:
        yield steered


def guard(steered: Steered, *, of: int = 4) -> Guard:
    """That of the bridge's process, which looks at the last four."""
    return Guard(steered.house.house.database, steered.house.clock, Rule(of, HOUR))


async def publish(steered: Steered, definition: str) -> None:
    """A new version."""
    assert 201 == (await steered.api.publish(definition, "steered")).status_code


async def test_most_of_the_last_messages_failed_alike(steered: Steered) -> None:
    """Three of four: it is paused by the system, with the reason, and says so on our topic; `resume` clears it."""
    await publish(steered, SHORT)
    for learner in ("ada", "bob", "cyd"):
        steered.mail.always(f"{learner}@example.org", "refuse")
    await steered.promote("ada", "bob", "cyd")
    assert [] == await guard(steered).look()  # three, of which none went: too few to say
    await steered.promote("dan")
    assert ["steered"] == await guard(steered).look()
    assert [] == await guard(steered).look()

    found = await steered.api.get("/v1/journeys/steered")
    assert ("paused", "waymark") == (found["status"], found["paused"]["by"])
    assert "3 of its last 4 messages ended so: failed" == found["paused"]["reason"]
    async with steered.house.house.database.read() as session:
        told = [json.loads(row.payload) for row in (await session.exec(select(OutboxRow))).all()]
    (event,) = [each for each in told if each["type"] == "waymark.journey.paused"]
    assert {"journey": "steered", "by": "waymark", "reason": found["paused"]["reason"]} == event["data"]

    await steered.steer("/v1/journeys/steered/resume")
    assert [] == await guard(steered).look()
    assert None is (await steered.api.get("/v1/journeys/steered"))["paused"]


async def test_what_is_hers_alone_does_not_count(steered: Steered) -> None:
    """Nobody has an address: each is skipped, and the journey goes on."""
    await publish(steered, SHORT.replace("on: hr.learner.promoted", "on: hr.learner.hired"))
    at = steered.house.clock()
    for n in range(4):
        await steered.house.take(Event(f"hired-{n}", "hr", "hr.learner.hired", f"learner-{n}", at))
    await steered.house.quiet()
    async with steered.house.house.database.read() as session:
        rows = (await session.exec(select(DeliveryRow))).all()
    assert {("skipped", "no_address")} == {(row.status, (row.reason or "").partition(":")[0]) for row in rows}
    assert [] == await guard(steered).look()


async def test_a_variable_that_is_missing_for_all(steered: Steered) -> None:
    """The cause is named; with 0 nobody looks; what happened longer ago than an hour does not count."""
    await publish(steered, MISSING.replace("  bye: {subject: Bye, body: Bye}\n", ""))
    await steered.promote("ada", "bob", "cyd", "dan")
    assert [] == await guard(steered, of=0).look()
    late = guard(steered)
    late = Guard(late.database, lambda: steered.house.clock() + 2 * HOUR, late.rule)
    assert [] == await late.look()
    assert ["steered"] == await guard(steered).look()
    found = await steered.api.get("/v1/journeys/steered")
    assert "4 of its last 4 messages ended so: variable_missing" == found["paused"]["reason"]
