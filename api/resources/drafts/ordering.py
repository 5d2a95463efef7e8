"""What a publish does about drafts: the texts that a journey will need are ordered ahead, within bounds; and how many
there are, and are missing, is told.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from api.parts import Parts
from api.resources.drafts.schemas import DraftCounts
from journeys.deciding import facts_of
from journeys.drafting import counting
from journeys.drafting.choosing import Wanted
from journeys.drafting.expecting import Expecting
from journeys.drafting.needing import has_drafts
from journeys.events import Json
from journeys.identity import draft_id
from journeys.permitting import policy_of
from journeys.program import Program
from store.queries import deciding_drafts, drafts, installation, learners, profiles
from store.queries.learners import LearnerState

_log = structlog.get_logger(__name__)

MOST_LEARNERS = 20_000
"""So many learners are looked at, those of whom something was heard last."""

STARTED_AT_ONCE = 100
"""So many texts are had written at once; the sweeper starts the others at its own rate."""

_PAGE = 500
_AT_ONCE = 100


async def order_ahead(parts: Parts, program: Program) -> Sequence[str]:
    """Order what the journey is expected to need; answers the ids of what nobody had ordered before. Never raises: what
    is not ordered now is ordered at entry, or when it is sent.
    """
    if not has_drafts(program):
        return []
    try:
        return await _order(parts, program)
    except Exception as error:  # noqa: BLE001 - the journey is published, whatever this meets
        _log.warning("drafts_not_ordered_ahead", journey=program.journey, because=type(error).__name__)
        return []


async def counts_now(parts: Parts, program: Program) -> DraftCounts | None:
    """As `counts_of`, after a publish: None also where they cannot be had now."""
    try:
        async with parts.database.read() as session:
            return await counts_of(session, program)
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("drafts_not_counted", journey=program.journey, because=type(error).__name__)
        return None


async def counts_of(session: AsyncSession, program: Program) -> DraftCounts | None:
    """How many texts the program has and lacks; None where nothing of it is drafted."""
    if not has_drafts(program):
        return None
    groups = counting.asked_for(program, await deciding_drafts.list_groups(session, program.journey))
    expected = await asyncio.to_thread(counting.expected, program)
    missing = await deciding_drafts.count_unapproved(session, program.journey, groups, expected=expected)
    found = counting.count(groups, missing=missing)
    return DraftCounts(
        wanted=found.wanted, proposed=found.proposed, approved=found.approved, failed=found.failed,
        missing=found.missing,
    )  # fmt: skip


async def _order(parts: Parts, program: Program) -> Sequence[str]:
    async with parts.database.read() as session:
        policy = policy_of(await installation.find_policy(session))
    expecting = Expecting(program, policy)
    new = await _want(parts, program, expecting.for_all())
    if not expecting.needs_learners:
        return new
    async with parts.database.read() as session:
        ids = await learners.list_latest(session, limit=MOST_LEARNERS)
    for start in range(0, len(ids), _PAGE):
        wanted = await _expected(parts, expecting, ids[start : start + _PAGE])
        new += await _want(parts, program, wanted)
        if not expecting.needs_learners:
            break
    return new


async def _expected(parts: Parts, expecting: Expecting, ids: Sequence[str]) -> Sequence[Wanted]:
    async with parts.database.read() as session:
        known = await learners.find_states(session, ids)
        now = await profiles.as_they_are(session, known.values(), now=parts.clock())
        called = (state.profile.get("manager") for state in now.values())
        managers = await learners.find_profiles_called(session, {each for each in called if isinstance(each, str)})
    return await asyncio.to_thread(_wanted, expecting, [*now.values()], managers)


def _wanted(
    expecting: Expecting, states: Sequence[LearnerState], managers: Mapping[str, Mapping[str, Json]]
) -> Sequence[Wanted]:
    facts = (facts_of(None, source_id=state.source_id, profile=state.profile, entry=None) for state in states)
    return expecting.for_learners(facts, managers)


async def _want(parts: Parts, program: Program, wanted: Sequence[Wanted]) -> list[str]:
    """Order these, in the order in which everybody does, so that no two meet half-way."""
    named = {draft_id(one.order.journey, one.order.message, one.key, 1): one for one in wanted}
    in_order = [named[id_] for id_ in sorted(named)]
    found: list[str] = []
    for start in range(0, len(in_order), _AT_ONCE):
        part = in_order[start : start + _AT_ONCE]

        async def transaction(part: Sequence[Wanted] = part) -> Sequence[str]:
            async with parts.database.write() as session:
                back = await drafts.want_back(session, part, program=program.hash, at=parts.clock())
                return [*back, *await drafts.want(session, part, program=program.hash, at=parts.clock())]

        found += await parts.database.retrying(transaction)
    return found
