"""A delivery as it would go now, from what the store knows: whether it still may, to whom, through what, in which
words. For who does not take a turn of its enrolment: a retry, and the digest that another enrolment leads.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.composing import Skip, recipient_of, unknown_recipient
from journeys.deciding import facts_of
from journeys.effects import Deferred, Deliver
from journeys.identity import delivery_id
from journeys.pauses import pauses_of
from journeys.permitting import put_off
from journeys.policy import Policy
from journeys.program import Program
from journeys.resending import deliver_again, is_sent_again
from journeys.run import Pending, Run
from store.queries import deliveries, turns
from store.queries.turns import Person
from store.queries.withdrawing import WITHDRAWN
from store.tables import DeliveryRow, Enrolment
from workers.delivering import Delivering, Ready, Standing
from workers.drafts import approved_for
from workers.people import as_she_is
from workers.programs import Programs


@dataclass(frozen=True)
class Prepared:
    """A message that may go now, as far as hours and days are concerned, and what it is judged by."""

    ready: Ready
    deliver: Deliver
    program: Program
    recipient: Person


@dataclass(frozen=True)
class Preparing:
    """Prepares deliveries."""

    programs: Programs
    delivering: Delivering

    async def prepare(
        self, session: AsyncSession, delivery: str, enrolment: Enrolment, *, policy: Policy, now: datetime
    ) -> Prepared | Skip | Deferred:
        """The message of this delivery; Skip where it will not go, Deferred where it may not go now."""
        run: Run = codec.run_from_json(enrolment.run)
        program = await self.programs.by_hash(session, enrolment.program)
        row = await deliveries.find(session, delivery)
        again = None if row is None or not is_sent_again(row.leg) else row
        deliver = pending_delivery(run) if again is None else _again(program, run, again)
        key = None if deliver is None else delivery_id(enrolment.id, deliver.node, deliver.visit, deliver.leg)
        has_ended = enrolment.status == "ended" and (again is None or enrolment.outcome in {WITHDRAWN, "erased"})
        if deliver is None or key != delivery or has_ended:
            return Skip("withdrawn", enrolment.outcome)
        learner = await turns.find_person(session, enrolment.learner)
        if learner is None:
            return Skip("withdrawn", "erased")
        learner = await as_she_is(session, learner, now=now)
        if (run.is_held and not run.has_ended) or await _is_journey_paused(session, enrolment):
            return Deferred(now, None, "paused")
        entry = codec.entry_from_plain(enrolment.entry)
        standing = Standing(program, run, entry, enrolment.id, learner)
        recipient = await _recipient(session, standing, deliver, now=now)
        if isinstance(recipient, Skip):
            return recipient
        waiting = put_off(deliver, recipient.profile, policy=policy, now=now)
        if waiting is not None:
            return waiting
        drafted = await approved_for(
            session, standing, deliver, recipient, policy=policy, clock=self.delivering.clock()
        )
        ready = self.delivering.compose(standing, deliver, recipient, drafted=drafted, now=now)
        return ready if isinstance(ready, Skip) else Prepared(ready, deliver, program, recipient)


def _again(program: Program, run: Run, row: DeliveryRow) -> Deliver | None:
    """The message that was sent again by hand, as it was asked for then."""
    return deliver_again(
        program, run, node=row.node, visit=row.visit, leg=row.leg, asked_at=row.created_at, channel=row.channel
    )


async def _recipient(session: AsyncSession, standing: Standing, deliver: Deliver, *, now: datetime) -> Person | Skip:
    learner = standing.learner
    facts = facts_of(standing.run, source_id=learner.source_id, profile=learner.profile, entry=standing.entry)
    named = recipient_of(deliver, facts)
    if isinstance(named, Skip):
        return named
    if named.source_id is None:
        return learner
    found = await turns.find_person_called(session, named.source_id)
    return unknown_recipient(deliver) if found is None else await as_she_is(session, found, now=now)


async def _is_journey_paused(session: AsyncSession, enrolment: Enrolment) -> bool:
    pauses = pauses_of(await turns.find_pauses(session, enrolment.journey))
    return bool(pauses) and pauses[-1].until is None


def pending_delivery(run: Run) -> Deliver | None:
    """The message this run is waiting to see delivered, if it is."""
    match run.hold:
        case Pending(effect=Deliver() as deliver):
            return deliver
        case _:
            return None
