"""What a channel is, and the register of all channels.

A channel is one class in one file of this folder: its settings, what of a profile is its address, and `send`. It
knows nothing of journeys, of the store or of Temporal, and decides nothing: whether a message may go is settled
before `send` is called. It never logs an address or a text.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from connectors.outgoing import Outgoing, Receipt
from journeys.events import Json


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one attempt may take, in seconds.

    `hand_over_seconds` runs from the call until the whole message is handed over: short, because nothing is lost by
    trying again. `answer_seconds` runs from there: long, because giving up then leaves a doubt. `connections` is how
    many are open at once.
    """

    hand_over_seconds: float = 5.0
    answer_seconds: float = 60.0
    connections: int = 8


class ChannelSettings(BaseModel):
    """A channel's own settings; each field's alias is its name in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @property
    def is_set_up(self) -> bool:
        """Whether enough is configured to send."""
        raise NotImplementedError


class Channel(Protocol):
    """One medium. Made by `open_channels` with its settings; safe for many sends at once on one event loop."""

    name: ClassVar[str]
    settings: ClassVar[type[ChannelSettings]]
    address_field: ClassVar[str | None]
    """The field of the profile that is the address; None: the channel needs none."""

    def __init__(self, settings: Any, *, limits: Limits) -> None: ...

    @property
    def needs_address(self) -> bool:
        """Whether a recipient without an address cannot be reached."""
        return self.address_field is not None

    @property
    def queue(self) -> str:
        """The task queue of this channel's retries."""
        return queue_of(self.name)

    @property
    def is_set_up(self) -> bool:
        """Whether it can send; always so for a channel that `open_channels` made."""
        return True

    def address(self, profile: Mapping[str, Json]) -> str | None:
        """Where this person is reached; None where the profile has nothing usable or no address is needed."""
        return address_in(profile, self.address_field)

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Make one attempt, and no second one once the message was handed over; raises as `connectors.errors` draws
        it.
        """
        ...

    async def close(self) -> None:
        """Close every connection; what is being sent fails as if the line had dropped."""
        ...


def queue_of(channel: str) -> str:
    """The task queue of a channel, by its name."""
    return f"deliver-{channel}"


def address_in(profile: Mapping[str, Json], field: str | None) -> str | None:
    """The text of this field of the profile, where it is one."""
    value = profile.get(field) if field is not None else None
    return value.strip() or None if isinstance(value, str) else None


CHANNELS: dict[str, type[Channel]] = {}
"""Every channel by its name; filled by `channel`, complete once `connectors.channels` is imported."""


T = TypeVar("T", bound=type[Channel])


def channel(name: str) -> Callable[[T], T]:
    """Register a channel under its name; a second one of the same name is an error that names both files."""

    def register(cls: T) -> T:
        other = CHANNELS.get(name)
        if other is not None:
            raise TypeError(
                f"channel {name!r} is defined twice: in {inspect.getfile(other)} and {inspect.getfile(cls)}"
            )
        cls.name = name
        CHANNELS[name] = cls
        return cls

    return register
