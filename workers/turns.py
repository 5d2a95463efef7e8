"""The real performer: one waking of an enrolment, on the store and the channels.

A turn is a chain of transactions. The first takes the lease and loads; each message that leaves the house ends one
(claimed, committed) and begins the next (concluded); the last keeps the run and gives the lease back. All of them are
conditional on the fencing token. A turn that died is taken up where it stood: what it had asked for stands in the
run, and is asked for again.

This file names no step type, writes no text and computes no date.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.advance import waiting_for
from journeys.calendar import reckon
from journeys.composing import Skip, recipient_of, unknown_recipient
from journeys.deciding import decide, evaluate, facts_of
from journeys.effects import (
    Answer,
    ArmChosen,
    Asking,
    Decide,
    Deferred,
    Deliver,
    Delivered,
    Effect,
    End,
    Enrol,
    Evaluate,
    FinalStatus,
    Fired,
    Note,
    Reckon,
    Reckoned,
    Request,
    Retrying,
    Withdraw,
)
from journeys.expressions import Facts
from journeys.identity import delivery_id
from journeys.pauses import happenings_of, pauses_of
from journeys.permitting import policy_of, put_off
from journeys.program import Program
from journeys.run import Pending, Run
from journeys.turn import Happening, Interrupted, depends_on, due_at, take_turn
from store.database import Database
from store.queries import deliveries, outbox
from store.queries import turns as rows
from store.queries.turns import Held, Person
from store.tables import DeliveryRow
from workers.delivering import Claim, Delivering, Outcome, Standing, to_its_end
from workers.outages import outlast
from workers.people import as_she_is
from workers.programs import Programs
from workflows.contracts import Queues, RetryOrder, TurnOrder, TurnTaken

LEASE = timedelta(seconds=10)
"""How long a turn holds an enrolment between two commits; while it sends, the attempt's own limit is added."""


class Overtaken(Exception):
    """Another turn has taken the enrolment: nothing of this one may be kept."""


@dataclass(frozen=True)
class Turns:
    """Takes turns. `clock` is the real one and serves leases alone; the instant of a turn comes with its order."""

    database: Database
    programs: Programs
    delivering: Delivering
    clock: Callable[[], datetime]
    queues: Queues

    async def take(self, order: TurnOrder) -> TurnTaken:
        """Take one turn; safe to call at any time, for any enrolment, as often as one likes."""
        performer = _Performer(self, order)
        try:
            return await performer.take()
        except Overtaken:
            return TurnTaken(due_at=order.now + timedelta(seconds=1))
        finally:
            await performer.close()


