"""What expressions see of an enrolment, and the answers to `Decide` and `Evaluate`: the same for both performers.
Pure.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from math import isfinite

from journeys.effects import Decide, Decided, Evaluate, Evaluated
from journeys.events import Json
from journeys.expressions import Facts, holds, learner_facts, value
from journeys.program import Entry, Expression
from journeys.routing import entry_facts, instant_text
from journeys.run import Run, Sent


def facts_of(run: Run | None, *, source_id: str, profile: Mapping[str, Json], entry: Entry | None) -> Facts:
    """The facts of one enrolment, without an event; without a run and an entry those of a learner alone."""
    return Facts(
        learner=learner_facts(profile, source_id=source_id),
        entry={} if entry is None else entry_facts(entry),
        vars={} if run is None else run.vars,
        answers={} if run is None else run.answers,
        sent={} if run is None else {message: _sent_facts(sent) for message, sent in run.sent.items()},
        event=None,
    )


def decide(effect: Decide, facts: Facts, *, at: datetime) -> Decided:
    """The first of the questions that holds, and why those before it could not be judged, where they could not."""
    findings: list[str] = []
    for place, question in enumerate(effect.questions):
        verdict = holds(question, facts)
        if verdict.finding is not None:
            findings.append(verdict.finding)
        if verdict.holds:
            return Decided(at, place, tuple(findings))
    return Decided(at, None, tuple(findings))


def evaluate(effect: Evaluate, facts: Facts, *, at: datetime) -> Evaluated:
    """The values by name; what cannot be told is left out, with its finding."""
    values: dict[str, Json] = {}
    findings: list[str] = []
    for term in effect.terms:
        if term.expression is None:
            values[term.name] = term.constant
            continue
        seen = replace(facts, vars={**facts.vars, **values}) if effect.is_in_order else facts
        found = value(term.expression, seen)
        finding = found.finding or _unfit(found.value, term.expression)
        if finding is None:
            values[term.name] = found.value
        else:
            findings.append(f"{term.name}: {finding}")
    return Evaluated(at, values, tuple(findings))


def _unfit(found: Json, expression: Expression) -> str | None:
    """Why a value that could be told is none to go on with; None where it is."""
    if found is None:
        return f"{expression.text} is null"
    return f"{expression.text} is no finite number" if isinstance(found, float) and not isfinite(found) else None


def _sent_facts(sent: Sent) -> dict[str, Json]:
    """What is not known is absent, so that `has()` tells."""
    facts: dict[str, Json] = {"status": sent.status}
    if sent.channel is not None:
        facts["channel"] = sent.channel
    if sent.at is not None:
        facts["at"] = instant_text(sent.at)
    return facts
