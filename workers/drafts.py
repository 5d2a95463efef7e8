"""The drafted texts that messages go in, looked up when they are sent.

Nothing here waits for a model: what is approved goes, what is missing is ordered in the same transaction, and the
message goes in its own words. A message without a `draft` costs no query.
"""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.deciding import facts_of
from journeys.drafting.choosing import Drafted, Wanted, beside_manager, manager_to_ask, without
from journeys.drafting.needing import needed
from journeys.effects import Deliver
from journeys.expressions import Facts
from journeys.identity import draft_id
from journeys.policy import Policy
from store.queries import drafts
from store.queries.turns import Person, find_person_called
from workers.delivering import Standing


async def approved_for(
    session: AsyncSession, standing: Standing, deliver: Deliver, recipient: Person, *, policy: Policy, clock: datetime
) -> Drafted:
    """What composing is told of the message's draft. A text that nobody has ordered yet is ordered, at `clock`."""
    if standing.program.messages[deliver.message].draft is None:
        return None
    learner = standing.learner
    facts = facts_of(standing.run, source_id=learner.source_id, profile=learner.profile, entry=standing.entry)
    wanted = needed(
        standing.program, deliver, facts=facts, learner_id=learner.id, recipient=recipient.profile, policy=policy
    )
    if not isinstance(wanted, Wanted):
        return wanted
    order = wanted.order
    found = await drafts.find_approved(session, order.journey, order.message, wanted.key)
    if found is not None:
        return found
    return without(await _order(session, wanted, facts, program=standing.program.hash, at=clock))


async def _order(session: AsyncSession, wanted: Wanted, facts: Facts, *, program: str, at: datetime) -> Wanted:
    """Order a text, where nobody has and its value says of nobody who that is: only then is her manager looked up."""
    called = manager_to_ask(wanted, facts)
    if called is not None:
        id_ = draft_id(wanted.order.journey, wanted.order.message, wanted.key, 1)
        if id_ in await drafts.find_known(session, [id_]):
            return wanted
        manager = await find_person_called(session, called)
        wanted = beside_manager(wanted, facts, None if manager is None else manager.profile)
    if wanted.personal is None:
        await drafts.want(session, [wanted], program=program, at=at)
    return wanted
