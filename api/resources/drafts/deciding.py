"""Deciding on drafts: what a text must be to be approved, one by one and for many. The page calls these, too.

What is wrong with a text is looked for before its order is locked, because it takes a while; what state it is in,
after. A text that is still being written may be another one by then, and nobody has looked at that one: it is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from api.parts import Parts
from api.problems import ApiError, Conflicting, Finding, Unfit
from api.resources.drafts.reading import Looked, house, look, no_draft, show
from api.resources.drafts.schemas import (
    MOST_AT_ONCE,
    OWN,
    ApprovedMany,
    ApprovingMany,
    DraftOut,
    Editing,
    LeftOut,
    Rejected,
    Rejecting,
    TakenBack,
    TakingBack,
)
from api.resources.drafts.writing import start
from journeys.deciding import facts_of
from journeys.drafting.findings import House
from journeys.drafting.order import DraftText
from journeys.drafting.personal import may_be_ids, named_in, reached_in
from journeys.drafting.sendable import unsendable
from store.queries import deciding_drafts, journeys, learners
from store.queries.deciding_drafts import DraftFilter, Listed, NewText, Refused

SHOWN = 500
"""The most that are told one by one, of those that were left."""

_PAGE = 500
_AT_ONCE = 100
"""How many are judged, and approved, in one go."""


async def approve(parts: Parts, draft: str, *, by: str, despite_findings: bool = False) -> DraftOut:
    """Approve a proposed text; one that is approved already stays as it is. Raises NotThere, Conflicting."""
    looked, rules = await _look(parts, draft)
    hard, against = await asyncio.to_thread(_against, looked, rules, despite_findings=despite_findings)

    async def do(session: AsyncSession, row: Listed, _texts: Sequence[Listed], at: datetime) -> None:
        if row.state == "approved":
            return
        _raise(deciding_drafts.may_decide(row))
        if against is not None:
            raise against
        await deciding_drafts.approve(session, [row], by=by, at=at, despite=hard)

    await _decide(parts, looked.draft, do)
    return await show(parts, draft)


async def reject(parts: Parts, draft: str, given: Rejecting, *, by: str) -> Rejected:
    """Reject a proposed text; one that is rejected already stays as it is. Raises NotThere, Conflicting, Unfit."""
    looked = await _find(parts, draft)
    await _must_name_nobody(parts, given.reason, looked)

    async def do(session: AsyncSession, row: Listed, texts: Sequence[Listed], at: datetime) -> str | None:
        if row.state == "rejected":
            return _next_of(row, texts)
        _raise(deciding_drafts.may_decide(row))
        await deciding_drafts.reject(session, row, reason=given.reason, by=by, at=at)
        return await _another(session, parts, row, texts, by=by, at=at) if given.again else None

    again = await _decide_and_start(parts, looked, do)
    return Rejected(draft=await show(parts, draft), again=again)


async def take_back(parts: Parts, draft: str, given: TakingBack, *, by: str) -> TakenBack:
    """Take back the approval of a text; one that was taken back stays as it is. Raises NotThere, Conflicting, Unfit."""
    looked = await _find(parts, draft)
    await _must_name_nobody(parts, given.reason, looked)

    async def do(session: AsyncSession, row: Listed, texts: Sequence[Listed], at: datetime) -> str | None:
        if row.taken_back_at is not None:
            return deciding_drafts.waiting_beside(row, texts)
        _raise(deciding_drafts.may_be_taken_back(row))
        await deciding_drafts.take_back(session, row, reason=given.reason, by=by, at=at)
        return await _another(session, parts, row, texts, by=by, at=at) if given.again else None

    again = await _decide_and_start(parts, looked, do)
    return TakenBack(draft=await show(parts, draft), again=again)


async def edit(parts: Parts, draft: str, given: Editing, *, by: str) -> DraftOut:
    """Make another text of this one, which waits for its own approval; the same text again is the same draft. Raises
    NotThere, Unfit.
    """
    text = DraftText(" ".join(given.subject.split()), given.body.strip())
    looked, rules = await _look(parts, draft)
    cannot = await asyncio.to_thread(unsendable, text, looked.order)
    if cannot:
        problems: list[Finding] = [{"path": "", "code": "draft_cannot_be_sent", "detail": detail} for detail in cannot]
        raise Unfit("draft_cannot_be_sent", f"this text could not be sent: {cannot[0]}", problems=problems)
    found = await asyncio.to_thread(looked.own_findings, text, rules)
    new = NewText(text, [finding.to_json() for finding in found])

    async def do(session: AsyncSession, row: Listed, texts: Sequence[Listed], at: datetime) -> str:
        known = next((each.id for each in texts if each.text == text and each.state in ("proposed", "approved")), None)
        return known or await deciding_drafts.edit(session, row, texts, new, by=by, at=at)

    return await show(parts, await _decide(parts, looked.draft, do))


async def write_again(parts: Parts, draft: str, *, by: str) -> DraftOut:
    """Want another text in place of one that failed, was rejected or taken back; answers that one. Raises NotThere,
    Conflicting.
    """
    looked = await _find(parts, draft)

    async def do(session: AsyncSession, row: Listed, texts: Sequence[Listed], at: datetime) -> str:
        known = _next_of(row, texts)
        if known is not None:
            return known
        _raise(deciding_drafts.may_be_written_again(row, texts))
        program = await _program_for(session, parts, row)
        if program is None:
            raise Conflicting(
                "draft_not_ordered",
                "no running version of the journey asks for this text, so nobody would write it: decide on those that "
                "it asks for (`is_ordered`), or publish a version that asks for this one",
            )
        return await deciding_drafts.want_again(session, row, texts, program=program, by=by, at=at)

    wanted = await _decide(parts, looked, do)
    await start(parts, [wanted])
    return await show(parts, wanted)


# --- many ---------------------------------------------------------------------------------------------------------


async def approve_many(parts: Parts, given: ApprovingMany, *, by: str) -> ApprovedMany:
    """Approve all that nothing hard stands against; the others are left, and told. Raises Unfit."""
    if (given.filter is None) == (given.ids is None):
        raise Unfit("which_drafts", "say which drafts: by `filter`, which names a journey, or by `ids`")
    wanted = list(dict.fromkeys(given.ids)) if given.ids is not None else await _matching(parts, given)
    done = 0
    left: list[LeftOut] = []
    for start_at in range(0, len(wanted), _AT_ONCE):
        part = wanted[start_at : start_at + _AT_ONCE]
        judged = await _judged(parts, part)
        refused = await (_would_approve(parts, judged) if given.dry_run else _approve_part(parts, judged, by=by))
        done += sum(one.against is None for one in refused)
        numbered = enumerate(refused, start=start_at + 1)
        left += [_left(number, one, one.against) for number, one in numbered if one.against is not None]
    return ApprovedMany(
        state="dry_run" if given.dry_run else "done", total=len(wanted), done=0 if given.dry_run else done,
        failed=len(left), by=by, could_not=left[:SHOWN],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judged:
    """One of many: `against` is why it is left, None: it is approved, or would be."""

    id: str
    draft: Listed | None
    against: ApiError | None


async def _matching(parts: Parts, given: ApprovingMany) -> list[str]:
    """The proposed ones, the oldest first."""
    assert given.filter is not None
    chosen = filter_of(
        journey=given.filter.journey, message=given.filter.message, language=given.filter.language,
        value=given.filter.value, state="proposed",
    )  # fmt: skip
    found: list[str] = []
    before: tuple[datetime, str] | None = None
    async with parts.database.read() as session:
        while page := await deciding_drafts.list_drafts(session, chosen, before=before, limit=_PAGE):
            before = page[-1].created_at, page[-1].id
            found += [row.id for row in page]
            if len(found) > MOST_AT_ONCE:
                detail = f"more than {MOST_AT_ONCE} drafts match: say which `message`, `language` or `value`"
                raise Unfit("too_many", detail)
    return found[::-1]


async def _judged(parts: Parts, ids: Sequence[str]) -> list[_Judged]:
    """These drafts as they are now, each with why it would be left."""
    async with parts.database.read() as session:
        rows = await deciding_drafts.find_all(session, ids)
        looked = {one.draft.id: one for one in await look(session, parts, [*rows.values()])}
        rules = await house(session)

    def judge_all() -> list[_Judged]:
        return [_judge_one(id_, looked.get(id_), rules) for id_ in ids]

    return await asyncio.to_thread(judge_all)


def _judge_one(id_: str, looked: Looked | None, rules: House) -> _Judged:
    if looked is None:
        return _Judged(id_, None, no_draft())
    state = _state_against(looked.draft)
    return _Judged(id_, looked.draft, state or _against(looked, rules)[1])


def _state_against(row: Listed) -> ApiError | None:
    refused = None if row.state == "approved" else deciding_drafts.may_decide(row)
    return None if refused is None else Conflicting(refused.code, refused.detail)


async def _would_approve(parts: Parts, judged: Sequence[_Judged]) -> list[_Judged]:
    """What `_approve_part` would answer, as things are."""
    orders = _orders_of(judged)
    async with parts.database.read() as session:
        texts = await deciding_drafts.list_of_orders(session, orders, states=("approved",))
    last = _last_of(judged, texts)
    return [_or_later(one, last) for one in judged]


async def _approve_part(parts: Parts, judged: Sequence[_Judged], *, by: str) -> list[_Judged]:
    """Approve those against which nothing stands, if that is still so now; of two of one order the later. A text goes
    in the place of a later one that is approved only where somebody approves it by itself.
    """
    orders = _orders_of(judged)
    if not orders:
        return list(judged)

    async def transaction() -> list[_Judged]:
        async with parts.database.write() as session:
            texts = await deciding_drafts.lock_orders(session, orders)
            now = {row.id: row for row in texts}
            again = [_still(one, now.get(one.id)) for one in judged]
            last = _last_of(again, texts)
            chosen = [row for row in last.values() if row.state == "proposed"]
            await deciding_drafts.approve(session, chosen, by=by, at=parts.clock())
            return [_or_later(one, last) for one in again]

    return await parts.database.retrying(transaction)


def _orders_of(judged: Sequence[_Judged]) -> list[deciding_drafts.OrderOf]:
    return sorted({one.draft.order for one in judged if one.draft is not None and one.against is None})


def _last_of(judged: Sequence[_Judged], texts: Sequence[Listed]) -> Mapping[deciding_drafts.OrderOf, Listed]:
    """The text of each order that is approved in the end: the last of those that stand approved, or may be."""
    standing = [row for row in texts if row.state == "approved"]
    may_be = [one.draft for one in judged if one.against is None and one.draft is not None]
    return {row.order: row for row in sorted((*standing, *may_be), key=lambda row: row.number)}


def _still(one: _Judged, now: Listed | None) -> _Judged:
    if one.against is not None or now is None:
        return one
    return _Judged(one.id, now, _state_against(now))


def _or_later(one: _Judged, last: Mapping[deciding_drafts.OrderOf, Listed]) -> _Judged:
    if one.draft is None or one.against is not None:
        return one
    later = last[one.draft.order]
    if later.id == one.id:
        return one
    detail = (
        f"a later text of its order is approved: {later.id}; to have this one sent in its place, approve it by itself"
    )
    return _Judged(one.id, one.draft, Conflicting("later_text", detail))


def _left(number: int, one: _Judged, against: ApiError) -> LeftOut:
    row = one.draft
    return LeftOut(
        number=number, draft=one.id, message=row and row.message, language=row and row.language,
        value=row and row.value, code=against.code, detail=against.detail,
    )  # fmt: skip


# --- what all have in common --------------------------------------------------------------------------------------


def filter_of(
    *,
    journey: str | None = None,
    message: str | None = None,
    language: str | None = None,
    value: str | None = None,
    state: str | None = None,
) -> DraftFilter:
    """The filter as the store knows it; `own` is the message's own language."""
    is_own = language == OWN
    return DraftFilter(journey, message, None if is_own else language, is_own, value, state)


