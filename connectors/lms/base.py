"""What an LMS is to us, and the register of the kinds we can speak to.

An LMS is one class in one file of this folder. It knows nothing of journeys, of the store or of Temporal, and decides
nothing. It never logs a learner's id.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.answers import web_url
from connectors.named import setting_of
from connectors.requests import Reply

PREFIX = "WAYMARK_LMS"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A course that a learner is to have. `key` is the same for every attempt; `learner` is the source's id of her;
    `due` an instant (RFC 3339), where there is one.
    """

    key: str
    learner: str
    course: str
    due: str | None


class LmsSettings(BaseModel):
    """Where the LMS is, and what opens it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    url: Annotated[str, AfterValidator(web_url)] | None = None
    token: Annotated[SecretStr, Field(min_length=1)] | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether there is an LMS to speak to."""
        return self.url is not None

    @model_validator(mode="after")
    def _has_token(self) -> Self:
        if self.url is not None and self.token is None:
            url, token = (setting_of(PREFIX, self.name, field) for field in ("url", "token"))
            raise ValueError(f"{token}: is needed with {url}: the token that the LMS's administrator gives out")
        return self


class Lms(Protocol):
    """One LMS. Made by `open_lmss` with its settings; safe for many requests at once on one event loop."""

    def __init__(self, settings: LmsSettings, *, within_seconds: float) -> None: ...

    async def assign(self, assignment: Assignment) -> Reply:
        """Make one attempt; a course that she has already is assigned. Raises as `connectors.errors` draws it."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


LMS_KINDS: dict[str, type[Lms]] = {}
"""Every kind of LMS by its word; filled by `lms`, complete once `connectors.lms` is imported."""


T = TypeVar("T", bound=type[Lms])


def lms(word: str) -> Callable[[T], T]:
    """Register a kind of LMS; a second one under the same word is an error that names both files."""

    def register(cls: T) -> T:
        other = LMS_KINDS.get(word)
        if other is not None:
            raise TypeError(f"lms {word!r} is defined twice: in {inspect.getfile(other)} and {inspect.getfile(cls)}")
        LMS_KINDS[word] = cls
        return cls

    return register
