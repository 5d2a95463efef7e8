"""What a clock that was wrong has written hides nothing from `waymark doctor`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import col

from store import migrate
from store.database import Database
from store.queries import disagreeing
from store.tables import DeliveryRow, Enrolment, InboxRow, JourneyRow, LoggedEvent, RequestRow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AGO = NOW - timedelta(days=1)
SOON, HOUR = NOW + timedelta(seconds=30), NOW + timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await migrate.upgrade(database_url)
    database = Database(database_url)
    async with database.write() as session:
        journey = JourneyRow(name="j", version=1, status="live", created_at=AGO)
        await (await session.connection()).execute(insert(JourneyRow), [journey.model_dump()])
    yield database
    await database.close()


async def add(database: Database, model: type[Enrolment] | type[DeliveryRow] | type[RequestRow], **values: Any) -> None:
    async with database.write() as session:
        await (await session.connection()).execute(insert(model), [model(**values).model_dump()])


async def enrolment(database: Database, name: str, **values: Any) -> None:
    """One that began yesterday, and stands still but for what is given."""
    await add(
        database, Enrolment, id=name, journey="j", version=1, program="p", learner="l", entry_key=name, entry={},
        run="{}", **{"entered_at": AGO, "created_at": AGO, **values},
    )  # fmt: skip


@pytest.mark.parametrize("column", ["lease_until", "wake_wanted_at", "created_at"])
async def test_who_stands_still_does_so_whatever_such_a_clock_has_written(database: Database, column: str) -> None:
    """An instant that is near may be true: somebody is at it, or will be."""
    await enrolment(database, "near", **{column: SOON})
    await enrolment(database, "far", **{column: HOUR})
    await enrolment(database, "over", **{column: AGO})
    async with database.read() as session:
        found = await disagreeing.list_running(session, at=NOW, settled_before=NOW, after="", limit=10)
    assert ["far", "over"] == found


async def test_who_wanted_waking_by_such_a_clock_is_found(database: Database) -> None:
    """Nobody waits for the clock to be right."""
    await enrolment(database, "near", wake_wanted_at=SOON)
    await enrolment(database, "far", wake_wanted_at=HOUR)
    async with database.read() as session:
        found = await disagreeing.list_unwoken(session, wanted_before=NOW, due_before=NOW, after="", limit=10)
    assert ["far"] == found


async def test_an_attempt_that_such_a_clock_began_is_abandoned_or_to_be_tried(database: Database) -> None:
    """A message's and a request's; and what waits on its queue since then."""
    for name, until in (("near", SOON), ("far", HOUR)):
        for what, given in (
            ("tries", {"attempt": "a", "attempt_until": until, "updated_at": AGO}),
            ("waits", {"updated_at": until}),
        ):
            await enrolment(database, f"{name}-{what}")
            await enrolment(database, f"{name}-{what}-request")
            await add(
                database, DeliveryRow, id=f"{name}-{what}", enrolment=f"{name}-{what}", journey="j", learner="l",
                recipient="l", node="n", visit=1, leg=0, message="m", status="queued", created_at=AGO, **given,
            )  # fmt: skip
            await add(
                database, RequestRow, id=f"{name}-{what}", enrolment=f"{name}-{what}-request", node="n", visit=1,
                service="call", target="crm", body={}, status="queued", expires_at=HOUR, created_at=AGO, **given,
            )  # fmt: skip
    async with database.read() as session:
        abandoned = await disagreeing.list_abandoned(session, before=NOW, after="", limit=10)
        untried = await disagreeing.list_untried(session, before=NOW, after="", limit=10)
    assert ["far-tries", "far-tries-request"] == abandoned
    assert ["far-waits", "far-waits-request"] == untried


async def test_who_begins_later_has_not_forgotten_to_read(database: Database) -> None:
    """Her first turn reads what has come by then; who has begun, or should have, has to have read it."""
    for name, values in (
        ("later", {"due_at": HOUR}),
        ("begun", {"step": "n", "due_at": HOUR}),
        ("at-once", {}),
        ("late", {"due_at": AGO}),
    ):
        await enrolment(database, name, **values)
        async with database.write() as session:
            core = await session.connection()
            came = LoggedEvent(
                source="hr", event_id=name, digest="", type="t", time=AGO, received_at=AGO, data={}
            ).model_dump(exclude={"seq"})  # fmt: skip
            seq = (await core.execute(insert(LoggedEvent).returning(col(LoggedEvent.seq)), [came])).scalar_one() or 0
            unread = InboxRow(enrolment=name, program="p", trigger="x", event=seq, event_type="t", at=AGO)
            await core.execute(insert(InboxRow), [unread.model_dump(exclude={"seq"})])
    async with database.read() as session:
        found = await disagreeing.list_unread(session, before=NOW, after="", limit=10)
    assert ["at-once", "begun", "late"] == found
