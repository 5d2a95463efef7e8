"""Actions on many: made with all their items, worked off a few at a time, stopped, told of.

An item waits until one transaction does what it asks for and writes what became of it; so a process that is killed has
done each item wholly or not at all, and another goes on where it stood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, bindparam, insert, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.database import connection_of
from store.tables import ActionItem, ActionRow

_ROWS = 500


@dataclass(frozen=True, slots=True)
class NewAction:
    """What is to be done to many. `options` are the kind's own; `filter` is what was asked for, kept to be shown: our
    ids only, no personal values. `rate` is how many a second; None: as many as go.
    """

    id: str
    kind: str
    by: str
    filter: Mapping[str, Json] = field(default_factory=dict[str, Json])
    options: Mapping[str, Json] = field(default_factory=dict[str, Json])
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class NewItem:
    """One of them. With a `code` it is known already that it cannot be done, and is only counted and told."""

    target: str | None
    options: Mapping[str, Json] = field(default_factory=dict[str, Json])
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an item: done (`enrolment` is what it came to), or, with a `code`, failed."""

    number: int
    enrolment: str | None = None
    code: str | None = None
    detail: str | None = None


async def create(session: AsyncSession, new: NewAction, items: Sequence[NewItem], *, at: datetime) -> ActionRow:
    """Keep the action and its items; it is worked off from now on."""
    failed = sum(item.code is not None for item in items)
    row = ActionRow(
        id=new.id, kind=new.kind, filter=dict(new.filter), options=dict(new.options), by=new.by, rate=new.rate,
        state="running" if failed < len(items) else "done", total=len(items), failed=failed,
        paced_at=at, created_at=at, updated_at=at,
    )  # fmt: skip
    core = await connection_of(session)
    await core.execute(insert(ActionRow), [row.model_dump()])
    rows = [
        {
            "action": new.id, "number": number, "target": item.target, "options": dict(item.options),
            "state": "waiting" if item.code is None else "failed", "code": item.code, "detail": item.detail,
        }
        for number, item in enumerate(items, 1)
    ]  # fmt: skip
    for start in range(0, len(rows), _ROWS):
        await core.execute(insert(ActionItem), rows[start : start + _ROWS])
    return row


async def find(session: AsyncSession, action: str) -> ActionRow | None:
    """One action."""
    return (await session.exec(select(ActionRow).where(col(ActionRow.id) == action))).first()


async def list_failed(session: AsyncSession, action: str, *, after: int = 0, limit: int = 100) -> Sequence[ActionItem]:
    """Those that could not be done, in order of number, those after `after`."""
    query = (
        select(ActionItem)
        .where(col(ActionItem.action) == action, col(ActionItem.state) == "failed", col(ActionItem.number) > after)
        .order_by(col(ActionItem.number))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def list_actions(
    session: AsyncSession, *, state: str | None, before: tuple[datetime, str] | None, limit: int
) -> Sequence[ActionRow]:
    """Actions, the latest first; `before` is `created_at` and `id` of the last one of the page before."""
    at, id_ = col(ActionRow.created_at), col(ActionRow.id)
    query = select(ActionRow).order_by(at.desc(), id_.desc()).limit(limit)
    if state is not None:
        query = query.where(col(ActionRow.state) == state)
    if before is not None:
        query = query.where(or_(at < before[0], and_(at == before[0], id_ < before[1])))
    return (await session.exec(query)).all()


_RUNNING = (
    select(col(ActionRow.id))
    .where(col(ActionRow.state) == "running")
    .order_by(col(ActionRow.created_at), col(ActionRow.id))
)


async def list_running(session: AsyncSession) -> Sequence[str]:
    """The actions that are being worked off, the oldest first."""
    return (await (await session.connection()).execute(_RUNNING)).scalars().all()


async def stop(session: AsyncSession, action: str, *, at: datetime) -> ActionRow | None:
    """Do no more of it; what is done stays. None where there is no such action; a finished one stays as it is."""
    change = update(ActionRow).where(col(ActionRow.id) == action, col(ActionRow.state) == "running")
    await (await connection_of(session)).execute(change.values(state="stopped", updated_at=at))
    return await find(session, action)


async def take(session: AsyncSession, action: str) -> ActionRow | None:
    """The action, locked for a step of it; None where it does not run, or another process is at it."""
    query = select(ActionRow).where(col(ActionRow.id) == action, col(ActionRow.state) == "running")
    return (await session.exec(query.with_for_update(skip_locked=True))).first()


async def list_waiting(session: AsyncSession, action: str, *, limit: int) -> Sequence[ActionItem]:
    """The next items, in order of number."""
    query = (
        select(ActionItem)
        .where(col(ActionItem.action) == action, col(ActionItem.state) == "waiting")
        .order_by(col(ActionItem.number))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def finish(session: AsyncSession, action: str, finished: Sequence[Finished]) -> None:
    """Write what became of items."""
    if not finished:
        return
    change = (
        update(ActionItem)
        .where(col(ActionItem.action) == bindparam("of"), col(ActionItem.number) == bindparam("at"))
        .values(
            state=bindparam("became"), enrolment=bindparam("made"), code=bindparam("why"), detail=bindparam("words")
        )
    )
    rows = [
        {
            "of": action, "at": f.number, "became": "done" if f.code is None else "failed", "made": f.enrolment,
            "why": f.code, "words": f.detail,
        }
        for f in finished
    ]  # fmt: skip
    await (await connection_of(session)).execute(change, rows)


async def keep(
    session: AsyncSession, row: ActionRow, finished: Sequence[Finished], *, paced_at: datetime, at: datetime
) -> bool:
    """Count what became of items; answers whether the action is over."""
    failed = sum(one.code is not None for one in finished)
    done = row.done + len(finished) - failed
    is_over = done + row.failed + failed >= row.total
    change = (
        update(ActionRow)
        .where(col(ActionRow.id) == row.id)
        .values(
            done=done, failed=row.failed + failed, state="done" if is_over else "running", paced_at=paced_at,
            updated_at=at,
        )
    )  # fmt: skip
    await (await connection_of(session)).execute(change)
    return is_over
