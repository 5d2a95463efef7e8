"""The bridge: from Kafka into the store, and the pokes; then the offsets.

One thread owns the consumer. A batch is polled, translated, stored, poked; only then are its offsets committed, so that
what was polled and not stored is polled again, by us or by who has the partition then: a record that comes twice is a
duplicate. While a batch takes long (the database is away, Temporal wants a pause) the partitions are paused and polling
goes on, or the group would take us for dead.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from prometheus_client import Gauge

from connectors.sources import topics
from store.database import Database
from workers.actions import PERFORMS, Actions
from workers.ingest import Ingest, TryLater
from workers.kafka import Consumer, Partition, Passing
from workers.outages import is_outage
from workers.records import Incoming, Record, translate
from workers.relay import Relay
from workers.steering import performs
from workers.sweeper import Drafter, Sweeper
from workers.troubled import Guard, Rule

GROUP = "waymark"
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
"""After so long with one batch the partitions are paused."""
LONGEST_PAUSE_SECONDS = 30.0
POKE_ATTEMPTS = 5
JOIN_SECONDS = 10.0
"""So long a group may take to give us partitions; where there are more bridges than partitions it gives us none."""
CALL_SECONDS = 120.0
"""A call into Kafka that takes longer has hung: the process ends, and is started again."""
LAG_CHECK_SECONDS = 30.0

LAG = Gauge("waymark_kafka_lag", "Records that have been produced and not polled")

log = logging.getLogger(__name__)
T = TypeVar("T")


class Stuck(Exception):
    """The consumer answers and gives nothing, though there is something: a new one may help."""


class Hung(Exception):
    """A call into Kafka does not come back, and keeps the consumer's thread: only another process helps."""


