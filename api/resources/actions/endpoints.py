"""Actions on many enrolments: asked for, looked at, stopped. The bridge's process does them (`workers.actions`)."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import documented, in_body
from api.idempotency import IdempotentRoute
from api.pagination import Page, PageOf, decode, encode, page
from api.parts import PartsOf
from api.problems import NotThere, Unfit
from api.resources.actions.gathering import GATHERS, Gathered
from api.resources.actions.schemas import Acting, ActionItemOut, ActionOut, ActionsWanted, Failed
from api.security import Caller
from store.queries import actions, learners
from store.queries.actions import NewAction
from store.tables import ActionItem, ActionRow

router = APIRouter(prefix="/v1/enrolments/actions", tags=["enrolments"], route_class=IdempotentRoute)

SHOWN = 500
"""The most that a dry run tells of those who could not be."""


@router.post("", status_code=202, openapi_extra=documented(Acting))
async def act(parts: PartsOf, caller: Caller, wanted: Annotated[Acting, in_body(Acting)]) -> ActionOut:
    """Do the same to many, in the background; or, with `dry_run`, say how many, and which could not."""
    now = parts.clock()
    async with parts.database.read() as session:
        gathered = await GATHERS[wanted.action](session, wanted, now)
        if wanted.dry_run:
            return await as_dry_run(session, wanted.action, wanted.rate, gathered, by=caller.name, now=now)
    id_ = f"act-{uuid.uuid4().hex}"
    new = NewAction(id_, wanted.action, caller.name, gathered.filter, gathered.options, wanted.rate)

    async def transaction() -> ActionOut:
        async with parts.database.write() as session:
            row = await actions.create(session, new, gathered.items, at=now)
            return await shown(session, row, after=0, limit=SHOWN)

    return await parts.database.retrying(transaction)


@router.get("")
async def list_actions(
    wanted: Annotated[ActionsWanted, Query()], parts: PartsOf, _caller: Caller
) -> Page[ActionItemOut]:
    """Actions, the latest first."""
    async with parts.database.read() as session:
        rows = await actions.list_actions(
            session, state=wanted.state, before=_before(wanted.cursor), limit=wanted.limit + 1
        )
    return page(rows, limit=wanted.limit, shown=_item, key=lambda row: (row.created_at.isoformat(), row.id))


@router.get("/{action}")
async def find_action(action: str, wanted: Annotated[PageOf, Query()], parts: PartsOf, _caller: Caller) -> ActionOut:
    """How far an action is, and a page of those that could not be done."""
    keys = decode(wanted.cursor, int)
    async with parts.database.read() as session:
        row = await actions.find(session, action)
        if row is None:
            raise _no_action()
        return await shown(session, row, after=0 if keys is None else int(keys[0]), limit=wanted.limit)


@router.delete("/{action}")
async def stop_action(action: str, parts: PartsOf, _caller: Caller) -> ActionOut:
    """Do no more of it; what is done stays. One that is over stays as it is."""

    async def transaction() -> ActionOut:
        async with parts.database.write() as session:
            row = await actions.stop(session, action, at=parts.clock())
            if row is None:
                raise _no_action()
            return await shown(session, row, after=0, limit=SHOWN)

    return await parts.database.retrying(transaction)


async def as_dry_run(
    session: AsyncSession, kind: str, rate: float | None, gathered: Gathered, *, by: str, now: datetime
) -> ActionOut:
    """What would be done, and what could not."""
    items = [
        ActionItem(action="", number=number, target=item.target, enrolment=None, code=item.code, detail=item.detail)
        for number, item in enumerate(gathered.items, 1)
        if item.code is not None
    ]
    return ActionOut(
        id=None, action=kind, state="dry_run", filter=dict(gathered.filter), options=dict(gathered.options),
        total=len(gathered.items), done=0, failed=len(items), rate=rate, by=by, created_at=now, updated_at=now,
        could_not=await _failed(session, items[:SHOWN], kind=kind), next=None,
    )  # fmt: skip


async def shown(session: AsyncSession, row: ActionRow, *, after: int, limit: int) -> ActionOut:
    """An action with a page of those that could not be done."""
    items = await actions.list_failed(session, row.id, after=after, limit=limit + 1)
    following = encode(items[limit - 1].number) if len(items) > limit else None
    failed = await _failed(session, items[:limit], kind=row.kind)
    return ActionOut(**_item(row).model_dump(), could_not=failed, next=following)


async def _failed(session: AsyncSession, items: Sequence[ActionItem], *, kind: str) -> list[Failed]:
    is_of_learners = kind == "enrol"
    names = await learners.find_names(session, {i.target for i in items if i.target}) if is_of_learners else {}
    return [
        Failed(
            number=item.number, learner=names.get(item.target or ""),
            enrolment=item.enrolment if is_of_learners else item.target, code=item.code or "", detail=item.detail or "",
        )
        for item in items
    ]  # fmt: skip


def _item(row: ActionRow) -> ActionItemOut:
    return ActionItemOut(
        id=row.id, action=row.kind, state=row.state, filter=row.filter, options=row.options, total=row.total,
        done=row.done, failed=row.failed, rate=row.rate, by=row.by, created_at=row.created_at,
        updated_at=row.updated_at,
    )  # fmt: skip


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    keys = decode(cursor, str, str)
    if keys is None:
        return None
    try:
        return datetime.fromisoformat(str(keys[0])), str(keys[1])
    except ValueError:
        detail = "the cursor is none of this list: leave it out, or pass `next` of the page before"
        raise Unfit("bad_cursor", detail) from None


def _no_action() -> NotThere:
    return NotThere("action_not_found", "there is no such action: GET /v1/enrolments/actions lists them")
