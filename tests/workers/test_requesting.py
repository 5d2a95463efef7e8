"""What becomes of a request to another system when that system, an operator or an exit gets in its way; on real
servers and both databases.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select
from temporalio.exceptions import ApplicationError

from journeys.events import Event
from store.database import Database
from store.queries import pausing
from store.queries import requests as request_rows
from store.tables import Enrolment, Installation, RequestRow
from tests.connectors.systems import SECRET, TOKEN, Plan, System, by_signature, by_token
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink
from tests.support.unheard import Unheard
from tests.support.until import until
from tests.workflows.test_replay import readable
from waymark.wiring import open_activities
from workflows.contracts import RetryOrder

HEAD = "waymark: 1\njourney: story\ntitle: A story\nenter: [{on: hr.learner.promoted}]\n"
EXIT = "exit: [{on: hr.learner.left, as: left}]\n"
CALL = (
    HEAD + EXIT + "steps: [{call: crm, body: {who: learner.id}, keep: {account: id}, within: WITHIN}, {end: after}]\n"
)
KEPT = Plan(200, {}, b'{"id": "A-7"}')
BUSY = Plan(503, {}, b"busy")


def calling(within: str = "1h") -> str:
    return CALL.replace("WITHIN", within)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def promoted(learner: str = "ada", **data: Any) -> Event:
    return Event(f"promoted-{learner}", "hr", "hr.learner.promoted", learner, now(), data)


@pytest.fixture
async def crm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """A webhook that answers with an account, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    system = System(by_signature, usual=KEPT)
    await system.start()
    yield system
    await system.stop()


@pytest.fixture
async def moodle() -> AsyncIterator[System]:
    """An LMS."""
    system = System(by_token, usual=Plan(201))
    await system.start()
    yield system
    await system.stop()


PATIENT = {"hand_over": timedelta(seconds=20), "answer": timedelta(seconds=20)}
SHORT = {"hand_over": timedelta(seconds=5), "answer": timedelta(seconds=5)}
"""For who waits until an attempt is over that nothing comes of."""


@pytest.fixture
def limits() -> Mapping[str, timedelta]:
    """How long, both together, a system may take; short in the tests alone in which something never answers."""
    return PATIENT


@pytest.fixture
def set_up(
    temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, crm: System, moodle: System,
    limits: Mapping[str, timedelta],
) -> dict[str, Any]:  # fmt: skip
    """What a house is opened with, but for its database."""
    return {
        "temporal_address": temporal_address, "smtp_url": smtp_sink.url, "home": tmp_path, **limits,
        "calls": {"WAYMARK_CALL_CRM_URL": crm.url, "WAYMARK_CALL_CRM_SECRET": SECRET},
        "lms": {"WAYMARK_LMS_MOODLE_URL": moodle.url, "WAYMARK_LMS_MOODLE_TOKEN": TOKEN},
    }  # fmt: skip


@pytest.fixture
async def house(database_url: str, set_up: dict[str, Any]) -> AsyncIterator[Running]:
    async with running_house(database_url=database_url, **set_up) as running:
        yield running


async def the_one(house: Running) -> RequestRow:
    async with house.house.database.read() as session:
        (row,) = (await session.exec(select(RequestRow))).all()
        return row


async def ended(house: Running) -> Enrolment:
    """The one enrolment, once it has ended."""

    async def one() -> Enrolment | None:
        (enrolment,) = await house.enrolments()
        return enrolment if enrolment.status == "ended" else None

    return await until(one)


async def texts(house: Running, enrolment: str) -> str:
    return " ".join(line.text for line in await house.journal(enrolment))


async def test_an_answer_is_kept(house: Running, crm: System) -> None:
    """One signed request, inline; what it said stands in the run, and the journal says no value."""
    await house.publish(calling())
    await house.take(promoted())
    enrolment = await ended(house)
    row = await the_one(house)
    assert ("after", "done", 1, {"id": "A-7"}) == (enrolment.outcome, row.status, row.attempts, row.reply)
    assert [({"who": "ada"}, row.id)] == [(asked.body, asked.id) for asked in crm.asked]
    assert '"account":"A-7"' in enrolment.run
    assert "A-7" not in await texts(house, enrolment.id)


