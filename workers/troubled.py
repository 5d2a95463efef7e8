"""A journey that fails for many holds itself, and says so: in the log, in `waymark.outcomes`, wherever it is listed.

Where most of the last messages of a journey ended failed or skipped for one and the same cause that lies in the journey
or in the set-up, more of them would do no good. The journey is paused by the system, with the cause; an admin mends it,
resumes it, and sends again what failed. Only what ended since it was last let go is counted.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database
from store.queries import pausing, troubled
from workers.outages import is_outage

EVERY = timedelta(seconds=5)
CAUSES = frozenset({"failed", "template_failed", "variable_missing", "no_channel"})
"""What many can fail for alike. That one has no address, or refuses a channel, is hers alone."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """Of the last `of` messages that ended `within`, more than half for one cause: the journey is held. 0: never."""

    of: int = 20
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Guard:
    """Looks after the journeys of one database, by the real clock."""

    database: Database
    clock: Callable[[], datetime]
    rule: Rule = Rule()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. The database may go and come back meanwhile."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("the database does not answer (%s): nobody looks at the journeys", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY.total_seconds())

    async def look(self) -> Sequence[str]:
        """Hold those that fail for many; answers which."""
        if self.rule.of <= 0:
            return []
        now = self.clock()
        since = now - self.rule.within
        async with self.database.read() as session:
            suspects = await troubled.list_suspects(session, since=since, least=self.rule.of // 2 + 1)
        held: list[str] = []
        for suspect in suspects:
            counted_from = since if suspect.live_since is None else max(since, suspect.live_since)
            if await self._hold(suspect.journey, counted_from, now):
                held.append(suspect.journey)
        return held

    async def _hold(self, journey: str, since: datetime, now: datetime) -> bool:
        async with self.database.write() as session:
            reason = await self._reason(session, journey, since)
            if reason is None:
                return False
            refused = await pausing.pause(session, journey, by=pausing.SYSTEM, now=now, reason=reason)
        if refused is None:
            log.error("the journey %s holds itself: %s; mend it, then resume it", journey, reason)
        return refused is None

    async def _reason(self, session: AsyncSession, journey: str, since: datetime) -> str | None:
        """Why it is held; None where it goes well enough."""
        last = await troubled.list_last(session, journey, since=since, limit=self.rule.of)
        causes = Counter(cause for cause in (cause_of(status, reason) for status, reason in last) if cause is not None)
        if len(last) < self.rule.of or not causes:
            return None
        cause, number = causes.most_common(1)[0]
        if number * 2 <= len(last):
            return None
        return f"{number} of its last {len(last)} messages ended so: {cause}"


def cause_of(status: str, reason: str | None) -> str | None:
    """For what a message ended badly, as far as others may end so too; None where it did not."""
    if status == "failed":
        return "failed"
    cause = (reason or "").partition(":")[0].strip()
    return cause if status == "skipped" and cause in CAUSES else None
