"""Actions on many, worked off in the bridge's process: a few items in each transaction, at the action's rate.

An action is made with all its items (`store.queries.actions`); what is done to one is a function of its kind, in
`PERFORMS`. An item's deed and its record are one transaction, so a kill loses nothing and does nothing twice; a process
that comes up goes on where the last one stood, and several at once share the work. A stop acts before the next step.

To add a kind: write a `Perform`, and a line in `PERFORMS`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.database import Database
from store.queries import actions, enrolling
from store.queries.actions import Finished
from store.queries.enrolling import Wish
from store.tables import ActionItem, ActionRow
from workers.ingest import Poker, TryLater
from workers.outages import is_outage

EVERY = timedelta(seconds=1)
STEP = 20
"""The most items that one transaction does: on SQLite nobody else writes meanwhile."""
LONGEST_PAUSE = timedelta(seconds=30)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of one: the enrolment it came to, woken where `is_to_wake`; or, with a `code`, why it was not done.

    `detail` holds nothing personal.
    """

    enrolment: str | None = None
    is_to_wake: bool = True
    code: str | None = None
    detail: str | None = None


Perform = Callable[[AsyncSession, ActionRow, ActionItem, datetime], Awaitable[Performed]]
"""Does an action (`options` of the whole) to one of its items (`target`, `options` of its own) at this instant, inside
the transaction that is handed over.
"""


async def enrol(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
    """Enrol a learner, as by hand."""
    running = await enrolling.find_running(session, str(action.options["journey"]))
    if isinstance(running, enrolling.Refused):
        return Performed(code=running.code, detail=running.detail)
    wish = Wish(_key(action, item), _data(action, item), is_forced=bool(action.options.get("force", False)))
    made = await enrolling.enrol(session, running, learner=item.target or "", wish=wish, now=now)
    if isinstance(made, enrolling.Refused):
        return Performed(code=made.code, detail=made.detail)
    return Performed(made.enrolment, is_to_wake=not made.is_held_out)


PERFORMS: Mapping[str, Perform] = {"enrol": enrol}
"""What is done to one item, by the action's kind."""


@dataclass
class Actions:
    """Works actions off. `clock` is the real one."""

    database: Database
    poker: Poker
    clock: Callable[[], datetime]
    performs: Mapping[str, Perform] = field(default_factory=lambda: PERFORMS)
    step_size: int = STEP

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. The database and Temporal may go and come back meanwhile."""
        while not stop.is_set():
            pause = EVERY
            try:
                if await self.work():
                    pause = timedelta()
            except TryLater as later:
                log.warning("actions wait: %s", later)
                pause = min(max(EVERY, later.after), LONGEST_PAUSE)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("actions wait: the database does not answer (%s)", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause.total_seconds())

    async def work(self) -> bool:
        """One step of each action that runs; answers whether more could be done at once. Raises TryLater."""
        async with self.database.read() as session:
            running = await actions.list_running(session)
        has_more = False
        for action in running:
            has_more |= await self._step(action)
        return has_more

    async def _step(self, action: str) -> bool:
        stepped = await self.database.retrying(lambda: self._take(action))
        await self._poke(stepped.to_wake)
        return stepped.has_more

    async def _take(self, action: str) -> "_Stepped":
        now = self.clock()
        async with self.database.write() as session:
            row = await actions.take(session, action)
            if row is None:
                return _Stepped()
            allowed, paced_at = _allowance(row, now, most=self.step_size)
            items = await actions.list_waiting(session, action, limit=allowed)
            performed = [(item.number, await self._perform(session, row, item, now)) for item in items]
            finished = [Finished(number, p.enrolment, p.code, p.detail) for number, p in performed]
            await actions.finish(session, action, finished)
            is_over = await actions.keep(session, row, finished, paced_at=paced_at(len(items)), at=now)
        to_wake = [p.enrolment for _, p in performed if p.enrolment and p.is_to_wake and p.code is None]
        return _Stepped(to_wake, has_more=not is_over and len(items) == self.step_size)

    async def _perform(self, session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        """One item, in a savepoint: one that fails takes only itself down."""
        perform = self.performs.get(action.kind)
        if perform is None:
            return Performed(code="unknown_action", detail="this process does not know the action: is it up to date?")
        try:
            async with session.begin_nested():
                return await perform(session, action, item, now)
        except Exception as error:
            if is_outage(error):
                raise
            log.error("an item of action %s cannot be done: %s", action.id, type(error).__name__)
            detail = f"it cannot be done ({type(error).__name__}): the log of this process has more"
            return Performed(code="cannot_be_done", detail=detail)

    async def _poke(self, enrolments: Sequence[str]) -> None:
        """Wake them; what cannot be poked now is the sweeper's. Raises TryLater."""
        if enrolments:
            refusals = await self.poker.poke(enrolments)
            if refusals:
                log.error("%d pokes were refused; the sweeper tries again: %s", len(refusals), refusals[0])


@dataclass(frozen=True, slots=True)
class _Stepped:
    to_wake: Sequence[str] = ()
    has_more: bool = False


def _allowance(row: ActionRow, now: datetime, *, most: int) -> tuple[int, Callable[[int], datetime]]:
    """How many items the rate allows now, and from when they are counted once so many are done.

    What was not used for longer than a second is not saved up. An instant ahead of ours was written by a clock that
    is, and counts as now: no number is below none.
    """
    if row.rate is None:
        return most, lambda _done: now
    rate = row.rate
    since = min(now, max(row.paced_at, now - max(timedelta(seconds=1), timedelta(seconds=1 / rate))))
    allowed = min(most, int((now - since).total_seconds() * rate + 1e-6))
    return allowed, lambda done: since + timedelta(seconds=done / rate)


def _key(action: ActionRow, item: ActionItem) -> str:
    return str(item.options.get("key", action.options.get("key", "")))


def _data(action: ActionRow, item: ActionItem) -> Mapping[str, Json]:
    given = item.options.get("data", action.options.get("data"))
    return given if isinstance(given, dict) else {}
