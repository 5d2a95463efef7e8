"""How many texts a version of a journey has, and how many it lacks. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from journeys.drafting.expecting import Expecting
from journeys.drafting.order import order_for, order_key
from journeys.policy import DEFAULT_POLICY
from journeys.program import Program


class Text(Protocol):
    """A draft, as far as it is counted (`store.tables.DraftRow`)."""

    @property
    def message(self) -> str: ...
    @property
    def language(self) -> str | None: ...
    @property
    def value(self) -> str | None: ...
    @property
    def key(self) -> str: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Texts of one version by their state; `missing` are the texts it asks for of which none is approved."""

    wanted: int
    proposed: int
    approved: int
    failed: int
    missing: int


def count(program: Program, texts: Iterable[Text]) -> Counts:
    """The counts of what this program asks for, out of all texts of its journey; those of other versions alone are
    left out.
    """
    orders = {(wanted.order.message, wanted.key): False for wanted in Expecting(program, DEFAULT_POLICY).for_all()}
    states = dict.fromkeys(("wanted", "proposed", "approved", "failed"), 0)
    keys: dict[tuple[str, str | None, str | None], str | None] = {}
    for text in texts:
        of = (text.message, text.language, text.value)
        if of not in keys:
            order = order_for(program, text.message, language=text.language, value=text.value)
            keys[of] = None if order is None else order_key(order)
        if keys[of] == text.key:
            order_of = text.message, text.key
            orders[order_of] = orders.get(order_of, False) or text.state == "approved"
            if text.state in states:
                states[text.state] += 1
    return Counts(**states, missing=list(orders.values()).count(False))
