"""The running of the story on the real servers: events in, and every enrolment's clock moved along.

Theory of operation. Learners are independent, so that each goes at a pace of her own; a week is a barrier for all,
so that the picture grows from left to right. Before an event of hers comes, the clocks of all her enrolments are moved
to shortly before its time; then it is put on Kafka, and we wait until it stands in the log and nothing of hers wants
waking. At the end of a week the clocks move on to its midnight. Clocks run on by themselves while the machine is busy:
hence `BEFORE`, within which an event still counts at its own time (`journeys.timing.PUNCTUAL`).

Nothing here waits for a length of time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from store.database import Database
from store.queries.stillness import Standing, has_logged, list_standings
from waymark.cli.errors import NotSo
from waymark.demo.cast import Person
from waymark.demo.feed import Feed
from waymark.demo.postbox import Mail, Postbox
from waymark.demo.story import Arrival, Story
from workflows.timelapse import Timelapse

BEFORE = timedelta(seconds=30)
AT_ONCE = 6
"""So many learners are played side by side."""
PATIENCE_SECONDS = 90.0


class Watching(Protocol):
    """Who is told as it happens."""

    def came(self, person: Person, arrival: Arrival) -> None:
        """An event of hers was put on Kafka."""
        ...

    def arrived(self, mails: Sequence[Mail]) -> None:
        """Messages came into the mailbox."""
        ...

    def stands(self, person: Person, standings: Sequence[Standing], at: datetime) -> None:
        """Her enrolments stand so, and her clocks at `at`."""
        ...

    def week(self, number: int) -> None:
        """This week, from 1, is over for all."""
        ...


@dataclass
class Player:
    """Plays one story."""

    story: Story
    feed: Feed
    postbox: Postbox
    database: Database
    timelapse: Timelapse
    watching: Watching
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def introduce(self) -> None:
        """What HR tells first: who there is. It is taken in when this returns."""
        for person in self.story.people:
            for arrival in self.story.of(person):
                if arrival.is_introduction:
                    await self.feed.put(arrival.event)
                    self.watching.came(person, arrival)
        for person in self.story.people:
            for arrival in self.story.of(person):
                if arrival.is_introduction:
                    await self._taken(person, arrival)

    async def play(self) -> None:
        """From the first event after that to the end; raises NotSo where something does not come to rest."""
        await self.feed.put_broken()
        week = timedelta(weeks=1)
        begins_at, number = self.story.starts_at, 1
        while begins_at < self.story.ends_at:
            ends_at = begins_at + week
            await self._play_all(begins_at, ends_at)
            await self._look()
            self.watching.week(number)
            begins_at, number = ends_at, number + 1

    async def _play_all(self, begins_at: datetime, ends_at: datetime) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for person in self.story.people:
                    group.create_task(self._play(person, begins_at, ends_at))
        except ExceptionGroup as several:  # the first is told; the others were cancelled or have the same cause
            raise several.exceptions[0] from several

    async def _play(self, person: Person, begins_at: datetime, ends_at: datetime) -> None:
        async with self._places:
            for arrival in self.story.of(person):
                if begins_at <= arrival.at < ends_at and not arrival.is_introduction:
                    await self._move(person, arrival.at - BEFORE)
                    await self.feed.put(arrival.event)
                    self.watching.came(person, arrival)
                    await self._taken(person, arrival)
            await self._move(person, ends_at)

    async def _move(self, person: Person, to: datetime) -> None:
        """Move the clocks of her enrolments, where that makes a difference, and wait until all is done."""
        standings = await self._standings(person)
        active = [one for one in standings if one.is_active]
        if active:
            await self.timelapse.move([one.enrolment for one in active], to)
            standings = await self._still(person, by=to)
        self.watching.stands(person, standings, to)
        await self._look()

    async def _taken(self, person: Person, arrival: Arrival) -> None:
        async def is_logged() -> bool:
            async with self.database.read() as session:
                return await has_logged(session, source=arrival.event.source, event=arrival.event.id)

        await _until(is_logged, f"the event {arrival.event.id} was not taken in")
        self.watching.stands(person, await self._still(person, by=None), arrival.at)

    async def _still(self, person: Person, *, by: datetime | None) -> Sequence[Standing]:
        """How her enrolments stand when all that came, and all that was due `by` then, has been done."""
        standings: Sequence[Standing] = ()

        async def is_still() -> bool:
            nonlocal standings
            standings = await self._standings(person)
            return all(one.is_still and not _is_due(one, by) for one in standings)

        await _until(is_still, f"an enrolment of {person.given_name} does not come to rest")
        return standings

    async def _standings(self, person: Person) -> Sequence[Standing]:
        async with self.database.read() as session:
            return await list_standings(session, person.id)

    async def _look(self) -> None:
        self.watching.arrived(await self.postbox.look())


def _is_due(one: Standing, by: datetime | None) -> bool:
    return one.is_active and by is not None and one.due_at is not None and one.due_at <= by


async def _until(condition: Callable[[], Awaitable[bool]], problem: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise NotSo(f"{problem} within {PATIENCE_SECONDS:.0f} s: the logs are in the demo's home")
        await asyncio.sleep(0.02)
