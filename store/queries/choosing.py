"""Which enrolments, and which deliveries, an action on many concerns."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables import Enrolment


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which enrolments; `learner` is our id, `statuses` are some of active, paused, ended."""

    statuses: Sequence[str]
    journey: str | None = None
    learner: str | None = None
    version: int | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of them, as far as it is told whether it can be done."""

    id: str
    status: str
    version: int
    program: str
    run: str


async def list_enrolments(session: AsyncSession, wanted: Wanted, *, after: str, limit: int) -> Sequence[Chosen]:
    """Those that match, in order of id."""
    conditions: list[ColumnElement[bool]] = [col(Enrolment.id) > after, col(Enrolment.status).in_(wanted.statuses)]
    for column, value in (
        (Enrolment.journey, wanted.journey), (Enrolment.learner, wanted.learner),
        (Enrolment.version, wanted.version), (Enrolment.step, wanted.step),
    ):  # fmt: skip
        if value is not None:
            conditions.append(col(column) == value)
    query = (
        select(
            col(Enrolment.id), col(Enrolment.status), col(Enrolment.version), col(Enrolment.program), col(Enrolment.run)
        )
        .where(*conditions)
        .order_by(col(Enrolment.id))
        .limit(limit)
    )
    return [Chosen(*row) for row in (await (await session.connection()).execute(query)).all()]
