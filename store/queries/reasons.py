"""What is known of how a message came: its delivery, its enrolment, what began that, and whose its words are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, or_, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import connection_of
from store.tables import BidRow, DeliveryRow, DraftRow, Enrolment, Learner, LoggedEvent

_IN_DIGEST = and_(col(BidRow.delivery) == col(DeliveryRow.id), col(BidRow.digest).is_not(None))
"""It goes in one message with others: until its own turn has been told, its bid alone says in which words."""
_DRAFT = case((col(BidRow.delivery).is_not(None), col(BidRow.draft)), else_=col(DeliveryRow.draft))
_ABOUT: Any = (
    select(
        col(DeliveryRow.id), col(DeliveryRow.node), col(DeliveryRow.message), col(DeliveryRow.channel),
        col(DeliveryRow.status), col(DeliveryRow.reason), col(DeliveryRow.sent_at), col(DeliveryRow.learner),
        col(DeliveryRow.recipient), col(Enrolment.id), col(Enrolment.program), col(Enrolment.entered_at),
        col(LoggedEvent.type), col(LoggedEvent.source), col(LoggedEvent.time), col(DraftRow.origin),
        col(DraftRow.model), col(DraftRow.written_by), col(DraftRow.decided_by), col(DraftRow.decided_at),
        col(DraftRow.subject), col(DraftRow.body), col(DraftRow.approved_despite),
    )
    .select_from(DeliveryRow)
    .join(Enrolment, col(Enrolment.id) == col(DeliveryRow.enrolment))
    .join(Learner, col(Learner.id) == col(DeliveryRow.learner))
    .outerjoin(LoggedEvent, col(LoggedEvent.seq) == col(Enrolment.entry_event))
    .outerjoin(BidRow, _IN_DIGEST)
    .outerjoin(DraftRow, col(DraftRow.id) == _DRAFT)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class About:
    """One delivery. `event_*` are None where no event began its enrolment; `origin` and what follows are those of its
    draft, None where none went.
    """

    id: str
    node: str
    message: str
    channel: str | None
    status: str
    reason: str | None
    sent_at: datetime | None
    learner: str
    recipient: str
    enrolment: str
    program: str
    entered_at: datetime
    event_type: str | None
    event_source: str | None
    event_time: datetime | None
    origin: str | None
    model: str | None
    written_by: str | None
    decided_by: str | None
    decided_at: datetime | None
    subject: str | None
    body: str | None
    approved_despite: int | None

    @property
    def is_about_another(self) -> bool:
        """Whether who gets it is not the learner."""
        return self.recipient != self.learner


async def find(session: AsyncSession, delivery: str) -> About | None:
    """One delivery; None where there is none, or where the learner is known no more."""
    row = (await (await connection_of(session)).execute(_ABOUT.where(col(DeliveryRow.id) == delivery))).first()
    return None if row is None else About(*row)


async def list_parts(session: AsyncSession, digest: About, *, reason: str) -> Sequence[About]:
    """The messages that went in a digest; `reason` is what the deliveries say that have been told of it."""
    of_digest = select(col(BidRow.delivery)).where(col(BidRow.digest) == digest.id)
    query = (
        _ABOUT.where(col(DeliveryRow.recipient) == digest.recipient)
        .where(or_(col(DeliveryRow.reason) == reason, col(DeliveryRow.id).in_(of_digest)))
        .order_by(col(DeliveryRow.created_at), col(DeliveryRow.id))
    )
    return [About(*row) for row in (await (await connection_of(session)).execute(query)).all()]
