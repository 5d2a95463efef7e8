"""A delivery on its channel's queue: every attempt asks again whether it still may, and Temporal decides when the
next one is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from journeys import codec
from journeys.composing import Skip, recipient_of, unknown_recipient
from journeys.deciding import facts_of
from journeys.effects import Deferred
from journeys.identity import delivery_id
from journeys.pauses import pauses_of
from journeys.permitting import policy_of, put_off
from journeys.run import Run
from store.database import Database
from store.queries import deliveries, outbox, turns
from store.tables import DeliveryRow, Enrolment
from workers.delivering import Claim, Delivering, Outcome, Ready, Standing, to_its_end
from workers.outages import outlast
from workers.people import as_she_is
from workers.programs import Programs
from workers.turns import pending_delivery
from workflows.contracts import RetryEnded, RetryOrder


@dataclass(frozen=True)
class Retries:
    """Makes retries. `clock` is the real one."""

    database: Database
    programs: Programs
    delivering: Delivering
    clock: Callable[[], datetime]

    async def attempt(self, order: RetryOrder) -> RetryEnded:
        """Make one attempt; raises a retryable ApplicationError where another is wanted."""
        now = order.now + (self.clock() - order.really_at)
        async with self.database.write() as session:
            claimed = await _Claiming(self, session, now).claim(order.delivery)
        if isinstance(claimed, RetryEnded):
            return claimed
        outcome = await to_its_end(self._bring(claimed, now))
        if outcome.status == "again":
            raise _again(outcome)
        return RetryEnded(outcome.status)

    async def _bring(self, claim: Claim, now: datetime) -> Outcome:
        """Send, and write what came of it even where the database is away for a while, or it would be in doubt."""
        outcome = await self.delivering.send(claim)

        async def conclude() -> None:
            async with self.database.write() as session:
                await self.delivering.conclude(session, claim, outcome, now=now)

        await outlast(conclude, within=self.delivering.attempt_limit)
        return outcome


@dataclass(frozen=True)
class _Claiming:
    """The first transaction of one attempt: may it, and what would go."""

    retries: Retries
    session: AsyncSession
    now: datetime

    async def claim(self, delivery: str) -> Claim | RetryEnded:
        row = await deliveries.find(self.session, delivery)
        if row is None:
            return RetryEnded("skipped")
        enrolment = await deliveries.lock_enrolment(self.session, row.enrolment)
        row = await deliveries.find(self.session, delivery)
        if row is None or enrolment is None or row.status in deliveries.FINAL:
            return RetryEnded("skipped" if row is None else row.status)
        return await self._claim(row, enrolment)

    async def _claim(self, row: DeliveryRow, enrolment: Enrolment) -> Claim | RetryEnded:
        if row.attempt is not None:
            if row.attempt_until is not None and row.attempt_until > self.retries.clock():
                raise ApplicationError("another attempt is under way", category=ApplicationErrorCategory.BENIGN)
            row = await self.retries.delivering.settle_abandoned(self.session, row, now=self.now)
            if row.status in deliveries.FINAL:
                return RetryEnded(row.status)
        if await turns.find_unread(self.session, enrolment.id, enrolment.program):
            return RetryEnded(
                "queued"
            )  # the turn that follows reads it, and asks for this again where it still should go
        switches = await deliveries.find_switches(self.session)
        if switches.is_halted:
            await deliveries.change(
                self.session, row.id, clock=self.retries.clock(), status="deferred", reason="halted"
            )
            return RetryEnded("deferred")
        ready = await self._compose(row, enrolment, switches)
        if isinstance(ready, Deferred):
            return RetryEnded("deferred")  # the turn that follows asks again, and says until when
        if isinstance(ready, Skip):
            return await self._skip(row, ready)
        claim = await self.retries.delivering.claim(self.session, ready)
        return claim or RetryEnded("queued")

    async def _compose(
        self, row: DeliveryRow, enrolment: Enrolment, switches: deliveries.Switches
    ) -> Ready | Skip | Deferred:
        run: Run = codec.run_from_json(enrolment.run)
        deliver = pending_delivery(run)
        key = None if deliver is None else delivery_id(enrolment.id, deliver.node, deliver.visit, deliver.leg)
        if deliver is None or key != row.id or enrolment.status == "ended":
            return Skip("withdrawn", enrolment.outcome)
        learner = await turns.find_person(self.session, enrolment.learner)
        if learner is None:
            return Skip("withdrawn", "erased")
        learner = await as_she_is(self.session, learner, now=self.now)
        program = await self.retries.programs.by_hash(self.session, enrolment.program)
        if run.is_held or await self._is_journey_paused(enrolment):
            return Deferred(self.now, None, "paused")
        entry = codec.entry_from_plain(enrolment.entry)
        facts = facts_of(run, source_id=learner.source_id, profile=learner.profile, entry=entry)
        named = recipient_of(deliver, facts)
        if isinstance(named, Skip):
            return named
        recipient = learner
        if named.source_id is not None:
            found = await turns.find_person_called(self.session, named.source_id)
            if found is None:
                return unknown_recipient(deliver)
            recipient = await as_she_is(self.session, found, now=self.now)
        waiting = put_off(deliver, recipient.profile, policy=policy_of(switches.policy), now=self.now)
        if waiting is not None:
            return waiting
        standing = Standing(program, run, entry, enrolment.id, learner)
        return self.retries.delivering.compose(standing, deliver, recipient, now=self.now)

    async def _is_journey_paused(self, enrolment: Enrolment) -> bool:
        pauses = pauses_of(await turns.find_pauses(self.session, enrolment.journey))
        return bool(pauses) and pauses[-1].until is None

    async def _skip(self, row: DeliveryRow, skip: Skip) -> RetryEnded:
        clock = self.retries.clock()
        await deliveries.change(self.session, row.id, clock=clock, status="skipped", reason=skip.text)
        await outbox.record_delivery(self.session, row.id, status="skipped", at=self.now)
        return RetryEnded("skipped")


def _again(outcome: Outcome) -> ApplicationError:
    return ApplicationError(
        "the provider did not take it",
        next_retry_delay=outcome.after,
        category=ApplicationErrorCategory.BENIGN,
    )
