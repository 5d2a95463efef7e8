"""Where the store and Temporal disagree, and mending it: after a backup of either was restored, or one was lost.

The store is right. What runs in the store is carried by a workflow, and what runs in Temporal is known to the store:

    not_carried    an enrolment runs, and has no workflow                        poke: it is started
    not_known      a workflow runs, and there is no such enrolment               terminate that run
    has_ended      a workflow runs, and its enrolment has ended                  poke: it sees so, and ends
    not_woken      it wants waking, or is due, for longer than a sweep takes     poke
    not_read       its inbox has something, for longer than a turn takes         poke
    abandoned      an attempt's time is over, and nobody answered for it         poke: it is in doubt
    not_tried      a message or request is on its queue, and no retry waits      poke

Looking changes nothing. Mending may be done at any time, by several at once and as often as one likes: a poke carries
nothing, and before a run is terminated the store is asked once more. Workflows are started after what they carry was
committed, so that what Temporal shows and the store, asked later, does not know is known to nobody; and where an
enrolment comes back under the same id all the same (its event is read again), it wants waking, and is started.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database
from store.queries import disagreeing
from workflows.carrying import Carrying, Running
from workflows.gateway import Gateway, TryLater

Kind = Literal["not_carried", "not_known", "has_ended", "not_woken", "not_read", "abandoned", "not_tried"]

PAGE = 200
SETTLED = timedelta(seconds=10)
"""What began or ended later than so long ago may still be on its way."""
UNWOKEN = timedelta(seconds=30)
OVERDUE = timedelta(minutes=2)
UNTRIED = timedelta(seconds=10)
POKE_ATTEMPTS = 6
REASON = "waymark doctor: the store knows no such enrolment"

Say = Callable[[int], None]
"""Told how many more are done."""


@dataclass(frozen=True)
class Disagreement:
    """One kind of it: the enrolments. `runs` are the workflows where the store knows nothing of them."""

    kind: Kind
    enrolments: Sequence[str]
    runs: Sequence[Running] = ()


@dataclass(frozen=True)
class Looked:
    """What was found. `running` are the store's enrolments that have not ended, `carried` the workflows that run."""

    running: int
    carried: int
    disagreements: Sequence[Disagreement]
    outbox: disagreeing.Waiting
    letters: disagreeing.Waiting
    last_arrival: datetime | None

    @property
    def is_suspect(self) -> bool:
        """Whether most of what Temporal carries is unknown here: perhaps it is another installation's."""
        return self.unknown > self.carried / 2 and self.unknown > PAGE / 10

    @property
    def unknown(self) -> int:
        """How many workflows the store knows nothing of."""
        return sum(len(one.runs) for one in self.disagreements)

    @property
    def number(self) -> int:
        """Of how many enrolments something is to be mended, each counted for each kind."""
        return sum(len(one.enrolments) for one in self.disagreements)


@dataclass(frozen=True)
class Mended:
    """Of one kind: how many were mended, and how many could not be."""

    kind: Kind
    done: int
    left: int