@dataclass
class _Performer:
    """One turn under way."""

    turns: Turns
    order: TurnOrder
    retries: list[RetryOrder] = field(default_factory=list[RetryOrder])
    _notes: list[Note] = field(default_factory=list[Note])
    _arms: list[ArmChosen] = field(default_factory=list[ArmChosen])
    _taken: list[int] = field(default_factory=list[int])
    _ended: End | None = None
    _stack: AsyncExitStack | None = None
    _session: AsyncSession | None = None
    _standing: Standing | None = None
    _lease: rows.Lease | None = None
    _unread: dict[int, Fired] = field(default_factory=dict[int, Fired])
    _has_pauses: bool = False

    async def take(self) -> TurnTaken:
        session = await self._begin()
        lease = await rows.take_lease(session, self.order.enrolment, clock=self.turns.clock(), lease=LEASE)
        if isinstance(lease, rows.Over):
            return await self._after_the_end(session, lease.outcome)
        if isinstance(lease, rows.Busy):
            return TurnTaken(due_at=self.order.now + lease.remaining)
        self._lease = lease
        program = await self.turns.programs.by_hash(session, lease.enrolment.program)
        run = codec.run_from_json(lease.enrolment.run)
        self._stand(program, run, await as_she_is(session, lease.person, now=self._now(run)))
        run = await take_turn(program, run, now=self.order.now, performer=self)
        await self._keep(run, lease_until=None)
        await self._commit()
        if run.has_ended:
            return TurnTaken(outcome=run.outcome)
        return TurnTaken(due_at=due_at(program, run), retries=self.retries)

    async def close(self) -> None:
        """Roll back whatever is open."""
        if self._stack is not None:
            stack, self._stack, self._session = self._stack, None, None
            undone = Overtaken()
            with contextlib.suppress(Overtaken):
                await stack.__aexit__(Overtaken, undone, None)

    async def _after_the_end(self, session: AsyncSession, outcome: str) -> TurnTaken:
        """The outcome, once nothing is open any more: it may have ended while a message was on its way."""
        now = self.order.now
        wait = await self.turns.delivering.let_fall(session, self.order.enrolment, outcome=outcome, now=now)
        await self._commit()
        return TurnTaken(outcome=outcome) if wait is None else TurnTaken(due_at=now + wait)

    # what `journeys.turn` asks of a performer

    async def unread(self) -> Sequence[Happening]:
        """The rows of the inbox that this turn has not had; at first the journey's pauses too."""
        found = await self._find_new()
        self._unread.update(found)
        self._taken.extend(found)
        if self._has_pauses:
            return list(found.values())
        self._has_pauses = True
        return [*self._journey_pauses(), *found.values()]

    def _journey_pauses(self) -> Sequence[Happening]:
        assert self._standing is not None
        return happenings_of(self._standing.run, pauses_of(self._row.pauses))

    def keep(self, effects: Sequence[Effect]) -> None:
        """Gather what is written with the run at the next commit."""
        for effect in effects:
            match effect:
                case Note():
                    self._notes.append(effect)
                case ArmChosen():
                    self._arms.append(effect)
                case End():
                    self._ended = effect
                case Withdraw():
                    pass  # every delivery that waits falls with the end, see `_keep`
                case _:
                    assert_never(effect)

    async def perform(self, run: Run, effect: Asking) -> Answer | Interrupted:
        """Judge expressions, or bring a message on its way."""
        match effect:
            case Decide():
                return decide(effect, self._facts(run), at=run.at)
            case Evaluate():
                return evaluate(effect, self._facts(run), at=run.at)
            case Reckon():
                return await self._reckon(run, effect)
            case Deliver():
                return await self._deliver(run, effect)
            case Request() | Enrol():
                raise NotImplementedError(effect.kind)

    # deciding

    def _facts(self, run: Run) -> Facts:
        standing = self._at(run)
        learner = standing.learner
        return facts_of(run, source_id=learner.source_id, profile=learner.profile, entry=standing.entry)

    async def _reckon(self, run: Run, effect: Reckon) -> Reckoned:
        profile = self._at(run).learner.profile
        policy = policy_of((await deliveries.find_switches(self._db)).policy)
        return reckon(effect, self._facts(run), profile=profile, policy=policy, at=run.at)

    # delivering

    async def _deliver(self, run: Run, deliver: Deliver) -> Answer | Interrupted:
        now = self._now(run)
        standing = self._at(run)
        row = await deliveries.find(self._db, delivery_id(standing.enrolment, deliver.node, deliver.visit, deliver.leg))
        if row is not None:
            answer = await self._look_at(row, now)
            if answer is not None:
                return answer
        if await self._find_new():
            return Interrupted()
        recipient = await self._recipient(run, deliver)
        is_new = row is None
        if row is None:
            whom = standing.learner if isinstance(recipient, Skip) else recipient
            row = self.turns.delivering.new_row(standing, deliver, whom, now=now)
        if isinstance(recipient, Skip):
            return await self._skip(row, recipient, is_new=is_new, now=now)
        switches = await deliveries.find_switches(self._db)
        waiting = put_off(deliver, recipient.profile, policy=policy_of(switches.policy), now=now)
        if isinstance(waiting, Deferred):
            await self._put_off(row, waiting, is_new=is_new)
            return waiting
        ready = waiting or self.turns.delivering.compose(standing, deliver, recipient, now=now)
        if isinstance(ready, Skip):
            return await self._skip(row, ready, is_new=is_new, now=now)
        if switches.is_halted:
            await self._write(row, is_new=is_new, channel=ready.channel, status="deferred", reason="halted")
            return Deferred(now, None, "halted")
        if row.attempts > 0 or self.turns.delivering.breakers[ready.channel].is_open:
            await self._write(row, is_new=is_new, channel=ready.channel)
            return self._hand_to_queue(row.id, ready.channel, row.reason or "its provider is slow or down", now)
        claim = await self.turns.delivering.claim(self._db, ready, new=row if is_new else None)
        if claim is None:
            return self._hand_to_queue(row.id, ready.channel, "another attempt is under way", now)
        return await self._attempt(run, claim, now)

    async def _recipient(self, run: Run, deliver: Deliver) -> Person | Skip:
        """Whom the message goes to, as she is now."""
        named = recipient_of(deliver, self._facts(run))
        if isinstance(named, Skip):
            return named
        if named.source_id is None:
            return self._at(run).learner
        person = await rows.find_person_called(self._db, named.source_id)
        return unknown_recipient(deliver) if person is None else await as_she_is(self._db, person, now=self._now(run))

    async def _put_off(self, row: DeliveryRow, waiting: Deferred, *, is_new: bool) -> None:
        if is_new or row.due_at != waiting.until or row.reason != waiting.because or row.status != "deferred":
            changes = {"status": "deferred", "reason": waiting.because, "due_at": waiting.until}
            await self._write(row, is_new=is_new, **changes)

    async def _look_at(self, row: DeliveryRow, now: datetime) -> Answer | None:
        """What an earlier attempt has come to; None where the message may be tried."""
        clock = self.turns.clock()
        if row.status not in deliveries.FINAL and row.attempt is not None:
            if row.attempt_until is not None and row.attempt_until > clock:
                return Deferred(now, now + (row.attempt_until - clock), "another attempt is under way")
            row = await self.turns.delivering.settle_abandoned(self._db, row, now=now)
        if row.status in deliveries.FINAL:
            return Delivered(row.sent_at or now, _final(row.status), row.channel, row.reason)
        return None

    async def _attempt(self, run: Run, claim: Claim, now: datetime) -> Answer:
        """Commit the claim with the run as it stands, send, and conclude in the next transaction."""
        standing = self._at(run)
        await self._keep(run, lease_until=self.turns.clock() + LEASE + self.turns.delivering.attempt_limit)
        await self._commit()
        try:
            outcome, person = await to_its_end(self._bring(claim, now))
        except asyncio.CancelledError:
            if self._stack is not None:
                await self._commit()  # the answer counts
            raise
        if person is None:
            raise Overtaken
        self._standing = replace(standing, learner=person)  # it may have changed while the message was on its way
        return self._answer(claim, outcome, now)

    async def _bring(self, claim: Claim, now: datetime) -> tuple[Outcome, Person | None]:
        """Send, and write what came of it even where the database is away for a while, or it would be in doubt."""
        outcome = await self.turns.delivering.send(claim)
        limit = self.turns.delivering.attempt_limit
        return outcome, await outlast(lambda: self._conclude(claim, outcome, now), within=limit)

    async def _conclude(self, claim: Claim, outcome: Outcome, now: datetime) -> Person | None:
        """Write what came of it: the answer counts, whoever goes on with the enrolment. Where that is us the
        transaction stays open, and the learner is answered as she is now.
        """
        try:
            session = await self._begin()
            person = await self._hold_on()  # the enrolment before its delivery, as everywhere
            await self.turns.delivering.conclude(session, claim, outcome, now=now)
            if person is None:
                await self._commit()
        except BaseException:
            await self.close()
            raise
        return person

    def _answer(self, claim: Claim, outcome: Outcome, now: datetime) -> Answer:
        if outcome.status == "again":
            reason = outcome.reason or "the provider did not take it"
            return self._hand_to_queue(claim.ready.delivery, claim.ready.channel, reason, now)
        return Delivered(now, outcome.status, claim.ready.channel, outcome.reason)

    async def _skip(self, row: DeliveryRow, skip: Skip, *, is_new: bool, now: datetime) -> Delivered:
        reason = skip.text
        await self._write(row, is_new=is_new, status="skipped", reason=reason)
        await outbox.record_delivery(self._db, row.id, status="skipped", at=now)
        return Delivered(now, "skipped", None, reason)

    async def _write(self, row: DeliveryRow, *, is_new: bool, **changes: str | datetime | None) -> None:
        if is_new:
            await deliveries.record(self._db, row.model_copy(update=changes))
        else:
            await deliveries.change(self._db, row.id, clock=self.turns.clock(), **changes)

    def _hand_to_queue(self, delivery: str, channel: str, because: str, now: datetime) -> Retrying:
        queue = self.turns.queues.deliveries(channel)
        limit = 2 * self.turns.delivering.attempt_limit + LEASE  # the attempt, and as long to write its answer
        self.retries.append(RetryOrder(delivery, queue, now, self.turns.clock(), limit.total_seconds()))
        return Retrying(now, channel, because)

    # transactions

    @property
    def _db(self) -> AsyncSession:
        assert self._session is not None, "a turn works inside a transaction, except while it sends"
        return self._session

    @property
    def _row(self) -> Held:
        assert self._lease is not None
        return self._lease.enrolment

    async def _begin(self) -> AsyncSession:
        self._stack = AsyncExitStack()
        self._session = await self._stack.enter_async_context(self.turns.database.write())
        return self._session

    async def _commit(self) -> None:
        assert self._stack is not None
        stack, self._stack, self._session = self._stack, None, None
        await stack.aclose()

    def _now(self, run: Run) -> datetime:
        """The turn's instant, which is never before the run's own."""
        return max(self.order.now, run.at)

    def _stand(self, program: Program, run: Run, learner: Person) -> None:
        self._standing = Standing(program, run, codec.entry_from_plain(self._row.entry), self._row.id, learner)

    def _at(self, run: Run) -> Standing:
        assert self._standing is not None
        return Standing(self._standing.program, run, self._standing.entry, self._row.id, self._standing.learner)

    async def _find_new(self) -> dict[int, Fired]:
        found = await rows.find_unread(self._db, self._row.id, self._row.program)
        return {seq: fired for seq, fired in found if seq not in self._unread}

    async def _hold_on(self) -> Person | None:
        assert self._lease is not None
        standing = self._standing
        assert standing is not None
        until = self.turns.clock() + LEASE
        person = await rows.extend_lease(self._db, enrolment=self._row.id, fence=self._lease.fence, lease_until=until)
        return None if person is None else await as_she_is(self._db, person, now=self._now(standing.run))

    async def _keep(self, run: Run, *, lease_until: datetime | None) -> None:
        """Write the run and all that was gathered; raises Overtaken where the token is no longer ours."""
        assert self._lease is not None
        assert self._standing is not None
        program = self._standing.program
        kept = await rows.keep(
            self._db,
            enrolment=self._row.id,
            fence=self._lease.fence,
            run=codec.run_to_json(run),
            step=run.node,
            waiting_for=waiting_for(program, run),
            due_at=due_at(program, run),
            lease_until=lease_until,
            outcome=run.outcome,
            ended_at=run.at if run.has_ended else None,
            depends_on=depends_on(run),
            arm=list(run.arms.values())[-1] if run.arms else None,
        )
        if not kept:
            raise Overtaken
        await rows.record_notes(self._db, self._row.id, self._notes)
        await rows.record_arms(self._db, self._row.id, self._arms)
        await rows.mark_read(self._db, self._taken, at=self.turns.clock())
        self._notes.clear()
        self._arms.clear()
        self._taken.clear()
        if self._ended is not None:
            await self._end(self._ended)
            self._ended = None

    async def _end(self, end: End) -> None:
        fallen = await deliveries.withdraw(
            self._db, self._row.id, reason=f"withdrawn: {end.outcome}", clock=self.turns.clock()
        )
        for delivery in fallen:
            await outbox.record_delivery(self._db, delivery, status="skipped", at=end.at)
        await outbox.record_enrolment(self._db, self._row, kind="ended", outcome=end.outcome, at=end.at)


def _final(status: str) -> FinalStatus:
    match status:
        case "skipped" | "failed" | "may_have_gone":
            return status
        case _:
            return "sent"


def pending_delivery(run: Run) -> Deliver | None:
    """The message this run is waiting to see delivered, if it is."""
    match run.hold:
        case Pending(effect=Deliver() as deliver):
            return deliver
        case _:
            return None
