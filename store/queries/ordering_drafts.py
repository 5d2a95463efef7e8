"""Drafted texts ordered ahead, when somebody enters a journey: in the same transaction, whatever way she enters.

A journey without drafted messages costs nothing, and what cannot be told of her is no failure of her entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.composing import Skip, recipient_of
from journeys.deciding import facts_of
from journeys.drafting.choosing import Wanted, beside_manager, manager_to_ask
from journeys.drafting.needing import SendsTo, drafted_steps, has_drafts, needed
from journeys.events import Json
from journeys.expressions import Facts
from journeys.identity import draft_id
from journeys.permitting import policy_of
from journeys.policy import Policy
from journeys.program import Entry, Program
from store.queries import deliveries, drafts, turns


@dataclass(frozen=True, slots=True)
class Entering:
    """Somebody enters a journey: its program, her ids (ours and the source's), her profile, and how she enters."""

    program: Program
    learner: str
    source_id: str
    profile: Mapping[str, Json]
    entry: Entry

    @property
    def facts(self) -> Facts:
        """What expressions see of her before her first step."""
        return facts_of(None, source_id=self.source_id, profile=self.profile, entry=self.entry)


async def want_at_entry(session: AsyncSession, entering: Sequence[Entering], *, at: datetime) -> None:
    """Order what these journeys' messages need for those who enter. What cannot be told yet (a `per` that reads what a
    step finds out) is ordered when it is sent.
    """
    drafted = [each for each in entering if has_drafts(each.program)]
    if not drafted:
        return
    policy = policy_of((await deliveries.find_switches(session)).policy)
    found: dict[str, list[tuple[Wanted, Entering]]] = {}
    others: dict[str, Mapping[str, Json] | None] = {}
    for each in drafted:
        for wanted in await _needed(session, each, policy, others):
            order = wanted.order
            found.setdefault(draft_id(order.journey, order.message, wanted.key, 1), []).append((wanted, each))
    known = await drafts.find_known(session, found)
    for id_ in sorted(found):  # in one order everywhere: no two batches meet half-way
        wanted, each = found[id_][-1]
        if id_ not in known:
            await _want(session, found[id_], others, at=at)
        elif known[id_]:
            await drafts.want_back(session, [wanted], program=each.program.hash, at=at)


async def _want(
    session: AsyncSession,
    wanting: Sequence[tuple[Wanted, Entering]],
    others: dict[str, Mapping[str, Json] | None],
    *,
    at: datetime,
) -> None:
    """Order a text that nobody has ordered before, for the first in whose value nothing says who her manager is."""
    for wanted, each in wanting:
        called = manager_to_ask(wanted, each.facts)
        manager = None if called is None else await _profile_called(session, called, others)
        if beside_manager(wanted, each.facts, manager).personal is None:
            await drafts.want(session, [wanted], program=each.program.hash, at=at)
            return


async def _needed(
    session: AsyncSession, each: Entering, policy: Policy, others: dict[str, Mapping[str, Json] | None]
) -> Iterable[Wanted]:
    """What her journey's messages need; `others` are the profiles of other people that have been read."""
    found: list[Wanted] = []
    facts = each.facts
    for step in drafted_steps(each.program):
        recipient = await _recipient(session, each, step, facts, others)
        if recipient is not None:
            wanted = needed(
                each.program, step, facts=facts, learner_id=each.learner, recipient=recipient, policy=policy
            )
            found += [wanted] if isinstance(wanted, Wanted) and wanted.personal is None else []
    return found


async def _recipient(
    session: AsyncSession,
    each: Entering,
    step: SendsTo,
    facts: Facts,
    others: dict[str, Mapping[str, Json] | None],
) -> Mapping[str, Json] | None:
    """The profile of who gets what the step sends; None where nobody can tell yet."""
    named = recipient_of(step, facts)
    if isinstance(named, Skip):
        return None
    if named.source_id is None:
        return each.profile
    return await _profile_called(session, named.source_id, others)


async def _profile_called(
    session: AsyncSession, source_id: str, others: dict[str, Mapping[str, Json] | None]
) -> Mapping[str, Json] | None:
    if source_id not in others:
        person = await turns.find_person_called(session, source_id)
        others[source_id] = None if person is None else person.profile
    return others[source_id]
