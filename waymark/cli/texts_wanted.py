"""Which texts `waymark draft` asks for: messages, languages and values that were named, or all there are. Pure but for
errors that say what to type.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from journeys.drafting.improving import improvement_of, rewording_of
from journeys.drafting.order import DraftOrder, languages_of, order_for, value_of
from journeys.drafting.personal import personal_in
from journeys.events import Json
from journeys.expressions import Facts, holds, learner_facts
from journeys.program import Draft, Message, Program
from waymark.cli.errors import NotSo, WrongUsage

OWN = "own"
"""How `--language` names the message's own language."""

Profiles = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed; `profiles` None: no file of learners was given."""

    program: Program
    messages: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    profiles: Profiles | None = None


def texts_of(wish: Wish) -> tuple[DraftOrder, ...]:
    """A text for each drafted message, in each language, for each value of `per`."""
    messages = _messages(wish, _is_drafted, "drafts nothing: give a message `draft: {brief: ...}` beside its body")
    return tuple(
        order
        for message in messages
        for value in _values(wish, message)
        for tag in _languages(wish, messages, message)
        if (order := order_for(wish.program, message.name, language=tag, value=value)) is not None
    )


def improvements_of(wish: Wish) -> tuple[DraftOrder, ...]:
    """Every text that is there, in each language of its own words."""
    messages = _messages(wish, _has_text, "has no message with a body of its own")
    return tuple(
        order
        for message in messages
        for tag in _languages(wish, messages, message)
        if tag is None or message.languages[tag].body is not None
        if (order := improvement_of(wish.program, message.name, language=tag)) is not None
    )


def alternatives_of(wish: Wish) -> tuple[DraftOrder, ...]:
    """The one message of which alternatives are wanted, in each of its languages."""
    may: Callable[[Message], bool] = _is_drafted if not wish.messages else _has_text
    messages = _messages(wish, may, "drafts nothing: name the message with --message")
    if len(messages) != 1:
        names = ", ".join(message.name for message in messages)
        raise WrongUsage(f"--alternatives is for one message: give one --message of {names}")
    (message,) = messages
    orders = (_alternative(wish, message, tag) for tag in _languages(wish, messages, message))
    return tuple(order for order in orders if order is not None)


def _alternative(wish: Wish, message: Message, tag: str | None) -> DraftOrder | None:
    if message.draft is None:
        return rewording_of(wish.program, message.name, language=tag)
    values = _values(wish, message)
    if len(values) != 1:
        raise WrongUsage(
            f"--alternatives of {message.name} are for one value of `per`: give one --value of "
            f"{', '.join(map(str, values))}"
        )
    return order_for(wish.program, message.name, language=tag, value=values[0])


# --- messages and languages ---------------------------------------------------------------------------------------


def _is_drafted(message: Message) -> bool:
    return message.draft is not None


def _has_text(message: Message) -> bool:
    return message.body is not None and not message.questions


def _messages(wish: Wish, may: Callable[[Message], bool], otherwise: str) -> tuple[Message, ...]:
    known = {name: message for name, message in wish.program.messages.items() if may(message)}
    if not known:
        raise NotSo(f"{wish.program.journey} {otherwise}")
    unknown = [name for name in wish.messages if name not in known]
    if unknown:
        raise WrongUsage(f"--message {unknown[0]}: it can be one of {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(wish.messages or known))


def _languages(wish: Wish, messages: tuple[Message, ...], message: Message) -> Iterator[str | None]:
    """The languages of one message that are wanted; a language that none of the messages has is an error."""
    offered = {tag for each in messages for tag in languages_of(each)}
    by_name = {(OWN if tag is None else tag.casefold()): tag for tag in offered}
    unknown = [name for name in wish.languages if name.casefold() not in by_name]
    if unknown:
        names = ", ".join(sorted(OWN if tag is None else tag for tag in offered))
        raise WrongUsage(f"--language {unknown[0]}: the messages are in {names} ({OWN}: the message's own language)")
    wanted = {by_name[name.casefold()] for name in wish.languages} or offered
    return (tag for tag in languages_of(message) if tag in wanted)


# --- values of `per` ----------------------------------------------------------------------------------------------


def _values(wish: Wish, message: Message) -> tuple[str | None, ...]:
    """For whom one message is drafted: None stands for all, and for each by herself, of whom nothing is told."""
    draft = message.draft
    if draft is None or draft.per is None or draft.is_per_learner:
        return (None,)
    if wish.values:
        return tuple(dict.fromkeys(wish.values))
    if wish.profiles is None:
        raise WrongUsage(
            f"{message.name} is drafted for each value of {draft.per.text}: name them with --value, or give learners "
            "with --learners FILE"
        )
    found, why = _values_among(wish, draft)
    if not found:
        reason = f" ({why})" if why else ""
        raise WrongUsage(
            f"none of the learners has a value of {draft.per.text}{reason}: name the values of {message.name} with "
            "--value"
        )
    return found


def _values_among(wish: Wish, draft: Draft) -> tuple[tuple[str, ...], str | None]:
    """The values among the learners whom the journey is for, and why one had none."""
    found: dict[str, None] = {}
    why: str | None = None
    audience = wish.program.audience
    for id_, profile in (wish.profiles or {}).items():
        facts = Facts(learner=learner_facts(profile, source_id=id_))
        if audience is not None and not holds(audience, facts).holds:
            continue
        value, finding = value_of(draft, facts, learner_id=id_)
        manager = (wish.profiles or {}).get(str(profile.get("manager")))
        personal = None if value is None else personal_in(value, facts, manager=manager)
        if value is None:
            why = finding
        elif personal is not None:
            why = f"{personal} stands in it, which no writer is told"
        else:
            found[value] = None
    return tuple(sorted(found)), why
