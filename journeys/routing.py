"""Where an event goes: which triggers of a running enrolment it fires, and which journeys it starts.

Ingest asks this for the real world, the rehearsal for the virtual one, so that both route alike. Pure: the caller
brings the profile (`facts.learner`, already updated by the event), knows which enrolments run, and keeps what comes of
it. Whoever the learner is, whether she may enter again and what stands in the log is never looked up here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Literal

from journeys.events import Event, Json
from journeys.expressions import Facts, holds, value
from journeys.program import Again, Entry, EntryRule, Expression, Program, Trigger
from journeys.surveys import ANSWERED, answers_in

Refusal = Literal["when", "key", "audience"]


@dataclass(frozen=True, slots=True)
class Firing:
    """The triggers that an event fires for one enrolment, exits first in document order; `findings` say which
    conditions could not be judged, and why.
    """

    triggers: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """The event starts an enrolment with this key at this instant, where `may_enter` agrees."""

    trigger: str
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NotEntered:
    """The event starts nothing, because of the rule's `when` or `key`, or the journey's `audience`.

    `is_missing`: a field of the profile was missing, so the entry is judged again when the profile gets it, within a
    day of the event's arrival.
    """

    trigger: str
    reason: Refusal
    finding: str | None = None
    is_missing: bool = False


Entering = Entered | NotEntered


def fired(
    program: Program, event: Event, facts: Facts, *, entered_at: datetime, entry_event: tuple[str, str] | None
) -> Firing:
    """Which exits and awaits of the program the event fires for an enrolment that was entered then, by that event.

    `facts` are the enrolment's; the event is added to them here. What happened before the entry fires nothing, nor does
    the entry's own event (`source`, `id`).
    """
    if event.time < entered_at or entry_event == (event.source, event.id):
        return Firing()
    with_event = replace(facts, event=event_facts(event))
    triggers: list[str] = []
    findings: list[str] = []
    for trigger in _in_order(program):
        if not trigger.accepts(event.type):
            continue
        has_fired, finding = _judge(trigger.when, with_event)
        if has_fired:
            triggers.append(trigger.id)
        if finding is not None:
            findings.append(f"{trigger.id}: {finding}")
    return Firing(tuple(triggers), tuple(findings))


def enters(program: Program, event: Event, facts: Facts) -> tuple[Entering, ...]:
    """One answer for each entry rule that accepts the event's type, in document order.

    Of `facts` only `learner` matters; `event` and `entry` are built here from the event. Two rules may name the same
    key: the first that enters takes it.
    """
    return tuple(_enter(program, rule, event, facts) for rule in program.enter if rule.trigger.accepts(event.type))


def kept(program: Program, trigger: str, event: Event) -> Json:
    """What the trigger keeps of the event that fired it; None where it keeps nothing, or the event lacks it."""
    field = program.triggers[trigger].keeps
    if field is None:
        return None
    return answers_in(event) if event.type == ANSWERED else event.data.get(field)


def may_enter(again: Again, *, last_entered_at: datetime | None, is_active: bool, at: datetime) -> bool:
    """Whether an entry at `at` starts an enrolment, given the last one of the same journey, learner and key."""
    if is_active:
        return False
    if last_entered_at is None:
        return True
    match again.rule:
        case "never":
            return False
        case "always":
            return True
        case "after":
            return again.after is not None and at >= last_entered_at + again.after


def event_facts(event: Event) -> Mapping[str, Json]:
    """The event as expressions see it; what it does not have is absent, so that `has()` tells."""
    facts: dict[str, Json] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": instant_text(event.time),
        "data": dict(event.data),
    }
    if event.subject is not None:
        facts["subject"] = event.subject
    if event.effective is not None:
        facts["effective"] = instant_text(event.effective)
    return facts


def entry_of(event: Event, *, key: str) -> Entry:
    """The entry that this event makes."""
    return Entry(at=instant_text(event.counts_from), key=key, data=event.data, event=f"{event.source} {event.id}")


def entry_facts(entry: Entry) -> Mapping[str, Json]:
    """The entry as expressions and templates see it."""
    return {"key": entry.key, "at": entry.at, "data": dict(entry.data)}


def key_text(found: Json, *, said: str) -> tuple[str | None, str | None]:
    """A value as an entry key, or None and why it cannot be one; `said` is the expression that yielded it."""
    match found:
        case bool() as truth:
            return ("true" if truth else "false"), None
        case str() as text:
            return text, None
        case int() | float() as number if isfinite(number):
            return _number_text(number), None
        case int() | float():
            return None, f"{said} is no finite number"
        case None:
            return None, f"{said} is null"
        case list() | dict():
            return None, f"{said} is a list or a map: a key is a text, a number, true or false"


def instant_text(at: datetime) -> str:
    """An instant as RFC 3339 in UTC: `2026-03-02T09:00:00Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def interested_in(program: Program) -> frozenset[str]:
    """The event types, and prefixes ending in `.*`, that a running enrolment of the program listens to."""
    return frozenset(type_ for trigger in program.triggers.values() for type_ in trigger.on)


class Routes:
    """Many programs, found by the type of an event; a program stands for all its enrolments. Immutable once made."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self._entering: dict[str, list[Program]] = {}
        self._watching: dict[str, list[Program]] = {}
        for program in programs:
            _index(self._entering, program, {type_ for rule in program.enter for type_ in rule.trigger.on})
            _index(self._watching, program, interested_in(program))

    def entering(self, event_type: str) -> tuple[Program, ...]:
        """The programs of which at least one entry rule accepts the type, before its `when` is judged."""
        return _find(self._entering, event_type)

    def watching(self, event_type: str) -> tuple[Program, ...]:
        """The programs of which at least one exit or await accepts the type, before its `when` is judged."""
        return _find(self._watching, event_type)


def _index(table: dict[str, list[Program]], program: Program, types: Iterable[str]) -> None:
    for type_ in types:
        table.setdefault(type_, []).append(program)


def _find(table: Mapping[str, list[Program]], event_type: str) -> tuple[Program, ...]:
    """Each program once, whichever of its types and prefixes match."""
    found = {id(program): program for pattern in _patterns(event_type) for program in table.get(pattern, ())}
    return tuple(found.values())


def _patterns(event_type: str) -> Iterator[str]:
    """The type itself and every prefix of it, as an `on` writes them: `a.b.c`, `a.*`, `a.b.*`."""
    yield event_type
    for at, character in enumerate(event_type):
        if character == ".":
            yield f"{event_type[:at]}.*"


def _in_order(program: Program) -> Iterator[Trigger]:
    """Exits in document order, then awaits by their ids: a program that comes back from JSON has its maps sorted."""
    exits = {trigger.id for trigger in program.exits}
    yield from program.exits
    yield from (trigger for id_, trigger in sorted(program.triggers.items()) if id_ not in exits)


def _enter(program: Program, rule: EntryRule, event: Event, facts: Facts) -> Entering:
    trigger = rule.trigger
    seen = replace(facts, event=event_facts(event), entry=entry_facts(entry_of(event, key="")))
    is_so, finding = _judge(trigger.when, seen)
    if not is_so:
        return _refuse(trigger, "when", finding, trigger.when, seen)
    key, finding = _key(rule.key, seen)
    if key is None:
        return _refuse(trigger, "key", finding, rule.key, seen)
    seen = replace(seen, event=None, entry=entry_facts(entry_of(event, key=key)))
    is_so, finding = _judge(program.audience, seen)
    if not is_so:
        return _refuse(trigger, "audience", finding, program.audience, seen)
    return Entered(trigger.id, key, event.counts_from)


def _refuse(
    trigger: Trigger, reason: Refusal, finding: str | None, expression: Expression | None, facts: Facts
) -> NotEntered:
    is_missing = finding is not None and expression is not None and _lacks_profile(expression, facts)
    return NotEntered(trigger.id, reason, finding, is_missing)


def _judge(expression: Expression | None, facts: Facts) -> tuple[bool, str | None]:
    if expression is None:
        return True, None
    verdict = holds(expression, facts)
    return verdict.holds, verdict.finding


def _key(expression: Expression | None, facts: Facts) -> tuple[str | None, str | None]:
    """The entry key as text, or None and why there is none."""
    if expression is None:
        return "", None
    found = value(expression, facts)
    if found.finding is not None:
        return None, found.finding
    return key_text(found.value, said=expression.text)


def _number_text(number: float) -> str:
    """One text for one number: `17` for 17 and for 17.0."""
    return str(int(number)) if number == int(number) else repr(number)


def _lacks_profile(expression: Expression, facts: Facts) -> bool:
    """Whether a field of the learner that the expression reads is not there."""
    paths = (path.split(".")[1:] for path in expression.reads if path.startswith("learner."))
    return any(_is_absent(facts.learner, path) for path in paths)


def _is_absent(found: Json | Mapping[str, Json], path: list[str]) -> bool:
    for name in path:
        if not isinstance(found, Mapping) or found.get(name) is None:
            return True
        found = found[name]
    return False
