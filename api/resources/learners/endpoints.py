"""Learners, by the source's id or ours, and everything that happened to one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.idempotency import IdempotentRoute
from api.pagination import Page, PageOf, decode, decode_text, page
from api.parts import Parts, PartsOf
from api.problems import NotThere, Unfit
from api.resources.learners.schemas import LearnerOut, TimelineItem
from api.security import Caller
from journeys.events import Json
from store.queries import journal, learners, listing, profiles
from store.queries.learners import LearnerState
from store.tables import Learner

router = APIRouter(prefix="/v1/learners", tags=["learners"], route_class=IdempotentRoute)

LearnerId = Annotated[str, Path(description="The source's id, or ours.")]


@router.get("")
async def list_learners(wanted: Annotated[PageOf, Query()], parts: PartsOf, _caller: Caller) -> Page[LearnerOut]:
    """Every learner, in order of our id."""
    after = decode_text(wanted.cursor)
    async with parts.database.read() as session:
        rows = await listing.list_learners(session, after=after, limit=wanted.limit + 1)
        known = await listing.list_identities(session, [row.id for row in rows])
        states = await _as_they_are(session, rows, parts)
    return page(
        rows, limit=wanted.limit, shown=lambda row: _shown(row, states[row.id], known, parts), key=lambda row: (row.id,)
    )


@router.get("/{learner:path}/timeline")
async def timeline(
    learner: LearnerId, wanted: Annotated[PageOf, Query()], parts: PartsOf, _caller: Caller
) -> Page[TimelineItem]:
    """Events, enrolments, deliveries and reasons in one list, in order of time."""
    after = _place(wanted.cursor)
    async with parts.database.read() as session:
        id_ = await resolve(session, learner)
        lines = await journal.list_timeline(session, id_, after=after, limit=wanted.limit + 1)
    return page(
        lines,
        limit=wanted.limit,
        shown=_item,
        key=lambda line: (line.place.at.isoformat(), line.place.rank, line.place.order),
    )


@router.get("/{learner:path}")
async def find_learner(learner: LearnerId, parts: PartsOf, _caller: Caller) -> LearnerOut:
    """One learner."""
    async with parts.database.read() as session:
        id_ = await resolve(session, learner)
        row = await listing.find_learner(session, id_)
        if row is None:
            raise no_learner()
        known = await listing.list_identities(session, [id_])
        states = await _as_they_are(session, [row], parts)
    return _shown(row, states[id_], known, parts)


async def resolve(session: AsyncSession, learner: str) -> str:
    """Our id of the learner whom a path names; raises NotThere."""
    found = await listing.resolve_learner(session, learner)
    if found is None:
        raise no_learner()
    return found


def no_learner() -> NotThere:
    """There is no such learner."""
    return NotThere("learner_not_found", "no learner has this id, neither as a source's nor as ours")


async def _as_they_are(session: AsyncSession, rows: Sequence[Learner], parts: Parts) -> Mapping[str, LearnerState]:
    """What is said ahead of its taking effect is not shown before."""
    states = await learners.find_states(session, [row.id for row in rows])
    return await profiles.as_they_are(session, states.values(), now=parts.clock())


def _shown(row: Learner, state: LearnerState, identities: Mapping[str, list[str]], parts: Parts) -> LearnerOut:
    return LearnerOut(
        id=row.source_id, learner_id=row.id, profile=dict(state.profile), addresses=_addresses(state.profile, parts),
        identities=identities.get(row.id, []), updated_at=row.updated_at,
    )  # fmt: skip


def _addresses(profile: Mapping[str, Json], parts: Parts) -> dict[str, str]:
    """What in the profile is an address, by channel."""
    found = {name: profile.get(reach.address_field) for name, reach in parts.reach.items() if reach.address_field}
    return {name: address for name, address in found.items() if isinstance(address, str) and address}


def _item(line: journal.Line) -> TimelineItem:
    return TimelineItem(
        at=line.place.at, kind=line.kind, enrolment=line.enrolment, journey=line.journey, step=line.step,
        text=line.text, data=dict(line.data),
    )  # fmt: skip


def _place(cursor: str | None) -> journal.Place | None:
    keys = decode(cursor, str, int, str)
    if keys is None:
        return None
    at, rank, order = keys
    try:
        place = journal.Place(datetime.fromisoformat(str(at)), int(rank), str(order))
    except ValueError:
        place = None
    if place is None or place.at.tzinfo is None or (place.rank != 2 and not place.order.isdigit()):
        raise Unfit("bad_cursor", "the cursor is none of this list: leave it out, or pass `next` of the page before")
    return place
