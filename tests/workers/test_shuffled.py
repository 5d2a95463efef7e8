"""Shuffled and repeated input ends in the same state: what stands before the first turn, and all that comes of it.

What cannot be equal: when turns are taken between the events, and one comes after a turn that it would have changed.
What was said then stays said; the turn that reads it goes on from there, and the journal tells both.
"""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from journeys.events import Event, Json
from journeys.identity import learner_id
from journeys.program import Again
from journeys.rehearse import rehearse
from journeys.timeline import RehearsedEnrolment
from store import migrate
from store.database import Database
from store.tables import Assignment, DeliveryRow, Enrolment, JournalRow, Learner
from tests.support.compiling import compiled
from tests.support.ingesting import MONDAY, SECRET, Feed, event, hours, journey
from tests.support.smtp import SmtpSink
from tests.support.story import Story, told

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


# --- to the end ---------------------------------------------------------------------------------------------------

FAR_MONDAY = datetime(2037, 3, 2, 9, 0, tzinfo=MONDAY.tzinfo)
"""A Monday later than any on which this test is run: what is told here happens at its own time, and not at ours."""
OVER = FAR_MONDAY + timedelta(days=60)
LEARNERS = ("ada", "bob", "cleo", "dan", "eve")
TOLD = (
    """
waymark: 1
journey: branching
title: Branching
enter: [{on: hr.learner.promoted}]
again: always
exit: [{on: hr.learner.left, as: left}, {on: lms.course.completed, when: 'event.data.course == "B"'}]
holdout: 20%
steps:
  - send: welcome
  - await: {on: lms.course.started, when: 'event.data.course == "A"', within: 2d}
    then: [{send: begun}]
    else: [{send: reminder}]
  - branch:
      - {if: 'learner.department == "Sales"', do: [{send: sales}]}
      - else: [{wait: 3h}, {send: others}]
messages:
  welcome: {subject: "Welcome", body: "Hello {{ learner.given_name }} of {{ learner.department }}"}
  begun: {subject: "You have begun", body: "Well done"}
  reminder: {subject: "A reminder", body: "Begin"}
  sales: {subject: "For Sales", body: "Sell"}
  others: {subject: "For all others", body: "Do"}
""",
    """
waymark: 1
journey: splitting
title: Splitting
audience: 'learner.country == "GB"'
enter: [{on: hr.learner.hired, key: event.data.position_id}, {on: hr.learner.promoted, key: event.data.position_id}]
exit: [{on: hr.learner.left, as: left}]
steps:
  - split: opener
    arms:
      question: {weight: 1, do: [{send: question}]}
      tip: {weight: 1, do: [{send: tip}]}
  - repeat: {every: 1d, times: 3, until: 'learner.department == "Law"'}
    do: [{send: daily}]
messages:
  question: {subject: "A question", body: "Position {{ entry.data.position_id }}?"}
  tip: {subject: "A tip", body: "Position {{ entry.data.position_id }}!"}
  daily: {subject: "Daily", body: "Once more, {{ learner.given_name }}"}
""",
)


def _two_days(chance: random.Random) -> list[Event]:
    """Five learners and what happens to them in two days: they are hired, change, move, begin, finish and leave."""
    types = ["hired", "promoted", "promoted", "promoted", *["changed"] * 5, "left"]
    events = [
        Event(
            str(n), "hr", f"hr.learner.{chance.choice(types)}", chance.choice(LEARNERS), FAR_MONDAY + hours(n * 0.7),
            _data(chance, n),
        )
        for n in range(60)
    ]  # fmt: skip
    lms = [
        Event(
            f"lms-{n}", "lms", f"lms.course.{chance.choice(['started', 'completed'])}", chance.choice(LEARNERS),
            FAR_MONDAY + hours(n * 3.1), {"course": chance.choice("AB")},
        )
        for n in range(14)
    ]  # fmt: skip
    return [*events, *lms]


