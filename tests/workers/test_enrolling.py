"""One journey starts another, on real servers and both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from journeys.events import Event, Json
from store.tables import Assignment, Enrolment
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink
from tests.support.until import until

FIRST = """\
waymark: 1
journey: first
title: First
enter: [{on: hr.learner.promoted, key: event.data.position}]
again: always
steps:
  - enrol: {journey: second, key: vars.key, data: {from: '"first"', team: learner.team}}
""".replace("  - enrol", "  - set: {key: entry.data.key}\n  - enrol")
SECOND = "waymark: 1\njourney: second\ntitle: Second\nenter: [{on: hr.learner.left}]\n"
STEPS = "steps: [{set: {from: entry.data.from}}, {wait: 3d}]\n"


def promoted(number: int, *, key: Json = "k", **data: Json) -> Event:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=number)
    return Event(f"e-{number}", "hr", "hr.learner.promoted", "ada", at, {"position": number, "key": key, **data})


@pytest.fixture
async def house(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Running]:
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as running:
        await running.publish(FIRST)
        yield running


async def of(house: Running, journey: str) -> list[Enrolment]:
    return [each for each in await house.enrolments() if each.journey == journey]


async def promote(house: Running, number: int, **data: Json) -> str:
    """The journal of the enrolment that it starts, once that has ended."""
    await house.take(promoted(number, **data))

    async def done() -> Enrolment | None:
        found = [e for e in await of(house, "first") if e.entry_key == str(number)]
        return next((e for e in found if e.status == "ended"), None)

    enrolment = await until(done)
    return " ".join(line.text for line in await house.journal(enrolment.id))


async def test_another_journey_is_started_and_not_waited_for(house: Running) -> None:
    """With its key and data, woken at once, once."""
    await house.publish(SECOND + STEPS)
    text = await promote(house, 1, team="north")

    async def begun() -> Enrolment | None:
        (row,) = await of(house, "second")
        return row if row.step == "wait-3d" else None

    row = await until(begun)
    assert "Started the journey second." in text
    assert ("k", {"from": "first", "team": "north"}, None) == (row.entry_key, row.entry["data"], row.entry["event"])
    assert '"from":"first"' in row.run


async def test_she_is_not_started_twice(house: Running) -> None:
    """While she is in it, with that key; another key is another enrolment."""
    await house.publish(SECOND + STEPS)
    await promote(house, 1)
    assert "Did not start the journey second: the learner is in this journey" in await promote(house, 2)
    assert "Started" in await promote(house, 3, key=17)
    assert {"k", "17"} == {row.entry_key for row in await of(house, "second")}


async def test_again_is_respected(house: Running) -> None:
    """It ended, and `again` is never: the journal says so."""
    await house.publish(SECOND + "steps: [{set: {a: 1}}]\n")
    await promote(house, 1)
    await until(lambda: _has_ended(house))
    assert "`again` refuses another entry" in await promote(house, 2)
    assert 1 == len(await of(house, "second"))


async def _has_ended(house: Running) -> bool:
    return all(row.status == "ended" for row in await of(house, "second"))


async def test_the_audience_is_respected(house: Running) -> None:
    """Who is not in it is not started."""
    await house.publish(SECOND + 'audience: learner.team == "north"\n' + STEPS)
    assert "audience does not hold" in await promote(house, 1, team="south")
    assert "Started" in await promote(house, 2, team="north")


async def test_the_holdout_is_respected(house: Running) -> None:
    """She has a row that ended at its entry, and nobody wakes it."""
    await house.publish(SECOND + "holdout: 100%\n" + STEPS)
    assert "holdout" in await promote(house, 1)
    (row,) = await of(house, "second")
    assert ("ended", "holdout", None, 0) == (row.status, row.outcome, row.wake_wanted_at, row.fence)
    async with house.house.database.read() as session:
        (chosen,) = (await session.exec(select(Assignment))).all()
    assert (row.id, "holdout", 1.0) == (chosen.enrolment, chosen.arm, chosen.share)


async def test_what_is_not_there_is_not_started(house: Running) -> None:
    """No such journey, or no key: the journal says which, and the journey goes on."""
    assert "Did not start the journey second: there is no such journey" in await promote(house, 1)
    await house.publish(SECOND + STEPS)
    assert "its key could not be told" in await promote(house, 2, key=None)
    assert [] == await of(house, "second")


async def test_many_at_once_meet_no_deadlock(house: Running) -> None:
    """Events for a learner come in while her journeys start another: every one of them is started once."""
    await house.publish(SECOND + STEPS)
    events = [promoted(number, key=number) for number in range(1, 21)]
    for event in events:
        await house.take(event)
    await until(lambda: _all_first_ended(house, len(events)))
    assert {str(n) for n in range(1, 21)} == {row.entry_key for row in await of(house, "second")}
    assert 20 == len(await of(house, "second"))


async def _all_first_ended(house: Running, number: int) -> bool:
    rows = await of(house, "first")
    return len(rows) == number and all(row.status == "ended" for row in rows)
