"""Deliveries as the API gives them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from api.drafted import DraftedOut
from api.pagination import PageOf

DeliveryStatus = Literal[
    "queued", "deferred", "sent", "skipped", "failed", "may_have_gone", "delivered", "bounced", "clicked", "replied"
]


class DeliveryFilter(PageOf):
    """Which deliveries; `learner` is the source's id or ours."""

    enrolment: str | None = None
    learner: str | None = None
    journey: str | None = None
    status: DeliveryStatus | None = None
    channel: str | None = None


class DeliveryOut(BaseModel):
    """A delivery; `learner` is the source's id. `words` are the provider's own, where it failed.

    `draft` is the approved draft whose text it is, and `drafted` tells of it; `undrafted` is why a drafted message goes
    in its own words.
    """

    id: str
    enrolment: str
    journey: str
    learner: str
    message: str
    channel: str | None
    status: str
    reason: str | None
    attempts: int
    due_at: datetime | None
    sent_at: datetime | None
    provider_id: str | None
    words: str | None
    draft: str | None
    undrafted: str | None
    drafted: DraftedOut | None
