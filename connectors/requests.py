"""What is asked of another system, and what it says. Plain records, and the one port that all such systems share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from journeys.events import Json


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """One request to one system. `request_id` is the key: the same for every attempt, and handed to the system, so that
    one which remembers it does nothing twice. `learner` is the source's id; a call passes on the body and nothing else.
    """

    request_id: str
    learner: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Reply:
    """It was done. `values` is what the system said, as JSON; `problem` why nothing of it can be kept, where that is
    so. `words` are its own, for diagnosis (for the store alone).
    """

    values: Json = None
    problem: str | None = None
    words: str = ""


class System(Protocol):
    """Another system that does what a journey asks for. Safe for many requests at once on one event loop."""

    async def request(self, outgoing: OutgoingRequest) -> Reply:
        """Make one attempt; raises as `connectors.errors` draws it, and never InDoubt: a request may be repeated."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def queue_of(service: str, target: str) -> str:
    """The task queue of one system's later attempts, so that one which is slow delays no other."""
    return f"{service}-{target}"