@dataclass
class Bridge:
    """Reads `topics` of the sources as a member of `group`."""

    ingest: Ingest
    bootstrap: str
    topics: Sequence[str] = field(default_factory=topics)
    group: str = GROUP
    translate: Callable[[Record], Sequence[Incoming]] = translate
    ready: Callable[[], None] | None = None
    """Called once, when the group has given us partitions, or has had the time to."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "waymark-kafka"))
    _waiting: list[Record] = field(default_factory=list[Record])
    _behind: dict[Partition, tuple[int, int]] = field(default_factory=dict[Partition, tuple[int, int]])
    _looked_at: float = 0.0
    _is_renewed: bool = False
    """Whether the consumer took the place of one that was stuck, and may be stuck itself."""
    _is_hung: bool = False
    """Whether a call keeps the thread for good: whatever is asked of it now waits in vain."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then the batch at hand is finished, its offsets are committed, and the group is left.

        Raises Stuck where a new consumer has not helped either, and Hung; then the thread may be left behind, which
        keeps the process from ending in the ordinary way.
        """
        try:
            while (consumer := await self._connect(stop)) is not None:
                try:
                    await self._read(consumer, stop)
                    return
                except Stuck as stuck:
                    if self._is_renewed:
                        raise
                    log.error("%s: a new consumer takes this one's place", stuck)
                    self._is_renewed, self._waiting, self._behind = True, [], {}
                finally:
                    if not self._is_hung:
                        await self._call(consumer.close)
        finally:
            self._thread.shutdown(wait=False)

    async def _read(self, consumer: Consumer, stop: asyncio.Event) -> None:
        joining_until = asyncio.get_running_loop().time() + JOIN_SECONDS
        while not stop.is_set():
            records = await self._next(consumer)
            if self.ready is not None:
                await self._say_ready(consumer, joining_until)
            if records and await self._bring_in(consumer, records, stop):
                await self._commit(consumer, records)

    async def _connect(self, stop: asyncio.Event) -> Consumer | None:
        pause = 1.0
        while not stop.is_set():
            try:
                return await self._call(lambda: Consumer(self.bootstrap, self.topics, group=self.group))
            except Passing as passing:
                log.warning("Kafka at %s does not answer (%s); again in %g s", self.bootstrap, passing, pause)
            await _sleep(pause, stop)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return None

    async def _next(self, consumer: Consumer) -> list[Record]:
        """The next batch; empty where nothing came for a while, or Kafka has a fault that passes."""
        if self._waiting:
            records, self._waiting = self._waiting, []
            return records
        try:
            records = await self._call(lambda: consumer.poll(POLL_SECONDS))
        except Passing as passing:
            log.warning("Kafka: %s; polling again", passing)
            await asyncio.sleep(POLL_SECONDS)
            return []
        try:  # by itself: the consumer has moved past what it gave us, which must be stored whatever comes of this
            await self._look_for_lag(consumer, has_read=bool(records))
        except Passing as passing:
            log.warning("Kafka: %s; how far we lag behind is asked again in %g s", passing, LAG_CHECK_SECONDS)
        return records

    async def _say_ready(self, consumer: Consumer, joining_until: float) -> None:
        has_joined = await self._call(consumer.has_partitions)
        if self.ready is not None and (has_joined or asyncio.get_running_loop().time() > joining_until):
            self.ready()
            self.ready = None

    async def _bring_in(self, consumer: Consumer, records: Sequence[Record], stop: asyncio.Event) -> bool:
        """Store and poke, and keep our place in the group meanwhile; False where we must stop before it is stored."""
        storing = asyncio.create_task(self._store_and_poke(records, stop))
        is_paused = False
        while not (await asyncio.wait({storing}, timeout=PATIENCE_SECONDS))[0]:
            is_paused = True
            await self._keep_place(consumer)
        if is_paused:
            await self._call(consumer.resume)
        return storing.result()

    async def _keep_place(self, consumer: Consumer) -> None:
        """Poll without fetching; what a partition that has just become ours brings all the same waits for its turn."""
        try:
            await self._call(consumer.pause)
            self._waiting += await self._call(lambda: consumer.poll(0))
        except Passing as passing:
            log.warning("Kafka: %s, while a batch is being stored", passing)

    async def _store_and_poke(self, records: Sequence[Record], stop: asyncio.Event) -> bool:
        batch = [incoming for record in records for incoming in self._understand(record)]
        pause = 0.2
        while True:
            try:
                stored = await self.ingest.store(batch)
                break
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("the database does not answer (%s); again in %g s", type(error).__name__, pause)
            await _sleep(pause, stop)
            if stop.is_set():
                return False
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        await self._poke(stored.to_poke, stop)
        return True

    def _understand(self, record: Record) -> Sequence[Incoming]:
        return [Incoming(record.refusal, record)] if record.refusal is not None else self.translate(record)

    async def _poke(self, enrolments: Sequence[str], stop: asyncio.Event) -> None:
        """Poke, waiting while Temporal wants a pause; what is left in the end is the sweeper's."""
        for attempt in range(POKE_ATTEMPTS):
            try:
                return await self.ingest.poke(enrolments)
            except TryLater as later:
                log.warning("%s", later)
                await _sleep(later.after.total_seconds() * 2**attempt, stop)
        return None

    async def _commit(self, consumer: Consumer, records: Sequence[Record]) -> None:
        offsets: dict[Partition, int] = {}
        for record in records:
            place = record.topic, record.partition
            offsets[place] = max(offsets.get(place, 0), record.offset + 1)
        try:
            await self._call(lambda: consumer.commit(offsets))
        except Passing as passing:
            log.warning("offsets were not committed (%s): the records come again, as duplicates", passing)

    async def _look_for_lag(self, consumer: Consumer, *, has_read: bool) -> None:
        """Now and then: a partition that has more and has not moved since we last looked is stuck."""
        now = asyncio.get_running_loop().time()
        if has_read:
            self._behind, self._is_renewed = {}, False
        if now - self._looked_at < LAG_CHECK_SECONDS:
            return
        self._looked_at = now
        lags = await self._call(consumer.lags)
        LAG.set(sum(end - at for at, end in lags.values()))
        stuck = [place for place, (at, _) in lags.items() if place in self._behind and self._behind[place][0] == at]
        if stuck and not has_read:
            raise Stuck(f"partition {stuck[0][1]} of {stuck[0][0]} has records that do not come")
        self._behind = lags
        self._is_renewed = self._is_renewed and bool(lags)

    async def _call(self, call: Callable[[], T]) -> T:
        """In the consumer's thread; raises Hung where it does not come back."""
        calling = asyncio.get_running_loop().run_in_executor(self._thread, call)
        if not (await asyncio.wait({calling}, timeout=CALL_SECONDS))[0]:
            self._is_hung = True
            raise Hung(f"a call into Kafka has not come back for {CALL_SECONDS:g} s: this process ends; start it again")
        return calling.result()


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    """Sleep so long, or until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def run_bridge(
    *,
    database: Database,
    ingest: Ingest,
    bootstrap: str | None,
    clock: Callable[[], datetime],
    group: str = GROUP,
    hold_after: int = Rule().of,
    drafter: Drafter | None = None,
    stop: asyncio.Event | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """The bridge process: bridge, relay, sweeper, actions and the guard of journeys that fail for many, until `stop` is
    set or we are cancelled; then each ends in order.

    Without Kafka (`bootstrap` is None) sweeper and actions run alone. What fails for good ends all with its error.
    `ready` is called once all is in place. `drafter` starts what is to be drafted, where a writer is set up.
    """
    stopping = stop or asyncio.Event()
    sweeper = Sweeper(database, ingest.poker, clock, keeps_outbox=bootstrap is not None, drafter=drafter)
    acting = Actions(database, ingest.poker, clock, performs={**PERFORMS, **performs(ingest.programs.by_hash)})
    guard = Guard(database, clock, Rule(hold_after))
    parts = [asyncio.create_task(part.run(stopping)) for part in (sweeper, acting, guard)]
    if bootstrap is not None:
        parts.append(asyncio.create_task(Bridge(ingest, bootstrap, group=group, ready=ready).run(stopping)))
        parts.append(asyncio.create_task(Relay(database, bootstrap, clock).run(stopping)))
    elif ready is not None:
        ready()
    try:
        await asyncio.shield(asyncio.wait(parts, return_when=asyncio.FIRST_EXCEPTION))
    finally:
        stopping.set()
        await asyncio.wait(parts, timeout=timedelta(seconds=60).total_seconds())
    for part in parts:
        part.result()
