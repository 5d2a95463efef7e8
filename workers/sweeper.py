"""The sweeper: pokes what nobody has woken, and lets rows go that have served.

Every few seconds it looks for enrolments that have wanted waking for 5 s, are overdue by 60 s, or wait for a message
that nobody has tried for longer than a retry pauses. So it repairs whatever a crash, a restored database or a lost
Temporal left behind. An enrolment that was poked is left alone for a
while, longer each time, so that a worker that is down does not gather signals. Several sweepers at once are harmless.
It goes by the real clock.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from store.database import Database
from store.queries import outbox, sweeping
from workers.ingest import Poker, TryLater
from workers.outages import is_outage

EVERY = timedelta(seconds=3)
WANTED_FOR = timedelta(seconds=5)
OVERDUE_BY = timedelta(seconds=60)
UNTRIED_FOR = timedelta(minutes=15)
"""A retry tries at least every ten minutes."""
PAGE = 200
FIRST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=2)
CLEANED_EVERY = timedelta(minutes=10)
KEYS_KEPT = timedelta(days=1)
OUTBOX_KEPT = timedelta(days=7)
"""How long outcomes are kept where there is no Kafka to relay them to."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Rest:
    """When an enrolment may be poked again, and how long it rests then."""

    until: datetime
    rest: timedelta


@dataclass
class Sweeper:
    """Sweeps one database. `keeps_outbox`: somebody relays it."""

    database: Database
    poker: Poker
    clock: Callable[[], datetime]
    keeps_outbox: bool = True
    wanted_for: timedelta = WANTED_FOR
    overdue_by: timedelta = OVERDUE_BY
    untried_for: timedelta = UNTRIED_FOR
    _resting: dict[str, _Rest] = field(default_factory=dict[str, _Rest])
    _cleaned_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. The database and Temporal may go and come back meanwhile."""
        while not stop.is_set():
            pause = EVERY
            try:
                await self.sweep()
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
        now = self.clock()
        found: set[str] = set()
        poked = 0
        after = ""
        while page := await self._page(now, after):
            after = page[-1]
            found |= set(page)
            ready = [id_ for id_ in page if id_ not in self._resting or self._resting[id_].until <= now]
            if ready:
                refusals = await self.poker.poke(ready)
                if refusals:
                    log.error("%d pokes were refused, and are tried again: %s", len(refusals), refusals[0])
                self._let_rest(ready, now)
                poked += len(ready)
            if len(page) < PAGE:
                break
        self._resting = {id_: rest for id_, rest in self._resting.items() if id_ in found}
        return poked

    async def _page(self, now: datetime, after: str) -> Sequence[str]:
        async with self.database.read() as session:
            return await sweeping.list_unwoken(
                session, wanted_before=now - self.wanted_for, due_before=now - self.overdue_by,
                tried_before=now - self.untried_for, after=after, limit=PAGE,
            )  # fmt: skip

    def _let_rest(self, enrolments: Sequence[str], now: datetime) -> None:
        for id_ in enrolments:
            before = self._resting.get(id_)
            rest = FIRST_REST if before is None else min(before.rest * 2, LONGEST_REST)
            self._resting[id_] = _Rest(now + rest, rest)

    async def _clean(self) -> None:
        now = self.clock()
        if self._cleaned_at is not None and now - self._cleaned_at < CLEANED_EVERY:
            return
        self._cleaned_at = now
        async with self.database.write() as session:
            await sweeping.remove_served(session, keys_before=now - KEYS_KEPT, now=now)
            if not self.keeps_outbox:
                await outbox.remove_older(session, before=now - OUTBOX_KEPT)
