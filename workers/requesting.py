"""Asking another system for something, until it has answered: the same road for a turn's inline attempt and for a
later one on the system's queue.

Theory of operation. A request is a row; its key is enrolment, node and visit, and goes to the system. It moves

    (none) ─> queued ─> attempt claimed ─> done | failed | queued again, until `expires_at`; then failed
                 └──> deferred (halted)

An attempt is claimed and *committed* before the system is spoken to; what came of it is written under the attempt's
own token. Unlike a message, a request may be repeated: an attempt whose owner died (`workers.watching`), or that got no
answer, is simply made again under the same key (docs/decisions/0008). Real time rules leases and what a system asks us
to wait; `expires_at` is of the journey's time.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.requests import OutgoingRequest, Reply, System, queue_of
from journeys import codec
from journeys.effects import Answered, Request
from journeys.events import Json
from journeys.identity import request_id
from journeys.pauses import pauses_of
from journeys.run import Pending
from store.database import Database
from store.queries import deliveries, requests, turns
from store.queries.waking import want_waking
from store.tables import Enrolment, RequestRow
from workers.breaker import Breaker
from workers.delivering import STALE_SECONDS, UNHEARD, to_its_end
from workers.outages import outlast
from workers.watching import Watch
from workflows.contracts import RetryEnded, RetryOrder

SOON = timedelta(seconds=1)
MISCONFIGURED_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Claim:
    """An attempt that is ours: the token, and since when (monotonic seconds)."""

    row: RequestRow
    learner: str
    attempt: str
    claimed_at: float


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `again` asks for another one, at the earliest `after` from now."""

    status: Literal["done", "failed", "again"]
    reason: str | None = None
    reply: Json = None
    words: str | None = None
    after: timedelta | None = None


NEVER_ASKED = Outcome("again", UNHEARD)
"""What comes of an attempt whose claim was committed, or perhaps not."""


@dataclass(frozen=True)
class Requesting:
    """All that asking needs, handed over by the wiring. `systems` are those that are set up, by `queue_of`; with
    `is_withheld` none is spoken to (`WAYMARK_DELIVER` is not `all`). `clock` is the real one; `watch` sees the attempts
    of other processes, and is one for each process.
    """

    systems: Mapping[str, System]
    breakers: Mapping[str, Breaker]
    is_withheld: bool
    attempt_limit: timedelta
    clock: Callable[[], datetime]
    watch: Watch

    def new_row(self, enrolment: str, effect: Request, *, now: datetime) -> RequestRow:
        """The row a request begins as. It has all its time from now: servers may have been away since it was due."""
        clock = self.clock()
        return RequestRow(
            id=request_id(enrolment, effect.node, effect.visit),
            enrolment=enrolment,
            node=effect.node,
            visit=effect.visit,
            service=effect.service,
            target=effect.target,
            body=dict(effect.body),
            expires_at=now + (effect.expires_at - effect.asked_at),
            created_at=clock,
            updated_at=clock,
        )

    def left(self, row: RequestRow) -> timedelta | None:
        """For how long yet somebody may be trying it; None where nobody is."""
        return self.watch.left(row, limit=self.attempt_limit)

    async def settle(self, session: AsyncSession, row: RequestRow) -> RequestRow | timedelta:
        """The row as nobody tries it any more, or for how long yet somebody may. An attempt whose owner is gone is
        freed for another one.
        """
        while row.attempt is not None and row.status not in requests.FINAL:
            rest = self.left(row)
            if rest is not None:
                return rest
            is_freed = await requests.free(session, row.id, attempt=row.attempt, clock=self.clock())
            found = None if is_freed else await requests.find(session, row.id)
            row = found or row.model_copy(update={"attempt": None, "attempt_until": None})
        return row

    def why_not(self, row: RequestRow, *, now: datetime) -> str | None:
        """Why it is not tried, or not any more; None where it may be. What has not been tried yet has its time."""
        if self.is_withheld:
            return "withheld: WAYMARK_DELIVER is not all"
        if queue_of(row.service, row.target) not in self.systems:
            return f"the {'LMS' if row.service == 'lms' else 'call'} {row.target} is not set up"
        if row.attempts > 0 and row.expires_at <= now:
            return row.reason or "no answer came in time"
        return None

    def may_try(self, row: RequestRow) -> bool:
        """Whether this turn should ask the system now; not where it is known to be down or slow."""
        return self.breakers[queue_of(row.service, row.target)].may_try()

    async def claim(
        self, session: AsyncSession, row: RequestRow, *, learner: str, is_new: bool = False
    ) -> Claim | None:
        """Take the attempt; commit before `send`. None: somebody else is trying it. `learner` is the source's id."""
        attempt, clock = secrets.token_hex(8), self.clock()
        until = clock + self.attempt_limit
        if is_new:
            claimed = {"attempt": attempt, "attempt_until": until, "attempts": 1, "updated_at": clock}
            await requests.record(session, row.model_copy(update=claimed))
        elif not await requests.claim(session, row.id, attempt=attempt, until=until, clock=clock):
            return None
        return Claim(row, learner, attempt, time.monotonic())

    async def send(self, claim: Claim) -> Outcome:
        """Make the attempt; never raises for what a system does. Call it outside a transaction, after the claim was
        committed.
        """
        if time.monotonic() - claim.claimed_at > STALE_SECONDS:
            return Outcome("again", "this process was held up before it could begin")
        row = claim.row
        queue = queue_of(row.service, row.target)
        breaker, began = self.breakers[queue], time.monotonic()
        try:
            with breaker.attempting():
                reply = await self.systems[queue].request(OutgoingRequest(row.id, claim.learner, row.body))
        except ConnectorError as error:
            if isinstance(error, Permanent):
                breaker.saw_good(time.monotonic() - began)
            else:
                breaker.saw_bad()
            return _of_error(error)
        breaker.saw_good(time.monotonic() - began)
        return _of_reply(reply)

    async def conclude(self, session: AsyncSession, claim: Claim, outcome: Outcome) -> None:
        """Write what came of the attempt."""
        clock, attempt = self.clock(), claim.attempt
        if outcome.status == "again":
            not_before = None if outcome.after is None else clock + outcome.after
            await requests.give_back(
                session, claim.row.id, attempt=attempt, clock=clock, not_before=not_before, reason=outcome.reason,
                words=outcome.words,
            )  # fmt: skip
            return
        await requests.conclude(
            session, claim.row.id, attempt=attempt, clock=clock, status=outcome.status, reason=outcome.reason,
            reply=outcome.reply, words=outcome.words,
        )  # fmt: skip

    async def put_by(
        self, session: AsyncSession, row: RequestRow, *, is_new: bool, status: str, reason: str | None
    ) -> None:
        """It waits, and stands there as it waits."""
        if is_new:
            await requests.record(session, row.model_copy(update={"status": status, "reason": reason}))
        else:
            await requests.change(session, row.id, clock=self.clock(), status=status, reason=reason)

    async def fail(self, session: AsyncSession, row: RequestRow, reason: str, *, is_new: bool = False) -> None:
        """It is not tried, or not any more."""
        await self.put_by(session, row, is_new=is_new, status="failed", reason=reason)