async def test_one_that_wants_us_to_wait_is_asked_again_then_under_the_same_id(house: Running, crm: System) -> None:
    """429 with Retry-After: not sooner, on the system's queue; and no history holds what was asked."""
    crm.plans = [Plan(429, {"retry-after": "3"})]
    await house.publish(calling())
    await house.take(promoted())
    enrolment = await ended(house)
    row = await the_one(house)
    first, second = crm.asked
    assert second.at - first.at >= 3
    assert ("done", 2, [row.id, row.id]) == (row.status, row.attempts, [asked.id for asked in crm.asked])
    assert "waits until" in await texts(house, enrolment.id)
    history = await house.house.client.get_workflow_handle(enrolment.id).fetch_history()
    told = " ".join(readable(json.loads(history.to_json())))
    assert row.id in told
    assert not [word for word in ("ada", "A-7", "who") if f'"{word}"' in told]


async def test_one_that_never_answers_is_given_up_when_its_time_is_over(house: Running, crm: System) -> None:
    """`within`: then the journal says so, with the last reason, and the journey goes on."""
    crm.usual = BUSY
    await house.publish(calling("4s"))
    await house.take(promoted())
    enrolment = await ended(house)
    row = await the_one(house)
    assert ("after", "failed") == (enrolment.outcome, row.status)
    assert "does not take it now (503)" in (row.reason or "")
    assert "came to nothing" in await texts(house, enrolment.id)


async def test_one_that_refuses_for_good_is_not_asked_again(house: Running, crm: System) -> None:
    """410: failed at once with its own words, and the journey goes on."""
    crm.usual = Plan(410, {}, b"no such account")
    await house.publish(calling())
    await house.take(promoted())
    enrolment = await ended(house)
    row = await the_one(house)
    assert ("after", "failed", 1, "410 no such account") == (enrolment.outcome, row.status, row.attempts, row.reason)


@pytest.mark.parametrize(("trouble", "limits"), [("drop", PATIENT), ("hang", SHORT)], ids=["drop", "hang"])
async def test_one_that_gave_no_answer_is_asked_again(house: Running, crm: System, trouble: str) -> None:
    """A request may be repeated, unlike a message: whoever remembers its id does nothing twice."""
    crm.plans = [trouble]  # type: ignore[list-item]  # one of the troubles
    await house.publish(calling())
    await house.take(promoted())
    await ended(house)
    row = await the_one(house)
    assert ("done", {row.id}, 2) == (row.status, crm.done, len(crm.asked))


async def test_an_exit_while_it_is_asked_again_ends_that(house: Running, crm: System) -> None:
    """She leaves: the enrolment ends at once, and the system is not asked any more."""
    crm.usual = BUSY
    await house.publish(calling())
    await house.take(promoted())
    await until(lambda: crm.asked)
    await house.take(Event("left", "hr", "hr.learner.left", "ada", now() + timedelta(seconds=1)))
    assert "left" == (await ended(house)).outcome
    row = await the_one(house)
    assert ("failed", "withdrawn: left") == (row.status, row.reason)

    async def is_over() -> bool:
        handle = house.house.client.get_workflow_handle((await ended(house)).id)
        return (await handle.describe()).close_time is not None

    await until(is_over)  # the retry that was planned has looked, and gone
    await until(lambda: len(crm.asked) >= row.attempts)  # one may have been on its way
    assert row.attempts == len(crm.asked)


async def test_a_webhook_that_is_not_set_up(house: Running) -> None:
    """The journal says so, and the journey goes on."""
    await house.publish(calling().replace("crm", "erp"))
    await house.take(promoted())
    enrolment = await ended(house)
    assert ("after", "the call erp is not set up") == (enrolment.outcome, (await the_one(house)).reason)


