"""Bringing one message to one recipient, once: the same road for a turn's inline attempt and for a retry on a
channel's queue.

Theory of operation. A delivery is a row; its key is enrolment, node, visit and leg, and goes to the provider. It moves

    (none) ─> queued ─> attempt claimed ─> sent | failed | queued again (retry) | may_have_gone (in doubt)
       └────> skipped        deferred (halted) <─┘

An attempt is claimed by one compare-and-set and *committed* before the provider is spoken to; what came of it is
written under the attempt's own token. An attempt whose owner died is in doubt once it was watched for as long as one
may last (`workers.watching`): `leave` marks it, `resend` tries again. Nothing that might have been accepted is tried
again otherwise. Real time rules leases; instants of the journey come from the turn.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from connectors.channels.base import Channel
from connectors.errors import ConnectorError, InDoubt, Misconfigured, Permanent, Retryable
from connectors.outgoing import Outgoing, OutgoingLink, Receipt
from journeys.composing import Composed, Reach, Skip, compose
from journeys.drafting.choosing import Drafted
from journeys.effects import Deliver
from journeys.identity import delivery_id
from journeys.links import Links
from journeys.program import Entry, Program
from journeys.run import Run
from store.queries import deliveries, outbox, resending
from store.queries.steering import ProgramOf
from store.queries.turns import Person
from store.tables import DeliveryRow
from workers.breaker import Breaker
from workers.watching import Watch

T = TypeVar("T")
InDoubtRule = Literal["leave", "resend"]

STALE_SECONDS = 4.0
"""A claim older than this is not acted on: this process was frozen, and another may have taken over."""


@dataclass(frozen=True)
class Standing:
    """Where a delivery comes from: the enrolment's program, run and people, as one transaction saw them."""

    program: Program
    run: Run
    entry: Entry
    enrolment: str
    learner: Person


@dataclass(frozen=True)
class Ready:
    """A message that may go now, composed; `draft` is the approved draft whose text it is, or `undrafted` why a drafted
    message goes in its own words.
    """

    delivery: str
    channel: str
    outgoing: Outgoing
    draft: str | None = None
    undrafted: str | None = None


