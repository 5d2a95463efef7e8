"""A journey goes on at once, however many wait for it; who waited is woken page by page."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlmodel import col, select

from api.resources.journeys import steering
from journeys.resending import AGAIN
from store.queries import deliveries, pausing
from store.tables import DeliveryRow, Enrolment
from tests.support.api import Api
from tests.support.deadlocks import be_patient, look_in_five_seconds
from tests.support.until import until

POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
JOURNEY = "/v1/journeys/first-weeks"
NOW = datetime.now(UTC)
HELD = {"depends_on": "journey"}


async def paused_with(api: Api, enrolments: Mapping[str, Mapping[str, Any]]) -> None:
    """The journey, paused, and these enrolments of it."""
    await api.publish()
    rows = [
        Enrolment(
            id=id_, journey="first-weeks", version=1, program="p", learner=id_, entry_key="", entry={}, run="{}",
            entered_at=NOW, created_at=NOW, **values,
        ).model_dump()
        for id_, values in enrolments.items()
    ]  # fmt: skip
    async with api.parts.database.write() as session:
        await (await session.connection()).execute(insert(Enrolment), rows)
    assert 200 == (await api.client.post(f"{JOURNEY}/pause")).status_code


async def sent_again_to(api: Api, enrolment: str) -> None:
    row = DeliveryRow(
        id=f"to-{enrolment}", enrolment=enrolment, journey="first-weeks", learner=enrolment, recipient=enrolment,
        node="n", visit=1, leg=AGAIN, message="one", status="queued", due_at=NOW, expires_at=NOW, created_at=NOW,
        updated_at=NOW,
    )  # fmt: skip
    async with api.parts.database.write() as session:
        await deliveries.record(session, row)


async def woken(api: Api) -> set[str]:
    async with api.parts.database.read() as session:
        return set((await session.exec(select(Enrolment.id).where(col(Enrolment.wake_wanted_at).is_not(None)))).all())


async def status(api: Api) -> str:
    return (await api.get(JOURNEY))["status"]


@POSTGRES
async def test_it_goes_on_before_the_first_of_many_is_woken(api: Api) -> None:
    """A batch of events holds one of them: whoever waits for all of them would keep the journey paused meanwhile."""
    await paused_with(api, {"a": HELD, "b": HELD})
    async with api.parts.database.write() as batch:
        await deliveries.lock_enrolment(batch, "b")
        resuming = asyncio.create_task(api.client.post(f"{JOURNEY}/resume"))
        await until(lambda: _is_live(api))
        assert not resuming.done()
    assert (200, "live") == ((await resuming).status_code, (await resuming).json()["status"])
    assert {"a", "b"} == await woken(api)


async def _is_live(api: Api) -> bool:
    return "live" == await status(api)


async def test_page_by_page_nobody_is_left_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was held, by hand too, who fell due, and who has ended and gets a message again; and nobody else."""
    monkeypatch.setattr(steering, "PAGE", 2)
    past, later = NOW - timedelta(minutes=1), NOW + timedelta(days=1)
    ended = {"status": "ended", "outcome": "goal"}
    held = {f"held-{n}": HELD for n in range(5)} | {f"by-hand-{n}": {**HELD, "status": "paused"} for n in range(3)}
    due = {f"due-{n}": {"due_at": past} for n in range(3)}
    again = {f"again-{n}": ended for n in range(3)}
    others = {"waits": {"due_at": later, "depends_on": "zone"}, "over": {**ended, **HELD, "due_at": past}}
    await paused_with(api, held | due | again | others)
    for id_ in again:
        await sent_again_to(api, id_)
    assert 200 == (await api.client.post(f"{JOURNEY}/resume")).status_code
    assert set(held | due | again) == await woken(api)


async def test_who_wanted_waking_before_is_passed_and_keeps_the_instant(api: Api) -> None:
    """The older wish is the one that stands."""
    earlier = datetime(2026, 3, 2, tzinfo=UTC)
    await paused_with(api, {"a": {**HELD, "wake_wanted_at": earlier}, "b": HELD})
    await api.client.post(f"{JOURNEY}/resume")
    async with api.parts.database.read() as session:
        wanted = dict((await session.exec(select(Enrolment.id, Enrolment.wake_wanted_at))).all())
    assert earlier == wanted["a"] != wanted["b"] is not None


async def test_paused_again_meanwhile_nobody_more_is_woken(api: Api) -> None:
    """The next page is empty: those who are left wait for the end of the new pause."""
    await paused_with(api, {"a": HELD, "b": HELD})
    await sent_again_to(api, "b")
    page: Mapping[str, Any] = {"limit": 1, "at": NOW}
    async with api.parts.database.write() as session:
        assert None is await pausing.resume(session, "first-weeks", catch_up="continue", by="tests", now=NOW)
    async with api.parts.database.write() as session:
        assert ["a"] == await pausing.wake_held(session, "first-weeks", after="", **page)
    await api.client.post(f"{JOURNEY}/pause")
    async with api.parts.database.write() as session:
        assert [] == await pausing.wake_held(session, "first-weeks", after="a", **page)
        assert [] == await pausing.wake_sent_again(session, "first-weeks", after="", **page)
    assert {"a"} == await woken(api)
    await api.client.post(f"{JOURNEY}/resume")
    assert {"a", "b"} == await woken(api)


@POSTGRES
async def test_a_deadlock_with_a_batch_leaves_nobody_asleep(api: Api) -> None:
    """The batch holds the last and asks for the first, which the page holds: the database refuses one of the two, and
    the page is tried again. The batch is told to be patient, so that it is not the one.
    """
    await paused_with(api, {"a": HELD, "b": HELD})
    look_in_five_seconds(api.parts.database)

    async def waits_or_is_over() -> bool:
        async with api.parts.database.read() as session:
            return resuming.done() or (await (await session.connection()).execute(text(WAITING))).first() is not None

    async with api.parts.database.write() as batch:
        await be_patient(batch)
        await deliveries.lock_enrolment(batch, "b")
        resuming = asyncio.create_task(api.client.post(f"{JOURNEY}/resume"))
        await until(waits_or_is_over)
        assert not resuming.done()
        await deliveries.lock_enrolment(batch, "a")
    assert 200 == (await resuming).status_code
    assert {"a", "b"} == await woken(api)
