"""The relay: from the outbox to our own topics. A row is deleted once the brokers have it; order is kept.

One process relays at a time (a lease in the store). A crash between the brokers' answer and the deletion sends a record
again; its CloudEvents id is the same then. Whoever fails gives the lease back, and is slower to ask for it again than
the others: the brokers may be away for this process alone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import uuid4

from store.database import Database
from store.queries import outbox
from store.queries.outbox import Outgoing
from workers.kafka import Passing, Producer
from workers.outages import is_outage

PAGE = 500
IDLE_SECONDS = 2.0
"""How often it is looked whether there is something; looking is most of what an idle bridge does."""
SHORTEST_PAUSE_SECONDS = 2 * IDLE_SECONDS
"""Whoever has failed asks again after that at the earliest: meanwhile all others that are well have asked."""
LONGEST_PAUSE_SECONDS = 30.0
LEASE = timedelta(seconds=60)
SENDS_WITHIN_SECONDS = 30.0
"""So long after the lease was taken records are sent, and the brokers' answers waited for, however much of it went into
connecting and reading the page. Who waits for a topic just then does so for `kafka.TOPIC_MS` (5 s) more, and who fails
ends the producer, with all that is under way, within `kafka.ENDS_WITHIN_SECONDS` (5 s): 40 s in all. The 20 s that are
left of the lease are for clocks that differ, and for threads that wait for their turn.
"""

log = logging.getLogger(__name__)


@dataclass
class Relay:
    """Relays the outbox of one database."""

    database: Database
    bootstrap: str
    clock: Callable[[], datetime]
    _owner: str = field(default_factory=lambda: uuid4().hex)
    _producer: Producer | None = None
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "waymark-relay"))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Kafka and the database may go and come back meanwhile."""
        pause = IDLE_SECONDS
        while not stop.is_set():
            try:
                has_more = await self.relay_page()
                pause = 0.0 if has_more else IDLE_SECONDS
            except Exception as error:
                if not isinstance(error, Passing) and not is_outage(error):
                    raise
                pause = min(max(pause * 2, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                log.warning("nothing is relayed for %g s: %s", pause, type(error).__name__)
                await self._give_lease_back()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await self._close()

    async def relay_page(self) -> bool:
        """Relay the oldest records; answers whether there may be more. Raises Passing where Kafka took not all."""
        async with self.database.read() as session:
            page = await outbox.list_oldest(session, limit=PAGE)
        until = await self._take_lease() if page else None
        if until is None:
            return False
        async with self.database.read() as session:  # again, now that nobody else relays
            page = await outbox.list_oldest(session, limit=PAGE)
        sent = await asyncio.get_running_loop().run_in_executor(self._thread, self._send, page, until)
        async with self.database.write(is_answer=True) as session:
            await outbox.remove(session, [record.seq for record in page[:sent]])
        if sent < len(page):
            raise Passing(f"{len(page) - sent} records of ours were not taken")
        return len(page) == PAGE

    def _send(self, page: Sequence[Outgoing], until: float) -> int:
        """Answers how many of the first ones the brokers have; of the others nothing is under way any more. A producer
        that failed is not used again: it may have failed for good, as one that was refused its id has.
        """
        if self._producer is None:
            self._producer = Producer(self.bootstrap)
        sent = self._producer.send(page, timeout_seconds=until - monotonic())
        if sent < len(page):
            self._end_producer()
        return sent

    def _end_producer(self) -> None:
        if self._producer is not None:
            self._producer.close()
        self._producer = None

    async def _take_lease(self) -> float | None:
        """Until when (of `monotonic`) records may be sent; None where another process relays."""
        async with self.database.write() as session:
            until = monotonic() + SENDS_WITHIN_SECONDS
            is_ours = await outbox.take_lease(session, owner=self._owner, now=self.clock(), lease=LEASE)
        return until if is_ours else None

    async def _give_lease_back(self) -> None:
        """If it is ours; where the database is away it ends by itself."""
        with contextlib.suppress(Exception):
            async with self.database.write() as session:
                await outbox.give_lease_back(session, owner=self._owner)

    async def _close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end_producer)
        self._thread.shutdown(wait=False)
        await self._give_lease_back()
