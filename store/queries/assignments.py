"""What chance said of enrolments: the arms of splits, and of the holdout."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import ArmChosen
from store.database import connection_of
from store.inserting import insert_new
from store.tables import Assignment


async def record(session: AsyncSession, chosen: Sequence[tuple[str, ArmChosen]]) -> None:
    """Keep what was chosen for these enrolments; what stands already stays as it is."""
    if chosen:
        rows = [
            {"enrolment": enrolment, "split": c.split, "arm": c.arm, "share": c.share, "unit": c.unit, "at": c.at}
            for enrolment, c in chosen
        ]
        await (await connection_of(session)).execute(insert_new(session, Assignment), rows)


async def list_assignments(session: AsyncSession, enrolment: str) -> Sequence[Assignment]:
    """What was chosen for one enrolment, in order of time."""
    query = (
        select(Assignment)
        .where(col(Assignment.enrolment) == enrolment)
        .order_by(col(Assignment.at), col(Assignment.split))
    )
    return (await session.exec(query)).all()


async def forget(session: AsyncSession, enrolments: Collection[str]) -> None:
    """Take back what was chosen for enrolments that have not begun."""
    if enrolments:
        core = await connection_of(session)
        await core.execute(delete(Assignment).where(col(Assignment.enrolment).in_(enrolments)))
