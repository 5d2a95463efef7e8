"""What becomes of events that come in, however they come."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from journeys import codec
from journeys.events import Json
from journeys.program import Again
from store import migrate
from store.database import Database
from store.queries.installation import find_unknown_types
from store.tables import DeadLetter, Enrolment, InboxRow, JournalRow, Learner, LoggedEvent, OutboxRow, UnjudgedEntry
from tests.support.ingesting import MONDAY, Feed, event, hours, journey
from workers.ingest import Incoming, Record, Refusal


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    yield Feed(database)
    await database.close()


# the log


async def test_an_event_is_logged_once(feed: Feed) -> None:
    """The same id and source with the same content is a duplicate, in the same batch and in a later one."""
    first = event("lms.course.started", course="A")

    assert ["accepted", "duplicate"] == [t.status for t in await feed.take(first, first)]
    assert ["duplicate"] == [t.status for t in await feed.take(first)]
    assert 1 == len(await feed.rows(LoggedEvent))


async def test_the_first_of_two_events_with_one_id_wins(feed: Feed) -> None:
    """Other content under the same id and source is refused, in the same batch and in a later one."""
    first, other = event("lms.course.started", id_="1", course="A"), event("lms.course.started", id_="1", course="B")

    taken = [*await feed.take(first, other), *await feed.take(other)]

    assert [None, "conflicting_duplicate", "conflicting_duplicate"] == [t.code for t in taken]
    assert [{"course": "A"}] == [row["data"] for row in await feed.rows(LoggedEvent)]


async def test_one_id_from_two_sources_is_two_events(feed: Feed) -> None:
    """Source and id together name an event."""
    await feed.take(event("hr.learner.changed", id_="1", source="a"), event("hr.learner.changed", id_="1", source="b"))

    assert 2 == len(await feed.rows(LoggedEvent))


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (timedelta(hours=23), None),
        (timedelta(hours=25), "time_too_far_ahead"),
        (datetime(2970, 1, 1, tzinfo=UTC), "time_too_far_ahead"),
        (datetime(1970, 1, 1, tzinfo=UTC), None),
    ],
)
async def test_a_time_may_be_long_ago_and_a_little_ahead(
    feed: Feed, at: timedelta | datetime, code: str | None
) -> None:
    """The lead bounds how far ahead of the clock an event may be."""
    time = at if isinstance(at, datetime) else feed.clock.now + at

    (taken,) = await feed.take(event("lms.course.started", at=time))

    assert code == taken.code


async def test_an_event_of_an_unknown_type_is_logged_and_counted(feed: Feed) -> None:
    """A valid event is never lost; whichever process took it, it is counted once for the installation."""
    broken, mended = event("coffee.machine.broken"), event("coffee.machine.mended")
    (taken,) = await feed.take(broken)
    await feed.take(broken, mended, event("lms.course.started"))

    assert "accepted" == taken.status
    types = {row["type"] for row in await feed.rows(LoggedEvent)}
    assert {"coffee.machine.broken", "coffee.machine.mended", "lms.course.started"} == types
    async with feed.database.read() as session:
        assert 2 == await find_unknown_types(session)


async def test_a_metric_of_a_team_has_no_learner(feed: Feed) -> None:
    """`performance.measured` with a team and no subject is logged, and introduces nobody."""
    await feed.take(event("performance.measured", learner=None, team="blue", metric="m", value=1))

    assert [None] == [row["learner"] for row in await feed.rows(LoggedEvent)]
    assert [] == await feed.rows(Learner)


# the profile


async def test_each_field_of_the_profile_keeps_its_latest_value(feed: Feed) -> None:
    """By event time, whatever came last."""
    await feed.take(event("hr.learner.changed", at=hours(2), country="GB", team="blue"))
    await feed.take(event("hr.learner.changed", at=hours(1), country="IE", role="lead"))

    (learner,) = await feed.rows(Learner)
    assert {"country": "GB", "team": "blue", "role": "lead"} == learner["profile"]


async def test_a_learner_exists_from_her_first_event_on(feed: Feed) -> None:
    """Nobody needs to introduce her; her id says nothing of the source's."""
    await feed.take(event("lms.course.started"))

    (learner,) = await feed.rows(Learner)
    assert "ada" == learner["source_id"]
    assert "ada" not in str(learner["id"])


# entries


