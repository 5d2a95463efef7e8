"""Named values of a definition: numbers and true/false as they stand, everything else an expression.

    {round: 0, tone: '"warm"', next: vars.round + 1}

A text has its own quotes, because it is an expression too.
"""

from math import isfinite

from journeys.definition import Cursor, clip
from journeys.expressions import Scope
from journeys.program import Term
from journeys.source import Scalar

LARGEST = 2**63 - 1
"""The largest whole number that expressions can count with."""


def terms_of(given: Cursor, *, wanted: str, prefix: str = "") -> tuple[Term, ...]:
    """The terms of a map, in document order, each name led by `prefix`; what is wrong is reported."""
    entries = given.entries()
    if not entries:
        given.wrong(wanted)
    found = (term_of(value, f"{prefix}{name}") for name, value in entries.items())
    return tuple(term for term in found if term is not None)


def term_of(given: Cursor, name: str) -> Term | None:
    """One named value; None where it is wrong, which has been reported."""
    constant = given.node.value if isinstance(given.node, Scalar) else None
    if isinstance(constant, bool):
        return Term(name, constant=constant)
    if isinstance(constant, int | float):
        if not isfinite(constant) or abs(constant) > LARGEST:
            given.report("bad_value", f"{clip(str(constant))} is no number that can be counted with")
            return None
        return Term(name, constant=constant)
    expression = given.expression(Scope.STEP, "value")
    return None if expression is None else Term(name, expression)
