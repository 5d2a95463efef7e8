"""Many enrolments that want waking at once, because something has changed for all of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import connection_of
from store.queries.turns import wanted_since
from store.tables import Enrolment


async def want_waking(session: AsyncSession, enrolments: Sequence[str], *, at: datetime) -> None:
    """These want waking. Held in order of id, so that no two who wake many wait for each other in a circle."""
    if not enrolments:
        return
    core = await connection_of(session)
    these = col(Enrolment.id).in_(enrolments)
    await core.execute(
        select(col(Enrolment.id)).where(these).order_by(col(Enrolment.id)).with_for_update(key_share=True)
    )
    await core.execute(update(Enrolment).where(these).values(wake_wanted_at=wanted_since(at)))