async def test_an_entry_starts_an_enrolment(feed: Feed) -> None:
    """With its time, its data and a run that has not begun; and it is poked."""
    program = await feed.publish(journey())

    await feed.take(event("hr.learner.promoted", at=hours(1), position_id="P1"))

    (row,) = await feed.rows(Enrolment)
    assert (MONDAY + hours(1), program.hash, "active", 0, {"position_id": "P1"}) == (
        row["entered_at"], row["program"], row["status"], row["fence"], row["entry"]["data"],
    )  # fmt: skip
    assert [row["id"]] == feed.pokes.poked
    assert feed.clock.now == row["wake_wanted_at"]


async def test_the_start_of_an_enrolment_is_told_without_personal_values(feed: Feed) -> None:
    """One CloudEvent for `waymark.outcomes`, with our ids only."""
    await feed.publish(journey())

    await feed.take(event("hr.learner.promoted", given_name="Ada"))

    (row,) = await feed.rows(OutboxRow)
    told = json.loads(str(row["payload"]))
    assert ("waymark.enrolment.started", "first-time-manager") == (told["type"], told["data"]["journey"])
    assert "ada" not in str(row["payload"]).lower()


async def test_the_audience_is_judged_after_the_profile_is_updated(feed: Feed) -> None:
    """The entry event's own fields count."""
    await feed.publish(journey(audience='learner.country == "GB"'))

    await feed.take(event("hr.learner.promoted", country="GB"), event("hr.learner.promoted", learner="bob"))

    assert 1 == len(await feed.rows(Enrolment))


async def test_an_entry_key_makes_two_enrolments(feed: Feed) -> None:
    """One for each key; the same key again does nothing."""
    await feed.publish(journey(enter=[("hr.learner.promoted", None, "event.data.position_id")]))

    await feed.take(
        event("hr.learner.promoted", at=hours(1), position_id="P1"),
        event("hr.learner.promoted", at=hours(2), position_id="P2"),
        event("hr.learner.promoted", at=hours(3), position_id="P2"),
    )

    assert ["P1", "P2"] == sorted(str(row["entry_key"]) for row in await feed.rows(Enrolment))


@pytest.mark.parametrize("status", ["paused", "archived"])
async def test_a_journey_that_is_not_live_takes_no_entries(feed: Feed, status: str) -> None:
    """Paused and archived journeys have no new enrolments."""
    await feed.publish(journey(), status=status)

    await feed.take(event("hr.learner.promoted"))

    assert [] == await feed.rows(Enrolment)


async def test_an_entry_that_arrived_before_the_publish_is_none(feed: Feed) -> None:
    """A journey takes entries that arrive after it was published, however old their time."""
    await feed.take(event("hr.learner.promoted", at=hours(1)))
    feed.clock.now += hours(1)
    await feed.publish(journey())

    await feed.take(event("hr.learner.changed", at=hours(-1), country="GB"))
    assert [] == await feed.rows(Enrolment)

    await feed.take(event("hr.learner.promoted", at=hours(-200)))
    assert 1 == len(await feed.rows(Enrolment))


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (Again("never"), 1),
        (Again("always"), 2),
        (Again("after", timedelta(hours=5)), 2),
        (Again("after", timedelta(hours=6)), 1),
    ],
)
async def test_again_counts_from_the_last_entry(feed: Feed, again: Again, expected: int) -> None:
    """The first enrolment has ended by its exit; the next entry comes five hours after the first one."""
    await feed.publish(journey(again=again))

    await feed.take(
        event("hr.learner.promoted", at=hours(1)),
        event("hr.learner.left", at=hours(2)),
        event("hr.learner.promoted", at=hours(6)),
    )

    assert list(range(expected)) == sorted(row["ordinal"] for row in await feed.rows(Enrolment))


async def test_while_an_enrolment_is_active_another_entry_does_nothing(feed: Feed) -> None:
    """Even with `again: always`; in one batch and in the next."""
    await feed.publish(journey(again=Again("always")))
    await feed.take(event("hr.learner.promoted", at=hours(1)), event("hr.learner.promoted", at=hours(2)))
    await feed.take(event("hr.learner.promoted", at=hours(3)))

    assert 1 == len(await feed.rows(Enrolment))


async def test_an_exit_that_waits_for_a_turn_has_ended_the_enrolment(feed: Feed) -> None:
    """With `again: always`, an entry after an exit starts anew, though no turn has seen the exit yet."""
    await feed.publish(journey(again=Again("always")))
    await feed.take(event("hr.learner.promoted", at=hours(1)))
    await _begin_all(feed)
    await feed.take(event("hr.learner.left", at=hours(2)))
    await feed.take(event("hr.learner.promoted", at=hours(3)))

    assert 2 == len(await feed.rows(Enrolment))


