"""The policy as the API shows it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ClosedOut(BaseModel):
    """Days on which the firm is closed, both inclusive: everywhere, in a country (ISO 3166) or at a site."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: str = Field(alias="from", description="A date.")
    last: str = Field(alias="to", description="A date.")
    country: str | None = None
    site: str | None = None
    name: str | None = None


class SendingOut(BaseModel):
    """When an ordinary message may go to those whose own days and hours are not known; local time."""

    model_config = ConfigDict(serialize_by_alias=True)

    days: list[Day]
    start: str = Field(alias="from", description="HH:MM.")
    end: str = Field(alias="to", description="HH:MM, up to 24:00; at it nothing goes any more.")
    holidays: bool = Field(description="Whether nothing goes on a public holiday where she is.")
    closed: list[ClosedOut]


class BudgetOut(BaseModel):
    """How many optional messages one person gets at most; null: no limit."""

    per_day: int | None
    per_week: int | None


class DraftsOut(BaseModel):
    """What may be drafted, and how it may not be said."""

    per_learner: bool = Field(description="Whether a message may have a text of its own for each learner.")
    forbidden: list[str] = Field(description="Words and phrases that no drafted text may say, in any case.")


class PolicyOut(BaseModel):
    """When and how much may be sent; `sending` and `budget` may be null: no limit."""

    zone: str = Field(description="IANA name; for those whose own zone is not known.")
    sending: SendingOut | None
    budget: BudgetOut | None
    digest: bool
    drafts: DraftsOut


DOCUMENTED = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": PolicyOut.model_json_schema()}}}
}
"""What OpenAPI is told of the body; what is left out is as in the default."""
