"""Shuffled and repeated input ends in the same state, as long as no turn has been taken."""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.events import Event
from journeys.identity import learner_id
from journeys.program import Again
from journeys.rehearse import rehearse
from journeys.timeline import RehearsedEnrolment
from store import migrate
from store.database import Database
from store.tables import Enrolment
from tests.support.ingesting import MONDAY, SECRET, Feed, event, hours, journey

JOURNEYS = (
    journey("plain", again=Again("always"), exits=[("hr.learner.left", None, "left")], keeps="department"),
    journey(
        "guarded",
        enter=[
            ("hr.learner.promoted", 'learner.country == "GB"', "event.data.position_id"),
            ("hr.learner.hired", None, None),
        ],
        audience='learner.department == "Sales"',
        exits=[("lms.course.completed", 'learner.country == "GB"', "goal")],
        awaits=[("lms.course.started", 'event.data.course == "A" && learner.department == "Sales"')],
        again=Again("after", hours(3)),
    ),
    journey("never", enter=[("hr.*", None, None)], audience='learner.department != "Law"'),
    journey(
        "held-out",
        enter=[("hr.learner.promoted", None, None), ("hr.learner.hired", None, None)],
        audience='!has(learner.department) || learner.department == "Sales"',
        exits=[("lms.course.completed", None, "goal"), ("lms.course.started", 'learner.country == "GB"', "goal")],
        again=Again("after", hours(3)),
        limit=hours(6),
        holdout=0.2,  # Ada is in it, and Bob is not
    ),
)

