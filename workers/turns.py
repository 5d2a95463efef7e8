"""The real performer: one waking of an enrolment, on the store and the channels.

A turn is a chain of transactions. The first takes the lease and loads; each message that leaves the house ends one
(claimed, committed) and begins the next (concluded); the last keeps the run and gives the lease back. All of them are
conditional on the fencing token. A turn that died is taken up where it stood: what it had asked for stands in the
run, and is asked for again.

This file names no step type, writes no text and computes no date.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from connectors.requests import queue_of
from journeys import codec
from journeys.advance import waiting_for
from journeys.attending import NO_ROOM, deferred, has_had_no_room, said_together
from journeys.attention import Award, Late, Lead, Wait, merged_into
from journeys.calendar import reckon
from journeys.composing import Skip, recipient_of, unknown_recipient
from journeys.deciding import decide, evaluate, facts_of
from journeys.effects import (
    Answer,
    Answered,
    ArmChosen,
    Asking,
    Decide,
    Deferred,
    Deliver,
    Delivered,
    Effect,
    End,
    Enrol,
    Enrolled,
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
from journeys.events import Json
from journeys.expressions import Facts
from journeys.identity import delivery_id, request_id
from journeys.pauses import happenings_of, pauses_of
from journeys.permitting import policy_of, put_off
from journeys.policy import Budget
from journeys.program import Program
from journeys.run import Pending, Run
from journeys.turn import Happening, Interrupted, depends_on, due_at, take_turn
from store.database import Database
from store.queries import attention, deliveries, enrolling, keeping, learners, outbox, requests
from store.queries import turns as rows
from store.queries.pausing import held_of
from store.queries.turns import Held, Person
from store.tables import DeliveryRow, RequestRow
from workers.attending import Attending, Bidding
from workers.delivering import NEVER_BEGUN, Claim, Delivering, Outcome, Ready, Standing, to_its_end
from workers.drafts import approved_for
from workers.outages import outlast
from workers.people import as_she_is
from workers.preparing import Preparing
from workers.programs import Programs
from workers.requesting import NEVER_ASKED, Requesting, answered
from workers.requesting import Claim as Asked
from workers.requesting import Outcome as Said
from workers.waking import Poker, wake
from workflows.contracts import Queues, RetryOrder, TurnOrder, TurnTaken

LEASE = timedelta(seconds=10)
"""How long a turn holds an enrolment between two commits; while it sends, the attempt's own limit is added."""


T = TypeVar("T")
Write = Callable[[AsyncSession], Awaitable[None]]
"""What is to be written in a transaction that begins later."""


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
    requesting: Requesting
    poker: Poker | None = None

    @property
    def attending(self) -> Attending:
        """Who asks for the recipients' attention."""
        return Attending(Preparing(self.programs, self.delivering))

    async def take(self, order: TurnOrder) -> TurnTaken:
        """Take one turn; safe to call at any time, for any enrolment, as often as one likes."""
        performer = _Performer(self, order)
        try:
            taken = await performer.take()
        except Overtaken:
            taken = TurnTaken(due_at=order.now + timedelta(seconds=1))
        except BaseException:  # also where it is cancelled
            await performer.save_answer()
            raise
        finally:
            await performer.close()
            await wake(self.poker, performer.started)  # what it has committed stands, whatever became of it after that
        return taken


