"""Drafts as whoever has them written sees them: wanted ones, taken one call further, proposed, given up; and whether
the reviewers know of them.

What a draft is, and how it goes from state to state, stands at `store.tables.DraftRow`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.order import DraftText
from journeys.events import Json
from store.database import changed
from store.inserting import insert_new
from store.tables import DraftRow, Installation, JourneyRow, Version

_REVIEWERS_TOLD = "reviewers_told"


# --- writing ------------------------------------------------------------------------------------------------------


async def list_wanted(session: AsyncSession, *, before: datetime, after: str, limit: int) -> Sequence[str]:
    """Texts that have been wanted since before `before`, in order of id, those after `after`."""
    query = (
        select(DraftRow.id)
        .where(col(DraftRow.state) == "wanted", col(DraftRow.created_at) <= before, col(DraftRow.id) > after)
        .order_by(col(DraftRow.id))
        .limit(limit)
    )
    return (await session.exec(query)).all()


async def count_wanted(session: AsyncSession) -> tuple[int, str | None]:
    """How many texts are wanted, and what the one that was looked at last waits for, where its drafting says."""
    wanted = col(DraftRow.state) == "wanted"
    number = (await session.exec(select(func.count()).select_from(DraftRow).where(wanted))).one()
    query = select(DraftRow.reason).where(wanted, col(DraftRow.reason).is_not(None))
    return number, (await session.exec(query.order_by(col(DraftRow.updated_at).desc()).limit(1))).first()


async def find_program_now(session: AsyncSession, journey: str) -> str | None:
    """The hash of the program that a journey runs now; None where it is archived, or not there."""
    query = (
        select(Version.hash)
        .join(JourneyRow, and_(col(JourneyRow.name) == col(Version.journey), col(JourneyRow.version) == Version.number))
        .where(col(JourneyRow.name) == journey, col(JourneyRow.status) != "archived")
    )
    return (await session.exec(query)).first()


async def find_written(session: AsyncSession, row: DraftRow) -> DraftRow | None:
    """A text of the same order that stands elsewhere, proposed or, rather, approved."""
    query = (
        select(DraftRow)
        .where(col(DraftRow.key) == row.key, col(DraftRow.state).in_(("approved", "proposed")), DraftRow.id != row.id)
        .order_by(col(DraftRow.state), col(DraftRow.created_at), col(DraftRow.id))
        .limit(1)
    )
    return (await session.exec(query)).first()


async def has_earlier_wanted(session: AsyncSession, row: DraftRow) -> bool:
    """Whether the same order of another message was wanted before, and is still to be written."""
    at, id_ = col(DraftRow.created_at), col(DraftRow.id)
    query = (
        select(DraftRow.id)
        .where(
            col(DraftRow.key) == row.key, col(DraftRow.state) == "wanted", col(DraftRow.number) == 1,
            or_(at < row.created_at, and_(at == row.created_at, id_ < row.id)),
        )
        .limit(1)
    )  # fmt: skip
    return (await session.exec(query)).first() is not None


async def list_rejections(session: AsyncSession, row: DraftRow) -> Sequence[str]:
    """Why persons rejected earlier texts of this order, or took them back, oldest first."""
    query = (
        select(DraftRow.reason)
        .where(
            col(DraftRow.journey) == row.journey, col(DraftRow.message) == row.message, col(DraftRow.key) == row.key,
            or_(col(DraftRow.state) == "rejected", col(DraftRow.taken_back_at).is_not(None)),
        )
        .order_by(col(DraftRow.number))
    )  # fmt: skip
    return [reason for reason in (await session.exec(query)).all() if reason]


async def find_texts(session: AsyncSession, journey: str, message: str, keys: Sequence[str]) -> Mapping[str, DraftText]:
    """The latest proposed or approved text for each of these orders of a message, by key."""
    query = (
        select_columns(col(DraftRow.key), col(DraftRow.subject), col(DraftRow.body))
        .where(
            col(DraftRow.journey) == journey, col(DraftRow.message) == message, col(DraftRow.key).in_(keys),
            col(DraftRow.state).in_(("proposed", "approved")),
        )
        .order_by(col(DraftRow.number))
    )  # fmt: skip
    found = (await (await session.connection()).execute(query)).all()
    return {key: DraftText(subject or "", body or "") for key, subject, body in found}


async def change(session: AsyncSession, draft: str, *, at: datetime, **values: Any) -> bool:
    """Change a text that is still wanted; answers whether it was."""
    statement = (
        update(DraftRow)
        .where(col(DraftRow.id) == draft, col(DraftRow.state) == "wanted")
        .values(updated_at=at, **values)
    )
    return changed(await (await session.connection()).execute(statement)) == 1


# --- telling ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many texts wait for a person, by journey, and how many of them nobody was told of before this."""

    journeys: Mapping[str, int]
    new: int

    @property
    def number(self) -> int:
        """All of them."""
        return sum(self.journeys.values())


async def claim_untold(session: AsyncSession, *, at: datetime, rest: timedelta) -> datetime | None:
    """Take what is proposed and nobody was told of upon oneself, as of `at`; where somebody did so less than `rest`
    ago, nothing, and the instant from which on it may be done.
    """
    last = await _last_told(session)
    if last is not None and at < last + rest:
        return last + rest
    core = await session.connection()
    value: dict[str, Json] = {"at": at.isoformat()}
    await core.execute(
        update(Installation).where(col(Installation.name) == _REVIEWERS_TOLD).values(value=value, updated_at=at)
    )
    await core.execute(
        update(DraftRow).where(col(DraftRow.state) == "proposed", col(DraftRow.told_at).is_(None)).values(told_at=at)
    )
    return None


async def _last_told(session: AsyncSession) -> datetime | None:
    """When the reviewers were told last; nobody else tells them until this transaction ends."""
    core = await session.connection()
    never: dict[str, Json] = {"at": None}
    now = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    await core.execute(
        insert_new(session, Installation), [{"name": _REVIEWERS_TOLD, "value": never, "updated_at": now}]
    )
    query = select_columns(col(Installation.value)).where(col(Installation.name) == _REVIEWERS_TOLD).with_for_update()
    told: dict[str, Json] = (await core.execute(query)).scalar_one()
    return None if told["at"] is None else datetime.fromisoformat(str(told["at"]))


async def count_waiting(session: AsyncSession, *, claimed_at: datetime) -> Waiting:
    """What is proposed now; `new` is what the claim of that instant was about."""
    is_new = func.count().filter(col(DraftRow.told_at) == claimed_at)
    query = (
        select_columns(col(DraftRow.journey), func.count(), is_new)
        .where(col(DraftRow.state) == "proposed")
        .group_by(col(DraftRow.journey))
        .order_by(col(DraftRow.journey))
    )
    found = (await (await session.connection()).execute(query)).all()
    return Waiting({journey: number for journey, number, _ in found}, sum(new for _, _, new in found))
