"""Which drafted text a message would go in: what is ordered for one learner, and the approved text at hand. Pure.

program, message, her facts, the language ─> Wanted (an order and its key) ─> the store, or a rehearsal, is asked
Approved | None ─> `journeys.composing.compose` says it, or the message's own words and why
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from journeys.drafting.order import DraftOrder, DraftText, order_for, order_key, value_of
from journeys.drafting.personal import personal_in
from journeys.events import Json
from journeys.expressions import Facts
from journeys.program import Program

NOT_APPROVED = "no approved draft"
"""Why a drafted message goes in its own words where nobody has approved a text for it yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The text that is wanted for one learner, and the key by which it is known again.

    `personal`: what of hers stands in the value of `per`, so that it is not ordered because of her.
    """

    order: DraftOrder
    key: str
    personal: str | None = None


@dataclass(frozen=True, slots=True)
class Unordered:
    """Why no text can be ordered for her: her value of `per` is not known, or says who she is. `reason` names the
    field.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    """An approved text, by the id of its draft."""

    id: str
    text: DraftText


Drafted = Approved | Unordered | None
"""What composing is told of a drafted message; None: nothing is approved for it (or it is not drafted at all)."""

Drafts = Mapping[tuple[str, str], Approved]
"""The approved texts of one journey, by message and key."""


def wanted_for(
    program: Program, message: str, *, facts: Facts, learner_id: str, language: str | None
) -> Wanted | Unordered | None:
    """What is wanted for one learner in a language (`best_language` of who gets it); None where the message is not
    drafted. `facts` are the learner's own, whoever gets the message; `learner_id` is her id of ours.
    """
    found = program.messages.get(message)
    if found is None or found.draft is None:
        return None
    value, finding = value_of(found.draft, facts, learner_id=learner_id)
    if finding is not None:
        return Unordered(finding)
    order = order_for(program, message, language=language, value=value)
    if order is None:
        return None
    is_told = value is not None and not found.draft.is_per_learner
    return Wanted(order, order_key(order), personal_in(value, facts) if value is not None and is_told else None)


def manager_to_ask(wanted: Wanted, facts: Facts) -> str | None:
    """Her manager, by the id of the source, who is to be compared with the value before the text is ordered; None where
    no value is told, or it is not ordered anyway.
    """
    is_told = wanted.order.value is not None and not wanted.order.draft.is_per_learner
    manager = facts.learner.get("manager")
    return manager if is_told and wanted.personal is None and isinstance(manager, str) else None


def beside_manager(wanted: Wanted, facts: Facts, manager: Mapping[str, Json] | None) -> Wanted:
    """What is wanted, with what of her manager (this profile) stands in the value of `per`."""
    if manager is None or wanted.order.value is None:
        return wanted
    return replace(wanted, personal=personal_in(wanted.order.value, facts, manager=manager))


def without(wanted: Wanted) -> Unordered | None:
    """What stands for a text that is wanted, where none is approved: why it is not ordered; None where it is."""
    if wanted.personal is None:
        return None
    return Unordered(f"no approved draft, and none is ordered: {wanted.personal} stands in the value of `per`")
