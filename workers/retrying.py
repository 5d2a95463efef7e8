"""A delivery on its channel's queue: every attempt asks again whether it still may, and Temporal decides when the
next one is.

That it has come to its end is known to the workflow that waits for it, and to the store, where the enrolment then wants
waking: the workflow may be lost just now, with Temporal's database, and nothing else would ever wake her.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from journeys.attending import DIGEST
from journeys.attention import Award, Lead, Wait
from journeys.composing import Skip
from journeys.effects import Deferred
from journeys.permitting import policy_of
from journeys.policy import Policy
from journeys.resending import is_sent_again
from store.database import Database
from store.queries import attention, deliveries, outbox, turns
from store.queries.waking import want_waking
from store.tables import DeliveryRow, Enrolment
from workers.attending import Attending, Bidding
from workers.delivering import NEVER_BEGUN, Claim, Delivering, Outcome, Ready, to_its_end
from workers.outages import outlast
from workers.preparing import Prepared, Preparing
from workers.programs import Programs
from workers.waking import Poker, wake
from workflows.contracts import RetryEnded, RetryOrder

ASKED_AGAIN_AFTER = timedelta(minutes=15)
"""When a message that was sent again by hand is looked at once more, where nobody can say when it may go."""


@dataclass(frozen=True)
class Retries:
    """Makes retries. `clock` is the real one; the instant of a retry comes with its order."""

    database: Database
    programs: Programs
    delivering: Delivering
    clock: Callable[[], datetime]
    poker: Poker | None = None

    @property
    def attending(self) -> Attending:
        """Who asks for the recipients' attention."""
        return Attending(Preparing(self.programs, self.delivering))

    async def attempt(self, order: RetryOrder) -> RetryEnded:
        """Make one attempt; raises a retryable ApplicationError where another is wanted."""
        now = order.now
        claimed: Claim | RetryEnded | None = None
        try:
            async with self.database.write() as session:
                claiming = _Claiming(self, session, now)
                claimed = await claiming.claim(order.delivery)
        except BaseException:
            if isinstance(claimed, Claim):
                await self._give_back(claimed, now)
            raise
        if isinstance(claimed, RetryEnded):
            await wake(self.poker, claiming.woken)
            return claimed
        outcome = await to_its_end(self._bring(claimed, now, claiming.woken))
        if outcome.status == "again":
            raise _later("the provider did not take it", outcome.after)
        return RetryEnded(outcome.status)

    async def _give_back(self, claim: Claim, now: datetime) -> None:
        """The claim may stand, or not: nobody heard of its commit. It is not used in either case."""

        async def conclude() -> Sequence[str]:
            async with self.database.write(is_answer=True) as session:
                return await self.delivering.conclude(session, claim, NEVER_BEGUN, now=now)

        with contextlib.suppress(Exception):  # what made the claim fail is told
            await wake(self.poker, await to_its_end(outlast(conclude, within=self.delivering.attempt_limit)))

    async def _bring(self, claim: Claim, now: datetime, woken: Sequence[str]) -> Outcome:
        """Send, and write what came of it even where the database is away for a while, or it would be in doubt. Only
        then are those poked whom the claim has woken: nothing may come between it and the attempt.
        """
        outcome = await self.delivering.send(claim)

        async def conclude() -> Sequence[str]:
            async with self.database.write(is_answer=True) as session:
                if outcome.status != "again":  # the enrolment before what belongs to it, as everywhere
                    await want_waking(session, [claim.ready.outgoing.enrolment_id], at=self.clock())
                again = await self.delivering.conclude(session, claim, outcome, now=now)
                return [*again, *await _free(session, claim.ready.delivery, outcome, now)]

        freed = await outlast(conclude, within=self.delivering.attempt_limit)
        await wake(self.poker, [*woken, *freed])
        return outcome


async def _free(session: AsyncSession, delivery: str, outcome: Outcome, now: datetime) -> Sequence[str]:
    """Its bid for attention has served, unless it is tried again; whom that lets go."""
    if outcome.status == "failed":
        row = await deliveries.find(session, delivery)
        if row is not None and row.message == DIGEST:
            return await attention.unmerge(session, row.recipient, delivery, at=now)
    known = None if outcome.status == "again" else await attention.find(session, delivery)
    if known is None:
        return []
    if outcome.status == "failed":
        return await attention.let_fall(session, [delivery], now=now)
    await attention.remove(session, known.recipient, [delivery])
    return []


