"""What a part of the stack is: something that is started, becomes ready, and is stopped.

Theory of operation. A part knows how it is started (`prepare`) and how one sees that it is ready (`make_ready`: one
attempt, to be repeated, which also does what has to be done once it answers, as making topics). It never waits and
never starts anything itself: `run.py` does that for tests, `supervisor.py` for `waymark up`.

    PartError           something about one part; names the part
    ├─ CannotStart      it ended, or was not ready in time; with its log
    ├─ PortTaken        another process has its port; names that process where it can be found
    └─ CannotHave       there is no way to get the server on this machine; with the reason of each way
    NotReady            not yet; the reason is shown if it stays so
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from waymark.cli.errors import Unreachable


class NotReady(Exception):
    """Not ready yet; the text says what is missing."""


class PartError(Unreachable):
    """Something is wrong with one part of the stack."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


class CannotStart(PartError):
    """The part ended, or was not ready in time."""


class PortTaken(PartError):
    """Another process listens on the port of this part."""


class CannotHave(PartError):
    """There is no way to get this server on this machine."""


@dataclass(frozen=True)
class Launch:
    """How a part is started; `environment` is added to ours, `as_user` is who it runs as when we are root."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    as_user: str | None = None


@dataclass(frozen=True)
class Listens:
    """A port of 127.0.0.1 that a part will listen on, and the setting that moves it (None: taken anew each time)."""

    port: int
    setting: str | None = None
    host: str = "127.0.0.1"


class Part(Protocol):
    """A server or a process of ours."""

    @property
    def name(self) -> str:
        """Its name in `status`, and of its log."""
        ...

    @property
    def address(self) -> str:
        """Where it is found, for people."""
        ...

    @property
    def ports(self) -> tuple[Listens, ...]:
        """What must be free before it starts."""
        ...

    @property
    def ready_within_seconds(self) -> float:
        """How long it may take until it is ready, on a slow machine."""
        ...

    def prepare(self, folder: Path) -> Launch:
        """Write what it needs below `folder`, which is its own, and say how it is started; may be called again."""
        ...

    async def make_ready(self) -> None:
        """See whether it is ready, in one attempt, and do what has to be done once it is; raises NotReady."""
        ...