def answered(row: RequestRow, *, now: datetime) -> Answered | None:
    """What the row says of a request that is done with; None where it is not."""
    if row.status == "done":
        return Answered(now, "done", row.reply, row.reason)
    return Answered(now, "failed", None, row.reason) if row.status == "failed" else None


@dataclass(frozen=True)
class RequestRetries:
    """Makes a request's later attempts, on its system's queue: each asks again whether it still is wanted, and
    Temporal decides when the next one is. `clock` is the real one; the instant comes with the order.
    """

    database: Database
    requesting: Requesting
    clock: Callable[[], datetime]

    async def attempt(self, order: RetryOrder) -> RetryEnded:
        """Make one attempt; raises a retryable ApplicationError where another is wanted."""
        now = order.now
        claimed: Claim | RetryEnded | None = None
        try:
            async with self.database.write() as session:
                claimed = await self._look(session, order.delivery, now)
        except BaseException:
            if isinstance(claimed, Claim):  # it may stand, or not: nobody heard of its commit
                with contextlib.suppress(Exception):  # what made the claim fail is told
                    await to_its_end(self._conclude(claimed, NEVER_ASKED))
            raise
        if isinstance(claimed, RetryEnded):
            return claimed
        outcome = await to_its_end(self._bring(claimed))
        if outcome.status == "again":
            left = claimed.row.expires_at - now
            raise _later("the system did not take it", after=outcome.after, at_most=left)
        return RetryEnded(outcome.status)

    async def _bring(self, claim: Claim) -> Outcome:
        outcome = await self.requesting.send(claim)
        await self._conclude(claim, outcome)
        return outcome

    async def _conclude(self, claim: Claim, outcome: Outcome) -> None:
        """Write what came of it even where the database is away for a while."""

        async def conclude() -> None:
            async with self.database.write(is_answer=True) as session:
                if outcome.status != "again":  # the workflow that waits for it may be lost (`workers.retrying`)
                    await want_waking(session, [claim.row.enrolment], at=self.clock())
                await self.requesting.conclude(session, claim, outcome)

        await outlast(conclude, within=self.requesting.attempt_limit)

    async def _look(self, session: AsyncSession, request: str, now: datetime) -> Claim | RetryEnded:
        row = await requests.find(session, request)
        if row is None:
            return RetryEnded("failed")
        enrolment = await deliveries.lock_enrolment(session, row.enrolment)
        row = await requests.find(session, request)  # as it is now that nobody else can change it
        if row is None or row.status in requests.FINAL:
            return RetryEnded("failed" if row is None else row.status)
        claimed = await self._claim(session, row, enrolment, now)
        if isinstance(claimed, RetryEnded) and claimed.status in requests.FINAL:
            await want_waking(session, [row.enrolment], at=self.clock())
        return claimed

    async def _claim(
        self, session: AsyncSession, row: RequestRow, enrolment: Enrolment | None, now: datetime
    ) -> Claim | RetryEnded:
        settled = await self.requesting.settle(session, row)
        row = row if isinstance(settled, timedelta) else settled
        if row.status in requests.FINAL:  # it was answered while it was taken for abandoned
            return RetryEnded(row.status)
        stopped = await self._stopped(session, row, enrolment, now)
        if stopped is not None:
            return stopped
        if isinstance(settled, timedelta):
            raise _later("another attempt is under way", after=settled, at_most=None)
        if row.not_before is not None and row.not_before > self.clock():
            raise _later("asked to wait", after=row.not_before - self.clock(), at_most=row.expires_at - now)
        assert enrolment is not None
        learner = await turns.find_person(session, enrolment.learner)
        if learner is None:
            return RetryEnded("failed")
        claim = await self.requesting.claim(session, row, learner=learner.source_id)
        return claim or RetryEnded("queued")

    async def _stopped(
        self, session: AsyncSession, row: RequestRow, enrolment: Enrolment | None, now: datetime
    ) -> RetryEnded | None:
        """Why it is not made now: the turn that follows looks at it where it is not done with. The row of an attempt
        that may be under way says when that was claimed (`workers.watching`): it is written only where it ends.
        """
        if enrolment is None or enrolment.status == "ended" or not _waits_for(enrolment, row):
            await self.requesting.fail(session, row, "withdrawn")
            return RetryEnded("failed")
        if row.attempt is None and (why := self.requesting.why_not(row, now=now)) is not None:
            await self.requesting.fail(session, row, why)
            return RetryEnded("failed")
        if await _has_news(session, enrolment):
            return RetryEnded("queued")
        if row.attempt is None and (await deliveries.find_switches(session)).is_halted:
            await requests.change(session, row.id, clock=self.clock(), status="deferred", reason="halted")
            return RetryEnded("deferred")
        return None