@dataclass
class _Performer:
    """One turn under way."""

    turns: Turns
    order: TurnOrder
    retries: list[RetryOrder] = field(default_factory=list[RetryOrder])
    started: list[str] = field(default_factory=list[str])
    _notes: list[Note] = field(default_factory=list[Note])
    _arms: list[ArmChosen] = field(default_factory=list[ArmChosen])
    _taken: list[int] = field(default_factory=list[int])
    _ended: End | None = None
    _stack: AsyncExitStack | None = None
    _session: AsyncSession | None = None
    _standing: Standing | None = None
    _lease: rows.Lease | None = None
    _unread: dict[int, Fired] = field(default_factory=dict[int, Fired])
    _pauses: Sequence[Json] = ()
    _paused: list[Happening] = field(default_factory=list[Happening])
    _has_asked: bool = False
    _bid: attention.Standing | None = None
    _at_risk: list[tuple[Write, timedelta]] = field(default_factory=list["tuple[Write, timedelta]"])
    """What writes the answers that stand in the open transaction alone, and gives back the claim that may stand in the
    last one; and for how long each is tried.
    """

    async def take(self) -> TurnTaken:
        session = await self._begin()
        lease = await rows.take_lease(session, self.order.enrolment, clock=self.turns.clock(), lease=LEASE)
        if isinstance(lease, rows.Over):
            return await self._after_the_end(session, lease.outcome)
        if isinstance(lease, rows.Busy):
            await self._watch(session)
            return TurnTaken(due_at=self.order.now + lease.remaining)
        self._lease = lease
        self._pauses = lease.enrolment.pauses
        program = await self.turns.programs.by_hash(session, lease.enrolment.program)
        run = codec.run_from_json(lease.enrolment.run)
        self._has_asked = isinstance(run.hold, Pending) and isinstance(run.hold.effect, Request)
        self._stand(program, run, await as_she_is(session, lease.person, now=self._now(run)))
        run = await take_turn(program, run, now=self.order.now, performer=self)
        await self._keep(run, lease_until=None)
        if run.has_ended:
            self.retries.clear()  # what it waited for has fallen
        again = await self._send_again(run) if self._row.has_again else None
        await self._commit()
        if run.has_ended:
            return TurnTaken(outcome=run.outcome if again is None else None, due_at=again, retries=self.retries)
        due = [instant for instant in (self._due_at(program, run), again) if instant is not None]
        return TurnTaken(due_at=_not_at_once(min(due, default=None), self.order.now), retries=self.retries)

    async def _watch(self, session: AsyncSession) -> None:
        """See what is under way already, though another turn holds the enrolment: should its process have died, its
        attempt is over the sooner.
        """
        for delivery in await deliveries.list_open(session, self.order.enrolment):
            self.turns.delivering.left(delivery)
        for request in await requests.list_open(session, self.order.enrolment):
            self.turns.requesting.left(request)

    async def _send_again(self, run: Run | None) -> datetime | None:
        """Order what was sent again by hand and may be tried; answers when to look again at what may not yet."""
        now, session = self.order.now, self._db
        waiting = await deliveries.list_again(session, self.order.enrolment)
        if not waiting or (run is not None and run.is_held and not run.has_ended):
            return None
        if held_of(await rows.find_pauses(session, waiting[0].journey)) is not None:
            return None  # as long as its journey is paused; that it goes on is a poke
        if (await deliveries.find_switches(session)).is_halted:
            return None
        later = [row.due_at for row in waiting if row.due_at is not None and row.due_at > now]
        any_channel = next(iter(self.turns.delivering.channels), None)
        for row in waiting:
            channel = row.channel or any_channel
            if channel is not None and (row.due_at is None or row.due_at <= now):
                self._hand_to_queue(row.id, channel, "it is sent again", now)
        return min(later, default=None)

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
        again = await self._send_again(None)
        await self._commit()
        if wait is None and again is None:
            return TurnTaken(outcome=outcome, retries=self.retries)
        return TurnTaken(due_at=again if wait is None else now + wait, retries=self.retries)

    # what `journeys.turn` asks of a performer

    async def unread(self) -> Sequence[Happening]:
        """The rows of the inbox, and the journey's pauses, that this turn has not had."""
        found = await self._find_new()
        self._unread.update(found)
        self._taken.extend(found)
        return [*self._new_pauses(), *found.values()]

    def _new_pauses(self) -> Sequence[Happening]:
        """What of the journey's pauses, as they stand, this turn has not had."""
        assert self._standing is not None
        now = happenings_of(self._standing.run, pauses_of(self._pauses))
        new = [happening for happening in now if happening not in self._paused]
        self._paused += new
        return new

    async def _has_news(self) -> bool:
        """Whether something is in the inbox, or its journey was paused, since this turn looked."""
        if await self._find_new():
            return True
        pauses = await rows.find_pauses(self._db, self._row.journey)
        is_new, self._pauses = pauses != self._pauses, pauses
        return is_new

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
        """Judge expressions, bring a message on its way, ask another system, or start another journey."""
        match effect:
            case Decide():
                return decide(effect, self._facts(run), at=run.at)
            case Evaluate():
                return evaluate(effect, self._facts(run), at=run.at)
            case Reckon():
                return await self._reckon(run, effect)
            case Deliver():
                return await self._deliver(run, effect)
            case Request():
                return await self._request(run, effect)
            case Enrol():
                return await self._enrol(run, effect)

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
        self._bid = None
        if row is not None:
            answer = await self._look_at(row, now) or await self._look_at_bid(row, deliver, now)
            if answer is not None:
                return answer
        if await self._has_news():
            return Interrupted()
        recipient = await self._recipient(run, deliver)
        is_new = row is None
        if row is None:
            whom = standing.learner if isinstance(recipient, Skip) else recipient
            row = self.turns.delivering.new_row(standing, deliver, whom, now=now)
        if isinstance(recipient, Skip):
            return await self._skip(row, recipient, is_new=is_new, now=now)
        if not is_new and row.recipient != recipient.id:
            row = await self._readdress(row, recipient, now)
        switches = await deliveries.find_switches(self._db)
        bidding = Bidding(row, deliver, standing.program, recipient, policy_of(switches.policy), now)
        waiting = put_off(deliver, recipient.profile, policy=bidding.policy, now=now)
        if isinstance(waiting, Deferred):
            await self._put_off(row, waiting, is_new=is_new)
            await self._bid_for(bidding, standing, waiting)
            return waiting
        ready = waiting or await self._compose(standing, bidding)
        if isinstance(ready, Skip):
            return await self._skip(row, ready, is_new=is_new, now=now)
        if switches.is_halted:
            await self._write(row, is_new=is_new, channel=ready.channel, status="deferred", reason="halted")
            return Deferred(now, None, "halted")
        if bidding.budget is not None:
            answer = await self._attend(run, bidding, bidding.budget, ready, is_new=is_new)
            if answer is not None:
                return answer
        return await self._send(run, bidding, ready, is_new=is_new)

    async def _compose(self, standing: Standing, bidding: Bidding) -> Ready | Skip:
        """The message as it would go now, in the words that are approved for her."""
        delivering, deliver, recipient = self.turns.delivering, bidding.deliver, bidding.recipient
        drafted = await approved_for(
            self._db, standing, deliver, recipient, policy=bidding.policy, clock=delivering.clock()
        )
        return delivering.compose(standing, deliver, recipient, drafted=drafted, now=bidding.now)

    async def _send(self, run: Run, bidding: Bidding, ready: Ready, *, is_new: bool) -> Answer:
        """Nothing is in its way: the first attempt is made here, where its provider is well."""
        row, now = bidding.row, bidding.now
        if row.attempts > 0 or not self.turns.delivering.breakers[ready.channel].may_try():
            await self._write(row, is_new=is_new, channel=ready.channel)
            if bidding.budget is not None:
                await self.turns.attending.hold(self._db, bidding, ready.channel)
            return self._hand_to_queue(row.id, ready.channel, row.reason or "its provider is slow or down", now)
        claim = await self.turns.delivering.claim(self._db, ready, new=row if is_new else None)
        if claim is None:
            return self._hand_to_queue(row.id, ready.channel, "another attempt is under way", now)
        return await self._attempt(run, claim, bidding)

    # attention

    async def _look_at_bid(self, row: DeliveryRow, deliver: Deliver, now: datetime) -> Answer | None:
        """What has become of the bid of a message that waited; None where it may be asked for again. From here on her
        attention is held: nobody takes the message along in a digest meanwhile.
        """
        self._bid = bid = await attention.find_held(self._db, row.id)
        if bid is not None and bid.gone_in is not None:
            return await self._merged(row, deliver, bid, bid.gone_in, now)
        if bid is not None and bid.bid.digest is not None:
            digest = await deliveries.find(self._db, bid.bid.digest)
            rest = None if digest is None else self.turns.delivering.left(digest)
            if rest is not None:  # it is on its way: whether it is in there is known when that is over
                return Deferred(now, now + rest, "it goes in one message with others", is_brief=True)
        if bid is not None and has_had_no_room(bid.bid, now=now):
            return await self._skip(row, NO_ROOM, is_new=False, now=now)
        return None

    async def _merged(
        self, row: DeliveryRow, deliver: Deliver, bid: attention.Standing, digest: str, now: datetime
    ) -> Delivered:
        """It has gone in a digest; who led it tells, and wakes the others."""
        at, reason = bid.gone_at or now, merged_into(digest)
        words = {"draft": bid.draft, "undrafted": bid.undrafted}
        await self._write(row, is_new=False, status="skipped", reason=reason, **words)
        await outbox.record_delivery(self._db, row.id, status="skipped", at=at)
        await attention.remove(self._db, bid.recipient, [row.id])
        if bid.bid.is_awarded:
            self._notes.append(said_together(at, deliver, bid.bid.channel))
            members = await attention.list_members(self._db, bid.recipient, digest)
            self.started += await attention.want(self._db, [each.delivery for each in members], at=now)
        return Delivered(at, "skipped", None, reason, bid.draft, bid.undrafted)

    async def _bid_for(self, bidding: Bidding, standing: Standing, waiting: Deferred) -> None:
        """It waits for hours, and bids for the slot at its opening."""
        channel = None
        if self._bid is None and bidding.budget is not None:
            ready = await self._compose(standing, bidding)
            channel = None if isinstance(ready, Skip) else ready.channel
        self.started += await self.turns.attending.postpone(self._db, bidding, waiting, channel, self._bid)

    async def _attend(
        self, run: Run, bidding: Bidding, budget: Budget, ready: Ready, *, is_new: bool
    ) -> Answer | Interrupted | None:
        """Ask for a slot of the recipient's; None where the message may go by itself."""
        verdict, woken = await self.turns.attending.judge(self._db, bidding, budget, ready.channel)
        self.started += woken
        match verdict:
            case Award():
                return None
            case Wait():
                waiting = deferred(verdict, bidding.recipient.profile, policy=bidding.policy, now=bidding.now)
                await self._put_off(bidding.row, waiting, is_new=is_new)
                return waiting
            case Late():
                return await self._skip(bidding.row, NO_ROOM, is_new=is_new, now=bidding.now)
            case Lead():
                return await self._lead(run, bidding, ready, verdict, is_new=is_new)

    async def _lead(
        self, run: Run, bidding: Bidding, ready: Ready, lead: Lead, *, is_new: bool
    ) -> Answer | Interrupted | None:
        """Send a digest; None where nothing goes with the message that leads it."""
        now = bidding.now
        digest = await deliveries.find(self._db, lead.digest)
        if digest is not None:
            answer = await self._look_at(digest, now)
            if isinstance(answer, Deferred):
                return answer
            if answer is not None:
                return await self._deliver(run, bidding.deliver)
            return self._hand_to_queue(
                lead.digest, digest.channel or ready.channel, digest.reason or "tried again", now
            )
        gathered, woken = await self.turns.attending.gather(self._db, bidding, ready, lead)
        self.started += woken
        if gathered is None:
            self._bid = await attention.find_held(self._db, bidding.row.id)
            return None
        await self._put_off(bidding.row, Deferred(now, None, "it goes in one message with others"), is_new=is_new)
        await self.turns.attending.keep_words(self._db, gathered.parts)
        if not self.turns.delivering.breakers[ready.channel].may_try():
            await deliveries.record(self._db, gathered.row)
            return self._hand_to_queue(lead.digest, ready.channel, "its provider is slow or down", now)
        claim = await self.turns.delivering.claim(self._db, gathered.ready, new=gathered.row)
        assert claim is not None, "a delivery that is new is nobody else's"
        answer = await self._attempt(run, claim, bidding)
        return answer if isinstance(answer, Retrying) else await self._deliver(run, bidding.deliver)

    async def _recipient(self, run: Run, deliver: Deliver) -> Person | Skip:
        """Whom the message goes to, as she is now."""
        named = recipient_of(deliver, self._facts(run))
        if isinstance(named, Skip):
            return named
        if named.source_id is None:
            return self._at(run).learner
        person = await rows.find_person_called(self._db, named.source_id)
        return unknown_recipient(deliver) if person is None else await as_she_is(self._db, person, now=self._now(run))

    async def _readdress(self, row: DeliveryRow, recipient: Person, now: datetime) -> DeliveryRow:
        """It goes to somebody else by now, and has bid for the attention of who was meant before."""
        self._bid = None
        self.started += await attention.let_fall(self._db, [row.id], now=now)
        await deliveries.change(self._db, row.id, clock=self.turns.clock(), recipient=recipient.id)
        return row.model_copy(update={"recipient": recipient.id})

    async def _put_off(self, row: DeliveryRow, waiting: Deferred, *, is_new: bool) -> None:
        """Say until when it waits. Where nobody can say, the row is touched each time, or the sweeper would take it for
        forgotten at every round.
        """
        is_other = row.due_at != waiting.until or row.reason != waiting.because or row.status != "deferred"
        if is_new or is_other or waiting.until is None:
            changes = {"status": "deferred", "reason": waiting.because, "due_at": waiting.until}
            await self._write(row, is_new=is_new, **changes)

    async def _look_at(self, row: DeliveryRow, now: datetime) -> Answer | None:
        """What an earlier attempt has come to; None where the message may be tried."""
        settled = await self.turns.delivering.settle(self._db, row, now=now)
        if isinstance(settled, timedelta):
            return Deferred(now, now + settled, "another attempt is under way")
        row = settled
        if row.status in deliveries.FINAL:
            final = _final(row.status)
            return Delivered(row.sent_at or now, final, row.channel, row.reason, row.draft, row.undrafted)
        return None

    async def _attempt(self, run: Run, claim: Claim, bidding: Bidding) -> Answer:
        delivering, attending, has_bid = self.turns.delivering, self.turns.attending, self._bid is not None
        now, channel = bidding.now, claim.ready.channel

        async def conclude(session: AsyncSession, outcome: Outcome) -> None:
            self.started += await delivering.conclude(session, claim, outcome, now=now)
            status, delivery = outcome.status, claim.ready.delivery
            if delivery == bidding.row.id:
                woken = await attending.conclude(session, bidding, status=status, channel=channel, has_bid=has_bid)
                self.started += woken
            elif status == "failed":  # a digest; where it went, its members' own turns say so
                self.started += await attention.unmerge(session, bidding.recipient.id, delivery, at=now)

        async def give_back(session: AsyncSession) -> None:
            self.started += await delivering.conclude(session, claim, NEVER_BEGUN, now=now)

        outcome = await self._outside(
            run, lambda: delivering.send(claim), conclude, give_back=give_back, within=delivering.attempt_limit
        )
        return self._answer(claim, outcome, now)

    def _answer(self, claim: Claim, outcome: Outcome, now: datetime) -> Answer:
        if outcome.status == "again":
            reason = outcome.reason or "the provider did not take it"
            return self._hand_to_queue(claim.ready.delivery, claim.ready.channel, reason, now)
        ready = claim.ready
        return Delivered(now, outcome.status, ready.channel, outcome.reason, ready.draft, ready.undrafted)

    async def _skip(self, row: DeliveryRow, skip: Skip, *, is_new: bool, now: datetime) -> Delivered:
        reason = skip.text
        await self._write(row, is_new=is_new, status="skipped", reason=reason)
        await outbox.record_delivery(self._db, row.id, status="skipped", at=now)
        if not is_new:
            self.started += await attention.let_fall(self._db, [row.id], now=now)
        return Delivered(now, "skipped", None, reason)

    async def _write(self, row: DeliveryRow, *, is_new: bool, **changes: str | datetime | None) -> None:
        if is_new:
            await deliveries.record(self._db, row.model_copy(update=changes))
        else:
            await deliveries.change(self._db, row.id, clock=self.turns.clock(), **changes)

    def _hand_to_queue(self, delivery: str, channel: str, because: str, now: datetime) -> Retrying:
        self._order_retry(delivery, self.turns.queues.deliveries(channel), now, self.turns.delivering.attempt_limit)
        return Retrying(now, channel, because)

    def _order_retry(self, subject: str, queue: str, now: datetime, attempt_limit: timedelta) -> None:
        limit = 2 * attempt_limit + LEASE  # the attempt, and as long to write its answer
        self.retries.append(RetryOrder(subject, queue, now, self.turns.clock(), limit.total_seconds()))

    # asking other systems

    async def _request(self, run: Run, effect: Request) -> Answer | Interrupted:
        now, requesting, self._has_asked = self._now(run), self.turns.requesting, True
        row = await requests.find(self._db, request_id(self._row.id, effect.node, effect.visit))
        found = None if row is None else answered(row, now=now)
        if found is not None:
            return found
        if await self._has_news():
            return Interrupted()
        is_new = row is None
        row = row or requesting.new_row(self._row.id, effect, now=now)
        settled = await requesting.settle(self._db, row)
        if isinstance(settled, timedelta):
            return Deferred(now, now + settled, "another attempt is under way")
        row = settled
        found = answered(row, now=now)  # it may have been, while it was taken for abandoned
        if found is not None:
            return found
        why = requesting.why_not(row, now=now)
        if why is not None:
            await requesting.fail(self._db, row, why, is_new=is_new)
            return Answered(now, "failed", None, why)
        if (await deliveries.find_switches(self._db)).is_halted:
            await requesting.put_by(self._db, row, is_new=is_new, status="deferred", reason="halted")
            return Deferred(now, None, "halted")
        if row.attempts > 0 or not requesting.may_try(row):
            await requesting.put_by(self._db, row, is_new=is_new, status="queued", reason=row.reason)
            return self._ask_later(row, row.reason or f"{row.target} is slow or down", now)
        claim = await requesting.claim(self._db, row, learner=self._at(run).learner.source_id, is_new=is_new)
        if claim is None:
            return self._ask_later(row, "another attempt is under way", now)
        return await self._ask(run, claim, now)

    async def _ask(self, run: Run, claim: Asked, now: datetime) -> Answer:
        requesting = self.turns.requesting

        async def conclude(session: AsyncSession, outcome: Said) -> None:
            await requesting.conclude(session, claim, outcome)

        async def give_back(session: AsyncSession) -> None:
            await requesting.conclude(session, claim, NEVER_ASKED)

        outcome = await self._outside(
            run, lambda: requesting.send(claim), conclude, give_back=give_back, within=requesting.attempt_limit
        )
        if outcome.status == "again":
            return self._ask_later(claim.row, outcome.reason or f"{claim.row.target} did not answer", now)
        return Answered(now, outcome.status, outcome.reply, outcome.reason)

    def _ask_later(self, row: RequestRow, because: str, now: datetime) -> Deferred:
        """On the system's queue; looked at again when that ends, and when its time is over."""
        queue = self.turns.queues.requests(queue_of(row.service, row.target))
        self._order_retry(row.id, queue, now, self.turns.requesting.attempt_limit)
        return Deferred(now, max(row.expires_at, now), because)

    # starting another journey

    async def _enrol(self, run: Run, effect: Enrol) -> Enrolled:
        """In a transaction that begins anew, because the learner is locked before the enrolment, as everywhere. What it
        makes is kept together with the run that has moved on: nothing is started twice.
        """
        learner = self._row.learner
        await self._keep(run, lease_until=self.turns.clock() + LEASE)
        await self._commit()
        session = await self._begin()
        await learners.lock(session, [learner])
        person = await self._hold_on()
        if person is None:
            raise Overtaken
        self._standing = replace(self._at(run), learner=person)
        running = await enrolling.find_running(session, effect.journey)
        wish = enrolling.Wish(effect.key, effect.data)
        if not isinstance(running, enrolling.Refused):
            running = await enrolling.enrol(session, running, learner=learner, wish=wish, now=self._now(run))
        if isinstance(running, enrolling.Refused):
            return Enrolled(run.at, is_enrolled=False, reason=running.detail)
        if running.is_held_out:
            return Enrolled(run.at, is_enrolled=True, reason="she is in its holdout, and gets nothing")
        self.started.append(running.enrolment)
        return Enrolled(run.at, is_enrolled=True)

    # leaving the house

    async def _outside(
        self,
        run: Run,
        work: Callable[[], Awaitable[T]],
        write: Callable[[AsyncSession, T], Awaitable[None]],
        *,
        give_back: Write,
        within: timedelta,
    ) -> T:
        """Commit the run as it stands, do what takes at most `within`, and write what came of it in the next
        transaction. Where that commit fails, or nobody hears that it did not, the claim that may stand in it is given
        back: it was never used.
        """
        standing = self._at(run)
        await self._keep(run, lease_until=self.turns.clock() + LEASE + within)
        self._at_risk.append((give_back, within))
        await self._commit()
        done, person = await to_its_end(self._bring(work, write, within))
        if person is None:
            raise Overtaken
        self._standing = replace(standing, learner=person)  # it may have changed meanwhile
        return done

    async def _bring(
        self, work: Callable[[], Awaitable[T]], write: Callable[[AsyncSession, T], Awaitable[None]], limit: timedelta
    ) -> tuple[T, Person | None]:
        """Do it, and write what came of it even where the database is away for a while, or it would be in doubt."""
        done = await work()

        async def answer(session: AsyncSession) -> None:
            await write(session, done)

        self._at_risk.append((answer, limit))
        return done, await outlast(lambda: self._conclude(answer), within=limit)

    async def save_answer(self) -> None:
        """Write by itself what a turn had got before it failed: its transaction went on, and is undone."""
        at_risk = tuple(self._at_risk)
        if not at_risk:
            return

        async def write(session: AsyncSession) -> None:
            for answer, _ in at_risk:
                await answer(session)

        async def save() -> None:
            await self.close()
            await self._conclude(write)
            if self._stack is not None:
                await self._commit()

        with contextlib.suppress(Exception):  # what made the turn fail is told
            await to_its_end(outlast(save, within=max(within for _, within in at_risk)))

    async def _conclude(self, write: Callable[[AsyncSession], Awaitable[None]]) -> Person | None:
        """Write what came of it: the answer counts, whoever goes on with the enrolment. Where that is us the
        transaction stays open, and the learner is answered as she is now.
        """
        try:
            session = await self._begin(is_answer=True)
            person = await self._hold_on()  # the enrolment before what belongs to it, as everywhere
            await write(session)
            if person is None:
                await self._commit()
        except BaseException:
            await self.close()
            raise
        return person

    # transactions

    @property
    def _db(self) -> AsyncSession:
        assert self._session is not None, "a turn works inside a transaction, except while it sends"
        return self._session

    @property
    def _row(self) -> Held:
        assert self._lease is not None
        return self._lease.enrolment

    async def _begin(self, *, is_answer: bool = False) -> AsyncSession:
        self._stack = AsyncExitStack()
        self._session = await self._stack.enter_async_context(self.turns.database.write(is_answer=is_answer))
        return self._session

    async def _commit(self) -> None:
        assert self._stack is not None
        stack, self._stack, self._session = self._stack, None, None
        await stack.aclose()
        self._at_risk.clear()

    def _now(self, run: Run) -> datetime:
        """The turn's instant, which is never before the run's own."""
        return max(self.order.now, run.at)

    def _stand(self, program: Program, run: Run, learner: Person) -> None:
        self._standing = Standing(program, run, codec.entry_from_plain(self._row.entry), self._row.id, learner)

    def _at(self, run: Run) -> Standing:
        assert self._standing is not None
        return Standing(self._standing.program, run, self._standing.entry, self._row.id, self._standing.learner)

    def _due_at(self, program: Program, run: Run) -> datetime | None:
        """When to look again: also when what the run waits for changes by what is known of the learner already."""
        ahead = self._at(run).learner.ahead
        instants = (due_at(program, run), *(ahead.get(name) for name in depends_on(run)))
        return min((instant for instant in instants if instant is not None), default=None)

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
        """Write the run and all that was gathered; raises Overtaken where the token is no longer ours. While the turn
        goes on the enrolment is due when its lease ends, for the sweeper: its process may die, and Temporal be lost.
        """
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
            due_at=min((at for at in (self._due_at(program, run), lease_until) if at is not None), default=None),
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
            outcome, clock = self._ended.outcome, self.turns.clock()
            await keeping.end(
                self._db, self._row, outcome=outcome, at=self._ended.at, reason=f"withdrawn: {outcome}", clock=clock,
                has_asked=self._has_asked,
            )  # fmt: skip
            self._ended = None


def _not_at_once(due: datetime | None, now: datetime) -> datetime | None:
    """When the next turn is due; never in the instant of this one, or a workflow would go round without end."""
    return now + timedelta(seconds=1) if due is not None and due <= now else due


def _final(status: str) -> FinalStatus:
    match status:
        case "skipped" | "failed" | "may_have_gone":
            return status
        case _:
            return "sent"