_PROFILE = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["GB", "IE"]),
        "department": st.sampled_from(["Sales", "Law"]),
        "position_id": st.sampled_from(["P1", "P2"]),
    },
)
_EVENTS = st.lists(
    st.builds(
        lambda type_, at, learner, ahead, data: (type_, at, learner, ahead, data),
        st.sampled_from(
            [
                "hr.learner.hired", "hr.learner.promoted", "hr.learner.changed", "hr.learner.left",
                "lms.course.started", "lms.course.completed", "hr.learner.leave_started", "hr.learner.leave_ended",
            ]
        ),
        st.integers(0, 8),
        st.sampled_from(["ada", "bob"]),
        st.sampled_from([None, None, None, 4, 9]),
        _PROFILE,
    ),
    min_size=1,
    max_size=9,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(drawn=_EVENTS, seed=st.integers(0, 2**16))
def test_every_order_of_arrival_ends_in_the_same_state(drawn: Sequence[tuple], seed: int) -> None:
    """In order and one by one; shuffled, in batches of any size, with repetitions: every table has the same content."""
    asyncio.run(_compare(_events(drawn), random.Random(seed)))


def _events(drawn: Sequence[tuple]) -> list[Event]:
    return [
        event(
            type_, at=hours(at), id_=str(n), learner=who, effective=None if ahead is None else hours(at + ahead), **data
        )
        for n, (type_, at, who, ahead, data) in enumerate(drawn)
    ]


async def _compare(events: Sequence[Event], chance: random.Random) -> None:
    ordered = sorted(events, key=lambda e: (e.counts_from, e.time, e.source, e.id))
    expected = await _end_of([[one] for one in ordered])
    for _ in range(3):
        shuffled = [*events, *chance.choices(events, k=2)]
        chance.shuffle(shuffled)
        size = chance.randint(1, len(shuffled))
        batches = [shuffled[n : n + size] for n in range(0, len(shuffled), size)]
        assert expected == await _end_of(batches)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(drawn=_EVENTS, seed=st.integers(0, 2**16))
def test_a_rehearsal_enters_and_holds_out_as_the_store_does(drawn: Sequence[tuple], seed: int) -> None:
    """The same events, in any order, with our ids for chance: the same entries, the same held out, the same goals."""
    events = _events(drawn)
    chance = random.Random(seed)
    chance.shuffle(events)
    stored = asyncio.run(_end_of([events]))["enrolments"]
    late = MONDAY + timedelta(days=2)
    for program in JOURNEYS:
        told = rehearse(
            program, {}, events, reach={}, until=timedelta(0), arrivals=dict.fromkeys((e.id for e in events), late),
            identify=lambda source_id: learner_id(SECRET, source_id),
        )  # fmt: skip
        rehearsed = [
            (learner_id(SECRET, each.learner), e.key, e.entered_at, e.outcome == "holdout", _goal(e))
            for each in told.learners
            for e in each.enrolments
        ]
        wanted = [
            (row["learner"], row["entry_key"], row["entered_at"], row["outcome"] == "holdout", row["goal_at"])
            for row in stored  # type: ignore[attr-defined]
            if row["journey"] == program.journey
        ]
        assert sorted(wanted, key=repr) == sorted(rehearsed, key=repr)


def _goal(enrolment: RehearsedEnrolment) -> datetime | None:
    """When the goal came of one who is held out."""
    if enrolment.outcome != "holdout":
        return None
    return min((line.at for line in enrolment.timeline if line.kind == "event"), default=None)


async def _end_of(batches: Sequence[Sequence[Event]]) -> dict[str, object]:
    """All that a fresh database holds after these batches."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'waymark.db'}"
        _copy(Path(folder) / "waymark.db")
        feed = Feed(Database(url))
        for program in JOURNEYS:
            await feed.publish(program)
        for batch in batches:
            await feed.take(*batch)
        found = await feed.content()
        await feed.database.close()
        return found


_MIGRATED: list[bytes] = []


def _copy(to: Path) -> None:
    """An empty, migrated database; migrated once."""
    if not _MIGRATED:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "waymark.db"
            _run(f"sqlite+aiosqlite:///{file}")
            _MIGRATED.append(file.read_bytes())
    to.write_bytes(_MIGRATED[0])


def _run(url: str) -> None:
    import threading

    thread = threading.Thread(target=migrate.upgrade_now, args=(url,))  # a loop of its own
    thread.start()
    thread.join()


async def test_batches_at_the_same_time_end_in_the_same_state(database_url: str) -> None:
    """Several processes take in parts of the same events at once, on either database."""
    chance = random.Random(7)
    kinds = ["hr.learner.promoted", "hr.learner.changed", "lms.course.started", "hr.learner.left"]
    events = [
        event(
            chance.choice(kinds),
            at=hours(n % 17),
            id_=str(n),
            learner=f"learner {n % 5}",
            country="GB",
            department="Sales",
        )
        for n in range(120)
    ]
    await migrate.upgrade(database_url)
    feed = Feed(Database(database_url))
    for program in JOURNEYS:
        await feed.publish(program)
    shuffled = [*events, *events[:60]]
    chance.shuffle(shuffled)

    await asyncio.gather(*(feed.take(*shuffled[n : n + 20]) for n in range(0, len(shuffled), 20)))

    found = await feed.content()
    await feed.database.close()
    assert await _end_of([sorted(events, key=lambda e: (e.counts_from, e.source, e.id))]) == found


async def test_the_events_hold_somebody_out_and_treat_others(database_url: str) -> None:
    """What is compared above has both: of Ada and Bob in the same events, one is held out, and her goal is known."""
    await migrate.upgrade(database_url)
    feed = Feed(Database(database_url))
    for program in JOURNEYS:
        await feed.publish(program)
    for learner in ("ada", "bob"):
        await feed.take(
            event("hr.learner.promoted", learner=learner, country="GB", department="Sales", position_id="P1")
        )
        await feed.take(event("lms.course.completed", at=hours(2), learner=learner))

    rows = [row for row in await feed.rows(Enrolment) if row["journey"] == "held-out"]
    await feed.database.close()

    found = sorted(((row["outcome"], row["goal_at"]) for row in rows), key=repr)
    assert [("holdout", MONDAY + hours(2)), (None, None)] == found
