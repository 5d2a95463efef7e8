"""The real performer's part of attention: bids on a recipient's slots, kept in the store under her lock, and digests.

Theory of operation. A message that hours and days let go asks here before it is claimed. Alone with its recipient it
goes, and leaves no bid behind; its claimed delivery counts as on its way. What has to wait, for hours or for a slot,
leaves a bid. `journeys.attention` divides the slots; what it says of others is written in the same transaction, and
whom it concerns is marked and poked when that is over. A message that the provider did not take keeps its slot by an
awarded bid until it has gone.

A digest is a delivery of its own beside the delivery that leads it. Its members change nothing until it has gone: then
each ends at its own enrolment's next turn as merged into it. Where it fails they bid again, each by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from connectors.outgoing import OutgoingLink
from journeys import attending
from journeys.attention import Award, Bid, Lead, Verdict, Wait, new_bid, postponed
from journeys.composing import Composed
from journeys.digest import digest_of, merges
from journeys.effects import Deferred, Deliver
from journeys.policy import Budget, Policy
from journeys.program import Link, Program
from store.queries import attention, deliveries, turns
from store.queries.turns import Person
from store.tables import DeliveryRow
from workers.delivering import Ready
from workers.preparing import Prepared, Preparing


@dataclass(frozen=True)
class Bidding:
    """One message that asks: its delivery, to whom, and by which rules."""

    row: DeliveryRow
    deliver: Deliver
    program: Program
    recipient: Person
    policy: Policy
    now: datetime

    @property
    def budget(self) -> Budget | None:
        """The budget that holds for it; None: it bids for nothing."""
        return attending.budget_for(self.deliver, self.policy)

    def bid(self, channel: str | None) -> Bid:
        """Its bid, were it new."""
        return new_bid(self.deliver, delivery=self.row.id, enrolment=self.row.enrolment, channel=channel, now=self.now)


@dataclass(frozen=True)
class Digest:
    """A digest that may go: its delivery, as it would begin, what would be sent, and its parts by their deliveries."""

    row: DeliveryRow
    ready: Ready
    parts: Mapping[str, Composed]


@dataclass(frozen=True)
class Attending:
    """Asks for attention. What it answers as `woken` are enrolments, to be poked when the transaction is over."""

    preparing: Preparing

    async def judge(
        self, session: AsyncSession, bidding: Bidding, budget: Budget, channel: str
    ) -> tuple[Verdict, list[str]]:
        """Whether it may go now, and the woken. The bid is kept where it waits or leads; an award is the caller's to
        use in this transaction, or to `hold`.
        """
        recipient, now = bidding.recipient.id, bidding.now
        await attention.lock(session, recipient)
        board, gone = await attention.read_board(session, recipient, but=bidding.row.enrolment, now=now)
        if bidding.row.id in gone:
            return Wait(None, "it has gone in one message with others", is_brief=True), []
        asker = next((bid for bid in board.bids if bid.delivery == bidding.row.id), None)
        fresh = bidding.bid(channel)
        asker = fresh if asker is None else replace(asker, channel=fresh.channel if asker.channel else None)
        judged = attending.ask(
            budget, board, asker, bidding.deliver, recipient=bidding.recipient.profile, policy=bidding.policy, now=now
        )
        mine = [bid for bid in judged.changed if bid.delivery == asker.delivery]
        await attention.change(session, [bid for bid in judged.changed if bid.delivery != asker.delivery], now=now)
        if mine and not isinstance(judged.verdict, Award):
            await self._keep(session, bidding, mine[0])
        return judged.verdict, list(await attention.want(session, judged.woken, at=now))

    async def hold(self, session: AsyncSession, bidding: Bidding, channel: str) -> None:
        """It was awarded its slot and has not gone yet: the slot stays its own."""
        await attention.lock(session, bidding.recipient.id)
        known = await attention.find(session, bidding.row.id)
        bid = bidding.bid(channel) if known is None else known.bid
        await self._keep(session, bidding, replace(bid, is_awarded=True, is_put_off=False))

    async def postpone(
        self,
        session: AsyncSession,
        bidding: Bidding,
        waiting: Deferred,
        channel: str | None,
        known: attention.Standing | None,
    ) -> list[str]:
        """Hours or days put it off: it bids for the slot at its opening, where it can go then; and what it held is
        free. Answers the woken.
        """
        if bidding.budget is None or not attending.has_a_bid(waiting, bidding.deliver):
            return [] if known is None else list(await attention.let_fall(session, [bidding.row.id], now=bidding.now))
        assert waiting.until is not None
        if known is None:
            bid = replace(bidding.bid(channel), eligible_at=waiting.until, asks_at=waiting.until)
            await attention.lock(session, bidding.recipient.id)
            await self._keep(session, bidding, bid)
            return []
        later = postponed(known.bid, until=waiting.until)
        if later == known.bid and not known.is_wanted:
            return []
        await attention.lock(session, bidding.recipient.id)
        await self._keep(session, bidding, later)
        if known.is_wanted or (known.bid.is_awarded and not later.is_awarded):
            return list(await attention.want_next(session, bidding.recipient.id, now=bidding.now))
        return []

    async def conclude(
        self, session: AsyncSession, bidding: Bidding, *, status: str, channel: str, has_bid: bool
    ) -> list[str]:
        """An attempt on it has come to this. Answers the woken."""
        if status == "again":
            if bidding.budget is not None:
                await self.hold(session, bidding, channel)
            return []
        if not has_bid:
            return []
        if status == "failed":
            return list(await attention.let_fall(session, [bidding.row.id], now=bidding.now))
        await attention.remove(session, bidding.recipient.id, [bidding.row.id])
        return []

    async def gather(
        self, session: AsyncSession, bidding: Bidding, ready: Ready, lead: Lead
    ) -> tuple[Digest | None, list[str]]:
        """The digest of this message and those of its members that may go with it; None where it is left alone. Answers
        the woken: those that do not go with it.
        """
        found = await self._parts(session, lead.members, _composed(ready), bidding.policy, bidding.now)
        left = [member for member in lead.members if member not in found]
        if not found:
            left.append(bidding.row.id)
        woken = await attention.leave_out(session, left, at=bidding.now)
        woken = [enrolment for enrolment in woken if enrolment != bidding.row.enrolment]
        if not found:
            return None, woken
        parts = {bidding.row.id: _composed(ready), **found}
        digest = digest_of(list(parts.values()))
        return Digest(_row_of(bidding, lead.digest, digest), _ready_of(ready, lead.digest, digest), parts), woken

    async def gather_again(
        self, session: AsyncSession, digest: DeliveryRow, *, policy: Policy, now: datetime
    ) -> tuple[Prepared, Ready] | None:
        """A digest that is tried again: its lead's message, and the whole as it would go now. None where its lead may
        not go: then its turn says why.
        """
        await attention.lock(session, digest.recipient)
        members = await attention.list_members(session, digest.recipient, digest.id)
        led = next((bid for bid in members if bid.is_awarded), None)
        lead = None if led is None else await self._prepared(session, led.delivery, policy, now)
        if led is None or lead is None:
            return None
        others = [bid.delivery for bid in members if bid.delivery != led.delivery]
        found = await self._parts(session, others, _composed(lead.ready), policy, now)
        await attention.leave_out(session, [each for each in others if each not in found], at=now)
        parts = {led.delivery: _composed(lead.ready), **found}
        await self.keep_words(session, parts)
        return lead, _ready_of(lead.ready, digest.id, digest_of(list(parts.values())))

    async def keep_words(self, session: AsyncSession, parts: Mapping[str, Composed]) -> None:
        """Keep which drafts a digest's parts go in, or why in their own words: in their bids, because the deliveries
        are their enrolments' own, which may wait for the recipient's attention themselves.
        """
        for delivery, part in parts.items():  # also where there is neither: an earlier digest may have left some
            await attention.keep_words(session, delivery, draft=part.draft, undrafted=part.undrafted)

    async def _parts(
        self, session: AsyncSession, members: Sequence[str], lead: Composed, policy: Policy, now: datetime
    ) -> dict[str, Composed]:
        """Those of the members' messages that may go with the lead's now."""
        prepared = {member: await self._prepared(session, member, policy, now) for member in members}
        parts = {member: _composed(part.ready) for member, part in prepared.items() if part is not None}
        return {member: part for member, part in parts.items() if merges(part, lead)}

    async def _prepared(self, session: AsyncSession, delivery: str, policy: Policy, now: datetime) -> Prepared | None:
        """Another enrolment's message as it would go now; None where it may not."""
        row = await deliveries.find(session, delivery)
        enrolment = None if row is None else await attention.find_enrolment(session, row.enrolment)
        if row is None or enrolment is None or row.status in deliveries.FINAL or row.attempt is not None:
            return None
        if await turns.find_unread(session, enrolment.id, enrolment.program):
            return None
        prepared = await self.preparing.prepare(session, delivery, enrolment, policy=policy, now=now)
        return prepared if isinstance(prepared, Prepared) else None

    async def _keep(self, session: AsyncSession, bidding: Bidding, bid: Bid) -> None:
        journey, recipient = bidding.program.journey, bidding.recipient.id
        await attention.keep(session, bid, recipient=recipient, journey=journey, now=bidding.now)


def _composed(ready: Ready) -> Composed:
    outgoing = ready.outgoing
    link = None if outgoing.link is None else Link(outgoing.link.label, outgoing.link.url)
    return Composed(
        ready.channel, outgoing.address, outgoing.subject, outgoing.text, link, ready.draft, ready.undrafted
    )


def _ready_of(lead: Ready, digest: str, composed: Composed) -> Ready:
    link = None if composed.link is None else OutgoingLink(composed.link.label, composed.link.url)
    outgoing = replace(
        lead.outgoing, delivery_id=digest, message=attending.DIGEST, subject=composed.subject, text=composed.text,
        link=link,
    )  # fmt: skip
    return Ready(digest, lead.channel, outgoing, composed.draft, composed.undrafted)


def _row_of(bidding: Bidding, digest: str, composed: Composed) -> DeliveryRow:
    return bidding.row.model_copy(
        update={
            "id": digest, "leg": bidding.row.leg + attending.DIGEST_LEG, "message": attending.DIGEST,
            "status": "queued", "channel": composed.channel, "reason": None, "due_at": bidding.now,
            "expires_at": None, "attempts": 0, "attempt": None, "attempt_until": None,
        }
    )  # fmt: skip
