"""Which drafted text a message needs for one learner, at the moment of sending and at entry. Pure.

Both performers and ingest ask here, so that what is wanted ahead is what is looked for when it is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from journeys.composing import best_language
from journeys.drafting.choosing import Unordered, Wanted, wanted_for
from journeys.events import Json
from journeys.expressions import Facts
from journeys.policy import Policy
from journeys.program import Expression, Message, Program

NOT_PER_LEARNER = "the policy lets nobody draft for one learner alone (drafts.per_learner)"
"""Why a message with `per: learner` goes in its own words where the policy does not allow it."""


class Sends(Protocol):
    """A message that is to be brought through the first of these channels that can reach its recipient."""

    @property
    def message(self) -> str:
        """Which."""
        ...

    @property
    def via(self) -> tuple[str, ...]:
        """Through what."""
        ...


@runtime_checkable
class SendsTo(Sends, Protocol):
    """Options of a step that sends a message to somebody."""

    @property
    def to(self) -> Expression | Literal["learner", "manager"]:
        """To whom."""
        ...


def needed(
    program: Program, sends: Sends, *, facts: Facts, learner_id: str, recipient: Mapping[str, Json], policy: Policy
) -> Wanted | Unordered | None:
    """The text that would go, were it approved; None where nobody drafts what goes: the message has no `draft`, or
    wording of its own for each of these channels.

    `facts` are the learner's, `learner_id` is her id of ours, `recipient` the profile of who gets it.
    """
    message = program.messages.get(sends.message)
    if message is None or message.draft is None:
        return None
    language = best_language(message.languages, recipient.get("language"))
    if all(channel in _worded_channels(message, language) for channel in sends.via):
        return None
    if message.draft.is_per_learner and not policy.drafts_per_learner:
        return Unordered(NOT_PER_LEARNER)
    return wanted_for(program, sends.message, facts=facts, learner_id=learner_id, language=language)


def has_drafts(program: Program) -> bool:
    """Whether any message of the program is drafted."""
    return any(message.draft is not None for message in program.messages.values())


def drafted_steps(program: Program) -> Sequence[SendsTo]:
    """What the steps of a program send that is drafted, each once."""
    return list(dict.fromkeys(_drafted(program)))


def _drafted(program: Program) -> Iterator[SendsTo]:
    for node in program.nodes.values():
        options = node.options
        if isinstance(options, SendsTo):
            message = program.messages.get(options.message)
            if message is not None and message.draft is not None:
                yield options


def _worded_channels(message: Message, language: str | None) -> set[str]:
    """The channels for which the message has words of its own, written by the journey's author."""
    theirs = () if language is None else message.languages[language].channels
    return {*message.channels, *theirs}
