"""Who is held out: a row before anything else, nobody woken, nothing sent; and her goal, seen all the same."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from journeys import codec
from journeys.chance import is_held_out
from journeys.identity import learner_id
from journeys.program import Again
from store import migrate
from store.database import Database
from store.tables import Assignment, DeliveryRow, Enrolment, InboxRow, JournalRow, OutboxRow
from tests.support.ingesting import MONDAY, SECRET, Feed, event, hours, journey

GOAL = [("lms.course.completed", 'event.data.course == "A"', "goal"), ("hr.learner.left", None, "left")]


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    yield Feed(database)
    await database.close()


async def the_enrolment(feed: Feed) -> dict[str, Any]:
    """The only one."""
    (row,) = await feed.rows(Enrolment)
    return row


async def told(feed: Feed) -> list[tuple[str, str | None, str]]:
    """What goes to our topic: type, outcome, time."""
    events = [orjson.loads(row["payload"]) for row in await feed.rows(OutboxRow)]
    return [(e["type"].removeprefix("waymark."), e["data"].get("outcome"), e["time"]) for e in events]


async def test_she_has_a_row_that_has_ended_and_nobody_is_woken(feed: Feed) -> None:
    """Her outcome and her arm are `holdout`; nothing is queued, no workflow is asked for, the sweeper finds nothing."""
    await feed.publish(journey(exits=GOAL, holdout=1.0))
    await feed.take(event("hr.learner.promoted"))

    row = await the_enrolment(feed)
    assert ("ended", "holdout", "holdout") == (row["status"], row["outcome"], row["arm"])
    assert (MONDAY, MONDAY, None, None) == (row["entered_at"], row["ended_at"], row["due_at"], row["wake_wanted_at"])
    assert "holdout" == codec.run_from_json(row["run"]).outcome
    assert ([], [], []) == (feed.pokes.poked, await feed.rows(DeliveryRow), await feed.rows(InboxRow))
    assert [("enrolment.ended", "holdout", "2026-03-02T09:00:00Z")] == await told(feed)
    (line,) = await feed.rows(JournalRow)
    assert "In the holdout: nothing is sent, so that those who get this journey can be compared." == line["text"]


async def test_the_decision_stands_for_held_out_and_treated_alike(feed: Feed) -> None:
    """Each with the probability of what she got; the hash of her id decides, and her id is what was hashed."""
    await feed.publish(journey(holdout=0.4))
    names = [f"learner {n}" for n in range(40)]
    await feed.take(*(event("hr.learner.promoted", learner=name) for name in names))

    stored = {row["unit"]: (row["split"], row["arm"], row["share"], row["at"]) for row in await feed.rows(Assignment)}
    wanted = {}
    for id_ in (learner_id(SECRET, name) for name in names):
        held = is_held_out(0.4, journey="first-time-manager", learner=id_)
        wanted[id_] = ("holdout", "holdout" if held else "treated", 0.4 if held else 0.6, MONDAY)
    assert wanted == stored
    outcomes = {row["learner"]: row["outcome"] for row in await feed.rows(Enrolment)}
    assert {id_: "holdout" if arm == "holdout" else None for id_, (_, arm, _, _) in wanted.items()} == outcomes
    assert {"holdout", None} == set(outcomes.values())


async def test_without_a_holdout_nothing_is_decided(feed: Feed) -> None:
    """A journey without one leaves nothing to chance; its run knows her for the splits that come."""
    await feed.publish(journey())
    await feed.take(event("hr.learner.promoted"))

    assert [] == await feed.rows(Assignment)
    assert learner_id(SECRET, "ada") == codec.run_from_json((await the_enrolment(feed))["run"]).learner


@pytest.mark.parametrize(
    ("at", "data", "goal_at"),
    [
        (hours(5), {"course": "A"}, MONDAY + hours(5)),
        (hours(48), {"course": "A"}, MONDAY + hours(48)),
        (hours(48) + timedelta(seconds=1), {"course": "A"}, None),
        (hours(5), {"course": "B"}, None),
        (hours(-1), {"course": "A"}, None),
    ],
)
async def test_her_goal_is_seen_until_the_limit(feed: Feed, at: timedelta, data: dict[str, Any], goal_at: Any) -> None:
    """By the event's time, from her entry to the journey's limit, and only what the exit's condition accepts."""
    await feed.publish(journey(exits=GOAL, holdout=1.0, limit=hours(48)))
    await feed.take(event("hr.learner.promoted"))
    await feed.take(event("lms.course.completed", at=at, **data))

    row = await the_enrolment(feed)
    assert (goal_at, "holdout", MONDAY) == (row["goal_at"], row["outcome"], row["ended_at"])
    assert [] == feed.pokes.poked
    goals = [("enrolment.goal", None, goal_at.isoformat().replace("+00:00", "Z"))] if goal_at else []
    assert goals == [one for one in await told(feed) if one[0] == "enrolment.goal"]


