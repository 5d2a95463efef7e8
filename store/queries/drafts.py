"""Drafted texts: wanted, proposed, decided upon, and found for a message that goes out.

What a draft is, and how it goes from state to state, stands at `store.tables.DraftRow`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, select, update
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.choosing import Approved, Wanted
from journeys.drafting.order import DraftText
from journeys.drafting.telling import Decided
from journeys.identity import draft_id
from store.inserting import insert_new
from store.tables import DraftRow


async def want(session: AsyncSession, wanted: Sequence[Wanted], *, program: str, at: datetime) -> Sequence[str]:
    """Order these texts of a program (its hash), where nobody has ordered them before; answers the ids of the new ones.

    A text that was rejected, or could not be written, is not ordered again by this.
    """
    if not wanted:
        return []
    new = insert_new(session, DraftRow).returning(col(DraftRow.id))
    rows = [_first(each, program, at) for each in wanted]
    return (await (await session.connection()).execute(new, rows)).scalars().all()


def _first(wanted: Wanted, program: str, at: datetime) -> dict[str, object]:
    order = wanted.order
    row = DraftRow(
        id=draft_id(order.journey, order.message, wanted.key, 1),
        journey=order.journey,
        message=order.message,
        language=order.language,
        value=order.value,
        key=wanted.key,
        number=1,
        program=program,
        created_at=at,
        updated_at=at,
    )
    return row.model_dump()


async def want_back(session: AsyncSession, wanted: Sequence[Wanted], *, program: str, at: datetime) -> Sequence[str]:
    """Order anew what fell because no version ordered it any more, and one does again; answers the ids of those. What a
    person has put another text in the place of stays as it is.
    """
    ids = [draft_id(each.order.journey, each.order.message, each.key, 1) for each in wanted]
    anew = (
        update(DraftRow)
        .where(col(DraftRow.id).in_(ids), _FELL)
        .values(state="wanted", program=program, updated_at=at)
        .returning(col(DraftRow.id))
    )
    return (await (await session.connection()).execute(anew)).scalars().all() if ids else []


async def find_known(session: AsyncSession, ids: Collection[str]) -> Mapping[str, bool]:
    """Those of these ids that stand for a draft already, in whatever state; and whether it is one for `want_back`."""
    query = select(col(DraftRow.id), _FELL).where(col(DraftRow.id).in_(ids))
    return {row[0]: bool(row[1]) for row in await (await session.connection()).execute(query)} if ids else {}


_later = aliased(DraftRow)
_FELL = and_(
    col(DraftRow.state) == "replaced",
    col(DraftRow.decided_at).is_(None),
    ~exists().where(
        col(_later.journey) == col(DraftRow.journey), col(_later.message) == col(DraftRow.message),
        col(_later.key) == col(DraftRow.key), col(_later.number) > 1,
    ),
)  # fmt: skip
"""Nobody has decided on it, and nothing stands in its place: no version ordered it when it was to be written."""


async def find_approved(session: AsyncSession, journey: str, message: str, key: str) -> Approved | None:
    """The approved text for this order of a message, if there is one: the latest."""
    query = (
        select(col(DraftRow.id), col(DraftRow.subject), col(DraftRow.body))
        .where(
            col(DraftRow.journey) == journey,
            col(DraftRow.message) == message,
            col(DraftRow.key) == key,
            col(DraftRow.state) == "approved",
        )
        .order_by(col(DraftRow.number).desc())
        .limit(1)
    )
    found = (await (await session.connection()).execute(query)).one_or_none()
    return None if found is None else Approved(found[0], DraftText(found[1] or "", found[2] or ""))


async def list_told(session: AsyncSession, ids: Collection[str]) -> Mapping[str, Decided]:
    """What is told of these drafts, by their ids: whose words they are, and who approved them."""
    query = select(
        col(DraftRow.id), col(DraftRow.origin), col(DraftRow.model), col(DraftRow.written_by), col(DraftRow.decided_by),
        col(DraftRow.decided_at), col(DraftRow.approved_despite),
    ).where(col(DraftRow.id).in_(ids))  # fmt: skip
    found = (await (await session.connection()).execute(query)).all()
    return {row[0]: Decided(*row) for row in found}


async def list_approved(session: AsyncSession, journey: str) -> Mapping[tuple[str, str], Approved]:
    """Every approved text of a journey, by message and key (`journeys.drafting.choosing.Drafts`)."""
    query = (
        select(col(DraftRow.message), col(DraftRow.key), col(DraftRow.id), col(DraftRow.subject), col(DraftRow.body))
        .where(col(DraftRow.journey) == journey, col(DraftRow.state) == "approved")
        .order_by(col(DraftRow.number))
    )
    found = (await (await session.connection()).execute(query)).all()
    return {
        (message, key): Approved(id_, DraftText(subject or "", body or ""))
        for message, key, id_, subject, body in found
    }


async def find(session: AsyncSession, draft: str) -> DraftRow | None:
    """One draft."""
    return (await session.exec(select_rows(DraftRow).where(col(DraftRow.id) == draft))).first()


async def lock(session: AsyncSession, draft: str) -> DraftRow | None:
    """One draft, which nobody else changes until this transaction ends."""
    query = select_rows(DraftRow).where(col(DraftRow.id) == draft).with_for_update()
    return (await session.exec(query)).first()