@pytest.mark.parametrize("limits", [SHORT], ids=["short"])
async def test_an_attempt_whose_process_died_is_made_again(house: Running, crm: System) -> None:
    """Once its time is over; and no two attempts are under way at once."""
    crm.usual = BUSY
    await house.publish(calling())
    await house.take(promoted())

    async def the_dead_has_it() -> RequestRow | None:
        """It took it before the worker made its next attempt: whoever is first has it."""
        row = await _given_back(house)
        return row if row is not None and await _claim(house, row.id, "of the dead") else None

    row = await until(the_dead_has_it)
    assert not await _claim(house, row.id, "another")
    crm.usual = KEPT
    await house.house.gateway.poke([row.enrolment])
    await ended(house)
    assert "done" == (await the_one(house)).status


async def test_that_a_later_attempt_has_ended_is_known_without_temporal(house: Running, crm: System) -> None:
    """The workflow that waits for it may be lost: the store says that she wants waking, and the sweeper wakes her."""
    row, at = await _forgotten(house), now()
    async with open_activities(house.house) as (activities, _):
        assert "done" == (await activities.asking.attempt(RetryOrder(row.id, "call-crm", at, at, 60))).status
    (enrolment,) = await house.enrolments()
    assert ("active", True) == (enrolment.status, enrolment.wake_wanted_at is not None)
    await house.house.gateway.poke([row.enrolment])
    await ended(house)


async def test_a_later_attempt_whose_claim_nobody_heard_of_is_not_waited_for(house: Running, crm: System) -> None:
    """It was not made, and so it is given back."""
    row, at = await _forgotten(house), now()
    async with open_activities(house.house) as (activities, _):
        asking = replace(activities.asking, database=cast("Database", Unheard(house.house.database)))
        with pytest.raises(OperationalError):
            await asking.attempt(RetryOrder(row.id, "call-crm", at, at, 60))
    row = await the_one(house)
    assert ("queued", 1, None, []) == (row.status, row.attempts, row.attempt, crm.asked)


async def _forgotten(house: Running) -> RequestRow:
    """A request that waits, and that no workflow tries: all was halted, and nobody was told that it goes on."""
    await _halt(house, {"since": now().isoformat()})
    await house.publish(calling())
    await house.take(promoted())
    await house.quiet()
    await _halt(house, {})
    return await the_one(house)


async def _claim(house: Running, request: str, attempt: str) -> bool:
    """Whether the attempt is begun, and may last three seconds."""
    clock = datetime.now(UTC)
    async with house.house.database.write() as session:
        return await request_rows.claim(
            session, request, attempt=attempt, until=clock + timedelta(seconds=3), clock=clock
        )


async def _given_back(house: Running) -> RequestRow | None:
    async with house.house.database.read() as session:
        row = (await session.exec(select(RequestRow))).first()
    return row if row is not None and row.attempts and row.attempt is None else None


async def _halt(house: Running, value: dict[str, str]) -> None:
    async with house.house.database.write() as session:
        row = (await session.exec(select(Installation).where(col(Installation.name) == "halted"))).first()
        row = row or Installation(name="halted", updated_at=now())
        row.value = dict(value)
        session.add(row)


async def test_while_all_is_halted_nothing_is_asked(house: Running, crm: System) -> None:
    """And afterwards it is."""
    await _halt(house, {"since": now().isoformat()})
    await house.publish(calling())
    await house.take(promoted())
    await house.quiet()
    row = await the_one(house)
    assert ("deferred", "halted", []) == (row.status, row.reason, crm.asked)
    await _halt(house, {})
    await house.house.gateway.poke([row.enrolment])
    await ended(house)
    assert 1 == len(crm.asked)


async def test_an_attempt_under_way_is_left_alone_while_all_is_halted(house: Running, crm: System) -> None:
    """Its row says when it was claimed: who halts deliveries changes nothing of that."""
    await _halt(house, {"since": now().isoformat()})
    await house.publish(calling())
    await house.take(promoted())
    await house.quiet()
    row, clock = await the_one(house), datetime.now(UTC)
    async with house.house.database.write() as session:
        until_ = clock + timedelta(seconds=30)
        assert await request_rows.claim(session, row.id, attempt="of another", until=until_, clock=clock)
    claimed = await the_one(house)
    async with open_activities(house.house) as (activities, _):
        with pytest.raises(ApplicationError, match="another attempt is under way"):
            await activities.asking.attempt(RetryOrder(row.id, "any", now(), clock))
    assert claimed == await the_one(house)
    assert [] == crm.asked


