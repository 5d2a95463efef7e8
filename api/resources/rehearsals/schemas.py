"""What a rehearsal is given; what it tells is `journeys.timeline`'s."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.bodies import Given


class RehearsalWanted(Given):
    """A definition (its text, or as JSON), the learners' profiles by id, and CloudEvents; `until` as `8w`; `answers` is
    what named webhooks answer to a `call`.
    """

    definition: str | dict[str, Any]
    learners: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    events: Annotated[list[Any], Field(max_length=10_000)]
    until: str | None = None
    answers: dict[str, Any] = Field(default_factory=dict[str, Any])


class RehearsedLearner(BaseModel):
    """One learner's timeline, her enrolments, and how the last one ended."""

    learner: str
    outcome: str | None
    timeline: list[dict[str, Any]]

    model_config = {"extra": "allow"}


class RehearsalOut(BaseModel):
    """Every learner of the rehearsal."""

    learners: list[RehearsedLearner]