def _data(chance: random.Random, number: int) -> dict[str, Json]:
    possible: dict[str, Json] = {
        "given_name": f"Name {number}", "email": f"address-{number}@example.org", "position_id": f"P{number % 3}",
        "country": chance.choice(["GB", "IE"]), "department": chance.choice(["Sales", "Law"]),
    }  # fmt: skip
    return {key: value for key, value in possible.items() if chance.random() < 0.6}


@pytest.mark.parametrize("seed", range(3))
async def test_a_shuffled_file_comes_to_the_same_end(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path, seed: int
) -> None:
    """In order and one by one, or shuffled, with repetitions, in batches: once everybody has ended, each enrolment has
    had the same turns, at the same instants, for the same reasons, and each learner got the same messages, word for
    word. The same file once more changes nothing and sends nothing.

    The order in which different enrolments come at one instant is nobody's promise: neither is who gets the last place
    of a budget that several ask for at that instant, so there is no budget here.
    """
    events = _two_days(random.Random(7))
    ordered = sorted(events, key=lambda e: (e.counts_from, e.source, e.id))
    sqlite = f"sqlite+aiosqlite:///{tmp_path / 'ordered.db'}"
    expected = await _play(sqlite, smtp_sink, tmp_path, [[one] for one in ordered])
    assert {"completed", "left", "goal", "holdout"} == {row[4] for row in expected["enrolments"]}
    said = {"welcome", "begun", "reminder", "sales", "others", "question", "tip", "daily"}
    assert said == {message for _, message, *_ in expected["deliveries"]}

    chance = random.Random(seed)
    shuffled = [*events, *chance.choices(events, k=10)]
    chance.shuffle(shuffled)
    size = chance.randint(1, 20)
    batches = [shuffled[n : n + size] for n in range(0, len(shuffled), size)]
    assert expected == await _play(database_url, smtp_sink, tmp_path, batches, again=shuffled)


async def _play(
    database_url: str, sink: SmtpSink, home: Path, batches: Sequence[Sequence[Event]], *, again: Sequence[Event] = ()
) -> dict[str, list[tuple]]:
    """Take the batches in after the last event has happened, then all turns until everybody has ended."""
    sink.arrived.clear()
    async with told(
        database_url=database_url, smtp_url=sink.url, home=home, policy={"sending": None, "budget": None},
        begins_at=FAR_MONDAY + timedelta(days=3),
    ) as story:  # fmt: skip
        await story.publish(*(compiled(definition) for definition in TOLD))
        for batch in batches:
            await story.take(*batch)
        await story.play(until=OVER)
        if again:
            told_once = len(sink.arrived)
            await story.take(*again)
            await story.play(until=OVER + timedelta(days=60))
            assert told_once == len(sink.arrived)
        return await _told(story, sink)


async def _told(story: Story, sink: SmtpSink) -> dict[str, list[tuple]]:
    """What came of it all, with our own clock and the order of arrival taken out of it."""
    async with story.database.read() as session:
        names = {row.id: row.source_id for row in (await session.exec(select(Learner))).all()}
        enrolments = (await session.exec(select(Enrolment))).all()
        journal = (await session.exec(select(JournalRow).order_by(col(JournalRow.seq)))).all()
        arms = (await session.exec(select(Assignment))).all()
    assert {"ended"} == {row.status for row in enrolments}
    return {
        "enrolments": sorted(
            (
                names[row.learner],
                row.journey,
                row.entry_key,
                row.ordinal,
                row.outcome,
                row.ended_at,
                row.goal_at,
                row.run,
            )
            for row in enrolments
        ),
        "journal": sorted(
            (row.enrolment, n, row.at, row.kind, row.step, row.text)
            for enrolment in enrolments
            for n, row in enumerate(line for line in journal if line.enrolment == enrolment.id)
        ),
        "arms": sorted((row.enrolment, row.arm) for row in arms),
        "deliveries": sorted(_told_of(row) for row in await story.deliveries()),
        "messages": sorted((m.recipient, str(m.message["subject"]), m.part("plain")) for m in sink.arrived),
    }


def _told_of(row: DeliveryRow) -> tuple:
    return row.id, row.message, row.status, row.reason, row.channel, row.attempts
