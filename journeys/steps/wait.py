"""`wait`: the run stays here for a duration, for working days, or until an instant.

    - wait: 3d
    - wait: 5wd
    - wait: {until: "monday 09:00"}
    - wait: {until: entry.data.starts_on, before: 2d}

`3d` is 72 hours: elapsed time, never wall-clock time. It begins when the step before it really ended. `5wd` are working
days where the learner works. A local time is hers, and follows her when her zone changes; a date is its midnight. A
weekday and a time that have passed mean the next ones; any other instant that is over ends the wait at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from journeys.definition import Cursor
from journeys.drafts import ONWARD, StepDraft, StepSource, at_least, said, slug
from journeys.effects import Due, Note, Reckon, Reckoned
from journeys.events import Json
from journeys.plain_words import Label, span_words, value_words
from journeys.program import Node, Program, Span, Until
from journeys.run import Hold
from journeys.source import Map
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, Stay, step_type
from journeys.timing import due_after


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """How long to wait (elapsed), or so many working days, or until when."""

    duration: timedelta | None = None
    span: Span | None = None
    until: Until | None = None


@step_type("wait")
class Wait:
    """Waits for a duration, or until an instant."""

    options = WaitOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        until = value.entries().get("until")
        return slug("wait", said(value)) if until is None else slug("wait until", said(until))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        if isinstance(step.value.node, Map):
            until = _until(step.value)
            return StepDraft(None if until is None else WaitOptions(until=until), ONWARD)
        span = step.value.span(may_be_nothing=True)
        if span is None:
            return StepDraft(None, ONWARD)
        options = WaitOptions(span=span) if span.working_days else WaitOptions(span.elapsed)
        return StepDraft(options, ONWARD, takes={"next": at_least(span)})

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        if options.duration is None:
            return Ask(Reckon(stand.node.id, stand.at, options.until, options.span))
        due = due_after(stand.run, options.duration)
        text = f"Waiting until {due:%A %-d %B %Y, %H:%M} UTC."
        note = Note(stand.at, "waiting", stand.node.id, text, {"until": due.isoformat()})
        return Stay(Hold(stand.at, due), note)

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Due():
                return Go()
            case Reckoned():
                return _reckoned(stand, given)
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "time to pass"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, WaitOptions)
        if options.until is not None:
            until = options.until
            what = until.local or ("" if until.expression is None else value_words(until.expression))
            before = "" if until.before == Span() else f"{span_words(until.before)} before "
            return Label("Wait until", f"{before}{what}")
        return Label("Wait", span_words(options.span or options.duration or timedelta()))


def _reckoned(stand: Stand, given: Reckoned) -> Move | None:
    """Wait until that instant; where it is over by now, or cannot be told, go on at once."""
    hold = stand.run.hold
    if isinstance(hold, Hold) and hold.due_at == given.due_at and hold.reads == given.reads:
        return None
    if given.due_at is None:
        return _go_on(stand, given, f"Not waiting: {given.finding}.", {"findings": [given.finding]})
    if given.due_at <= given.at:
        return _go_on(stand, given, "Not waiting: that time is over.", {})
    reckon = replace(stand.reckoning, local=given.local)
    where = given.where or f"{given.due_at:%A %-d %B %Y, %H:%M} UTC"
    note = Note(given.at, "waiting", stand.node.id, f"Waiting until {where}.", {"until": given.due_at.isoformat()})
    return Stay(Hold(reckon.since, given.due_at, reckon=reckon, reads=given.reads), note)


def _go_on(stand: Stand, given: Reckoned, text: str, data: Mapping[str, Json]) -> Move:
    """The wait ends where it was reckoned: at its beginning, or when it was reckoned anew."""
    run = stand.run.but(at=max(stand.at, given.at))
    return Go(note=Note(run.at, "passed", stand.node.id, text, data), run=run)


def _until(given: Cursor) -> Until | None:
    fields = given.fields(("until", "before"), required=("until",)) or {}
    before = fields["before"].span() if "before" in fields else Span()
    until = fields["until"].instant() if "until" in fields else None
    return None if until is None or before is None else replace(until, before=before)


def _options(stand: Stand) -> WaitOptions:
    assert isinstance(stand.node.options, WaitOptions)
    return stand.node.options