async def _must_name_nobody(parts: Parts, reason: str, draft: Listed) -> None:
    """Raise Unfit for a reason that the next text could not be told: the writer is told of nobody."""
    what = reached_in(reason)
    if what is None:
        async with parts.database.read() as session:
            what = await _known_in(session, reason) or await _own_in(session, reason, draft)
    if what is not None:
        raise Unfit(
            "reason_names_somebody",
            f"the reason holds {what}, and the model is told it with the next text: say what is wrong with the text, "
            "without who somebody is or where they are reached",
        )


async def _known_in(session: AsyncSession, reason: str) -> str | None:
    """Whose id stands in a reason: anybody's whom we know."""
    words = may_be_ids(reason)
    known = await learners.find_ids(session, words) if words else {}
    return f"an id (its word {min(words[id_] for id_ in known)} is what a system calls somebody)" if known else None


async def _own_in(session: AsyncSession, reason: str, draft: Listed) -> str | None:
    """What of her, or of her manager, stands in a reason against a text that is for one learner alone."""
    states = await learners.find_states(session, [draft.value]) if draft.value else {}
    her = next(iter(states.values()), None)
    if her is None:
        return None
    facts = facts_of(None, source_id=her.source_id, profile=her.profile, entry=None)
    called = facts.learner.get("manager")
    managers = await learners.find_profiles_called(session, [called]) if isinstance(called, str) else {}
    found = named_in(reason, facts, manager=next(iter(managers.values()), None))
    return None if found is None else f"what says who she is ({found})"


