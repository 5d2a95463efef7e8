"""Sending messages once more, when the cause for which they failed or were skipped is mended: one, or many."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.parts import PartsOf
from api.problems import ApiError, Conflicting, NotThere, Unfit
from api.resources.actions.endpoints import SHOWN, as_dry_run, shown
from api.resources.actions.gathering import Gathered
from api.resources.actions.schemas import ActionOut
from api.resources.deliveries.endpoints import find_shown
from api.resources.deliveries.schemas import DeliveryOut
from api.security import Caller
from api.waking import wake
from journeys.events import Json
from store.queries import actions, listing, resending
from store.queries.actions import NewAction, NewItem
from store.queries.resending import MENDABLE, Refused, Wanted

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], route_class=IdempotentRoute)

PAGE = 500
Text = Annotated[str | None, Field(min_length=1, max_length=1024)]


class Resending(Given):
    """`force`: also what may have gone, so that it may come twice, and what its enrolment let fall."""

    force: bool = False


class ResendFilter(Given):
    """Which deliveries; everything that is said must match. `reason` is how their reason begins, without `status` both
    failed and skipped ones.
    """

    journey: Text = None
    learner: Text = None
    enrolment: Text = None
    message: Text = None
    channel: Text = None
    reason: Text = None
    status: Literal["failed", "skipped", "may_have_gone", "bounced"] | None = None


class ResendingMany(Resending):
    """What is to be sent again; with `dry_run` it is only said how many. `rate` is how many a second."""

    action: Literal["resend"]
    filter: ResendFilter = ResendFilter()
    dry_run: bool = False
    rate: Annotated[float | None, Field(gt=0, le=10_000)] = None


class Resent(BaseModel):
    """The new delivery."""

    delivery: DeliveryOut
    instead_of: str


@router.post("/{delivery}/resend", openapi_extra=documented(Resending))
async def resend(
    delivery: str, parts: PartsOf, caller: Caller, given: Annotated[Resending, in_body(Resending)]
) -> Resent:
    """Queue a failed or skipped message once more, as it would go now."""

    async def transaction() -> tuple[DeliveryOut, str]:
        async with parts.database.write() as session:
            made = await resending.resend(
                session, delivery, is_forced=given.force, program_of=parts.program_of, by=caller.name,
                now=parts.clock(),
            )  # fmt: skip
            if isinstance(made, Refused):
                raise refusal(made)
            return await find_shown(session, made.delivery), made.enrolment

    new, enrolment = await parts.database.retrying(transaction)
    await wake(parts, [enrolment])
    return Resent(delivery=new, instead_of=delivery)


@router.post("/actions", status_code=202, openapi_extra=documented(ResendingMany))
async def resend_many(
    parts: PartsOf, caller: Caller, wanted: Annotated[ResendingMany, in_body(ResendingMany)]
) -> ActionOut:
    """Send many again, in the background; look at it, and stop it, under /v1/enrolments/actions."""
    now = parts.clock()
    async with parts.database.read() as session:
        gathered = await _gather(session, wanted)
        if wanted.dry_run:
            return await as_dry_run(session, "resend", wanted.rate, gathered, by=caller.name, now=now)
    new = NewAction(f"act-{uuid.uuid4().hex}", "resend", caller.name, gathered.filter, gathered.options, wanted.rate)

    async def transaction() -> ActionOut:
        async with parts.database.write() as session:
            row = await actions.create(session, new, gathered.items, at=now)
            return await shown(session, row, after=0, limit=SHOWN)

    return await parts.database.retrying(transaction)


def refusal(refused: Refused) -> ApiError:
    """What was refused, as the API says it."""
    kind = NotThere if refused.code == "delivery_not_found" else Conflicting
    return kind(refused.code, refused.detail)


async def _gather(session: AsyncSession, wanted: ResendingMany) -> Gathered:
    """Those that match and have not been sent again; raises Unfit, NotThere."""
    given = wanted.filter
    if given.journey is None and given.learner is None and given.enrolment is None:
        raise Unfit("which", "say in `filter` which deliveries: by `journey`, `learner` or `enrolment`")
    learner = None if given.learner is None else await listing.resolve_learner(session, given.learner)
    if given.learner is not None and learner is None:
        raise NotThere("learner_not_found", "no learner has this id: she exists from her first event on")
    statuses = sorted(MENDABLE) if given.status is None else [given.status]
    looked_for = Wanted(statuses, given.journey, learner, given.enrolment, given.message, given.channel, given.reason)
    items: list[NewItem] = []
    after = ""
    while page := await resending.list_wanted(session, looked_for, after=after, limit=PAGE):
        after = page[-1][0].id
        for row, outcome in page:
            if await resending.was_sent_again(session, row):
                continue
            refused = resending.judge(row, outcome, is_forced=wanted.force)
            items.append(
                NewItem(row.id) if refused is None else NewItem(row.id, code=refused.code, detail=refused.detail)
            )
    shown_filter: dict[str, Json] = {**given.model_dump(exclude_none=True)}
    if learner is not None:
        shown_filter["learner"] = learner
    return Gathered(items, {"force": wanted.force}, shown_filter)
