"""Drafts as people decide on them: listed, compared, approved, rejected, taken back, written anew, counted.

    wanted ─> proposed ─ approve ─> approved      the approved one of the same order before it is `replaced`
                 ├────── reject ──> rejected      another text of the same order is wanted, where somebody wants one
                 └────── edit ────> replaced      the new text is a row of its own, proposed

    approved ─ take back ─> replaced              nothing is approved then; another text is wanted, as after a rejection

Whoever decides locks every text of the order (`lock_order`), so that two who decide at once do so one after the other.
A text never changes once it is proposed, so what was found wrong with it before the lock is true after it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from sqlalchemy import ColumnElement, and_, case, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.counting import Group
from journeys.drafting.order import DraftText
from journeys.events import Json
from journeys.identity import draft_id
from store.database import connection_of
from store.tables import DraftRow

State = Literal["wanted", "proposed", "approved", "rejected", "replaced", "failed"]

OrderOf = tuple[str, str, str]
"""Journey, message and key: what the texts of one order have in common."""

WITH_TEXT = ("proposed", "approved")
"""The states in which a text goes, or may go."""

WAITING = ("wanted", "proposed")
"""The states in which a text is still to be decided on."""

_ROWS = 300
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DraftFilter:
    """Which drafts. `is_own_language`: those in the message's own language, which have no tag."""

    journey: str | None = None
    message: str | None = None
    language: str | None = None
    is_own_language: bool = False
    value: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A draft without what only its own page shows: its prompt, and what came back."""

    id: str
    journey: str
    message: str
    language: str | None
    value: str | None
    key: str
    number: int
    program: str
    state: str
    origin: str
    based_on: str | None
    subject: str | None
    body: str | None
    findings: Sequence[Json]
    model: str | None
    written_by: str | None
    calls: int
    tokens_in: int
    tokens_out: int
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    approved_despite: int | None
    taken_back_by: str | None
    taken_back_at: datetime | None
    wanted_by: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def order(self) -> OrderOf:
        """What it has in common with the other texts of its order."""
        return self.journey, self.message, self.key

    @property
    def text(self) -> DraftText | None:
        """Its text, where it has one."""
        return None if self.body is None else DraftText(self.subject or "", self.body)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it was not done, and what can be done instead."""

    code: Literal[
        "draft_not_written", "draft_decided", "draft_replaced", "draft_failed", "draft_not_over", "draft_not_approved"
    ]
    detail: str


@dataclass(frozen=True, slots=True)
class NewText:
    """A text that a person wrote, with what was found wrong with it."""

    text: DraftText
    findings: Sequence[Mapping[str, Json]] = field(default_factory=tuple)


_LISTED = tuple(col(getattr(DraftRow, name)) for name in Listed.__dataclass_fields__)


# --- looked at ----------------------------------------------------------------------------------------------------


async def list_drafts(
    session: AsyncSession, wanted: DraftFilter, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Listed]:
    """Drafts, the newest first; `before` is `created_at` and `id` of the last one of the page before."""
    at, id_ = col(DraftRow.created_at), col(DraftRow.id)
    query = select(*_LISTED).where(*_matching(wanted)).order_by(at.desc(), id_.desc()).limit(limit)
    if before is not None:
        query = query.where(or_(at < before[0], and_(at == before[0], id_ < before[1])))
    return [Listed(*row) for row in (await (await connection_of(session)).execute(query)).all()]


async def find_all(session: AsyncSession, drafts: Collection[str]) -> Mapping[str, Listed]:
    """Those of these drafts that there are, by id."""
    found: dict[str, Listed] = {}
    for part in _parts(sorted(set(drafts))):
        query = select(*_LISTED).where(col(DraftRow.id).in_(part))
        found |= {row[0]: Listed(*row) for row in (await (await connection_of(session)).execute(query)).all()}
    return found


