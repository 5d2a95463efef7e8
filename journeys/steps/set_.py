"""`set`: sets variables, in order.

    - set: {round: 0, tone: '"warm"', next: vars.round + 1}

Numbers, `true` and `false` stand as they are; everything else is an expression, so a text has its own quotes. Each is
worth what it is worth at that moment, and what was set before it in the same step counts. One that cannot be told (a
missing field, a null) leaves its variable as it was; the journal says why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from journeys.definition import Cursor
from journeys.drafts import ONWARD, StepDraft, StepSource, slug
from journeys.effects import Evaluate, Evaluated, Note
from journeys.plain_words import Label, spaced, term_words
from journeys.program import Node, Program, Term
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type
from journeys.terms import terms_of

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""How a variable is called, so that expressions and templates can name it."""


@dataclass(frozen=True, slots=True)
class SetOptions:
    """What is set, in order."""

    terms: tuple[Term, ...]


@step_type("set")
class Set:
    """Sets variables."""

    options = SetOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("set", *value.entries())

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        for name, value in step.value.entries().items():
            look_at_variable(value, name)
        terms = terms_of(step.value, wanted="a map of variables: {round: 0, next: vars.round + 1}")
        gives = {"next": tuple(f"vars.{term.name}" for term in terms)}
        return StepDraft(SetOptions(terms) if terms else None, ONWARD, gives=gives)

    @staticmethod
    def enter(stand: Stand) -> Move:
        return Ask(Evaluate(stand.node.id, _options(stand).terms, is_in_order=True))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        if not isinstance(given, Evaluated):
            return None
        names = [term.name for term in _options(stand).terms]
        left = [name for name in names if name not in given.values]
        done = [name for name in names if name in given.values]
        said = [f"Set {', '.join(done)}."] if done else []
        said += [f"Left {', '.join(left)} as before."] if left else []
        note = Note(stand.at, "set", stand.node.id, " ".join(said), {"set": [*done], "findings": [*given.findings]})
        return Go(note=note, run=stand.run.but(vars={**stand.run.vars, **given.values}))

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "a decision"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, SetOptions)
        return Label("Remember", ", ".join(f"{spaced(term.name)} = {term_words(term)}" for term in options.terms))


def look_at_variable(given: Cursor, name: str) -> None:
    """Report a name that no expression could say."""
    if not VARIABLE.fullmatch(name):
        allowed = ("letters, digits and _, not a digit first, at most 64",)
        given.report("bad_name", f"{name[:80]!r} is no name for a variable", allowed=allowed, at=given.key_at)


def _options(stand: Stand) -> SetOptions:
    assert isinstance(stand.node.options, SetOptions)
    return stand.node.options
