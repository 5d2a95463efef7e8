"""Actions on many as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.bodies import Given
from api.pagination import PageOf

ActionKind = Literal["enrol", "pause", "resume", "withdraw", "move"]
ActionState = Literal["running", "done", "stopped"]


class ActionFilter(Given):
    """On whom. `enrol`: the learners for whom `expression` holds (CEL over `learner`), into `journey`. The others: the
    enrolments that match everything said; `learner` is the source's id or ours, `step` the one they stand at, and
    `waiting_longer_than` a duration (`10d`) since they came to what they wait for.
    """

    journey: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    expression: Annotated[str | None, Field(max_length=2048)] = None
    learner: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    status: Literal["active", "paused"] | None = None
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    step: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    waiting_longer_than: Annotated[str | None, Field(max_length=50)] = None


class Entrant(Given):
    """A learner by name, with a key and data of her own."""

    learner: Annotated[str, Field(min_length=1, max_length=1024)]
    key: Annotated[str | None, Field(max_length=1024)] = None
    data: dict[str, Any] | None = None


class Acting(Given):
    """What is to be done to many, to whom, and how.

    `learners` names them one by one, in place of `filter.expression`; `key` and `data` are for those that bring none.
    `catch_up` is for `resume`, `version` (to which) and `map` for `move`, as for one.
    With `dry_run` nothing is done: the answer says how many, and which could not. `rate` is how many a second.
    """

    action: ActionKind
    filter: ActionFilter = ActionFilter()
    learners: Annotated[list[Entrant] | None, Field(min_length=1, max_length=20_000)] = None
    key: Annotated[str, Field(max_length=1024)] = ""
    data: dict[str, Any] = Field(default_factory=dict[str, Any])
    force: bool = False
    catch_up: Literal["continue", "skip", "restart_wait"] = "continue"
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    map: Annotated[dict[str, str], Field(max_length=1000)] = Field(default_factory=dict[str, str])
    dry_run: bool = False
    rate: Annotated[float | None, Field(gt=0, le=10_000)] = None


class Failed(BaseModel):
    """One that could not be done: its place among all (from 1), who or what it was, and why."""

    number: int
    learner: str | None
    enrolment: str | None
    code: str
    detail: str


class ActionItemOut(BaseModel):
    """An action, and how far it is: `state` is dry_run, running, done or stopped; `total` counts whom it concerns."""

    id: str | None
    action: str
    state: str
    filter: dict[str, Any]
    options: dict[str, Any]
    total: int
    done: int
    failed: int
    rate: float | None
    by: str
    created_at: datetime
    updated_at: datetime


class ActionOut(ActionItemOut):
    """An action with those that could not be done, a page of them; `next` is the cursor of the next page."""

    could_not: list[Failed]
    next: str | None


class ActionsWanted(PageOf):
    """Which actions."""

    state: ActionState | None = None
