"""Enrolments: listed, looked at, entered and left by hand."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import Given, documented, in_body
from api.drafted import find_drafted, shown_drafted
from api.idempotency import IdempotentRoute
from api.pagination import Page, decode_text, page
from api.parts import PartsOf
from api.problems import Conflicting, NotThere
from api.resources.enrolments.refusals import raised
from api.resources.enrolments.schemas import (
    EnrolByHand,
    EnrolmentFilter,
    EnrolmentItem,
    EnrolmentOut,
    JournalLine,
    OutlookOut,
)
from api.resources.enrolments.telling import tell
from api.security import Caller
from api.waking import wake
from journeys.drafting.telling import Decided, told_of
from journeys.outlook import Said, localised
from store.queries import enrolling, journal, listing, withdrawing
from store.tables import JournalRow

router = APIRouter(prefix="/v1/enrolments", tags=["enrolments"], route_class=IdempotentRoute)


@router.get("")
async def list_enrolments(
    wanted: Annotated[EnrolmentFilter, Query()], parts: PartsOf, _caller: Caller
) -> Page[EnrolmentItem]:
    """Enrolments, in order of id."""
    after = decode_text(wanted.cursor)
    async with parts.database.read() as session:
        learner = None if wanted.learner is None else await listing.resolve_learner(session, wanted.learner)
        if wanted.learner is not None and learner is None:
            return Page(items=[], next=None)
        filters = listing.EnrolmentFilter(wanted.journey, learner, wanted.status)
        rows = await listing.list_enrolments(session, filters, after=after, limit=wanted.limit + 1)
    return page(rows, limit=wanted.limit, shown=_item, key=lambda listed: (listed.row.id,))


@router.get("/{enrolment}")
async def find_enrolment(enrolment: str, parts: PartsOf, _caller: Caller) -> EnrolmentOut:
    """One enrolment, with its whole journal."""
    async with parts.database.read() as session:
        return await with_journal(session, enrolment)


@router.post("", status_code=201, openapi_extra=documented(EnrolByHand))
async def enrol_by_hand(
    parts: PartsOf, _caller: Caller, given: Annotated[EnrolByHand, in_body(EnrolByHand)]
) -> EnrolmentOut:
    """Enrol a learner; respects `audience`, `again` and `holdout` unless forced."""

    async def transaction() -> EnrolmentOut:
        async with parts.database.write() as session:
            learner = await listing.resolve_learner(session, given.learner)
            if learner is None:
                raise NotThere("learner_not_found", "no learner has this id: she exists from her first event on")
            running = await enrolling.find_running(session, given.journey)
            if isinstance(running, enrolling.Refused):
                raise raised(running)
            wish = enrolling.Wish(given.key, given.data, is_forced=given.force)
            made = await enrolling.enrol(session, running, learner=learner, wish=wish, now=parts.clock())
            if isinstance(made, enrolling.Refused):
                raise raised(made)
            return await with_journal(session, made.enrolment)

    made = await parts.database.retrying(transaction)
    if made.status != "ended":
        await wake(parts, [made.id])
    return made


@router.post("/{enrolment}/withdraw", openapi_extra=documented(Given))
async def withdraw(
    enrolment: str, parts: PartsOf, caller: Caller, _given: Annotated[Given, in_body(Given)]
) -> EnrolmentOut:
    """End an enrolment as withdrawn; what was queued is not sent. Once withdrawn, it stays so."""

    async def transaction() -> EnrolmentOut:
        async with parts.database.write() as session:
            withdrawn = await withdrawing.withdraw(session, enrolment, by=caller.name, now=parts.clock())
            if withdrawn is not None and withdrawn.outcome != withdrawing.WITHDRAWN:
                raise Conflicting("already_ended", f"the enrolment has ended already, as {withdrawn.outcome}")
            return await with_journal(session, enrolment)

    withdrawn = await parts.database.retrying(transaction)
    await wake(parts, [enrolment])
    return withdrawn


async def with_journal(session: AsyncSession, enrolment: str) -> EnrolmentOut:
    """One enrolment, with its whole journal; raises NotThere."""
    listed = await listing.find_enrolment(session, enrolment)
    if listed is None:
        raise NotThere("enrolment_not_found", "there is no such enrolment: GET /v1/enrolments lists them")
    told = await tell(session, listed.row)
    rows = await journal.list_journal(session, enrolment)
    drafts = await find_drafted(session, (row.data.get("draft") for row in rows))
    lines = [_line(row, drafts.get(str(row.data.get("draft"))), said=told.said) for row in rows]
    ahead = told.outlook
    shown = OutlookOut(now=ahead.now, then=list(ahead.then), ends=list(ahead.ends))
    return EnrolmentOut(**_item(listed).model_dump(), journal=lines, outlook=shown, zone=told.zone)


def _line(row: JournalRow, drafted: Decided | None, *, said: Said) -> JournalLine:
    """A line of the journal; where a message went in the words of a draft, whose they are."""
    text = localised(row.text, row.data, said=said)
    if drafted is not None:
        text = f"{text} {told_of(drafted, said=said)}"
    shown = shown_drafted(drafted)
    return JournalLine(at=row.at, kind=row.kind, step=row.step, text=text, data=row.data, drafted=shown)


def _item(listed: listing.Listed) -> EnrolmentItem:
    row = listed.row
    return EnrolmentItem(
        id=row.id, journey=row.journey, version=row.version, learner=listed.learner, entry_key=row.entry_key,
        status=row.status, outcome=row.outcome, arm=row.arm, step=row.step, waiting_for=row.waiting_for,
        due_at=row.due_at, entered_at=row.entered_at, ended_at=row.ended_at,
    )  # fmt: skip
