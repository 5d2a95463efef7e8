"""What the page of a survey must know: the enrolment that asks, who it is about, who was asked, and whether it was
answered.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.tables import DeliveryRow, Enrolment, Learner, LoggedEvent


@dataclass(frozen=True, slots=True)
class Asking:
    """An enrolment as the page needs it. `recipient` is our id of who got the message, where one went; her source's id
    and profile are those of the learner where it is she.
    """

    status: str
    program: str
    run: str
    entry: dict[str, Json]
    learner: str
    source_id: str
    profile: dict[str, Json]
    recipient: str
    recipient_source_id: str
    recipient_profile: dict[str, Json]

    @property
    def is_about_another(self) -> bool:
        """Whether somebody else than the learner was asked."""
        return self.recipient != self.learner


async def find(session: AsyncSession, enrolment: str, *, delivery: str) -> Asking | None:
    """The enrolment, its program by hash; `delivery` is the key of the message that brought the link."""
    recipient = aliased(Learner)
    query = (
        select(
            col(Enrolment.status), col(Enrolment.program), col(Enrolment.run), col(Enrolment.entry), col(Learner.id),
            col(Learner.source_id), col(Learner.profile), col(recipient.id), col(recipient.source_id),
            col(recipient.profile),
        )
        .join(Learner, col(Learner.id) == col(Enrolment.learner))
        .outerjoin(DeliveryRow, col(DeliveryRow.id) == delivery)
        .outerjoin(recipient, col(recipient.id) == col(DeliveryRow.recipient))
        .where(col(Enrolment.id) == enrolment)
    )  # fmt: skip
    row: Any = (await (await session.connection()).execute(query)).first()
    if row is None:
        return None
    status, program, run, entry, learner, source_id, profile, *other = row
    known = (learner, source_id, profile) if other[0] is None else other
    return Asking(status, program, run, entry, learner, source_id, profile, *known)


async def is_answered(session: AsyncSession, *, source: str, event_id: str) -> bool:
    """Whether the log holds this answer."""
    query = select(col(LoggedEvent.seq)).where(col(LoggedEvent.source) == source, col(LoggedEvent.event_id) == event_id)
    return (await (await session.connection()).execute(query)).first() is not None