async def test_a_goal_that_came_before_the_entry_was_known_counts(feed: Feed) -> None:
    """The look-back finds it, as it does for those who are treated."""
    await feed.publish(journey(exits=GOAL, holdout=1.0))
    await feed.take(event("lms.course.completed", at=hours(5), course="A"))
    await feed.take(event("hr.learner.promoted"))

    assert MONDAY + hours(5) == (await the_enrolment(feed))["goal_at"]


async def test_the_first_of_several_goals_counts_whatever_came_first(feed: Feed) -> None:
    """Weeks later too: an earlier event that arrives late moves the instant back, and a later one changes nothing."""
    await feed.publish(journey(exits=GOAL, holdout=1.0))
    await feed.take(event("hr.learner.promoted"))
    feed.clock.now += timedelta(days=9)
    await feed.take(event("lms.course.completed", at=hours(50), course="A", n=1))
    await feed.take(event("lms.course.completed", at=hours(30), course="A", n=2))
    await feed.take(event("lms.course.completed", at=hours(70), course="A", n=3))

    assert MONDAY + hours(30) == (await the_enrolment(feed))["goal_at"]


async def test_leaving_the_firm_is_no_goal(feed: Feed) -> None:
    """Other exits have nothing to end, and awaits nothing to meet."""
    await feed.publish(journey(exits=GOAL, holdout=1.0))
    await feed.take(event("hr.learner.promoted"), event("hr.learner.left", at=hours(3)))
    await feed.take(event("lms.course.started", at=hours(4)))

    assert None is (await the_enrolment(feed))["goal_at"]
    assert [] == await feed.rows(InboxRow)


@pytest.mark.parametrize(
    ("again", "entries"),
    [(Again("never"), 1), (Again("after", hours(4)), 2), (Again("always"), 3)],
)
async def test_again_counts_her_entries(feed: Feed, again: Again, entries: int) -> None:
    """Her entry is one, though it ended at once."""
    await feed.publish(journey(again=again, holdout=1.0))
    for at in (0, 2, 5):
        await feed.take(event("hr.learner.promoted", at=hours(at)))

    rows = await feed.rows(Enrolment)
    assert entries == len(rows)
    assert {"holdout"} == {row["outcome"] for row in rows}


async def test_each_key_is_an_entry(feed: Feed) -> None:
    """The same learner is held out for every key."""
    await feed.publish(
        journey(enter=[("hr.learner.promoted", None, "event.data.position_id")], again=Again("never"), holdout=1.0)
    )
    for at, position in enumerate(["P1", "P2", "P1"]):
        await feed.take(event("hr.learner.promoted", at=hours(at), position_id=position))

    assert ["P1", "P2"] == sorted(row["entry_key"] for row in await feed.rows(Enrolment))


async def test_an_entry_ahead_is_moved_with_its_goal(feed: Feed) -> None:
    """The entry sent again with a later `effective` leaves one row, and what came before it starts counts no more."""
    await feed.publish(journey(exits=GOAL, holdout=1.0))
    await feed.take(event("hr.learner.promoted", effective=hours(10)))
    await feed.take(event("lms.course.completed", at=hours(12), course="A"))
    assert MONDAY + hours(12) == (await the_enrolment(feed))["goal_at"]
    await feed.take(event("hr.learner.promoted", at=hours(1), effective=hours(20), n=2))

    row = await the_enrolment(feed)
    assert (MONDAY + hours(20), MONDAY + hours(20), None) == (row["entered_at"], row["ended_at"], row["goal_at"])
    assert [("enrolment.ended", "holdout", "2026-03-03T05:00:00Z")] == await told(feed)
    assert [MONDAY + hours(20)] == [row["at"] for row in await feed.rows(Assignment)]


async def test_an_entry_that_never_was_leaves_nothing(feed: Feed) -> None:
    """What turns up out of order may show that she was not in the audience: row, decision and outcome go."""
    await feed.publish(journey(audience='learner.country == "GB"', holdout=1.0))
    await feed.take(event("hr.learner.changed", at=hours(-9), country="GB"), event("hr.learner.promoted"))
    assert 1 == len(await feed.rows(Enrolment))
    await feed.take(event("hr.learner.changed", at=hours(-5), country="IE"))

    assert ([], [], [], []) == (
        await feed.rows(Enrolment),
        await feed.rows(Assignment),
        await feed.rows(OutboxRow),
        await feed.rows(JournalRow),
    )


async def test_a_new_share_changes_nothing_for_who_has_entered(feed: Feed) -> None:
    """A version without a holdout treats those who enter then."""
    program = await feed.publish(journey(again=Again("always"), holdout=1.0))
    await feed.take(event("hr.learner.promoted"))
    await feed.publish(replace(program, holdout=0.0), version=2)
    await feed.take(event("hr.learner.promoted", at=hours(5)))

    rows = sorted(await feed.rows(Enrolment), key=lambda row: row["ordinal"])
    assert ["holdout", None] == [row["outcome"] for row in rows]
    assert [rows[1]["id"]] == feed.pokes.poked