async def _find(parts: Parts, draft: str) -> Listed:
    async with parts.database.read() as session:
        return await _found(session, draft)


async def _look(parts: Parts, draft: str) -> tuple[Looked, House]:
    async with parts.database.read() as session:
        (looked,) = await look(session, parts, [await _found(session, draft)])
        return looked, await house(session)


async def _found(session: AsyncSession, draft: str) -> Listed:
    row = (await deciding_drafts.find_all(session, [draft])).get(draft)
    if row is None:
        raise no_draft()
    return row


def _against(looked: Looked, rules: House, *, despite_findings: bool = False) -> tuple[int, Conflicting | None]:
    """How many hard findings stand against this text, and why it may not be approved, whatever state it is in; None
    where it may, or where it has none.
    """
    text = looked.draft.text
    if text is None:
        return 0, None
    cannot = unsendable(text, looked.order)
    if cannot:
        problems: list[Finding] = [{"path": "", "code": "draft_cannot_be_sent", "detail": detail} for detail in cannot]
        detail = f"this text could not be sent: {cannot[0]}; edit it, or reject it"
        return 0, Conflicting("draft_cannot_be_sent", detail, problems=problems)
    findings = looked.findings(text, rules)
    hard = [finding for finding in findings if finding.is_hard]
    if not hard or despite_findings:
        return len(hard), None
    more = "" if len(hard) == 1 else f" (and {len(hard) - 1} more)"
    detail = f"a hard finding is against it: {hard[0].detail}{more}; edit it, reject it, or approve it with "
    detail += "`despite_findings`"
    problems = [{"path": "", "code": finding.check, **finding.to_json()} for finding in findings]
    return len(hard), Conflicting("hard_findings", detail, problems=problems)


