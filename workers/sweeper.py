"""The sweeper: pokes what nobody has woken, and lets rows go that have served.

Every few seconds it looks for enrolments that have wanted waking for 5 s, are overdue by 60 s, or wait for a message
that nobody has tried for longer than a retry pauses. So it repairs whatever a crash, a restored database or a lost
Temporal left behind. An enrolment that was poked is left alone for a
while, longer each time, so that a worker that is down does not gather signals. Where a writer is set up it has texts
drafted that have been wanted for 3 s, in the same way. Several sweepers at once are harmless. It goes by the real
clock.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from store.database import Database
from store.queries import drafting, outbox, sweeping
from workers.ingest import Poker, TryLater
from workers.outages import is_outage

EVERY = timedelta(seconds=3)
WANTED_FOR = timedelta(seconds=5)
OVERDUE_BY = timedelta(seconds=60)
UNTRIED_FOR = timedelta(minutes=15)
"""A retry tries at least every ten minutes."""
DRAFT_WANTED_FOR = timedelta(seconds=3)
PAGE = 200
FIRST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=2)
LONGEST_DRAFT_REST = timedelta(minutes=30)
"""A text may be wanted for days: where nothing is left of the day's budget, its workflow sleeps until the next."""
CLEANED_EVERY = timedelta(minutes=10)
KEYS_KEPT = timedelta(days=1)
OUTBOX_KEPT = timedelta(days=7)
"""How long outcomes are kept where there is no Kafka to relay them to."""

log = logging.getLogger(__name__)


class Drafter(Protocol):
    """Has texts drafted: `workflows.gateway.Gateway`."""

    async def draft(self, drafts: Sequence[str]) -> Sequence[object]:
        """Answers the refusals; raises TryLater where Temporal wants a pause."""
        ...


@dataclass
class _Resting:
    """Who was called and is left alone for a while, longer each time, at most `longest`."""

    longest: timedelta
    _rests: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict[str, tuple[datetime, timedelta]])

    def ready(self, ids: Sequence[str], now: datetime) -> Sequence[str]:
        """Those of these that do not rest."""
        return [id_ for id_ in ids if id_ not in self._rests or self._rests[id_][0] <= now]

    def rest(self, ids: Sequence[str], now: datetime) -> None:
        """These were called now."""
        for id_ in ids:
            before = self._rests.get(id_)
            rest = FIRST_REST if before is None else min(before[1] * 2, self.longest)
            self._rests[id_] = now + rest, rest

    def forget_all_but(self, ids: Collection[str]) -> None:
        """The others need no call any more."""
        self._rests = {id_: rest for id_, rest in self._rests.items() if id_ in ids}


@dataclass
class Sweeper:
    """Sweeps one database. `keeps_outbox`: somebody relays it; `drafter`: None where no writer is set up."""

    database: Database
    poker: Poker
    clock: Callable[[], datetime]
    keeps_outbox: bool = True
    wanted_for: timedelta = WANTED_FOR
    overdue_by: timedelta = OVERDUE_BY
    untried_for: timedelta = UNTRIED_FOR
    drafter: Drafter | None = None
    _resting: _Resting = field(default_factory=lambda: _Resting(LONGEST_REST))
    _resting_drafts: _Resting = field(default_factory=lambda: _Resting(LONGEST_DRAFT_REST))
    _cleaned_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. The database and Temporal may go and come back meanwhile."""
        while not stop.is_set():
            pause = EVERY
            try:
                await self.sweep()
                await self.sweep_drafts()
                await self._clean()
            except TryLater as later:
                log.warning("the sweeper waits: %s", later)
                pause = max(pause, later.after)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("the sweeper waits: the database does not answer (%s)", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause.total_seconds())

    async def sweep(self) -> int:
        """Poke whom nobody has woken; answers how many. Raises TryLater where Temporal wants a pause."""
        return await self._call_all(self._page, self.poker.poke, self._resting)

    async def sweep_drafts(self) -> int:
        """Have drafted what has been wanted for a moment; answers how many. Raises TryLater as above."""
        if self.drafter is None:
            return 0
        return await self._call_all(self._wanted_drafts, self.drafter.draft, self._resting_drafts)

    async def _call_all(
        self,
        page_of: Callable[[datetime, str], Awaitable[Sequence[str]]],
        call: Callable[[Sequence[str]], Awaitable[Sequence[object]]],
        resting: _Resting,
    ) -> int:
        now = self.clock()
        found: set[str] = set()
        called = 0
        after = ""
        while page := await page_of(now, after):
            after = page[-1]
            found |= set(page)
            ready = resting.ready(page, now)
            if ready:
                refusals = await call(ready)
                if refusals:
                    log.error("%d pokes were refused, and are tried again: %s", len(refusals), refusals[0])
                resting.rest(ready, now)
                called += len(ready)
            if len(page) < PAGE:
                break
        resting.forget_all_but(found)
        return called

    async def _page(self, now: datetime, after: str) -> Sequence[str]:
        async with self.database.read() as session:
            return await sweeping.list_unwoken(
                session, wanted_before=now - self.wanted_for, due_before=now - self.overdue_by,
                tried_before=now - self.untried_for, after=after, limit=PAGE,
            )  # fmt: skip

    async def _wanted_drafts(self, now: datetime, after: str) -> Sequence[str]:
        async with self.database.read() as session:
            return await drafting.list_wanted(session, before=now - DRAFT_WANTED_FOR, after=after, limit=PAGE)

    async def _clean(self) -> None:
        now = self.clock()
        if self._cleaned_at is not None and now - self._cleaned_at < CLEANED_EVERY:
            return
        self._cleaned_at = now
        async with self.database.write() as session:
            await sweeping.remove_served(session, keys_before=now - KEYS_KEPT, now=now)
            if not self.keeps_outbox:
                await outbox.remove_older(session, before=now - OUTBOX_KEPT)
