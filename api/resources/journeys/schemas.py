"""Journeys as the API gives them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from api.pagination import PageOf
from api.resources.drafts.schemas import DraftCounts


class JourneyFilter(PageOf):
    """Which journeys."""

    status: Literal["live", "paused", "archived"] | None = None


class FoundProblem(BaseModel):
    """One thing wrong, or odd, in a definition. Lines and columns count from 1."""

    severity: Literal["error", "warning"]
    code: str
    path: str
    line: int
    column: int
    detail: str
    allowed: list[str]
    suggestion: str | None


class Checked(BaseModel):
    """Whether a definition could be published; `ok` counts errors only."""

    ok: bool
    problems: list[FoundProblem]


class PublishedJourney(BaseModel):
    """The version that runs now; `is_new` where this publish made it; `problems` are warnings; `drafts` where messages
    are drafted.
    """

    journey: str
    version: int
    hash: str
    published_at: datetime
    is_new: bool
    problems: list[FoundProblem]
    drafts: DraftCounts | None = None


class PausedOut(BaseModel):
    """Since when a journey is paused, by whom (`waymark`: it failed for many, and held itself), and why."""

    since: datetime
    by: str | None
    reason: str | None


class JourneyOut(BaseModel):
    """A journey and how many enrolments of each status it has; `paused` where it is; `drafts` where one journey is
    asked for by name, and messages of it are drafted.
    """

    journey: str
    title: str
    version: int
    hash: str
    status: str
    published_at: datetime
    enrolments: dict[str, int]
    paused: PausedOut | None = None
    drafts: DraftCounts | None = None


class VersionItem(BaseModel):
    """A version in a list."""

    journey: str
    version: int
    hash: str
    title: str
    published_at: datetime


class VersionOut(VersionItem):
    """A version with its definition as it was given; `definition_type` is the media type it came in."""

    definition_type: str
    definition: str


class StepOut(BaseModel):
    """How often a step was arrived at, and how many enrolments stand there now."""

    step: str
    arrived: int
    waiting: int


class ReportOut(BaseModel):
    """How a journey goes; under deliveries, `none` is where no channel was chosen."""

    enrolments: dict[str, int]
    outcomes: dict[str, int]
    steps: list[StepOut]
    deliveries: dict[str, dict[str, int]]


DEFINITION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}
