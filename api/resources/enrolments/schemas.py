"""Enrolments as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.bodies import Given
from api.drafted import DraftedOut
from api.pagination import PageOf

Status = Literal["active", "paused", "ended"]


class EnrolmentFilter(PageOf):
    """Which enrolments; `learner` is the source's id or ours."""

    journey: str | None = None
    learner: str | None = None
    status: Status | None = None


class EnrolmentItem(BaseModel):
    """An enrolment; `learner` is the source's id."""

    id: str
    journey: str
    version: int
    learner: str
    entry_key: str
    status: str
    outcome: str | None
    arm: str | None
    step: str | None
    waiting_for: str | None
    due_at: datetime | None
    entered_at: datetime
    ended_at: datetime | None


class JournalLine(BaseModel):
    """What happened, in words and in facts; `drafted` tells of the draft in whose words a message went."""

    at: datetime
    kind: str
    step: str | None
    text: str
    data: dict[str, Any]
    drafted: DraftedOut | None


class OutlookOut(BaseModel):
    """What an enrolment waits for, what follows (one line for each way it can go), and what would end it at once."""

    now: str
    then: list[str]
    ends: list[str]


class EnrolmentOut(EnrolmentItem):
    """An enrolment with its journal and its outlook; `zone` is where the learner is, as far as is known."""

    journal: list[JournalLine]
    outlook: OutlookOut
    zone: str


class EnrolByHand(Given):
    """Who is to enter which journey; `data` stands as `entry.data`, `force` passes over `audience`, `again` and
    `holdout`.
    """

    journey: Annotated[str, Field(min_length=1, max_length=200)]
    learner: Annotated[str, Field(min_length=1, max_length=1024)]
    key: Annotated[str, Field(max_length=1024)] = ""
    data: dict[str, Any] = Field(default_factory=dict[str, Any])
    force: bool = False