@pytest.mark.parametrize("fence", [0, 1])
async def test_an_entry_that_lies_ahead_can_be_moved(feed: Feed, fence: int) -> None:
    """Sent again with another `effective` it moves, though a turn has seen it and waits; until it has begun."""
    feed.clock.now = MONDAY
    await feed.publish(journey())
    begins: list[datetime | None] = []
    for sent_at, effective in ((-4, 48), (-3, 24), (-2, 96)):
        await feed.take(event("hr.learner.promoted", at=hours(sent_at), effective=hours(effective)))
        (row,) = await feed.rows(Enrolment)
        begins.append(codec.run_from_json(row["run"]).begins_at)
        assert (begins[-1], begins[-1]) == (row["due_at"], row["entered_at"])
        await _change_all(feed, fence=fence, wake_wanted_at=None)
    assert [MONDAY + hours(n) for n in (48, 24, 96)] == begins
    assert 3 == len(feed.pokes.poked)
    assert 1 == len(await feed.rows(OutboxRow))

    await _change_all(feed, fence=1, step="await")
    await feed.take(event("hr.learner.promoted", at=hours(-1), effective=hours(99)))

    assert [MONDAY + hours(96)] == [row["entered_at"] for row in await feed.rows(Enrolment)]


async def test_a_condition_is_judged_by_what_is_so_when_its_event_happens(feed: Feed) -> None:
    """Not by what the profile will be, though the entry is long ago and nothing of it is judged again."""
    feed.clock.now = MONDAY
    await feed.publish(journey(exits=[("lms.course.completed", 'learner.team == "Now"', "done")]))
    await feed.take(event("hr.learner.promoted", at=hours(-1), team="Now"))
    await _change_all(feed, fence=1, step="await")

    feed.clock.now = MONDAY + hours(72)
    await feed.take(event("hr.learner.changed", at=hours(70), effective=hours(400), team="Later"))
    await feed.take(event("lms.course.completed", at=hours(71)))

    assert ["exit-1"] == [row["trigger"] for row in await feed.rows(InboxRow)]
    assert 1 == len(await feed.rows(Enrolment))


async def test_a_turn_that_is_under_way_is_overtaken_when_its_entry_moves(feed: Feed) -> None:
    """Its fencing token is worth nothing then, so that it cannot keep the older run."""
    feed.clock.now = MONDAY
    await feed.publish(journey())
    await feed.take(event("hr.learner.promoted", at=hours(-3), effective=hours(48)))
    await _change_all(feed, fence=1, lease_until=feed.clock.now + hours(1))

    await feed.take(event("hr.learner.promoted", at=hours(-2), effective=hours(24)))

    assert [(2, None)] == [(row["fence"], row["lease_until"]) for row in await feed.rows(Enrolment)]


async def test_an_event_a_little_ahead_of_the_clock_counts_on_arrival(feed: Feed) -> None:
    """Only `effective` lies ahead on purpose; a time ahead is a clock that is fast."""
    feed.clock.now = MONDAY
    await feed.publish(journey())

    await feed.take(event("hr.learner.promoted", at=hours(3)))

    assert 1 == len(feed.pokes.poked)


# triggers


async def test_an_event_fires_the_triggers_of_running_enrolments(feed: Feed) -> None:
    """Into the inbox, with its time, and the enrolment is poked once until a turn has cleared its wish."""
    await feed.publish(journey())
    await feed.take(event("hr.learner.promoted"))
    await _begin_all(feed)
    feed.pokes.poked.clear()

    await feed.take(event("lms.course.started", at=hours(1)))
    await feed.take(event("lms.course.started", at=hours(2)))

    assert [MONDAY + hours(1), MONDAY + hours(2)] == [row["at"] for row in await feed.rows(InboxRow)]
    assert 1 == len(feed.pokes.poked)


async def test_an_enrolment_runs_on_with_its_own_version(feed: Feed) -> None:
    """A new version changes nothing for running enrolments: theirs says what they listen to."""
    await feed.publish(journey())
    await feed.take(event("hr.learner.promoted"))
    await _begin_all(feed)
    await feed.publish(journey(awaits=[("lms.course.completed", None)]), version=2)

    await feed.take(event("lms.course.started", at=hours(1)), event("lms.course.completed", at=hours(2)))

    assert ["lms.course.started"] == [row["event_type"] for row in await feed.rows(InboxRow)]


