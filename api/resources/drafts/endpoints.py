"""Drafted texts: listed, shown, approved, rejected, taken back, edited, written again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.pagination import Page, decode_place, page
from api.parts import PartsOf
from api.resources.drafts import deciding, reading
from api.resources.drafts.schemas import (
    ApprovedMany,
    Approving,
    ApprovingMany,
    DraftFilter,
    DraftItem,
    DraftOut,
    Editing,
    Rejected,
    Rejecting,
    TakenBack,
    TakingBack,
)
from api.security import Caller
from store.queries import deciding_drafts

router = APIRouter(prefix="/v1/drafts", tags=["drafts"], route_class=IdempotentRoute)

CONFLICTS: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "`draft_decided` (it says by whom), `draft_replaced`, `draft_not_written`, `draft_failed`, "
        "`draft_not_over`, `draft_not_approved`: the state it is in does not allow it. `draft_changed`: it "
        "has got another text since it was looked at. `draft_not_ordered`: no running version asks for it. "
        "`hard_findings`: approve it with `despite_findings`, or have it changed. "
        "`draft_cannot_be_sent`: no message can be made of it."
    }
}


@router.get("")
async def list_drafts(wanted: Annotated[DraftFilter, Query()], parts: PartsOf, _caller: Caller) -> Page[DraftItem]:
    """Drafts, the newest first."""
    chosen = deciding.filter_of(**wanted.model_dump(exclude={"limit", "cursor"}))
    async with parts.database.read() as session:
        rows = await deciding_drafts.list_drafts(
            session, chosen, before=decode_place(wanted.cursor), limit=wanted.limit + 1
        )
        looked = await reading.look(session, parts, rows)
    items = await reading.shown_items(looked)
    return page(
        items, limit=wanted.limit, shown=lambda item: item, key=lambda item: (item.created_at.isoformat(), item.id)
    )


@router.post("/approve", openapi_extra=documented(ApprovingMany))
async def approve_many(
    parts: PartsOf, caller: Caller, wanted: Annotated[ApprovingMany, in_body(ApprovingMany)]
) -> ApprovedMany:
    """Approve many: the proposed ones that match, or those named. One with a hard finding is left, and told."""
    return await deciding.approve_many(parts, wanted, by=caller.name)


@router.get("/{draft}")
async def find_draft(draft: str, parts: PartsOf, _caller: Caller) -> DraftOut:
    """One draft, with all that is needed to decide on it."""
    return await reading.show(parts, draft)


@router.post("/{draft}/approve", openapi_extra=documented(Approving), responses=CONFLICTS)
async def approve(
    draft: str, parts: PartsOf, caller: Caller, given: Annotated[Approving, in_body(Approving)]
) -> DraftOut:
    """Approve a proposed text: from now on it is sent, in place of the one that was approved for the same order."""
    return await deciding.approve(parts, draft, by=caller.name, despite_findings=given.despite_findings)


@router.post("/{draft}/reject", openapi_extra=documented(Rejecting), responses=CONFLICTS)
async def reject(
    draft: str, parts: PartsOf, caller: Caller, given: Annotated[Rejecting, in_body(Rejecting)]
) -> Rejected:
    """Reject a proposed text; the next one is told why."""
    return await deciding.reject(parts, draft, given, by=caller.name)


@router.post("/{draft}/take-back", openapi_extra=documented(TakingBack), responses=CONFLICTS)
async def take_back(
    draft: str, parts: PartsOf, caller: Caller, given: Annotated[TakingBack, in_body(TakingBack)]
) -> TakenBack:
    """Take back the approval of a text: no message that goes from now on has it; the next text is told why."""
    return await deciding.take_back(parts, draft, given, by=caller.name)


@router.post("/{draft}/edit", status_code=201, openapi_extra=documented(Editing), responses=CONFLICTS)
async def edit(draft: str, parts: PartsOf, caller: Caller, given: Annotated[Editing, in_body(Editing)]) -> DraftOut:
    """Change a text: the new one is a draft of its own, checked and proposed. An approved one is sent until then."""
    return await deciding.edit(parts, draft, given, by=caller.name)


@router.post("/{draft}/again", openapi_extra=documented(Given), responses=CONFLICTS)
async def write_again(draft: str, parts: PartsOf, caller: Caller, _given: Annotated[Given, in_body(Given)]) -> DraftOut:
    """Have another text written in place of one that failed, was rejected or taken back; answers the new one."""
    return await deciding.write_again(parts, draft, by=caller.name)
