"""What a writer is, and the register of all writers.

A writer asks a language model for one text, by a prompt that says everything, and answers what came back: the text, or
why what came back is none. It knows nothing of journeys, of the store or of Temporal, tries once, and decides nothing:
whether a text may be sent is for the checks and for a person. It never logs a prompt or a text.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from journeys.drafting.order import DraftText, Prompt

UnusableReason = Literal["refused", "cut_off", "empty", "too_long", "no_json", "wrong_shape"]
"""Why an answer is no text: the model declined; it stopped in the middle; it said nothing; it said far too much; it is
not JSON (a page, prose); it is JSON of another form, or holds characters that cannot be kept.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A text as the model wrote it, which nobody has checked. `raw` is its whole answer, for diagnosis (for the store
    alone). Where the provider does not say how many tokens it took, they are estimated from the length.
    """

    text: DraftText
    model: str
    tokens_in: int
    tokens_out: int
    raw: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer that is no text; its tokens are spent. `detail` says what was wrong and never quotes it."""

    reason: UnusableReason
    detail: str
    model: str
    tokens_in: int
    tokens_out: int
    raw: str


class WriterSettings(BaseModel):
    """A writer's own settings; each field's alias is its name in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @property
    def is_set_up(self) -> bool:
        """Whether enough is configured to write."""
        raise NotImplementedError


class Writer(Protocol):
    """One way to a language model. Made by `open_writer` with its settings; safe for many texts at once on one event
    loop.
    """

    name: ClassVar[str]
    settings: ClassVar[type[WriterSettings]]

    def __init__(self, settings: Any) -> None: ...

    @property
    def model(self) -> str:
        """The model that is asked."""
        ...

    async def write(self, prompt: Prompt) -> Written | Unusable:
        """Ask once; raises Retryable, Permanent or Misconfigured as `connectors.errors` draws it, and never InDoubt: a
        text may be asked for again.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


WRITERS: dict[str, type[Writer]] = {}
"""Every writer by its name; filled by `writer`, complete once `connectors.writers` is imported."""


T = TypeVar("T", bound=type[Writer])


def writer(name: str) -> Callable[[T], T]:
    """Register a writer under its name; a second one of the same name is an error that names both files."""

    def register(cls: T) -> T:
        other = WRITERS.get(name)
        if other is not None:
            raise TypeError(f"writer {name!r} is defined twice: in {inspect.getfile(other)} and {inspect.getfile(cls)}")
        cls.name = name
        WRITERS[name] = cls
        return cls

    return register
