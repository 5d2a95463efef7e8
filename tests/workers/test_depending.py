"""A change of what a wait depends on wakes it; an answer is kept with the trigger that it fires."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from journeys.events import Event, Json
from store import migrate
from store.database import Database
from store.queries import turns
from store.tables import Enrolment, InboxRow, Learner
from tests.support.ingesting import MONDAY, Feed, event, hours, journey


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database, with an enrolment of Ada that waits for something of her zone and her leave."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    feed = Feed(database)
    await feed.publish(journey())
    await feed.take(
        event("hr.learner.hired", zone="Europe/Dublin", role="lead"), event("hr.learner.promoted", at=hours(1))
    )
    await waiting_for(feed, "zone,working_hours,leave")
    yield feed
    await database.close()


async def waiting_for(feed: Feed, fields: str | None) -> None:
    """As a turn leaves it: begun, awake no more, depending on these fields."""
    async with feed.database.write() as session:
        change = update(Enrolment).values(depends_on=fields, wake_wanted_at=None, fence=1, step="wait")
        await (await session.connection()).execute(change.where(col(Enrolment.status) == "active"))
    feed.pokes.poked.clear()


@pytest.mark.parametrize(
    ("changes", "is_woken"),
    [
        ([event("hr.learner.moved", at=hours(5), zone="Asia/Tokyo")], True),
        ([event("hr.learner.moved", at=hours(5), zone="Europe/Dublin", role="boss")], False),
        ([event("hr.learner.changed", at=hours(5), department="Sales")], False),
        ([event("hr.learner.changed", at=hours(-5), zone="Asia/Tokyo")], False),
        ([event("hr.learner.changed", at=hours(5), working_hours={"from": "10:00", "to": "16:00"})], True),
        ([event("hr.learner.leave_started", at=hours(5), until="2026-03-20")], True),
        ([event("hr.learner.leave_ended", at=hours(5))], False),
        ([event("hr.learner.leave_started", at=hours(5)), event("hr.learner.leave_ended", at=hours(7))], True),
        ([event("hr.learner.changed", at=hours(5), zone=None)], True),
        ([event("hr.learner.moved", at=hours(5), effective=timedelta(days=40), zone="Asia/Tokyo")], True),
        ([event("hr.learner.moved", at=hours(5), learner="bob", zone="Asia/Tokyo")], False),
        ([event("lms.course.completed", at=hours(5), zone="Asia/Tokyo")], False),
    ],
)
async def test_only_a_change_that_matters_wakes(feed: Feed, changes: Sequence[Event], is_woken: bool) -> None:
    """A field that it depends on, with another value than before, now or later; and nobody else's."""
    await feed.take(*changes)

    (row,) = await feed.rows(Enrolment)
    assert ([row["id"]], feed.clock.now) == (feed.pokes.poked, row["wake_wanted_at"]) or not is_woken
    assert is_woken == bool(feed.pokes.poked) == (row["wake_wanted_at"] is not None)


async def test_a_wait_that_depends_on_nothing_is_left_alone(feed: Feed) -> None:
    """An elapsed time is the same everywhere."""
    await waiting_for(feed, None)
    await feed.take(event("hr.learner.moved", at=hours(5), zone="Asia/Tokyo"))

    assert [] == feed.pokes.poked


async def test_a_name_that_is_part_of_another_is_another(feed: Feed) -> None:
    """`level` is not `from_level`, nor `team` `team_lead`: names are compared whole."""
    await waiting_for(feed, "zones,my_zone")
    await feed.take(event("hr.learner.moved", at=hours(5), zone="Asia/Tokyo"))

    assert [] == feed.pokes.poked


async def test_leave_stands_in_the_profile_by_event_time(feed: Feed) -> None:
    """Whatever came first: the return on the fifth is later than the leave that began on the third."""
    await feed.take(event("hr.learner.leave_ended", at=hours(72)))
    await feed.take(event("hr.learner.leave_started", at=hours(24), until="2026-03-20"))

    (learner,) = await feed.rows(Learner)
    assert {"zone": "Europe/Dublin", "role": "lead", "leave": None} == learner["profile"]


@pytest.mark.parametrize(
    "said",
    [{"sure": 4, "other": "time, “room” and topic"}, 4, 0.5, -1, "4", "1e3", "yes", True, ["4", 4]],
    ids=[
        "a map",
        "a number",
        "a fraction",
        "below nought",
        "digits",
        "a text like a number",
        "a text",
        "yes",
        "a list",
    ],
)
async def test_an_answer_is_kept(feed: Feed, said: Json) -> None:
    """The inbox has the field that the trigger keeps, and the turn gets it; one that keeps nothing has none."""
    await feed.publish(
        journey(
            "asking", enter=[("hr.learner.hired", None, None)], awaits=[("practice.answered", None)], keeps="answer"
        )
    )
    await feed.take(event("hr.learner.hired", at=hours(3)))
    (asking,) = [row for row in await feed.rows(Enrolment) if row["journey"] == "asking"]
    await feed.take(event("practice.answered", at=hours(4), enrolment=asking["id"], item="confidence", answer=said))

    (row,) = await feed.rows(InboxRow)
    assert (said, MONDAY + hours(4)) == (row["data"], row["at"])
    async with feed.database.read() as session:
        ((_, fired),) = await turns.find_unread(session, asking["id"], asking["program"])
    assert (said, "await.1") == (fired.data, fired.trigger)


async def test_what_keeps_nothing_has_no_data(feed: Feed) -> None:
    """A trigger without `keeps`, and an event without the field."""
    await feed.publish(journey("asking", enter=[("hr.learner.hired", None, None)], keeps="answer"))
    await feed.take(event("hr.learner.hired", at=hours(3)), event("lms.course.started", at=hours(4), course="A"))

    assert [None, None] == [row["data"] for row in await feed.rows(InboxRow)]
