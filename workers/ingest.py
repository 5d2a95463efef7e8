"""The one way in for events, from Kafka and over HTTP alike: stored in one transaction a batch, then the pokes.

    judged        fit to be stored; its time not too far ahead; not in the log already
    the log       every event that is taken, with its learner, who exists from her first event on
    the profile   each field keeps the value of the latest event time
    the inbox     the triggers that the event fires for enrolments that run           (`journeys.history`)
    enrolments    what the event starts                                               (`journeys.history`)

A batch locks its learners in order, so that two batches never meet half-way, and an entry and an exit cannot miss each
other. A record that fails takes only itself down: where a batch cannot be stored as a whole, it is stored record by
record. What cannot be used and came by Kafka is kept as a dead letter in the same transaction. Nothing personal is
logged here.
"""

import logging
import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal, Protocol

import orjson
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from connectors.sources import judge_time
from journeys.catalogue import EVENT_TYPES
from journeys.events import Event
from journeys.history import Happened
from journeys.identity import learner_id
from store.database import Database
from store.queries import dead_letters, events, installation, learners, outbox
from store.queries.learners import LearnerState
from workers.histories import Histories
from workers.outages import is_outage
from workers.programs import Programs
from workers.records import Incoming, Record, Refusal, letter_of
from workflows.gateway import TryLater

__all__ = ["Incoming", "Ingest", "Record", "Refusal", "Stored", "Taken", "TryLater"]

BATCH = 500
"""The most records that one transaction takes."""

MOST_DISTANT = timedelta(days=3653)
"""How far ahead `effective` may be."""

TAKEN = Counter("waymark_events", "Events by what became of them", ["status"])

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_PLAIN_TYPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+){1,5}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one: accepted, a duplicate that does nothing, or rejected with a code and a detail."""

    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of each, in order, and the enrolments to poke: those that had not wanted waking before."""

    taken: Sequence[Taken]
    to_poke: Sequence[str]


class Poker(Protocol):
    """Wakes enrolments: `workflows.gateway.Gateway`."""

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:
        """Answers the refusals; raises TryLater where Temporal wants a pause."""
        ...


@dataclass(frozen=True)
class Ingest:
    """Takes events in. `clock` is the real one; `lead` how far ahead of it an event's time may be."""

    database: Database
    programs: Programs
    secret: str
    lead: timedelta
    clock: Callable[[], datetime]
    poker: Poker

    async def take(self, batch: Sequence[Incoming]) -> Sequence[Taken]:
        """Store the batch, then poke whom it concerns; what cannot be poked now is the sweeper's."""
        stored = await self.store(batch)
        try:
            await self.poke(stored.to_poke)
        except TryLater as later:
            log.warning("%d pokes are left to the sweeper: %s", len(stored.to_poke), later)
        return stored.taken

    async def store(self, batch: Sequence[Incoming]) -> Stored:
        """Store the batch. Raises what the database raises where it is gone; nothing else."""
        taken: list[Taken] = []
        to_poke: list[str] = []
        for start in range(0, len(batch), BATCH):
            part = batch[start : start + BATCH]
            stored = await self.database.retrying(lambda part=part: self._store(part))
            taken += stored.taken
            to_poke += stored.to_poke
        for one in taken:
            TAKEN.labels(one.status).inc()
        return Stored(taken, list(dict.fromkeys(to_poke)))

    async def poke(self, enrolments: Sequence[str]) -> None:
        """Poke them. Raises TryLater where Temporal wants a pause; a refusal is logged, and the sweeper's."""
        if not enrolments:
            return
        refusals = await self.poker.poke(enrolments)
        if refusals:
            log.error("%d pokes were refused; the sweeper tries again: %s", len(refusals), refusals[0])

    async def _store(self, batch: Sequence[Incoming]) -> Stored:
        now = self.clock()
        try:
            async with self.database.write() as session:
                return await self._store_in(session, batch, now)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("a batch of %d goes in one by one: %s", len(batch), type(error).__name__)
        return await self._store_one_by_one(batch, now)

    async def _store_one_by_one(self, batch: Sequence[Incoming], now: datetime) -> Stored:
        taken: list[Taken] = []
        to_poke: list[str] = []
        async with self.database.write() as session:
            for incoming in batch:
                stored = await self._store_alone(session, incoming, now)
                taken += stored.taken
                to_poke += stored.to_poke
        return Stored(taken, to_poke)

    async def _store_alone(self, session: AsyncSession, incoming: Incoming, now: datetime) -> Stored:
        try:
            async with session.begin_nested():
                return await self._store_in(session, [incoming], now)
        except Exception as error:
            if is_outage(error):
                raise
            where = "".join(traceback.format_tb(error.__traceback__))  # without its words, which may be personal
            log.error("one event cannot be stored: %s\n%s", type(error).__name__, where)
            detail = f"it cannot be stored ({type(error).__name__}): the log of this process has more"
        refused = Incoming(Refusal("cannot_be_stored", detail), incoming.record)
        return await self._store_in(session, [refused], now)

    async def _store_in(self, session: AsyncSession, batch: Sequence[Incoming], now: datetime) -> Stored:
        batching = _Batch(self, session, now)
        return await batching.store(batch)


@dataclass
class _Judged:
    """An event that may be logged."""

    place: int
    event: Event
    digest: str
    learner: str | None = None