async def test_an_exit_that_came_before_the_entry_counts(feed: Feed) -> None:
    """If its time is not before the entry's: at the same instant and after it, not before."""
    await feed.publish(journey())
    await feed.take(
        event("hr.learner.left", at=hours(1)),
        event("hr.learner.left", at=hours(2)),
        event("hr.learner.left", at=hours(3)),
    )

    await feed.take(event("hr.learner.promoted", at=hours(2)))

    assert [MONDAY + hours(2), MONDAY + hours(3)] == sorted(row["at"] for row in await feed.rows(InboxRow))


async def test_the_entry_event_fires_nothing_of_its_own_enrolment(feed: Feed) -> None:
    """Though an await of the journey would take its type."""
    await feed.publish(journey(awaits=[("hr.learner.promoted", None)]))

    await feed.take(event("hr.learner.promoted"))

    assert [] == await feed.rows(InboxRow)


async def test_a_condition_that_could_not_be_judged_is_in_the_journal(feed: Feed) -> None:
    """With the field that was missing, and no personal value; the event fires nothing."""
    await feed.publish(journey(awaits=[("lms.course.started", 'event.data.course == "A"')]))
    await feed.take(event("hr.learner.promoted"))
    await _begin_all(feed)

    await feed.take(event("lms.course.started", at=hours(1)))

    (line,) = await feed.rows(JournalRow)
    assert "event.data.course" in str(line["text"])
    assert MONDAY + hours(1) == line["at"]
    assert [] == await feed.rows(InboxRow)


async def test_our_own_events_reach_only_the_enrolment_they_name(feed: Feed) -> None:
    """Of two enrolments that await a click, the one that is named."""
    await feed.publish(journey("one", awaits=[("message.clicked", None)]))
    await feed.publish(journey("two", awaits=[("message.clicked", None)]))
    await feed.take(event("hr.learner.promoted"))
    named = str((await feed.rows(Enrolment))[0]["id"])

    await feed.take(event("message.clicked", at=hours(1), enrolment=named))

    assert [named] == [row["enrolment"] for row in await feed.rows(InboxRow)]


# entries that could not be judged


async def test_an_entry_that_lacked_a_field_is_judged_again(feed: Feed) -> None:
    """When the profile gets it; the enrolment has the entry's own time, and what came since counts."""
    await feed.publish(journey(audience='learner.country == "GB"'))
    await feed.take(event("hr.learner.promoted", at=hours(1)))
    assert 1 == len(await feed.rows(UnjudgedEntry))
    await feed.take(event("lms.course.started", at=hours(2)))
    feed.clock.now += hours(23)

    await feed.take(event("hr.learner.changed", at=hours(3), country="GB"))

    (row,) = await feed.rows(Enrolment)
    assert MONDAY + hours(1) == row["entered_at"]
    assert ["lms.course.started"] == [row["event_type"] for row in await feed.rows(InboxRow)]
    assert [] == await feed.rows(UnjudgedEntry)


async def test_an_entry_is_not_judged_again_after_a_day(feed: Feed) -> None:
    """A day from its arrival."""
    await feed.publish(journey(audience='learner.country == "GB"'))
    await feed.take(event("hr.learner.promoted", at=hours(1)))
    feed.clock.now += hours(25)

    await feed.take(event("hr.learner.changed", at=hours(3), country="GB"))

    assert [] == await feed.rows(Enrolment)


async def test_a_field_of_another_type_is_no_error(feed: Feed) -> None:
    """The condition does not hold; the event is logged, and its neighbours go their way."""
    await feed.publish(journey(enter=[("hr.learner.promoted", 'event.data.to_level == "manager"', None)]))

    taken = await feed.take(
        event("hr.learner.promoted", learner="bob", to_level=[1, 2]),
        event("hr.learner.promoted", learner="cem", to_level="manager"),
    )

    assert ["accepted", "accepted"] == [t.status for t in taken]
    assert 1 == len(await feed.rows(Enrolment))


# what cannot be used


