"""How the price of one event and of one turn grows with learners, with journeys, with steps, and with what a learner
has behind her. In process: CPU of one process and of the database's server, without Temporal and Kafka.

    learners       an event of some learner, by how many the store knows (put into the tables directly)
    asleep         an event that a sleeping enrolment of hers listens to in vain, by how many sleep, each with a letter
                   that went (put into the tables directly)
    idle journeys  an event that concerns no journey, by how many are live
    keen journeys  an event that every live journey could be entered by, and whose `when` no journey's holds
    steps          a turn with its letter, by how many steps its journey has
    her events     one learner's next event, which her enrolment listens to in vain, by how many she has had

Besides, one learner's events through Kafka, one long journey through Temporal, and turns of which the worker has the
workflow at hand or replays it from its history, as `bench/end_to_end.py` says.

Bytes are what the database has grown by, for each event of hers and for each letter of a journey, with all that is
written about it. Events go in batches of a hundred. At the end of each it is checked that all are in the log, and that
every letter came.
"""

import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select
from sqlmodel import col

from bench import end_to_end
from bench.counting import count_asleep, held_bytes
from bench.end_to_end import LISTENING, UNLIMITED
from bench.figures import Column, Row, Table, Target
from bench.filling import add_copies, add_learners, analyse
from bench.processes import cpu_seconds
from bench.stage import SUBJECT_OF, Servers, Written, Wrong, on_stage, open_database, open_sink, promoted, publish_all
from bench.turns import NobodyWakes
from connectors.channels.base import Limits
from connectors.channels.opening import close_channels, open_channels
from journeys.events import Event, Json
from store.database import Database
from store.migrate import upgrade
from store.queries import installation
from store.tables import DeliveryRow, Enrolment, LoggedEvent
from waymark.settings import load
from waymark.wiring import build_delivering, build_requesting, real_clock
from workers.ingest import Incoming, Ingest
from workers.programs import Programs
from workers.records import Record, translate
from workers.turns import Turns
from workflows.contracts import Queues, TurnOrder

BATCH = 100
IDLE = """
waymark: 1
journey: idle-{number}
title: Of others
enter: [{{on: lms.course.completed, when: 'event.data.course == "C-{number}"'}}]
steps: [{{send: hello}}]
messages: {{hello: {{subject: hello, body: hello}}}}
"""
KEEN = IDLE.replace("idle-", "keen-").replace("lms.course.completed", "hr.learner.changed")
SLEEPING = """
waymark: 1
journey: sleeping
title: Sleeping
enter: [{on: hr.learner.promoted}]
exit: [{on: lms.course.progressed, when: 'event.data.course == "SAFETY-1"', as: goal}]
steps: [{send: hello}, {wait: 60d}]
messages: {hello: {subject: hello, body: hello}}
"""
COLUMNS = (
    Column("learners"),
    Column("asleep"),
    Column("journeys"),
    Column("steps"),
    Column("her events"),
    Column("CPU", "ms", 3),
    Column("of it the database", "ms", 3),
    Column("of it Temporal", "ms", 3),
    Column("of it the worker", "ms", 3),
    Column("a letter late by", "ms"),
    Column("bytes"),
)


@dataclass(frozen=True)
class Sizes:
    """How far it goes; `sampled` is how many events each point is the mean of."""

    learners: Sequence[int]
    journeys: Sequence[int]
    steps: Sequence[int]
    her_events: int
    sampled: int


async def measure(
    sizes: Sizes, *, on: Sequence[str] = ("sqlite", "postgresql"), stage: Servers | None = None
) -> Table:  # fmt: skip
    """A row for each point; raises Wrong."""
    rows: list[Row] = []
    for database in on:
        said = SUBJECT_OF[database]
        for measured in (_by_learners, _by_asleep, _by_journeys, _by_steps, _by_her_events):
            async with _house(database) as house:
                rows += [_of(said, row) for row in await measured(house, sizes)]
    async with on_stage(stage) as stage:
        for database in on:
            rows += [_of(SUBJECT_OF[database], row) for row in await _through_servers(stage, database, sizes)]
        stage.progress.done()
    cpu = {row.subject: row.figures["CPU"] for row in rows}
    targets = [target for database in on for target in _targets(SUBJECT_OF[database], cpu, sizes)]
    remarks = [
        "Means of CPU time. PostgreSQL's is its server's, all that it does meanwhile; SQLite works in our own process.",
        "Through Kafka: the bridge's CPU. Through Temporal: the worker's and Temporal's. All else is in process.",
        "Bytes: what the database has grown by for each of her events, and for each letter with its lines of journal.",
    ]
    return Table("growth", title(sizes), COLUMNS, rows, remarks, targets)


