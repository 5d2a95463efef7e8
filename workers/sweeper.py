"""The sweeper: pokes what nobody has woken, and lets rows go that have served.

Every few seconds it looks for enrolments that have wanted waking for 5 s, are overdue by 60 s, or wait for a message
that nobody has tried for longer than a retry pauses. So it repairs whatever a crash, a restored database or a lost
Temporal left behind. An enrolment that was poked is left alone for a while, longer each time, so that a worker that is
down does not gather signals. Nor is a crowd poked while it is being served: after a burst thousands wait for the
workers, whom their own pokes have reached, and a signal to each would cost Temporal what it needs for them. Where some
of a crowd have been served since the last look, only those are poked who have been seen waiting for a minute. Where a
writer is set up it has texts drafted that have been wanted for 3 s, in the same way. Several sweepers at once are
harmless. It goes by the real clock; but how long somebody rests is told by one that nobody sets.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
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
"""So many are called at once."""
MOST = 20_000
"""So many are looked for at once: what finds the first of a crowd has gone through all of it."""
FIRST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=2)
CROWD = PAGE
"""More than these at once are a crowd."""
CROWD_PATIENCE = timedelta(seconds=60)
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
    _rests: dict[str, tuple[timedelta, timedelta]] = field(default_factory=dict[str, tuple[timedelta, timedelta]])

    def ready(self, ids: Sequence[str], now: timedelta) -> Sequence[str]:
        """Those of these that do not rest."""
        return [id_ for id_ in ids if id_ not in self._rests or self._rests[id_][0] <= now]

    def rest(self, ids: Sequence[str], now: timedelta) -> None:
        """These were called now."""
        for id_ in ids:
            before = self._rests.get(id_)
            rest = FIRST_REST if before is None else min(before[1] * 2, self.longest)
            self._rests[id_] = now + rest, rest

    def forget_all_but(self, ids: Collection[str]) -> None:
        """The others need no call any more."""
        self._rests = {id_: rest for id_, rest in self._rests.items() if id_ in ids}


@dataclass
class _Crowd:
    """Whom the last look found, and since when each has been seen. `owes`: not all of them could be called."""

    owes: bool = False
    _seen: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])

    def left_out(self, ids: Sequence[str], now: timedelta) -> Callable[[str], bool]:
        """Who of these needs no call, as others are being served and she has not been seen for long; nobody, where
        they are no crowd. A crowd that is new is given until the next look to move.
        """
        before, self._seen = self._seen, {id_: self._seen.get(id_, now) for id_ in ids}
        is_new = len(before) <= CROWD
        is_served = len(ids) > CROWD and not self.owes and (is_new or not self._seen.keys() >= before.keys())
        return lambda id_: is_served and now - self._seen[id_] < CROWD_PATIENCE


def _since_start() -> timedelta:
    return timedelta(seconds=monotonic())


@dataclass
class Sweeper:
    """Sweeps one database. `keeps_outbox`: somebody relays it; `drafter`: None where no writer is set up; `elapsed`:
    how much time has really passed, since whenever.
    """

    database: Database
    poker: Poker
    clock: Callable[[], datetime]
    keeps_outbox: bool = True
    wanted_for: timedelta = WANTED_FOR
    overdue_by: timedelta = OVERDUE_BY
    untried_for: timedelta = UNTRIED_FOR
    drafter: Drafter | None = None
    elapsed: Callable[[], timedelta] = _since_start
    _crowd: _Crowd = field(default_factory=_Crowd)
    _resting: _Resting = field(default_factory=lambda: _Resting(LONGEST_REST))
    _resting_drafts: _Resting = field(default_factory=lambda: _Resting(LONGEST_DRAFT_REST))
    _cleaned_at: timedelta | None = None

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
        found = await self._all(self._page)
        is_left_out = self._crowd.left_out(found, self.elapsed())
        self._crowd.owes = True
        poked = await self._call(found, self.poker.poke, self._resting, is_left_out)
        self._crowd.owes = False
        return poked

    async def sweep_drafts(self) -> int:
        """Have drafted what has been wanted for a moment; answers how many. Raises TryLater as above."""
        if self.drafter is None:
            return 0
        found = await self._all(self._wanted_drafts)
        return await self._call(found, self.drafter.draft, self._resting_drafts)

    async def _all(self, page_of: Callable[[datetime, str], Awaitable[Sequence[str]]]) -> Sequence[str]:
        now = self.clock()
        found: list[str] = []
        while page := await page_of(now, found[-1] if found else ""):
            found += page
            if len(page) < MOST:
                break
        return found

    async def _call(
        self,
        found: Sequence[str],
        call: Callable[[Sequence[str]], Awaitable[Sequence[object]]],
        resting: _Resting,
        is_left_out: Callable[[str], bool] = lambda _: False,
    ) -> int:
        now = self.elapsed()
        ready = [id_ for id_ in resting.ready(found, now) if not is_left_out(id_)]
        for start in range(0, len(ready), PAGE):
            page = ready[start : start + PAGE]
            refusals = await call(page)
            if refusals:
                log.error("%d pokes were refused, and are tried again: %s", len(refusals), refusals[0])
            resting.rest(page, now)
        resting.forget_all_but(set(found))
        return len(ready)

    async def _page(self, now: datetime, after: str) -> Sequence[str]:
        async with self.database.read() as session:
            return await sweeping.list_unwoken(
                session, wanted_before=now - self.wanted_for, due_before=now - self.overdue_by,
                tried_before=now - self.untried_for, after=after, limit=MOST,
            )  # fmt: skip

    async def _wanted_drafts(self, now: datetime, after: str) -> Sequence[str]:
        async with self.database.read() as session:
            return await drafting.list_wanted(session, before=now - DRAFT_WANTED_FOR, after=after, limit=MOST)

    async def _clean(self) -> None:
        elapsed, now = self.elapsed(), self.clock()
        if self._cleaned_at is not None and elapsed - self._cleaned_at < CLEANED_EVERY:
            return
        self._cleaned_at = elapsed
        async with self.database.write() as session:
            await sweeping.remove_served(session, keys_before=now - KEYS_KEPT, now=now)
            if not self.keeps_outbox:
                await outbox.remove_older(session, before=now - OUTBOX_KEPT)