async def list_of_orders(
    session: AsyncSession, orders: Collection[OrderOf], *, states: Collection[str] | None = None
) -> Sequence[Listed]:
    """The texts of these orders, in order of number."""
    found: list[Listed] = []
    for part in _parts(sorted(set(orders))):
        query = select(*_LISTED).where(_of_orders(part)).order_by(col(DraftRow.number))
        if states is not None:
            query = query.where(col(DraftRow.state).in_(states))
        found += [Listed(*row) for row in (await (await connection_of(session)).execute(query)).all()]
    return found


async def find_last_approved(session: AsyncSession, draft: Listed) -> Listed | None:
    """The text that was approved last for the same message, language and value, whatever was ordered; another one than
    this draft.
    """
    query = (
        select(*_LISTED)
        .where(
            col(DraftRow.journey) == draft.journey,
            col(DraftRow.message) == draft.message,
            col(DraftRow.language).is_not_distinct_from(draft.language),
            col(DraftRow.value).is_not_distinct_from(draft.value),
            col(DraftRow.id) != draft.id,
            col(DraftRow.state).in_(("approved", "replaced")),
            col(DraftRow.decided_at).is_not(None),
        )
        .order_by(col(DraftRow.decided_at).desc(), col(DraftRow.number).desc())
        .limit(1)
    )
    if draft.decided_at is not None:
        query = query.where(col(DraftRow.decided_at) < draft.decided_at)
    found = (await (await connection_of(session)).execute(query)).one_or_none()
    return None if found is None else Listed(*found)


async def list_groups(session: AsyncSession, journey: str) -> Sequence[Group]:
    """Every text of a journey, counted together with those like it."""
    of = (col(DraftRow.message), col(DraftRow.language), col(DraftRow.program), col(DraftRow.state))
    counted = (
        select(*of, func.count().label("number"), func.min(col(DraftRow.id)).label("one"))
        .where(col(DraftRow.journey) == journey)
        .group_by(*of)
        .subquery()
    )
    one = aliased(DraftRow)
    query = select(
        counted.c.message, counted.c.language, counted.c.program, counted.c.state, counted.c.number, col(one.value),
        col(one.key),
    ).join(one, col(one.id) == counted.c.one)  # fmt: skip
    return [Group(*row) for row in (await (await connection_of(session)).execute(query)).all()]


async def count_unapproved(
    session: AsyncSession, journey: str, groups: Collection[Group], *, expected: Collection[tuple[str, str]]
) -> int:
    """Of how many orders (message, key) no text is approved: those of these groups, and those that are expected."""
    core, key = await connection_of(session), (col(DraftRow.message), col(DraftRow.key))
    of_journey = col(DraftRow.journey) == journey
    is_approved = func.max(case((col(DraftRow.state) == "approved", 1), else_=0))
    orders = (
        select(col(DraftRow.message), col(DraftRow.language), func.min(col(DraftRow.program)).label("program"))
        .where(of_journey)
        .group_by(col(DraftRow.message), col(DraftRow.language), col(DraftRow.key))
        .having(is_approved == 0)
        .subquery()
    )
    like = {(group.message, group.language, group.program) for group in groups}
    counted = select(*orders.c, func.count()).group_by(*orders.c)
    lacking = sum(number for *of, number in (await core.execute(counted)).all() if tuple(of) in like)
    unknown = set(expected)
    for part in _parts([*expected]):
        known = select(*key).where(of_journey, tuple_(*key).in_(part)).distinct()
        unknown -= {(row[0], row[1]) for row in (await core.execute(known)).all()}
    return lacking + len(unknown)


# --- decided ------------------------------------------------------------------------------------------------------


async def lock_order(session: AsyncSession, draft: str) -> Sequence[Listed]:
    """Every text of the order to which this draft belongs, in order of number, which nobody else changes until this
    transaction ends; empty where there is no such draft.
    """
    own = select(col(DraftRow.journey), col(DraftRow.message), col(DraftRow.key)).where(col(DraftRow.id) == draft)
    found = (await (await connection_of(session)).execute(own)).one_or_none()
    return [] if found is None else await lock_orders(session, [(found[0], found[1], found[2])])


