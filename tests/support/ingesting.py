"""What tests of ingest need: a database with journeys in it, events with few words, and all that a database holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import SQLModel

from journeys import codec
from journeys.events import Event, Json
from journeys.expressions import Scope, check
from journeys.program import Again, EntryRule, Expression, Node, Program, Trigger
from journeys.steps.await_ import AwaitOptions
from journeys.steps.end import EndOptions
from store.database import Database
from store.tables import (
    Assignment,
    Enrolment,
    InboxRow,
    JournalRow,
    JourneyRow,
    Learner,
    LoggedEvent,
    OutboxRow,
    UnjudgedEntry,
    Version,
)
from workers.ingest import Incoming, Ingest, Taken
from workers.programs import Programs
from workflows.gateway import TryLater

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "a secret of the tests"


class Pokes:
    """Stands where Temporal is: remembers whom it was asked to poke, or asks for a pause."""

    def __init__(self) -> None:
        self.poked: list[str] = []
        self.refused = 0
        self.later: timedelta | None = None

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:
        """Remember them."""
        if self.later is not None:
            self.refused += 1
            raise TryLater(self.later, "RESOURCE_EXHAUSTED")
        self.poked += enrolments
        return []


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = MONDAY + timedelta(days=30)

    def __call__(self) -> datetime:
        """What it says."""
        return self.now


@dataclass
class Feed:
    """An ingest on a database of its own."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    pokes: Pokes = field(default_factory=Pokes)

    @property
    def ingest(self) -> Ingest:
        """A process that has just started: it remembers nothing."""
        return Ingest(self.database, Programs(), SECRET, timedelta(hours=24), self.clock, self.pokes)

    async def take(self, *events: Event) -> list[Taken]:
        """Take these in, in one batch."""
        return list(await self.ingest.take([Incoming(event) for event in events]))

    async def publish(self, program: Program, *, status: str = "live", version: int = 1) -> Program:
        """Publish a program as a journey's running version."""
        program = replace(program, hash="")
        program = replace(program, hash=sha256(codec.program_to_json(program).encode()).hexdigest())
        written = Version(
            journey=program.journey, number=version, hash=program.hash, title=program.title,
            media_type="application/yaml", definition="", program=codec.program_to_json(program),
            published_at=self.clock.now,
        )  # fmt: skip
        async with self.database.write() as session:
            core = await session.connection()
            await core.execute(insert(Version), [written.model_dump()])
            if version == 1:
                row = JourneyRow(name=program.journey, version=1, status=status, created_at=self.clock.now)
                await core.execute(insert(JourneyRow), [row.model_dump()])
            else:
                await core.execute(SQLModel.metadata.tables["journeys"].update().values(version=version, status=status))
        return program

    async def rows(self, model: type[SQLModel]) -> list[dict[str, Any]]:
        """All rows of a table."""
        async with self.database.read() as session:
            found = (await (await session.connection()).execute(select(model))).mappings().all()
            return [dict(row) for row in found]

    async def content(self) -> dict[str, object]:
        """All that ingest writes, with the order of arrival taken out of it."""
        events = {row["seq"]: (row["source"], row["event_id"]) for row in await self.rows(LoggedEvent)}
        enrolments = [{**row, "entry_event": events.get(row["entry_event"])} for row in await self.rows(Enrolment)]
        return {
            "learners": _sorted(await self.rows(Learner), without=frozenset({"rejudge_until"})),
            "events": _sorted(await self.rows(LoggedEvent), without=frozenset({"seq"})),
            "enrolments": _sorted(enrolments),
            "assignments": _sorted(await self.rows(Assignment)),
            "inbox": _sorted(_named(await self.rows(InboxRow), events), without=frozenset({"seq"})),
            "journal": _sorted(await self.rows(JournalRow), without=frozenset({"seq", "data"})),
            "unjudged": _sorted(_named(await self.rows(UnjudgedEntry), events), without=frozenset({"seq"})),
            "outbox": _sorted(await self.rows(OutboxRow), without=frozenset({"seq"})),
        }


def _named(rows: Sequence[Mapping[str, Json]], events: Mapping[Json, object]) -> list[dict[str, object]]:
    return [{**row, "event": events[row["event"]]} for row in rows]


def _sorted(rows: Sequence[Mapping[str, object]], *, without: frozenset[str] = frozenset()) -> list[dict[str, object]]:
    return sorted(({k: v for k, v in row.items() if k not in without} for row in rows), key=repr)


def event(
    type_: str,
    *,
    at: timedelta | datetime = timedelta(),
    id_: str | None = None,
    learner: str | None = "ada",
    source: str = "hr",
    effective: timedelta | None = None,
    **data: Json,
) -> Event:
    """An event about Ada, so long after Monday at nine."""
    time = at if isinstance(at, datetime) else MONDAY + at
    name = id_ or sha256(repr((type_, time, learner, sorted(data.items()))).encode()).hexdigest()[:12]
    return Event(name, source, type_, learner, time, data, None if effective is None else MONDAY + effective)


def hours(number: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=number)


def journey(
    name: str = "first-time-manager",
    *,
    enter: Sequence[tuple[str, str | None, str | None]] = (("hr.learner.promoted", None, None),),
    audience: str | None = None,
    exits: Sequence[tuple[str, str | None, str]] = (("hr.learner.left", None, "left"),),
    awaits: Sequence[tuple[str, str | None]] = (("lms.course.started", None),),
    again: Again = Again(),
    limit: timedelta = timedelta(days=365),
    holdout: float = 0.0,
    keeps: str | None = None,
) -> Program:
    """A journey that awaits something and ends; `enter` are type, `when`, `key`; `keeps` is what its awaits keep."""
    exit_triggers = tuple(Trigger(f"exit-{n}", (on,), _cel(when), as_) for n, (on, when, as_) in enumerate(exits, 1))
    await_triggers = tuple(
        Trigger(f"await.{n}", (on,), _cel(when), keeps=keeps) for n, (on, when) in enumerate(awaits, 1)
    )
    options = AwaitOptions(tuple(t.id for t in await_triggers), timedelta(days=7))
    return Program(
        journey=name,
        title=name,
        enter=tuple(
            EntryRule(Trigger(f"enter-{n}", (on,), _cel(when)), _cel(key)) for n, (on, when, key) in enumerate(enter, 1)
        ),
        nodes={
            "await": Node("await", "await", options, {"then": "end", "else": "end"}),
            "end": Node("end", "end", EndOptions("completed")),
        },
        start="await",
        exits=exit_triggers,
        triggers={t.id: t for t in (*exit_triggers, *await_triggers)},
        audience=_cel(audience),
        again=again,
        limit=limit,
        holdout=holdout,
    )


def _cel(text: str | None) -> Expression | None:
    """Checked as the compiler does, so that what it reads is known."""
    if text is None:
        return None
    checked = check(text, scope=Scope.EVENT, wants="value" if text.startswith("event.data.position") else "condition")
    assert checked.expression is not None, checked.findings
    return checked.expression