@dataclass
class Mending:
    """Looks and mends. `clock` is the real one."""

    database: Database
    carrying: Carrying
    gateway: Gateway
    clock: Callable[[], datetime]
    _carried: dict[str, Running] = field(default_factory=dict[str, Running])

    async def count(self) -> int:
        """How much there is to look at, about."""
        async with self.database.read() as session:
            return 2 * await disagreeing.count_running(session)

    async def look(self, say: Say = lambda _more: None) -> Looked:
        """What disagrees; `say` is told of each workflow and enrolment looked at. Raises RPCError where Temporal, and
        what the database raises where it does not answer.
        """
        self._carried = {}
        async for running in self.carrying.list_running():
            self._carried[running.enrolment] = running
            say(1)
        now = self.clock()
        not_carried, seen = await self._not_carried(now, say)
        unknown, ended = await self._strangers(now, seen, say)
        found = [
            Disagreement("not_carried", not_carried),
            Disagreement("not_known", [run.enrolment for run in unknown], unknown),
            Disagreement("has_ended", ended),
            Disagreement("not_woken", await self._all(self._unwoken(now))),
            Disagreement("not_read", await self._all(_unread(now))),
            Disagreement("abandoned", await self._all(_abandoned(now))),
            Disagreement("not_tried", await self._not_tried(now)),
        ]
        async with self.database.read() as session:
            return Looked(
                await disagreeing.count_running(session),
                len(self._carried),
                [one for one in found if one.enrolments],
                await disagreeing.find_outbox(session),
                await disagreeing.find_letters(session),
                await disagreeing.find_last_arrival(session),
            )

    async def mend(self, looked: Looked, say: Say = lambda _more: None) -> Sequence[Mended]:
        """Mend what was found; `say` is told how many enrolments more are done."""
        mended: list[Mended] = []
        poked: dict[str, bool] = {}
        for one in looked.disagreements:
            runs = {run.enrolment: run for run in one.runs}
            done = 0
            for part in _parts(one.enrolments):
                if runs:
                    done += await self._terminate([runs[id_] for id_ in part])
                else:
                    poked |= await self._poke([id_ for id_ in part if id_ not in poked])
                    done += sum(poked[id_] for id_ in part)
                say(len(part))
            mended.append(Mended(one.kind, done, len(one.enrolments) - done))
        return mended

    # looking

    async def _not_carried(self, now: datetime, say: Say) -> tuple[list[str], set[str]]:
        """What runs without a workflow, and all that was looked at."""
        missing: list[str] = []
        seen: set[str] = set()

        async def page(session: AsyncSession, after: str) -> Sequence[str]:
            return await disagreeing.list_running(
                session, at=now, settled_before=now - SETTLED, after=after, limit=PAGE
            )

        async for found in self._pages(page):
            seen |= set(found)
            doubtful = [id_ for id_ in found if id_ not in self._carried]
            running = await self.carrying.find_running(doubtful)
            missing += [id_ for id_ in doubtful if id_ not in running]
            say(len(found))
        return missing, seen

    async def _strangers(self, now: datetime, seen: set[str], say: Say) -> tuple[list[Running], list[str]]:
        """Workflows that run and are unknown to the store, and those of enrolments that have ended."""
        unknown: list[Running] = []
        ended: list[str] = []
        for part in _parts([id_ for id_ in self._carried if id_ not in seen]):
            async with self.database.read() as session:
                known = await disagreeing.find_known(session, part)
            over = [id_ for id_, one in known.items() if one.is_done and _is_settled(one.ended_at, now)]
            running = await self.carrying.find_running([*over, *(id_ for id_ in part if id_ not in known)])
            ended += [id_ for id_ in over if id_ in running]
            unknown += [run for id_, run in running.items() if id_ not in known]
            say(len(part))
        return unknown, ended

    async def _not_tried(self, now: datetime) -> list[str]:
        async def page(session: AsyncSession, after: str) -> Sequence[str]:
            return await disagreeing.list_untried(session, before=now - UNTRIED, after=after, limit=PAGE)

        untried: list[str] = []
        async for found in self._pages(page):
            running = await self.carrying.find_running(found)
            untried += [id_ for id_ in found if id_ not in running or running[id_].retries == 0]
        return untried

    def _unwoken(self, now: datetime) -> "_Page":
        return lambda session, after: disagreeing.list_unwoken(
            session, wanted_before=now - UNWOKEN, due_before=now - OVERDUE, after=after, limit=PAGE
        )

    async def _all(self, page: "_Page") -> list[str]:
        return [id_ async for found in self._pages(page) for id_ in found]

    async def _pages(self, page: "_Page") -> AsyncIterator[Sequence[str]]:
        after = ""
        while True:
            async with self.database.read() as session:
                found = await page(session, after)
            if found:
                yield found
                after = found[-1]
            if len(found) < PAGE:
                return

    # mending

    async def _poke(self, enrolments: Sequence[str]) -> dict[str, bool]:
        """Whether each was poked; waits where Temporal wants a pause."""
        for attempt in range(POKE_ATTEMPTS):
            try:
                refused = {refusal.enrolment for refusal in await self.gateway.poke(enrolments)}
            except TryLater as later:
                await asyncio.sleep(later.after.total_seconds() * 2**attempt)
            else:
                return {id_: id_ not in refused for id_ in enrolments}
        return dict.fromkeys(enrolments, False)

    async def _terminate(self, runs: Sequence[Running]) -> int:
        """End those that the store does not know by now either; those that it knows by now need no mending. Answers how
        many are settled so: all of them.
        """
        async with self.database.read() as session:
            known = await disagreeing.find_known(session, [run.enrolment for run in runs])
        await self.carrying.end([run for run in runs if run.enrolment not in known], reason=REASON)
        return len(runs)


_Page = Callable[[AsyncSession, str], Awaitable[Sequence[str]]]


def _unread(now: datetime) -> _Page:
    return lambda session, after: disagreeing.list_unread(session, before=now - UNWOKEN, after=after, limit=PAGE)


def _abandoned(now: datetime) -> _Page:
    return lambda session, after: disagreeing.list_abandoned(session, before=now - SETTLED, after=after, limit=PAGE)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))


def _is_settled(ended_at: datetime | None, now: datetime) -> bool:
    return ended_at is None or ended_at <= now - SETTLED
