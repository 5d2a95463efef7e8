"""Deliveries: listed and looked at."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.drafted import find_drafted, shown_drafted
from api.idempotency import IdempotentRoute
from api.pagination import Page, decode_text, page
from api.parts import PartsOf
from api.problems import NotThere
from api.resources.deliveries.schemas import DeliveryFilter, DeliveryOut
from api.security import Caller
from journeys.drafting.telling import Decided
from store.queries import listing

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], route_class=IdempotentRoute)


@router.get("")
async def list_deliveries(
    wanted: Annotated[DeliveryFilter, Query()], parts: PartsOf, _caller: Caller
) -> Page[DeliveryOut]:
    """Deliveries, in order of id."""
    after = decode_text(wanted.cursor)
    async with parts.database.read() as session:
        learner = None if wanted.learner is None else await listing.resolve_learner(session, wanted.learner)
        if wanted.learner is not None and learner is None:
            return Page(items=[], next=None)
        filters = listing.DeliveryFilter(wanted.enrolment, learner, wanted.journey, wanted.status, wanted.channel)
        rows = await listing.list_deliveries(session, filters, after=after, limit=wanted.limit + 1)
        told = await find_drafted(session, (listed.row.draft for listed in rows))
    return page(rows, limit=wanted.limit, shown=lambda one: _shown(one, told), key=lambda listed: (listed.row.id,))


@router.get("/{delivery}")
async def find_delivery(delivery: str, parts: PartsOf, _caller: Caller) -> DeliveryOut:
    """One delivery."""
    async with parts.database.read() as session:
        return await find_shown(session, delivery)


async def find_shown(session: AsyncSession, delivery: str) -> DeliveryOut:
    """One delivery as the API gives it; raises NotThere."""
    listed = await listing.find_delivery(session, delivery)
    if listed is None:
        raise NotThere("delivery_not_found", "there is no such delivery: GET /v1/deliveries lists them")
    return _shown(listed, await find_drafted(session, [listed.row.draft]))


def _shown(listed: listing.ListedDelivery, told: Mapping[str, Decided]) -> DeliveryOut:
    row = listed.row
    return DeliveryOut(
        id=row.id, enrolment=row.enrolment, journey=row.journey, learner=listed.learner, message=row.message,
        channel=row.channel, status=row.status, reason=row.reason, attempts=row.attempts, due_at=row.due_at,
        sent_at=row.sent_at, provider_id=row.provider_id, words=row.words, draft=row.draft, undrafted=row.undrafted,
        drafted=shown_drafted(told.get(row.draft or "")),
    )  # fmt: skip