async def test_while_the_journey_is_paused_nothing_is_asked(house: Running, crm: System) -> None:
    """One that is being asked again waits until the journey goes on."""
    crm.usual = BUSY
    await house.publish(calling())
    await house.take(promoted())
    row = await until(lambda: _given_back(house))
    async with house.house.database.write() as session:
        await pausing.pause(session, "story", by="tests", now=datetime.now(UTC))
    await house.house.gateway.poke([row.enrolment])
    await until(lambda: _says(house, row.enrolment, "paused"))
    await until(lambda: _given_back(house))  # an attempt that had begun before
    crm.usual, asked = KEPT, len(crm.asked)
    await until(lambda: _is_asked_no_more(house, row.enrolment))
    assert asked == len(crm.asked)
    async with house.house.database.write() as session:
        await pausing.resume(session, "story", catch_up="continue", by="tests", now=datetime.now(UTC))
    await house.house.gateway.poke([row.enrolment])
    await ended(house)
    assert asked + 1 == len(crm.asked)


async def _says(house: Running, enrolment: str, kind: str) -> bool:
    return kind in {line.kind for line in await house.journal(enrolment)}


async def _is_asked_no_more(house: Running, enrolment: str) -> bool:
    """Whether no retry is planned."""
    described = await house.house.client.get_workflow_handle(enrolment).describe()
    return not described.raw_description.pending_activities


@pytest.mark.parametrize("rule", ["none", "only:ada@example.org", "redirect:desk@example.org"])
async def test_in_a_first_look_no_other_system_is_asked(
    sqlite_url: str, set_up: dict[str, Any], crm: System, moodle: System, rule: str
) -> None:
    """WAYMARK_DELIVER: nobody is given a course because somebody tries Waymark out."""
    async with running_house(database_url=sqlite_url, deliver=rule, **set_up) as house:
        await house.publish(HEAD + "steps: [{call: crm}, {assign: {lms: moodle, course: A}}]\n")
        await house.take(promoted())
        enrolment = await ended(house)
        assert ([], []) == (crm.asked, moodle.asked)
        assert 2 == (await texts(house, enrolment.id)).count("withheld: WAYMARK_DELIVER")


async def test_a_course_is_assigned_to_the_id_that_her_source_knows(house: Running, moodle: System) -> None:
    """A busy LMS is asked again; one that says 409 has assigned it."""
    moodle.plans = [BUSY, Plan(409, {}, b"has it")]
    await house.publish(HEAD + "steps: [{assign: {lms: moodle, course: MGR-101, due: 21d}}]\n")
    await house.take(promoted())
    enrolment = await ended(house)
    row = await the_one(house)
    due = (enrolment.entered_at + timedelta(days=21)).isoformat().replace("+00:00", "Z")
    assert ("done", [row.id, row.id]) == (row.status, [asked.id for asked in moodle.asked])
    assert {"learner": "ada", "course": "MGR-101", "due": due} == moodle.asked[-1].body
    assert "Assigned MGR-101 in moodle." in await texts(house, enrolment.id)


@pytest.mark.parametrize("limits", [SHORT], ids=["short"])
async def test_one_system_that_hangs_delays_no_other(house: Running, crm: System, moodle: System) -> None:
    """While a webhook is being waited for, courses are assigned."""
    crm.plans = ["hang"] * 1_000
    await house.publish(calling())
    other = "steps: [{assign: {lms: moodle, course: A}}]\n"
    await house.publish(HEAD.replace("story", "other").replace("promoted", "hired") + other)
    await house.take(*(promoted(f"learner-{n}") for n in range(10)))
    await house.take(Event("hired", "hr", "hr.learner.hired", "ada", now()))
    await until(lambda: moodle.asked)
    assert [] == [e for e in await house.enrolments() if e.journey == "story" and e.status == "ended"]