async def lock_orders(session: AsyncSession, orders: Collection[OrderOf]) -> Sequence[Listed]:
    """As `lock_order`, for at most some hundred orders."""
    key = (col(DraftRow.journey), col(DraftRow.message), col(DraftRow.key), col(DraftRow.number))
    core = await connection_of(session)
    await core.execute(select(col(DraftRow.id)).where(_of_orders(orders)).order_by(*key).with_for_update())
    # asked again: a text that was added while this waited for its order is not among what was locked
    found = await core.execute(select(*_LISTED).where(_of_orders(orders)).order_by(*key))
    return [Listed(*row) for row in found.all()]


async def approve(session: AsyncSession, drafts: Sequence[Listed], *, by: str, at: datetime, despite: int = 0) -> None:
    """Approve these proposed texts of locked orders, one of each order; those approved before are replaced. `despite`:
    how many hard findings stand against each.
    """
    core = await connection_of(session)
    for part in _parts(drafts):
        ids = [draft.id for draft in part]
        before = update(DraftRow).where(
            _of_orders({draft.order for draft in part}), col(DraftRow.state) == "approved", col(DraftRow.id).not_in(ids)
        )
        await core.execute(before.values(state="replaced", updated_at=at))
        change = update(DraftRow).where(col(DraftRow.id).in_(ids))
        await core.execute(
            change.values(state="approved", decided_by=by, decided_at=at, approved_despite=despite, updated_at=at)
        )


async def reject(session: AsyncSession, draft: Listed, *, reason: str, by: str, at: datetime) -> None:
    """Reject a proposed text of a locked order."""
    change = update(DraftRow).where(col(DraftRow.id) == draft.id)
    await (await connection_of(session)).execute(
        change.values(state="rejected", reason=reason, decided_by=by, decided_at=at, updated_at=at)
    )


async def take_back(session: AsyncSession, draft: Listed, *, reason: str, by: str, at: datetime) -> None:
    """Take back the approval of a text of a locked order: nothing is approved then. Who had approved it stays."""
    change = update(DraftRow).where(col(DraftRow.id) == draft.id)
    await (await connection_of(session)).execute(
        change.values(state="replaced", reason=reason, taken_back_by=by, taken_back_at=at, updated_at=at)
    )


async def want_again(
    session: AsyncSession, draft: Listed, texts: Sequence[Listed], *, program: str, by: str, at: datetime
) -> str:
    """Want another text of a locked order than this one (`texts` are all of it), which was rejected or taken back, or
    failed; answers its id.

    Where another one is wanted or proposed already, that is it. A failed one is replaced.
    """
    waiting = waiting_beside(draft, texts)
    if waiting is not None:
        return waiting
    row = _next(texts, program=program, at=at)
    row.wanted_by = by
    await _insert(session, row)
    await _replace(session, draft, if_in=("failed",), at=at)
    return row.id


def waiting_beside(draft: Listed, texts: Sequence[Listed]) -> str | None:
    """Another one of these texts that is written, or waits for a decision: the last."""
    return next((each.id for each in reversed(texts) if each.id != draft.id and each.state in WAITING), None)


async def edit(
    session: AsyncSession, draft: Listed, texts: Sequence[Listed], new: NewText, *, by: str, at: datetime
) -> str:
    """A text that a person made of this one, of a locked order: a row of its own, proposed; answers its id.

    One that nobody has decided on is replaced by it; one that is approved stays so until the new one is.
    """
    row = _next(texts, program=draft.program, at=at)
    row.state, row.origin, row.based_on, row.written_by = "proposed", "person", draft.id, by
    row.model = None if draft.text is None else draft.model
    row.subject, row.body, row.findings = new.text.subject, new.text.body, [dict(each) for each in new.findings]
    await _insert(session, row)
    await _replace(session, draft, if_in=("wanted", "proposed", "failed"), at=at)
    return row.id