async def test_what_cannot_be_used_takes_only_itself_down(feed: Feed) -> None:
    """A NUL, a lone surrogate and a number beyond 64 bits; the neighbours are stored."""
    await feed.publish(journey())
    bad = [
        event("lms.course.started", id_="nul", course="a\0b"),
        event("lms.course.started", id_="deep", course=_nested(300)),
        event("lms.course.started", id_="surrogate", course="\ud800"),
        event("lms.course.started", id_="huge", score=2**70),
    ]
    good = [event("hr.learner.promoted", learner=f"learner {n}") for n in range(3)]

    taken = await feed.take(good[0], bad[0], good[1], bad[1], bad[2], good[2], bad[3])

    rejected = {place: t.code for place, t in enumerate(taken) if t.status != "accepted"}
    assert {1: "nul_character", **dict.fromkeys((3, 4, 6), "cannot_be_stored")} == rejected
    assert 3 == len(await feed.rows(Enrolment))


async def test_a_text_that_only_looks_like_a_nul_is_taken(feed: Feed) -> None:
    r"""The six characters \u0000 are no NUL."""
    (taken,) = await feed.take(event("lms.course.started", course="a\\u0000b"))

    assert "accepted" == taken.status


async def test_what_the_database_refuses_takes_only_itself_down(feed: Feed) -> None:
    """The batch goes in one by one: what cannot be is refused, and said so; the neighbours are stored."""
    async with feed.database.write() as session:
        refuse = _REFUSE_ON_POSTGRES if feed.database.is_postgres else _REFUSE_ON_SQLITE
        for statement in refuse:
            await (await session.connection()).execute(text(statement))
    await feed.publish(journey())

    taken = await feed.take(
        event("hr.learner.promoted", learner="ada"),
        event("trouble.made.here", learner="bob"),
        event("hr.learner.promoted", learner="cem"),
    )

    assert [None, "cannot_be_stored", None] == [t.code for t in taken]
    assert ["ada", "cem"] == sorted(str(row["source_id"]) for row in await feed.rows(Learner))
    assert 2 == len(await feed.rows(Enrolment))


async def test_a_rejected_record_is_a_dead_letter(feed: Feed) -> None:
    """Kept with its original; our topic hears of it without its value; read again it stays one."""
    feed.clock.now = MONDAY
    record = Record("hr.events", 2, 17, b"ada", (("ce_id", b"1"),), b'{"given_name": "Ada"}')
    refused = Incoming(Refusal("not_json", "the body is not JSON"), record)
    too_far = Incoming(event("lms.course.started", at=hours(100)), replace(record, offset=18))

    await feed.ingest.take([refused, too_far])
    await feed.ingest.take([refused])

    letters = sorted(await feed.rows(DeadLetter), key=lambda row: row["offset"])
    assert ["not_json", "time_too_far_ahead"] == [row["reason"] for row in letters]
    assert b'{"given_name": "Ada"}' == letters[0]["value"]
    told = [json.loads(str(row["payload"])) for row in await feed.rows(OutboxRow)]
    assert ["not_json", "time_too_far_ahead"] == [one["reason"] for one in told]
    assert "ada" not in repr(told).lower()


async def test_what_came_over_http_and_is_rejected_leaves_nothing(feed: Feed) -> None:
    """The answer says it; there is no dead letter."""
    await feed.ingest.take([Incoming(Refusal("not_json", "the body is not JSON"))])

    assert [] == await feed.rows(DeadLetter)


async def test_pokes_that_must_wait_are_left_to_the_sweeper(feed: Feed) -> None:
    """The events are taken all the same, and the enrolment goes on wanting to be woken."""
    await feed.publish(journey())
    feed.pokes.later = timedelta(seconds=1)

    (taken,) = await feed.take(event("hr.learner.promoted"))

    assert "accepted" == taken.status
    assert feed.clock.now == (await feed.rows(Enrolment))[0]["wake_wanted_at"]


async def _begin_all(feed: Feed) -> None:
    """As a turn leaves them: the token taken, the first step reached, the wish to be woken cleared."""
    await _change_all(feed, fence=1, step="await", wake_wanted_at=None)


async def _change_all(feed: Feed, **values: object) -> None:
    """As other processes have left the rows."""
    async with feed.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(**values))


def _nested(depth: int) -> Json:
    found: Json = []
    for _ in range(depth):
        found = [found]
    return found


_REFUSE_ON_SQLITE = [
    """CREATE TRIGGER trouble BEFORE INSERT ON events WHEN NEW.type = 'trouble.made.here'
    BEGIN SELECT RAISE(ABORT, 'no'); END"""
]
_REFUSE_ON_POSTGRES = ["ALTER TABLE events ADD CONSTRAINT trouble CHECK (type <> 'trouble.made.here')"]
