"""Actions on many: worked off at a rate, once each, stopped, and gone on with after a kill."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.program import Again
from store import migrate
from store.database import Database
from store.queries import actions
from store.queries.actions import NewAction, NewItem
from store.tables import ActionItem, ActionRow, Enrolment, Learner
from tests.support.ingesting import Feed, event, hours, journey
from tests.support.until import until
from workers.actions import Actions, Perform, Performed, enrol
from workers.bridge import run_bridge
from workflows.gateway import TryLater

ENROL = {"journey": "first-time-manager"}


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database, with twelve learners whom no event has entered, and one who lives abroad."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    feed = Feed(database)
    await feed.publish(journey(audience='learner.country == "GB"', again=Again("after", hours(24))))
    known = [event("hr.learner.changed", learner=f"learner-{n:02}", country="GB") for n in range(12)]
    await feed.take(*known, event("hr.learner.changed", learner="abroad", country="FR"))
    yield feed
    await database.close()


async def learners(feed: Feed, *, abroad: bool = False) -> list[str]:
    """Our ids of those in the audience, or of her who is not, in order."""
    rows = [row for row in await feed.rows(Learner) if (row["source_id"] == "abroad") == abroad]
    return sorted(row["id"] for row in rows)


async def asked_for(feed: Feed, items: Sequence[NewItem], *, rate: float | None = None, **options: Any) -> None:
    """An action that enrols these."""
    async with feed.database.write() as session:
        new = NewAction("act-1", "enrol", "tests", options={**ENROL, **options}, rate=rate)
        await actions.create(session, new, items, at=feed.clock.now)


async def the_action(feed: Feed) -> dict[str, Any]:
    """The only one."""
    (row,) = await feed.rows(ActionRow)
    return row


def actions_of(feed: Feed, perform: Perform = enrol, *, step_size: int = 5) -> Actions:
    """A process that has just started."""
    return Actions(feed.database, feed.pokes, feed.clock, performs={"enrol": perform}, step_size=step_size)


async def work_off(feed: Feed, perform: Perform = enrol) -> int:
    """Until nothing more can be done at once; how many steps it took."""
    steps = 1
    while await actions_of(feed, perform).work():
        steps += 1
    return steps


async def test_each_is_enrolled_and_woken(feed: Feed) -> None:
    """A few in each step, until all are done; who cannot be is told with the reason."""
    ours, abroad = await learners(feed), await learners(feed, abroad=True)
    unknown = NewItem(None, code="learner_not_found", detail="line 14: no learner has this id")
    await asked_for(feed, [*(NewItem(id_) for id_ in [*ours, *abroad]), unknown])

    assert 3 == await work_off(feed)

    row = await the_action(feed)
    assert ("done", 14, 12, 2) == (row["state"], row["total"], row["done"], row["failed"])
    rows = await feed.rows(Enrolment)
    assert ours == sorted(row["learner"] for row in rows)
    assert sorted(row["id"] for row in rows) == sorted(feed.pokes.poked)
    async with feed.database.read() as session:
        failed = await actions.list_failed(session, "act-1")
    assert [(13, "not_in_audience"), (14, "learner_not_found")] == [(item.number, item.code) for item in failed]


async def test_keys_and_data_are_the_items_own(feed: Feed) -> None:
    """What an item does not say is the action's."""
    one, two, three = (await learners(feed))[:3]
    items = [NewItem(one, {"key": "P1", "data": {"a": 1}}), NewItem(two, {"key": "P2"}), NewItem(three)]
    await asked_for(feed, items, key="P0", data={"b": 2})
    await work_off(feed)

    found = {row["learner"]: (row["entry_key"], row["entry"]["data"]) for row in await feed.rows(Enrolment)}
    assert {one: ("P1", {"a": 1}), two: ("P2", {"b": 2}), three: ("P0", {"b": 2})} == found


async def test_an_action_that_is_asked_for_twice_enrols_once(feed: Feed) -> None:
    """The second finds everybody active, and says so."""
    items = [NewItem(id_) for id_ in (await learners(feed))[:2]]
    await asked_for(feed, [*items, *items])
    await work_off(feed)

    row = await the_action(feed)
    assert (2, 2, 2) == (row["done"], row["failed"], len(await feed.rows(Enrolment)))


async def test_who_is_held_out_is_done_and_not_woken(feed: Feed) -> None:
    """She has her row, and nobody is poked."""
    await feed.publish(journey("compared", holdout=1.0))
    await asked_for(feed, [NewItem((await learners(feed))[0])], journey="compared")
    await work_off(feed)

    assert (1, [], ["holdout"]) == (
        (await the_action(feed))["done"],
        feed.pokes.poked,
        [row["outcome"] for row in await feed.rows(Enrolment)],
    )


async def test_a_rate_is_kept(feed: Feed) -> None:
    """Two a second: nothing at once, two after a second, and what a pause left over is not saved up."""
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)], rate=2.0)
    counts: list[int] = []
    for pause in (0.0, 0.5, 0.5, 0.25, 0.25, 3600.0, 0.4):
        feed.clock.now += timedelta(seconds=pause)
        await actions_of(feed).work()
        counts.append((await the_action(feed))["done"])

    assert [0, 1, 2, 2, 3, 5, 5] == counts