def may_decide(draft: Listed) -> Refused | None:
    """Why nobody can approve or reject this draft any more, or yet."""
    match draft.state:
        case "proposed":
            return None
        case "wanted":
            detail = "it is not written yet: wait for it, or write it yourself (POST /v1/drafts/{id}/edit)"
            return Refused("draft_not_written", detail)
        case "failed":
            why = draft.reason or "writing it failed"
            detail = f"there is no text, because {why}: have it written again, or write it yourself"
            return Refused("draft_failed", detail)
        case "replaced" if draft.taken_back_at is not None:
            when = draft.taken_back_at.isoformat(timespec="seconds")
            detail = f"{draft.taken_back_by or 'somebody'} has taken it back at {when}: to have it sent, edit it"
            return Refused("draft_decided", detail)
        case "replaced":
            return Refused("draft_replaced", "another text stands in its place: look at the later texts of its order")
        case _:
            when = "" if draft.decided_at is None else f" at {draft.decided_at.isoformat(timespec='seconds')}"
            way = "take it back, or edit it" if draft.state == "approved" else "edit it"
            detail = f"{draft.decided_by or 'somebody'} has {draft.state} it{when}: to change that, {way}"
            return Refused("draft_decided", detail)


def may_be_taken_back(draft: Listed) -> Refused | None:
    """Why nobody can take back the approval of this draft."""
    match draft.state:
        case "approved":
            return None
        case "proposed":
            detail = "nobody has approved it, so it is sent to nobody: reject it (POST /v1/drafts/{id}/reject)"
            return Refused("draft_not_approved", detail)
        case _:
            return may_decide(draft)


def may_be_written_again(draft: Listed, texts: Sequence[Listed]) -> Refused | None:
    """Why nobody can have another text written in place of this one; `texts` are all of its order."""
    match draft.state:
        case "failed" | "rejected":
            return None
        case "replaced" if draft.taken_back_at is not None or _fell(draft, texts):
            return None
        case "wanted" | "replaced":
            return may_decide(draft)
        case _:
            way = "taken back" if draft.state == "approved" else "rejected"
            detail = f"it is {draft.state}: another text is written once it is {way} (`again`)"
            return Refused("draft_not_over", detail)


def _fell(draft: Listed, texts: Sequence[Listed]) -> bool:
    """Whether it is replaced by no other text: nobody ordered it any more when it was to be written."""
    return draft.decided_at is None and all(text.number <= draft.number for text in texts)


def _next(texts: Sequence[Listed], *, program: str, at: datetime) -> DraftRow:
    """The next text of an order."""
    last = max(texts, key=lambda text: text.number)
    number = last.number + 1
    return DraftRow(
        id=draft_id(last.journey, last.message, last.key, number), journey=last.journey, message=last.message,
        language=last.language, value=last.value, key=last.key, number=number, program=program, created_at=at,
        updated_at=at,
    )  # fmt: skip


async def _replace(session: AsyncSession, draft: Listed, *, if_in: Collection[str], at: datetime) -> None:
    change = update(DraftRow).where(col(DraftRow.id) == draft.id, col(DraftRow.state).in_(if_in))
    await (await connection_of(session)).execute(change.values(state="replaced", updated_at=at))


async def _insert(session: AsyncSession, row: DraftRow) -> None:
    await (await connection_of(session)).execute(insert(DraftRow), [row.model_dump()])


def _matching(wanted: DraftFilter) -> Iterator[ColumnElement[bool]]:
    pairs = (
        (DraftRow.journey, wanted.journey), (DraftRow.message, wanted.message), (DraftRow.language, wanted.language),
        (DraftRow.value, wanted.value), (DraftRow.state, wanted.state),
    )  # fmt: skip
    for column, value in pairs:
        if value is not None:
            yield col(column) == value
    if wanted.is_own_language:
        yield col(DraftRow.language).is_(None)


def _of_orders(orders: Collection[OrderOf]) -> ColumnElement[bool]:
    return tuple_(col(DraftRow.journey), col(DraftRow.message), col(DraftRow.key)).in_(list(orders))


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _ROWS] for start in range(0, len(items), _ROWS))