@dataclass(frozen=True)
class Claim:
    """An attempt that is ours: the token, and since when (monotonic seconds)."""

    ready: Ready
    attempt: str
    claimed_at: float


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `again` asks for another one, at the earliest `after` from now."""

    status: Literal["sent", "failed", "may_have_gone", "again"]
    reason: str | None = None
    provider_id: str | None = None
    words: str | None = None
    after: timedelta | None = None


UNHEARD = "the database did not say whether it had the attempt, and so it was not made"
NEVER_BEGUN = Outcome("again", UNHEARD)
"""What comes of an attempt whose claim was committed, or perhaps not."""


@dataclass(frozen=True)
class DeliverRule:
    """`WAYMARK_DELIVER`: who may be delivered to in this installation."""

    kind: Literal["all", "only", "redirect", "none"] = "all"
    addresses: tuple[str, ...] = ()

    def judge(self, composed: Composed) -> Composed | Skip:
        """The message as it may go here, or why it may not."""
        match self.kind:
            case "all":
                return composed
            case "none":
                return Skip("withheld", "WAYMARK_DELIVER is none")
            case "only":
                is_listed = composed.address in self.addresses
                return composed if is_listed else Skip("withheld", "WAYMARK_DELIVER lists other addresses")
            case "redirect":
                if composed.address is None:
                    return Skip("withheld", "WAYMARK_DELIVER redirects, and this channel has no address to redirect")
                return composed.to_address(self.addresses[0])


@dataclass(frozen=True)
class Delivering:
    """All that sending needs, handed over by the wiring. `clock` is the real one; `watch` sees the attempts of other
    processes, and is one for each process; `program_of` is `workers.programs.Programs.by_hash`.
    """

    channels: Mapping[str, Channel]
    reach: Mapping[str, Reach]
    breakers: Mapping[str, Breaker]
    rule: DeliverRule
    in_doubt: InDoubtRule
    attempt_limit: timedelta
    links: Links
    clock: Callable[[], datetime]
    watch: Watch
    program_of: ProgramOf

    def compose(
        self, standing: Standing, deliver: Deliver, recipient: Person, *, drafted: Drafted, now: datetime
    ) -> Ready | Skip:
        """The message as it would go now, or why it cannot; `drafted` is what `workers.drafts.approved_for` says."""
        composed = compose(
            standing.program,
            deliver,
            now=now,
            run=standing.run,
            entry=standing.entry,
            learner=standing.learner.profile,
            learner_id=standing.learner.source_id,
            recipient=recipient.profile,
            recipient_id=recipient.source_id,
            reach=self.reach,
            page=self.links.survey(standing.enrolment, deliver.node, deliver.visit),
            drafted=drafted,
        )
        if isinstance(composed, Composed):
            composed = self.rule.judge(composed)
        if isinstance(composed, Skip):
            return composed
        key = delivery_id(standing.enrolment, deliver.node, deliver.visit, deliver.leg)
        link = None if composed.link is None else OutgoingLink(composed.link.label, composed.link.url)
        outgoing = Outgoing(
            delivery_id=key,
            enrolment_id=standing.enrolment,
            journey=standing.program.journey,
            message=deliver.message,
            learner=standing.learner.source_id,
            address=composed.address,
            subject=composed.subject,
            text=composed.text,
            link=link,
            sent_at=now,
            why=self.links.why(key),
        )
        return Ready(key, composed.channel, outgoing, composed.draft, composed.undrafted)

    async def claim(self, session: AsyncSession, ready: Ready, *, new: DeliveryRow | None = None) -> Claim | None:
        """Take the attempt; commit before `send`. None: somebody else is trying it, or it is final.

        `new` is a row that is not there yet: it is written as claimed.
        """
        attempt = secrets.token_hex(8)
        clock = self.clock()
        until = clock + self.attempt_limit
        if new is not None:
            claim = {
                "attempt": attempt, "attempt_until": until, "attempts": 1, "channel": ready.channel,
                "draft": ready.draft, "undrafted": ready.undrafted, "updated_at": clock,
            }  # fmt: skip
            await deliveries.record(session, new.model_copy(update=claim))
            return Claim(ready, attempt, time.monotonic())
        claimed = await deliveries.claim(
            session, ready.delivery, attempt=attempt, until=until, clock=clock, channel=ready.channel,
            draft=ready.draft, undrafted=ready.undrafted,
        )  # fmt: skip
        return Claim(ready, attempt, time.monotonic()) if claimed else None

    async def send(self, claim: Claim) -> Outcome:
        """Make the attempt; never raises for what a provider does. Call it outside a transaction, after the claim was
        committed.
        """
        if time.monotonic() - claim.claimed_at > STALE_SECONDS:
            return Outcome("again", "this process was held up before it could begin")
        breaker = self.breakers[claim.ready.channel]
        began = time.monotonic()
        try:
            with breaker.attempting():
                receipt = await self.channels[claim.ready.channel].send(claim.ready.outgoing)
        except ConnectorError as error:
            if isinstance(error, Permanent):
                breaker.saw_good(time.monotonic() - began)
            else:
                breaker.saw_bad()
            return self._of_error(error)
        breaker.saw_good(time.monotonic() - began)
        return _of_receipt(receipt)

    def _of_error(self, error: ConnectorError) -> Outcome:
        """Who must act on it: nobody (again), an admin (failed, in doubt), an operator (again, more slowly)."""
        words = error.provider_words
        match error:
            case Permanent():
                return Outcome("failed", words or str(error), words=words)
            case InDoubt() if self.in_doubt == "leave":
                return Outcome("may_have_gone", str(error), words=words)
            case Misconfigured():
                return Outcome("again", str(error), words=words, after=timedelta(minutes=1))
            case _:
                after = error.after if isinstance(error, Retryable) else None
                return Outcome("again", str(error), words=words, after=after)

    async def conclude(self, session: AsyncSession, claim: Claim, outcome: Outcome, *, now: datetime) -> Sequence[str]:
        """Write what came of the attempt; `now` is the journey's instant. Answers which enrolments are to be poked:
        those whose journeys are past a message that did not go after all, and is therefore sent once more.
        """
        delivery = claim.ready.delivery
        status = await self._write(session, claim, outcome, now)
        if status is None or status == "queued":
            return []
        await outbox.record_delivery(session, delivery, status=status, at=now)
        if outcome.status != "again":
            return []
        return await resending.send_after_all(session, delivery, program_of=self.program_of, now=now)

    async def _write(self, session: AsyncSession, claim: Claim, outcome: Outcome, now: datetime) -> str | None:
        """The status that the row has got by it; None where it got none."""
        delivery, attempt, clock = claim.ready.delivery, claim.attempt, self.clock()
        if outcome.status == "again":
            return await deliveries.give_back(
                session, delivery, attempt=attempt, clock=clock, reason=outcome.reason, words=outcome.words
            )
        written = await deliveries.conclude(
            session,
            delivery,
            attempt=attempt,
            clock=clock,
            status=outcome.status,
            reason=outcome.reason,
            sent_at=now if outcome.status in {"sent", "may_have_gone"} else None,
            provider_id=outcome.provider_id,
            words=outcome.words,
        )
        return outcome.status if written else None

    def left(self, row: DeliveryRow) -> timedelta | None:
        """For how long yet somebody may be trying it; None where nobody is."""
        return self.watch.left(row, limit=self.attempt_limit)

    async def settle(
        self, session: AsyncSession, row: DeliveryRow, *, now: datetime, is_wanted: bool = True
    ) -> DeliveryRow | timedelta:
        """The row as nobody tries it any more, or for how long yet somebody may. An attempt whose owner is gone may
        have gone: it is marked so, or freed for another one, as `WAYMARK_IN_DOUBT` says. Where the journey does not
        want it any more it is marked in any case.
        """
        while row.attempt is not None and row.status not in deliveries.FINAL:
            rest = self.left(row)
            if rest is not None:
                return rest
            row = await self._take_over(session, row, row.attempt, now=now, is_wanted=is_wanted)
        return row

    async def _take_over(
        self, session: AsyncSession, row: DeliveryRow, attempt: str, *, now: datetime, is_wanted: bool
    ) -> DeliveryRow:
        if self.in_doubt == "resend" and is_wanted:
            changes = {"attempt": None, "attempt_until": None, "status": "queued"}
        else:
            reason = "the process that was sending it ended before the answer came"
            changes = {"status": "may_have_gone", "reason": reason, "sent_at": now, "attempt_until": None}
        if not await deliveries.take_over(session, row.id, of=attempt, clock=self.clock(), **changes):
            answered = await deliveries.find(session, row.id)
            assert answered is not None, "nobody takes a delivery from an enrolment that is held"
            return answered
        if changes["status"] == "may_have_gone":
            await outbox.record_delivery(session, row.id, status="may_have_gone", at=now)
        return row.model_copy(update=changes)

    async def let_fall(self, session: AsyncSession, enrolment: str, *, outcome: str, now: datetime) -> timedelta | None:
        """What an enrolment that has ended left open: skipped, or in doubt where its process died while it was sent.
        Answers how long yet somebody may be sending; None where nothing is open any more.
        """
        waits: list[timedelta] = []
        clock = self.clock()
        left = await deliveries.list_open(session, enrolment)
        if not left:
            return None
        for row in left:
            settled = await self.settle(session, row, now=now, is_wanted=False)
            if isinstance(settled, timedelta):
                waits.append(settled)
        for delivery in await deliveries.withdraw(session, enrolment, reason=f"withdrawn: {outcome}", clock=clock):
            await outbox.record_delivery(session, delivery, status="skipped", at=now)
        return max(waits, default=None)

    def new_row(self, standing: Standing, deliver: Deliver, recipient: Person, *, now: datetime) -> DeliveryRow:
        """The row a delivery begins as."""
        clock = self.clock()
        return DeliveryRow(
            id=delivery_id(standing.enrolment, deliver.node, deliver.visit, deliver.leg),
            enrolment=standing.enrolment,
            journey=standing.program.journey,
            learner=standing.learner.id,
            recipient=recipient.id,
            node=deliver.node,
            visit=deliver.visit,
            leg=deliver.leg,
            message=deliver.message,
            due_at=now,
            expires_at=deliver.expires_at,
            created_at=clock,
            updated_at=clock,
        )


async def to_its_end(attempt: Coroutine[None, None, T]) -> T:
    """Make an attempt and write what came of it, whoever is cancelled over it: Temporal cancels a turn that it has
    given to another process, and a message that is on its way is not called back by that.
    """
    bringing = asyncio.ensure_future(attempt)
    cancelled: asyncio.CancelledError | None = None
    while not bringing.done():
        try:
            await asyncio.wait({bringing})
        except asyncio.CancelledError as error:  # as often as it is: nobody is left to end what it began
            cancelled = error
    if cancelled is None:
        return bringing.result()
    failed = None if bringing.cancelled() else bringing.exception()
    raise cancelled from failed


def _of_receipt(receipt: Receipt) -> Outcome:
    return Outcome("sent", provider_id=receipt.provider_id, words=receipt.words)
