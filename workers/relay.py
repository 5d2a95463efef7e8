"""The relay: from the outbox to our own topics. A row is deleted once the brokers have it; order is kept.

One process relays at a time (a lease in the store). A crash between the brokers' answer and the deletion sends a record
again; its CloudEvents id is the same then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from store.database import Database
from store.queries import outbox
from store.queries.outbox import Outgoing
from workers.kafka import Passing, Producer
from workers.outages import is_outage

PAGE = 500
IDLE_SECONDS = 2.0
"""How often it is looked whether there is something; looking is most of what an idle bridge does."""
LONGEST_PAUSE_SECONDS = 30.0
LEASE = timedelta(seconds=60)

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
                pause = min(max(pause, IDLE_SECONDS) * 2, LONGEST_PAUSE_SECONDS)
                log.warning("nothing is relayed for %g s: %s", pause, type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await self._close()

    async def relay_page(self) -> bool:
        """Relay the oldest records; answers whether there may be more. Raises Passing where Kafka took not all."""
        async with self.database.read() as session:
            page = await outbox.list_oldest(session, limit=PAGE)
        if not page or not await self._take_lease():
            return False
        async with self.database.read() as session:  # again, now that nobody else relays
            page = await outbox.list_oldest(session, limit=PAGE)
        sent = await asyncio.get_running_loop().run_in_executor(self._thread, self._send, page)
        async with self.database.write(is_answer=True) as session:
            await outbox.remove(session, [record.seq for record in page[:sent]])
        if sent < len(page):
            raise Passing(f"{len(page) - sent} records of ours were not taken")
        return len(page) == PAGE

    def _send(self, page: Sequence[Outgoing]) -> int:
        if self._producer is None:
            self._producer = Producer(self.bootstrap)
        return self._producer.send(page)

    async def _take_lease(self) -> bool:
        async with self.database.write() as session:
            return await outbox.take_lease(session, owner=self._owner, now=self.clock(), lease=LEASE)

    async def _close(self) -> None:
        if self._producer is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._producer.close)
        self._thread.shutdown(wait=False)
        with contextlib.suppress(Exception):
            async with self.database.write() as session:
                await outbox.give_lease_back(session, owner=self._owner)