async def _has_news(session: AsyncSession, enrolment: Enrolment) -> bool:
    """Whether somebody holds the enrolment or its journey, or something is in its inbox: a turn looks at that first."""
    if codec.run_from_json(enrolment.run).is_held:
        return True
    pauses = pauses_of(await turns.find_pauses(session, enrolment.journey))
    is_paused = bool(pauses) and pauses[-1].until is None
    return is_paused or bool(await turns.find_unread(session, enrolment.id, enrolment.program))


def _waits_for(enrolment: Enrolment, row: RequestRow) -> bool:
    """Whether the enrolment still stands where it asked."""
    match codec.run_from_json(enrolment.run).hold:
        case Pending(effect=Request() as effect):
            return request_id(enrolment.id, effect.node, effect.visit) == row.id
        case _:
            return False


def _later(reason: str, *, after: timedelta | None, at_most: timedelta | None) -> ApplicationError:
    """Another attempt is wanted: no later than the request's own end, so that it is seen then."""
    if after is not None and at_most is not None:
        after = max(min(after, at_most), SOON)
    return ApplicationError(reason, next_retry_delay=after, category=ApplicationErrorCategory.BENIGN)


def _of_error(error: ConnectorError) -> Outcome:
    """Who must act on it: an admin (failed), nobody (again), an operator (again, more slowly)."""
    words = error.provider_words
    match error:
        case Permanent():
            return Outcome("failed", words or str(error), words=words)
        case Misconfigured():
            return Outcome("again", str(error), words=words, after=MISCONFIGURED_AGAIN)
        case _:
            after = error.after if isinstance(error, Retryable) else None
            return Outcome("again", str(error), words=words, after=after)


def _of_reply(reply: Reply) -> Outcome:
    return Outcome("done", reply.problem, reply=reply.values, words=reply.words)
