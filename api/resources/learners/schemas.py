"""Learners as the API gives them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class LearnerOut(BaseModel):
    """A learner: `id` is the source's, `learner_id` ours; `addresses` are the profile's, by channel."""

    id: str
    learner_id: str
    profile: dict[str, Any]
    addresses: dict[str, str]
    identities: list[str]
    updated_at: datetime


class TimelineItem(BaseModel):
    """One thing that happened to a learner; an event of hers that concerns no enrolment has none."""

    at: datetime
    kind: str
    enrolment: str | None
    journey: str | None
    step: str | None
    text: str
    data: dict[str, Any]
