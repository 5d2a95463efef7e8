"""A story on a real database and real channels, with one clock for all its enrolments, and without Temporal: what its
workflows would do (turns when they are due or poked, retries until they end) is done here, many at once.

For what hangs on many enrolments at one instant; Temporal gives each workflow a clock of its own.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlmodel import col, select
from temporalio.exceptions import ApplicationError

from connectors.channels.base import Limits
from connectors.channels.opening import close_channels, open_channels
from journeys import codec
from journeys.events import Event, Json
from journeys.program import Program
from store.database import Database
from store.tables import BidRow, DeliveryRow, Enrolment, JournalRow, JourneyRow, Version
from tests.support.policies import keep_policy
from waymark.settings import Settings
from waymark.wiring import build_delivering, build_requesting, migrate, real_clock
from workers.ingest import Ingest
from workers.programs import Programs
from workers.records import Incoming
from workers.retrying import Retries
from workers.turns import Turns
from workflows.contracts import Queues, RetryOrder, TurnOrder

SECRET = "the-secret-of-the-story"
AT_ONCE = 12
PAUSE = timedelta(minutes=1)
"""How long a retry pauses."""


@dataclass
class Pokes:
    """Who has been poked and not woken yet."""

    wanted: list[str] = field(default_factory=list[str])

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:
        """Remember them."""
        self.wanted.extend(enrolments)
        return ()


@dataclass
class Story:
    """What goes on; `now` is its clock."""

    database: Database
    turns: Turns
    retries: Retries
    ingest: Ingest
    pokes: Pokes
    now: datetime
    taken: int = 0
    _plan: list[tuple[datetime, str]] = field(default_factory=list[tuple[datetime, str]])
    _outstanding: dict[str, tuple[str, RetryOrder]] = field(default_factory=dict[str, tuple[str, RetryOrder]])

    async def publish(self, *programs: Program) -> None:
        """Publish them, each as version 1."""
        now = real_clock()
        versions = [
            {"journey": each.journey, "number": 1, "hash": each.hash, "title": each.title, "definition": "",
             "media_type": "application/yaml", "program": codec.program_to_json(each), "published_at": now}
            for each in programs
        ]  # fmt: skip
        journeys = [{"name": each.journey, "version": 1, "created_at": now, "status": "live"} for each in programs]
        if not programs:
            return
        async with self.database.write() as session:
            core = await session.connection()
            await core.execute(insert(Version), versions)
            await core.execute(insert(JourneyRow), journeys)

    async def take(self, *events: Event) -> None:
        """Events arrive now."""
        await self.ingest.take([Incoming(event) for event in events])

    async def play(self, *, until: datetime) -> None:
        """Go from instant to instant."""
        self._wake()
        while self._plan and self._plan[0][0] <= until:
            self.now = max(self.now, self._plan[0][0])
            due: dict[str, None] = {}
            while self._plan and self._plan[0][0] <= self.now:
                due[heappop(self._plan)[1]] = None
            places = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._happen(each, places) for each in due))
            self._wake()
        self.now = until

    def _wake(self) -> None:
        for enrolment in self.pokes.wanted:
            heappush(self._plan, (self.now, enrolment))
        self.pokes.wanted.clear()

    async def _happen(self, what: str, places: asyncio.Semaphore) -> None:
        async with places:
            if what in self._outstanding:
                await self._retry(what)
            else:
                await self._take_turn(what)

    async def _take_turn(self, enrolment: str) -> None:
        self.taken += 1
        taken = await self.turns.take(TurnOrder(enrolment, self.now))
        for order in taken.retries:
            if order.delivery not in self._outstanding:
                self._outstanding[order.delivery] = (enrolment, order)
                heappush(self._plan, (self.now + PAUSE, order.delivery))
        if taken.due_at is not None:
            heappush(self._plan, (max(taken.due_at, self.now), enrolment))

    async def _retry(self, delivery: str) -> None:
        enrolment, order = self._outstanding[delivery]
        try:
            await self.retries.attempt(RetryOrder(delivery, order.queue, self.now, real_clock()))
        except ApplicationError:
            heappush(self._plan, (self.now + PAUSE, delivery))
            return
        del self._outstanding[delivery]
        heappush(self._plan, (self.now, enrolment))

    # what is to be seen

    async def deliveries(self) -> Sequence[DeliveryRow]:
        """Every delivery, in the order they went; those that did not at the end."""
        async with self.database.read() as session:
            rows = (await session.exec(select(DeliveryRow))).all()
        last = datetime.max.replace(tzinfo=UTC)
        return sorted(rows, key=lambda row: (row.sent_at or last, row.journey, row.id))

    async def delivery(self, journey: str) -> DeliveryRow:
        """The one delivery of a journey's own message."""
        (row,) = [each for each in await self.deliveries() if each.journey == journey and each.message != "digest"]
        return row

    async def digests(self) -> Sequence[DeliveryRow]:
        """Every digest."""
        return [each for each in await self.deliveries() if each.message == "digest"]

    async def enrolment(self, journey: str) -> Enrolment:
        """The one enrolment of a journey."""
        async with self.database.read() as session:
            return (await session.exec(select(Enrolment).where(col(Enrolment.journey) == journey))).one()

    async def bids(self) -> Sequence[BidRow]:
        """Every bid."""
        async with self.database.read() as session:
            return (await session.exec(select(BidRow))).all()

    async def journal(self, journey: str) -> Sequence[str]:
        """The lines of a journey's one enrolment."""
        enrolment = await self.enrolment(journey)
        async with self.database.read() as session:
            query = select(JournalRow).where(col(JournalRow.enrolment) == enrolment.id).order_by(col(JournalRow.seq))
            return [row.text for row in (await session.exec(query)).all()]

    async def days(self, zone: ZoneInfo) -> Counter[date]:
        """How many messages went on each local day."""
        return Counter(row.sent_at.astimezone(zone).date() for row in await self.deliveries() if row.sent_at)


@asynccontextmanager
async def told(
    *, database_url: str, smtp_url: str, home: Path, policy: Mapping[str, Json], begins_at: datetime
) -> AsyncGenerator[Story]:
    """A story that has not begun."""
    settings = Settings(
        home=home, database_url=database_url, smtp_url=smtp_url, secret=SECRET,  # type: ignore[arg-type]  # a text
        event_lead=timedelta(days=36500), hand_over=timedelta(seconds=20), answer=timedelta(seconds=20),
    )  # fmt: skip
    await migrate(settings)
    await keep_policy(database_url, policy)
    database, programs = Database(database_url, pool_size=AT_ONCE), Programs()
    channels = open_channels(settings.of_channels(), limits=Limits(hand_over_seconds=20, answer_seconds=20))
    delivering = build_delivering(settings, channels, programs)
    pokes = Pokes()
    ingest = Ingest(database, programs, SECRET, timedelta(days=36500), real_clock, pokes)
    turns = Turns(database, programs, delivering, real_clock, Queues(), build_requesting(settings, {}), poker=pokes)
    retries = Retries(database, programs, delivering, real_clock, poker=pokes)
    story = Story(database, turns, retries, ingest, pokes, begins_at)
    story.ingest = replace(ingest, clock=lambda: story.now)
    try:
        yield story
    finally:
        await close_channels(channels)
        await database.close()
