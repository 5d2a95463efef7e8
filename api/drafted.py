"""Whose words a message went in, as the API says it beside a delivery and a line of a journal."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.telling import Decided
from store.queries import drafts


class DraftedOut(BaseModel):
    """The draft in whose words a message went: `origin` is model, person (`written_by`) or reuse; who approved it, and
    how many hard findings stood against it then (`approved_despite`; null: that was not kept).
    """

    draft: str
    origin: str
    model: str | None
    written_by: str | None
    approved_by: str | None
    approved_at: datetime | None
    approved_despite: int | None


async def find_drafted(session: AsyncSession, ids: Iterable[object]) -> Mapping[str, Decided]:
    """Those of these ids that are drafts; without any, no query."""
    wanted = {id_ for id_ in ids if isinstance(id_, str)}
    return await drafts.list_told(session, wanted) if wanted else {}


def shown_drafted(told: Decided | None) -> DraftedOut | None:
    """As the API gives it."""
    if told is None:
        return None
    return DraftedOut(
        draft=told.id, origin=told.origin, model=told.model, written_by=told.written_by, approved_by=told.approved_by,
        approved_at=told.approved_at, approved_despite=told.approved_despite,
    )  # fmt: skip
