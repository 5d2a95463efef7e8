"""How many texts a version of a journey has, and how many it lacks. Pure.

A journey may have a text for each of very many learners. So nobody looks at them one by one: texts of one message and
language that one program ordered are asked for by another program all together or not at all, because what their
orders have apart is the value alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from journeys.drafting.expecting import Expecting
from journeys.drafting.order import order_for, order_key
from journeys.policy import DEFAULT_POLICY
from journeys.program import Program


@dataclass(frozen=True, slots=True)
class Group:
    """So many texts of one message and language that one program (its hash) ordered, in one state; `value` and `key`
    are those of one of them.
    """

    message: str
    language: str | None
    program: str
    state: str
    number: int
    value: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Texts of one version by their state; `missing` are the texts it asks for of which none is approved."""

    wanted: int
    proposed: int
    approved: int
    failed: int
    missing: int


def asked_for(program: Program, groups: Collection[Group]) -> Sequence[Group]:
    """Those of a journey's texts that this program asks for; those of other versions alone are left out."""
    return [group for group in groups if _is_asked_for(program, group)]


def _is_asked_for(program: Program, group: Group) -> bool:
    order = order_for(program, group.message, language=group.language, value=group.value)
    return order is not None and order_key(order) == group.key


def expected(program: Program) -> Collection[tuple[str, str]]:
    """The orders (message, key) that the program has whoever there is: ordered or not, it asks for their texts."""
    return {(wanted.order.message, wanted.key) for wanted in Expecting(program, DEFAULT_POLICY).for_all()}


def count(groups: Collection[Group], *, missing: int) -> Counts:
    """The counts of these texts, all asked for."""
    states = dict.fromkeys(("wanted", "proposed", "approved", "failed"), 0)
    for group in groups:
        if group.state in states:
            states[group.state] += group.number
    return Counts(**states, missing=missing)