@pytest.mark.parametrize("ahead", [0.6, 3600.0])
async def test_a_clock_that_was_ahead_neither_stops_a_rate_nor_lets_all_go_at_once(feed: Feed, ahead: float) -> None:
    """Whoever asked for it, or did the last of it, by such a clock: from now on it goes at its rate."""
    feed.clock.now += timedelta(seconds=ahead)
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)], rate=2.0)
    feed.clock.now -= timedelta(seconds=ahead)
    counts: list[int] = []
    for pause in (0.0, 0.5, 0.5):
        feed.clock.now += timedelta(seconds=pause)
        await actions_of(feed).work()
        counts.append((await the_action(feed))["done"])

    assert [0, 1, 2] == counts


async def test_a_slow_rate_gets_there(feed: Feed) -> None:
    """One in five seconds."""
    await asked_for(feed, [NewItem(id_) for id_ in (await learners(feed))[:3]], rate=0.2)
    counts: list[int] = []
    for _ in range(15):
        feed.clock.now += timedelta(seconds=1)
        await actions_of(feed).work()
        counts.append((await the_action(feed))["done"])

    assert [0] * 4 + [1] * 5 + [2] * 5 + [3] == counts


async def test_a_stop_acts_before_the_next_step(feed: Feed) -> None:
    """What is done stays; the rest is left, also by a process that comes up later; a finished one stays finished."""
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)])
    await actions_of(feed).work()
    async with feed.database.write() as session:
        stopped = await actions.stop(session, "act-1", at=feed.clock.now)
    await work_off(feed)

    assert stopped is not None
    assert ("stopped", 5) == (stopped.state, stopped.done)
    assert 5 == len(await feed.rows(Enrolment))
    async with feed.database.write() as session:
        assert await actions.stop(session, "act-2", at=feed.clock.now) is None


async def test_a_kill_between_two_items_does_nothing_twice(feed: Feed) -> None:
    """The step that was under way never was: the next process does it again, whole."""
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)])
    calls = 0

    async def killed(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise asyncio.CancelledError
        return await enrol(session, action, item, now)

    await actions_of(feed, killed).work()
    with pytest.raises(asyncio.CancelledError):
        await actions_of(feed, killed).work()
    assert (5, 5) == ((await the_action(feed))["done"], len(await feed.rows(Enrolment)))
    await work_off(feed)

    assert (12, 0, 12) == (
        (await the_action(feed))["done"],
        (await the_action(feed))["failed"],
        len(await feed.rows(Enrolment)),
    )


async def test_an_item_that_fails_takes_only_itself_down(feed: Feed) -> None:
    """It is told with the kind of error, and the others are done."""
    await asked_for(feed, [NewItem(id_) for id_ in (await learners(feed))[:5]])
    bad = (await learners(feed))[2]

    async def failing(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        performed = await enrol(session, action, item, now)
        if item.target == bad:
            raise KeyError("personal")
        return performed

    await work_off(feed, failing)

    assert bad not in {row["learner"] for row in await feed.rows(Enrolment)}
    async with feed.database.read() as session:
        (failed,) = await actions.list_failed(session, "act-1")
    assert (3, "cannot_be_done") == (failed.number, failed.code)
    assert "personal" not in str(failed.detail)


async def test_an_outage_is_nobodys_failure(feed: Feed) -> None:
    """The step is tried again when the database is back."""
    await asked_for(feed, [NewItem((await learners(feed))[0])])

    async def away(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        raise OperationalError("", None, OSError("away"))

    with pytest.raises(OperationalError):
        await actions_of(feed, away).work()
    await work_off(feed)

    assert (1, 0) == ((await the_action(feed))["done"], (await the_action(feed))["failed"])


async def test_while_temporal_wants_a_pause_no_more_is_started(feed: Feed) -> None:
    """What was started wants waking, so the sweeper does it."""
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)])
    feed.pokes.later = timedelta(seconds=3)
    with pytest.raises(TryLater):
        await actions_of(feed).work()

    rows = await feed.rows(Enrolment)
    assert 5 == len(rows)
    assert all(row["wake_wanted_at"] == feed.clock.now for row in rows)


async def test_several_processes_share_the_work(feed: Feed) -> None:
    """Each item is done once, whoever does it."""
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)])
    await asyncio.gather(*(work_off(feed) for _ in range(3)))
    await work_off(feed)

    assert (12, 0) == ((await the_action(feed))["done"], (await the_action(feed))["failed"])
    assert 12 == len(await feed.rows(Enrolment))


async def test_a_journey_that_takes_no_entries_refuses_each(feed: Feed) -> None:
    """Archived in the middle, say: the rest is told so."""
    await feed.publish(journey("over"), status="archived")
    await asked_for(feed, [NewItem(id_) for id_ in (await learners(feed))[:2]], journey="over")
    await work_off(feed)

    async with feed.database.read() as session:
        assert ["journey_not_live"] * 2 == [item.code for item in await actions.list_failed(session, "act-1")]


async def test_an_empty_action_is_done(feed: Feed) -> None:
    """Nobody matched."""
    await asked_for(feed, [])

    assert "done" == (await the_action(feed))["state"]


async def test_the_bridges_process_works_actions_off(feed: Feed) -> None:
    """Also where there is no Kafka; asked for while it runs, they are done within moments."""
    ready, stop = asyncio.Event(), asyncio.Event()
    process = asyncio.create_task(
        run_bridge(
            database=feed.database, ingest=feed.ingest, bootstrap=None, clock=feed.clock, stop=stop, ready=ready.set
        )
    )
    await asyncio.wait_for(ready.wait(), 60)
    await asked_for(feed, [NewItem(id_) for id_ in await learners(feed)])

    async def is_done() -> bool:
        return (await the_action(feed))["state"] == "done"

    await until(is_done)
    stop.set()
    await asyncio.wait_for(process, 60)
    assert 12 == len(await feed.rows(Enrolment))