@dataclass(frozen=True)
class _Claiming:
    """The first transaction of one attempt: may it, and what would go."""

    retries: Retries
    session: AsyncSession
    now: datetime
    woken: list[str] = field(default_factory=list[str])

    async def claim(self, delivery: str) -> Claim | RetryEnded:
        row = await deliveries.find(self.session, delivery)
        if row is None:
            return RetryEnded("skipped")
        enrolment = await deliveries.lock_enrolment(self.session, row.enrolment)
        row = await deliveries.find(self.session, delivery)
        if row is None or enrolment is None or row.status in deliveries.FINAL:
            return RetryEnded("skipped" if row is None else row.status)
        claimed = await self._claim(row, enrolment)
        if isinstance(claimed, RetryEnded) and claimed.status in deliveries.FINAL:
            await want_waking(self.session, [enrolment.id], at=self.retries.clock())
        return claimed

    async def _claim(self, row: DeliveryRow, enrolment: Enrolment) -> Claim | RetryEnded:
        settled = await self.retries.delivering.settle(self.session, row, now=self.now)
        if isinstance(settled, timedelta):
            raise _later("another attempt is under way", settled)
        row = settled
        if row.status in deliveries.FINAL:
            return RetryEnded(row.status)
        if await turns.find_unread(self.session, enrolment.id, enrolment.program):
            return RetryEnded("queued")  # the turn that follows reads it, and asks again where it still should go
        switches = await deliveries.find_switches(self.session)
        if switches.is_halted:
            await deliveries.change(
                self.session, row.id, clock=self.retries.clock(), status="deferred", reason="halted"
            )
            return RetryEnded("deferred")
        policy = policy_of(switches.policy)
        may = await self._may(row, enrolment, policy)
        if isinstance(may, Skip):
            return await self._skip(row, may)
        if isinstance(may, Deferred):
            await self._put_off_again(row, may)
            return RetryEnded("deferred")  # the turn that follows asks again, and says until when
        claim = await self.retries.delivering.claim(self.session, may)
        return claim or RetryEnded("queued")

    async def _may(self, row: DeliveryRow, enrolment: Enrolment, policy: Policy) -> Ready | Skip | Deferred:
        """What would go now; the slot of the recipient's that it was awarded must still be there."""
        attending = self.retries.attending
        if row.message == DIGEST:
            gathered = await attending.gather_again(self.session, row, policy=policy, now=self.now)
            if gathered is None:
                return Deferred(self.now, None, "its lead may not go")
            lead, ready = gathered
            return await self._attend(lead, policy, Lead) or ready
        prepared = await attending.preparing.prepare(self.session, row.id, enrolment, policy=policy, now=self.now)
        if isinstance(prepared, Deferred):
            self.woken.extend(await attention.give_back(self.session, row.id, now=self.now))
        if not isinstance(prepared, Prepared):
            return prepared
        return await self._attend(prepared, policy, Award) or prepared.ready

    async def _attend(self, prepared: Prepared, policy: Policy, wanted: type[Award] | type[Lead]) -> Deferred | None:
        """None where the slot is still its own."""
        row = await deliveries.find(self.session, prepared.ready.delivery)
        assert row is not None, "a message that is prepared has a delivery"
        bidding = Bidding(row, prepared.deliver, prepared.program, prepared.recipient, policy, self.now)
        if bidding.budget is None:
            return None
        verdict, woken = await self.retries.attending.judge(
            self.session, bidding, bidding.budget, prepared.ready.channel
        )
        self.woken.extend(woken)
        if isinstance(verdict, wanted):
            return None
        if isinstance(verdict, Wait):
            return Deferred(self.now, verdict.until, verdict.because)
        return Deferred(self.now, None, "it has no slot any more")

    async def _put_off_again(self, row: DeliveryRow, waiting: Deferred) -> None:
        """No step of the run waits for what was sent again by hand: until when it waits stands in its own row."""
        if is_sent_again(row.leg):
            until = waiting.until or self.now + ASKED_AGAIN_AFTER
            await deliveries.change(
                self.session, row.id, clock=self.retries.clock(), status="deferred", reason=waiting.because,
                due_at=until,
            )  # fmt: skip

    async def _skip(self, row: DeliveryRow, skip: Skip) -> RetryEnded:
        clock = self.retries.clock()
        await deliveries.change(self.session, row.id, clock=clock, status="skipped", reason=skip.text)
        await outbox.record_delivery(self.session, row.id, status="skipped", at=self.now)
        self.woken.extend(await attention.let_fall(self.session, [row.id], now=self.now))
        return RetryEnded("skipped")


def _later(reason: str, after: timedelta | None) -> ApplicationError:
    """Another attempt is wanted, after that long where it is said."""
    return ApplicationError(reason, next_retry_delay=after, category=ApplicationErrorCategory.BENIGN)
