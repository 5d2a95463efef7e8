"""What is wrong with a draft beside the other languages of its message: its own findings, and whether all say the same.
Pure.

    others_of(program, order) ─> the order of each other language, by which the store finds its text
    judge(text, order, others=...) ─> findings, hard ones first

Findings of its own are kept with a text, which does not change; those of agreement are not, because the others do.
"""

from collections.abc import Mapping

from journeys.drafting.agreeing import agree
from journeys.drafting.checks.base import NO_HOUSE_RULES, Finding, House
from journeys.drafting.choosing import Wanted
from journeys.drafting.findings import look_at
from journeys.drafting.order import DraftOrder, DraftText, languages_of, order_for, order_key
from journeys.policy import Policy
from journeys.program import Program

Others = Mapping[str | None, DraftText]
"""The texts of the same message, for the same value, in other languages; None is the message's own language."""


def house_of(policy: Policy) -> House:
    """What the policy of the installation forbids in its texts."""
    return House(policy.forbidden_words)


def judge(
    text: DraftText, order: DraftOrder, *, house: House = NO_HOUSE_RULES, others: Others | None = None
) -> tuple[Finding, ...]:
    """Everything that is wrong with a text, hard findings first. Never raises.

    `others` are given where every language has a text: what they disagree about is a finding of each of them.
    """
    found = (*look_at(text, order, house), *disagreements(text, order, others or {}))
    return tuple(sorted(found, key=lambda finding: not finding.is_hard))


def disagreements(text: DraftText, order: DraftOrder, others: Others) -> tuple[Finding, ...]:
    """Where the languages of one message say different facts: the same findings, whichever of them is asked about."""
    texts = {**others, order.language: text}
    own_first = sorted(texts, key=lambda language: (language is not None, language or ""))
    return agree({language: texts[language] for language in own_first})


def others_of(program: Program, order: DraftOrder) -> tuple[Wanted, ...]:
    """What is ordered in the other languages of the message, for the same value; empty where it has one language."""
    message = program.messages.get(order.message)
    if message is None or message.draft is None:
        return ()
    found = (
        order_for(program, order.message, language=language, value=order.value)
        for language in languages_of(message)
        if language != order.language
    )
    return tuple(Wanted(each, order_key(each)) for each in found if each is not None)