def title(sizes: Sizes) -> str:
    """What is measured, and how far it goes."""
    return (
        f"growth: CPU of one event and of one turn, by how much there is: up to {sizes.learners[-1]:,} learners, "
        f"{sizes.journeys[-1]:,} journeys, {sizes.steps[-1]:,} steps, and {sizes.her_events:,} events of one learner"
    )


async def _through_servers(stage: Servers, database: str, sizes: Sizes) -> Sequence[Row]:
    events = await end_to_end.by_her_events(stage, database, _thousands(sizes))
    woken = await end_to_end.by_memory(stage, database, sizes.sampled // 4)
    return [*events, *await end_to_end.by_tenths(stage, database, sizes.steps[-1]), *woken]


def _of(said: str, row: Row) -> Row:
    return Row(f"{said}, {row.subject}", row.figures, row.remark)


def _targets(said: str, cpu: dict[str, float], sizes: Sizes) -> Iterator[Target]:
    """Linear: the last of many costs not much more than the first."""
    first, *_, last = [f"{size:,}" for size in _thousands(sizes)]
    steps, few = f"{sizes.steps[-1]:,}", f"{sizes.steps[0]:,}"
    event = f"an event of the last tenth of a learner's {last}, as a multiple of the first tenth's"
    turn = f"a turn in a journey of {steps} steps, as a multiple of one in {few}"
    late = f"a turn in the last tenth of a journey of {steps} steps, as a multiple of the first tenth's"
    tenth = "tenth of a journey"
    for figure, many, one in (
        (f"in process, {event}", f"her events: {last}", f"her events: {first}"),
        (f"in process, {turn}", f"steps: {steps}", f"steps: {few}"),
        (f"through Kafka, {event}", f"through Kafka, her events: {last}", f"through Kafka, her events: {first}"),
        (f"through Temporal, {late}", f"through Temporal, last {tenth}", f"through Temporal, first {tenth}"),
    ):
        times = cpu[f"{said}, {many}"] / cpu[f"{said}, {one}"]
        yield Target(f"{said}: {figure}", times, at_most=1.5, decimals=2, subject=said)


@dataclass(frozen=True)
class Used:
    """CPU seconds so far: of this process, and of the database's server where it has one."""

    own: float
    server: float

    def each(self, before: "Used", number: int) -> dict[str, float]:
        """What one of so many has cost since `before`, in ms."""
        own, server = self.own - before.own, self.server - before.server
        figures = {"CPU": (own + server) * 1000 / number}
        return {**figures, "of it the database": server * 1000 / number} if self.server else figures


@dataclass(frozen=True)
class House:
    """Ingest and turns over one database, in this process; `pids` are the servers that work for it."""

    database: Database
    ingest: Ingest
    turns: Turns
    arrived: Written
    pids: Mapping[str, int]

    def used(self) -> Used:
        """What has been spent so far."""
        return Used(time.process_time(), sum(map(cpu_seconds, self.pids.values())))

    async def publish(self, definitions: Sequence[str]) -> None:
        """These journeys are live."""
        await publish_all(self.database.url, definitions)
        async with self.database.write() as session:
            await installation.keep_policy(session, UNLIMITED, at=datetime.now(UTC))

    async def take(self, events: Sequence[Event]) -> dict[str, float]:
        """Take them in; answers the CPU of one, in ms. Raises Wrong unless all are in the log."""
        before, used = await self.logged(), self.used()
        for start in range(0, len(events), BATCH):
            await self.ingest.store([Incoming(event) for event in events[start : start + BATCH]])
        cpu = self.used().each(used, len(events))
        if await self.logged() - before != len(events):
            raise Wrong(f"{await self.logged() - before} of {len(events)} events are in the log")
        return cpu

    async def logged(self) -> int:
        """How many events the log holds."""
        async with self.database.read() as session:
            return (await (await session.connection()).execute(select(func.max(col(LoggedEvent.seq))))).scalar() or 0


@asynccontextmanager
async def _house(database: str) -> AsyncGenerator[House]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waymark-bench-")))
        url, pids = await open_database(stack, database, folder)
        arrived, smtp, _ = await open_sink(stack, folder)
        await upgrade(url)
        opened = Database(url)
        stack.push_async_callback(opened.close)
        environment = {"WAYMARK_HOME": str(folder), "WAYMARK_SMTP_URL": smtp, "WAYMARK_SECRET": uuid4().hex}
        settings = load(environment=environment, dotenv=folder / "none", with_home=False).settings
        channels = open_channels(settings.of_channels(), limits=Limits())
        stack.push_async_callback(close_channels, channels)
        programs = Programs()
        ingest = Ingest(opened, programs, settings.signing_secret(), timedelta(hours=1), real_clock, NobodyWakes())
        delivering, requesting = build_delivering(settings, channels, programs), build_requesting(settings, {})
        turns = Turns(opened, programs, delivering, real_clock, Queues(), requesting)
        yield House(opened, ingest, turns, arrived, pids)


async def _by_learners(house: House, sizes: Sizes) -> Sequence[Row]:
    await house.publish([LISTENING])
    rows: list[Row] = []
    known = 0
    for size in sizes.learners:
        await add_learners(house.database, known, size - 1)
        await analyse(house.database)
        known = size
        stride = max(1, size // sizes.sampled)
        await house.take(_changes(BATCH, size, stride=stride))
        cpu = await house.take(_changes(sizes.sampled, size, stride=stride))
        rows.append(Row(f"learners: {size:,}", {"learners": size, **cpu}))
    return rows


async def _by_asleep(house: House, sizes: Sizes) -> Sequence[Row]:
    """One enters and gets her letter; all others are as she is then."""
    await house.publish([SLEEPING])
    value = promoted("pattern", time.time()).encode()
    await house.ingest.store(list(translate(Record("hr.events", 0, 0, value=value))))
    async with house.database.read() as session:
        pattern = (await (await session.connection()).execute(select(col(Enrolment.id)))).scalar_one()
    await house.turns.take(TurnOrder(pattern, datetime.now(UTC)))
    rows: list[Row] = []
    known = 0
    for size in sizes.learners:
        await add_learners(house.database, known, size - 1)
        await add_copies(house.database, known, size - 1, enrolment=pattern)
        await analyse(house.database)
        known = size
        await _check_asleep(house.database, size + 1)
        stride = max(1, size // sizes.sampled)
        for number in (BATCH, sizes.sampled):
            learners = (f"known-{place * stride % size}" for place in range(number))
            cpu = await house.take([event for learner in learners for event in _progress(1, learner)])
        await _check_asleep(house.database, size + 1)
        rows.append(Row(f"asleep: {size:,}", {"asleep": size, **cpu}))
    return rows


async def _check_asleep(database: Database, wanted: int) -> None:
    """Raise Wrong unless so many sleep, each with a letter that went."""
    asleep = await count_asleep(database)
    async with database.read() as session:
        query = select(func.count()).select_from(DeliveryRow).where(col(DeliveryRow.status) == "sent")
        letters = (await (await session.connection()).execute(query)).scalar_one()
    if (asleep, letters) != (wanted, wanted):
        raise Wrong(f"{asleep} sleep, {letters} letters went, and {wanted} each should have")


async def _by_journeys(house: House, sizes: Sizes) -> Sequence[Row]:
    rows: list[Row] = []
    for kind, definition in (("idle", IDLE), ("keen", KEEN)):
        live = 0
        for size in sizes.journeys:
            await house.publish([definition.format(number=number) for number in range(live, size)])
            live = size
            number = max(BATCH, min(sizes.sampled, 20 * sizes.sampled // size))
            events = _changes if kind == "keen" else _promotions
            await house.take(events(BATCH, number))
            cpu = await house.take(events(number, number))
            rows.append(Row(f"{kind} journeys: {size:,}", {"journeys": size, **cpu}))
    return rows


async def _by_steps(house: House, sizes: Sizes) -> Sequence[Row]:
    """Each journey is half letters, half waits; enough enrolments go through it that there are as many turns each
    time. The first goes through it twice, so that it does not pay for what is done once.
    """
    await _through(house, sizes, "first", sizes.steps[0])
    return [
        Row(f"steps: {size:,}", {"steps": size, **await _through(house, sizes, f"of-{size}", size)})
        for size in sizes.steps
    ]


async def _through(house: House, sizes: Sizes, name: str, size: int) -> dict[str, float]:
    """Take everybody through a journey of this size; answers the CPU of one turn, in ms, and the bytes of a letter."""
    letters = size // 2
    pairs = "".join(f"  - {{send: hello, id: send-{n}}}\n  - {{wait: 1h, id: wait-{n}}}\n" for n in range(letters))
    head = f"waymark: 1\njourney: steps-{name}\ntitle: Steps\nsteps:\n{pairs}"
    enter = f"enter: [{{on: hr.learner.promoted, when: 'event.data.to_level == \"{name}\"'}}]\n"
    await house.publish([f"{head}{enter}messages: {{hello: {{subject: hello, body: hello}}}}\n"])
    enrolments = max(1, sizes.steps[-1] // size)
    now = time.time()
    records = [
        promoted(f"{name}-{n}", now).replace('"to_level":"manager"', f'"to_level":"{name}"') for n in range(enrolments)
    ]
    came, held = house.arrived.count(), await held_bytes(house.database)
    await house.ingest.store([i for r in records for i in translate(Record("hr.events", 0, 0, value=r.encode()))])
    cpu = await _turn_all(house, f"steps-{name}", letters)
    if house.arrived.count() - came != enrolments * letters:
        raise Wrong(f"{house.arrived.count() - came} letters came, of {enrolments * letters}")
    return {**cpu, "bytes": (await held_bytes(house.database) - held) / (enrolments * letters)}


async def _turn_all(house: House, journey: str, letters: int) -> dict[str, float]:
    """Take all turns of all its enrolments, moving their clocks; answers the CPU of one turn, in ms."""
    query = select(col(Enrolment.id)).where(col(Enrolment.journey) == journey)
    async with house.database.read() as session:
        ids = (await (await session.connection()).execute(query)).scalars().all()
    used, taken = house.used(), 0
    for id_ in ids:
        now, outcome = datetime.now(UTC), None
        while outcome is None:
            turn = await house.turns.take(TurnOrder(id_, now))
            now, outcome, taken = turn.due_at or now, turn.outcome, taken + 1
            if taken > len(ids) * (letters + 2):
                raise Wrong(f"a journey of {letters} letters took {taken} turns and has not ended")
    return house.used().each(used, taken)


async def _by_her_events(house: House, sizes: Sizes) -> Sequence[Row]:
    await house.publish([LISTENING])
    for learner in ("known-0", "known-1"):
        value = promoted(learner, time.time()).encode()
        await house.ingest.store(list(translate(Record("hr.events", 0, 0, value=value))))
    async with house.database.read() as session:
        ids = (await (await session.connection()).execute(select(col(Enrolment.id)))).scalars().all()
    for id_ in ids:
        await house.turns.take(TurnOrder(id_, datetime.now(UTC)))
    await house.take(_progress(BATCH, "known-1"))  # what is done once is not hers to pay for
    rows: list[Row] = []
    had, held = 0, await held_bytes(house.database)
    for size in _thousands(sizes):
        cpu = await house.take(_progress(size - had))
        had = size
        grown = (await held_bytes(house.database) - held) / size
        rows.append(Row(f"her events: {size:,}", {"her events": size, **cpu, "bytes": grown}))
    return rows


def _thousands(sizes: Sizes) -> list[int]:
    return [sizes.her_events * tenth // 10 for tenth in range(1, 11)]


def _changes(number: int, learners: int, *, stride: int = 1) -> list[Event]:
    return [
        _event("hr.learner.changed", f"known-{place * stride % learners}", {"role": f"role {uuid4().hex}"})
        for place in range(number)
    ]


def _promotions(number: int, learners: int) -> list[Event]:
    return [_event("hr.learner.promoted", f"known-{place % learners}", {"role": "lead"}) for place in range(number)]


def _progress(number: int, learner: str = "known-0") -> list[Event]:
    return [_event("lms.course.progressed", learner, {"course": "OTHER", "progress": 0.5}) for _ in range(number)]


def _event(type_: str, learner: str, data: dict[str, Json]) -> Event:
    return Event(uuid4().hex, "/bench", type_, learner, datetime.now(UTC), data)