T = TypeVar("T")
Do = Callable[[AsyncSession, Listed, Sequence[Listed], datetime], Awaitable[T]]


async def _decide(parts: Parts, looked: Listed, do: Do[T]) -> T:
    """Do it to a draft whose order is locked: `do` gets the draft as it is now, all texts of its order, the instant.
    Raises Conflicting where it has another text by now than when it was looked at.
    """

    async def transaction() -> T:
        async with parts.database.write() as session:
            texts = await deciding_drafts.lock_order(session, looked.id)
            row = next((text for text in texts if text.id == looked.id), None)
            if row is None:
                raise no_draft()
            if row.text != looked.text:
                raise Conflicting(
                    "draft_changed",
                    "it has got another text since it was looked at, which nobody has judged yet: read it, then decide",
                )
            return await do(session, row, texts, parts.clock())

    return await parts.database.retrying(transaction)


async def _decide_and_start(parts: Parts, looked: Listed, do: Do[str | None]) -> str | None:
    """Do it, as `_decide`, and have the text written that `do` answers, where it answers one."""
    wanted = await _decide(parts, looked, do)
    if wanted is not None:
        await start(parts, [wanted])
    return wanted


async def _another(
    session: AsyncSession, parts: Parts, row: Listed, texts: Sequence[Listed], *, by: str, at: datetime
) -> str | None:
    """Want another text of a locked order; answers its id, None where no running version asks for it."""
    program = await _program_for(session, parts, row)
    if program is None:
        return None
    return await deciding_drafts.want_again(session, row, texts, program=program, by=by, at=at)


async def _program_for(session: AsyncSession, parts: Parts, row: Listed) -> str | None:
    """The program that another text is ordered by: the running one. None where it does not ask for it, or is archived:
    nobody would write it.
    """
    (looked,) = await look(session, parts, [row])
    running = await journeys.find_journey(session, row.journey)
    if running is None or running.status == "archived" or not looked.is_ordered:
        return None
    return running.hash


def _next_of(row: Listed, texts: Sequence[Listed]) -> str | None:
    """The text that is written, or was, in place of this one."""
    later = [text for text in texts if text.number > row.number and text.state in ("wanted", "proposed")]
    return later[-1].id if later else None


def _raise(refused: Refused | None) -> None:
    if refused is not None:
        raise Conflicting(refused.code, refused.detail)