@dataclass
class _Batch:
    """One batch in one transaction."""

    ingest: Ingest
    session: AsyncSession
    now: datetime
    taken: dict[int, Taken] = field(default_factory=dict[int, Taken])
    to_poke: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])

    async def store(self, batch: Sequence[Incoming]) -> Stored:
        judged = list(self._judge(batch))
        source_ids = {j.event.subject for j in judged if j.event.subject is not None}
        ids, states = await self._find_learners(source_ids)
        for one in judged:
            one.learner = None if one.event.subject is None else ids[one.event.subject]
        new = await self._log(judged)
        if new:
            histories = Histories(self.session, self.ingest.programs, self.now)
            self.to_poke += await histories.take(states, new)
        taken = [self.taken[place] for place in range(len(batch))]
        await self._keep_letters(batch, taken)
        await self._count_unknown()
        return Stored(taken, self.to_poke)

    # judging

    def _judge(self, batch: Sequence[Incoming]) -> Iterator[_Judged]:
        """What may be logged; the others are answered."""
        for place, incoming in enumerate(batch):
            event = incoming.event
            if isinstance(event, Refusal):
                self.taken[place] = Taken("rejected", event.code, event.detail)
                continue
            refusal = self._refuse(event)
            content = refusal or content_of(event)
            if isinstance(content, Refusal):
                self.taken[place] = Taken("rejected", content.code, content.detail)
            else:
                yield _Judged(place, event, sha256(content).hexdigest())

    def _refuse(self, event: Event) -> Refusal | None:
        ahead = judge_time(event, now=self.now, lead=self.ingest.lead)
        if ahead is not None:
            return Refusal(ahead.code, ahead.detail)
        if event.effective is not None and event.effective - self.now > MOST_DISTANT:
            return Refusal("time_too_far_ahead", "`effective` is more than ten years ahead: send it later")
        if event.subject is None and not isinstance(event.data.get("team"), str):
            return Refusal(
                "missing_field", "`subject` is missing: every event names its learner, or a team in its data"
            )
        return None

    # learners and log

    async def _find_learners(self, source_ids: set[str]) -> tuple[dict[str, str], dict[str, LearnerState]]:
        """The batch's learners, who exist from now on: our ids by the source's, and each, locked in order."""
        known = await learners.find_ids(self.session, source_ids)
        unknown = {s: learner_id(self.ingest.secret, s) for s in source_ids if s not in known}
        await learners.introduce(self.session, unknown, at=self.now)
        ids = {**known, **unknown}
        return ids, await learners.lock(self.session, set(ids.values()))

    async def _log(self, judged: Sequence[_Judged]) -> Mapping[str, list[Happened]]:
        """Log what is new; answers it by learner, what concerns no learner left out."""
        first: dict[events.EventKey, _Judged] = {}
        for one in judged:
            first.setdefault((one.event.source, one.event.id), one)
        digests = await events.find_digests(self.session, first.keys())
        fresh = [one for key, one in first.items() if key not in digests]
        rows = [(one.event, one.digest, one.learner) for one in fresh]
        places = await events.record(self.session, rows, at=self.now)
        raced = [key for key in first if key not in digests and key not in places]
        digests |= await events.find_digests(self.session, raced)
        new: dict[str, list[Happened]] = defaultdict(list)
        for one in judged:
            key = (one.event.source, one.event.id)
            if first[key] is one and key in places:
                self.taken[one.place] = Taken("accepted")
                if one.event.type not in EVENT_TYPES:
                    self.unknown.append(one.event.type)
                if one.learner is not None:
                    new[one.learner].append(Happened(one.event, places[key], self.now))
            else:
                self.taken[one.place] = _repeated(one, digests.get(key, first[key].digest))
        return new

    async def _keep_letters(self, batch: Sequence[Incoming], taken: Sequence[Taken]) -> None:
        """Keep what came by Kafka and cannot be used, and say so on our topic."""
        letters = [
            letter_of(incoming.record, Refusal(one.code or "rejected", one.detail or ""), at=self.now)
            for incoming, one in zip(batch, taken, strict=True)
            if incoming.record is not None and one.status == "rejected"
        ]
        await outbox.record_dead_letters(self.session, await dead_letters.record(self.session, letters))

    async def _count_unknown(self) -> None:
        """Say and count which types nobody knew; where the batch is stored again one by one, they are said again."""
        for unknown in self.unknown:
            shown = unknown if _PLAIN_TYPE.fullmatch(unknown) else "(not shown)"
            log.info("an event of unknown type is logged: %s", shown)
        if self.unknown:
            await installation.count_unknown_types(self.session, len(self.unknown), at=self.now)


def content_of(event: Event) -> bytes | Refusal:
    """The event as canonical JSON, by whose digest a repetition is told from another event under the same id."""
    times = [event.time.isoformat(), None if event.effective is None else event.effective.isoformat()]
    content = [event.source, event.id, event.type, event.subject, *times, dict(event.data)]
    try:
        written = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return Refusal(
            "cannot_be_stored", "a text, a number or the nesting of its data is beyond what JSON in UTF-8 holds"
        )
    if b"\\u0000" in written and _NUL.search(written):
        return Refusal("nul_character", "a text holds the character NUL (\\u0000), which no database keeps")
    return written


def _repeated(one: _Judged, digest: str) -> Taken:
    if one.digest == digest:
        return Taken("duplicate")
    detail = "another event stands under this source and id, and the first one wins: give this one an id of its own"
    return Taken("rejected", "conflicting_duplicate", detail)
