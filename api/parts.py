"""What the API is handed by the wiring. It builds nothing for itself and knows no worker.

Ports are protocols with read-only results, so that whoever stands behind one keeps records of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.composing import Reach
from journeys.definition import Vocabulary
from journeys.events import Event
from journeys.links import Links
from journeys.program import Program
from store.database import Database


class Taken(Protocol):
    """What became of one event. `code` and `detail` say why it was refused; neither holds a personal value."""

    @property
    def status(self) -> Literal["accepted", "duplicate", "rejected"]:
        """Whether it is in the log now, was there already, or is not taken."""
        ...

    @property
    def code(self) -> str | None:
        """The stable code of the refusal."""
        ...

    @property
    def detail(self) -> str | None:
        """Why, in words."""
        ...


class Ingest(Protocol):
    """Takes events in; what it answers for survives a crash that follows."""

    async def take(self, events: Sequence[Event]) -> Sequence[Taken]:
        """One answer for each event, in order; whom they concern is woken, now or a little later."""
        ...


class Replayed(Protocol):
    """What became of a dead letter that was tried again: gone where it is accepted or a duplicate."""

    @property
    def status(self) -> Literal["accepted", "duplicate", "rejected"]:
        """As for any event."""
        ...

    @property
    def code(self) -> str | None:
        """Why it is still a dead letter."""
        ...

    @property
    def detail(self) -> str | None:
        """Why, in words."""
        ...


class Replay(Protocol):
    """Tries a dead letter again; None where there is no such letter."""

    async def __call__(self, letter: str) -> Replayed | None:
        """Safe to repeat."""
        ...


class Gateway(Protocol):
    """Wakes enrolments, and has texts drafted."""

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:
        """Answers those that were refused; raises `workflows.gateway.TryLater`."""
        ...

    async def draft(self, drafts: Sequence[str]) -> Sequence[object]:
        """As `poke`, for texts that are wanted."""
        ...


class ProgramOf(Protocol):
    """The compiled program of a version, by its hash."""

    async def __call__(self, session: AsyncSession, hash_: str, /) -> Program:
        """Kept once it was read; raises LookupError where no version has it."""
        ...


HealthCheck = Callable[[], Awaitable[None]]
"""Returns where a dependency answers, raises where it does not."""


@dataclass(frozen=True)
class Parts:
    """Everything the API needs. `key_digests` are SHA-256 (hex) of keys that hold besides those in the database."""

    database: Database
    ingest: Ingest
    replay: Replay
    gateway: Gateway
    vocabulary: Vocabulary
    reach: Mapping[str, Reach]
    clock: Callable[[], datetime]
    links: Links
    program_of: ProgramOf
    key_digests: Mapping[str, str] = field(default_factory=dict[str, str])
    health: Mapping[str, HealthCheck] = field(default_factory=dict[str, HealthCheck])


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]
