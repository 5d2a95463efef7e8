"""`await`: the run stays until an event comes, or several, at most `within`, and takes `then` or `else`.

    - await: {on: lms.course.started, when: event.data.course == "MGR-101", within: 7d}
      then: [...]
      else: [...]
    - await: {all: [{on: lms.course.completed, when: event.data.course == "A"}, {on: ...}], within: 30d, since: step}

An event since the enrolment's entry meets it (in a `repeat`: since the round began), also one that came before the run
arrived here; `since: step` asks for one that is not older than the arrival. An event whose time is not after the
deadline meets it, however late it arrives, unless the time-out has been acted on. Events are not used up. `any` is met
by the first of its conditions, `all` when each of them has been met. `within` may count working days (`5wd`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from journeys.definition import Cursor, trigger_of
from journeys.drafts import StepDraft, StepSource, at_least, said, slug
from journeys.effects import Due, Fired, Note, Reckon, Reckoned, Resumed
from journeys.plain_words import Label, either, span_words, trigger_words
from journeys.program import Node, Program, Span, Trigger
from journeys.run import Hold
from journeys.source import List
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, Stay, step_type
from journeys.timing import due_after


@dataclass(frozen=True, slots=True)
class AwaitOptions:
    """The triggers that meet it (any or all of them), and how long it may take; without `within`, the journey's limit.
    `span` takes the place of `within` where it counts working days. `repeat` is the innermost `repeat` around it.
    """

    triggers: tuple[str, ...]
    within: timedelta | None = None
    since: Literal["entry", "step"] = "entry"
    needs: Literal["any", "all"] = "any"
    repeat: str | None = None
    span: Span | None = None


@step_type("await")
class Await:
    """Waits for an event, or several, at most so long."""

    options = AwaitOptions
    keys: frozenset[str] = frozenset({"then", "else"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        entries = value.entries()
        on = entries.get("on")
        if on is None:
            word = next((word for word in ("all", "any") if word in entries), "")
            return slug("await", word)
        items = on.node.items if isinstance(on.node, List) else []
        first = Cursor(on.judging, items[0], on.path, on.key_at) if items else on
        return slug("await", said(first))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        given = step.value.entries()
        needs = "all" if "all" in given else "any"
        several = next((word for word in ("all", "any") if word in given), None)
        required = ("on",) if several is None else (several,)
        known = ("on", "when", "within", "since") if several is None else (several, "within", "since")
        fields = step.value.fields(("on", "when", "all", "any", "within", "since"), required=required) or {}
        for key in [key for key in fields if key not in known]:
            detail = f"{key!r} cannot stand beside {several!r}: put it into the conditions of the list"
            fields.pop(key).report("two_conditions", detail, allowed=known)
        triggers = _conditions(fields, several, step.id)
        within = fields["within"].span() if "within" in fields else None
        since = fields["since"].choice(("entry", "step")) if "since" in fields else "entry"
        arms = {"then": step.fields.get("then"), "else": step.fields.get("else")}
        if not triggers:
            return StepDraft(None, arms)
        options = AwaitOptions(
            tuple(trigger.id for trigger in triggers),
            None if within is None or within.working_days else within.elapsed,
            cast("Literal['entry', 'step']", since or "entry"),
            needs,
            step.repeat,
            within if within is not None and within.working_days else None,
        )
        never = frozenset[str]() if "within" in fields else frozenset({"else"})
        return StepDraft(options, arms, triggers, never, takes={"else": at_least(within)})

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        if options.span is not None:
            return Ask(Reckon(stand.node.id, stand.at, span=options.span))
        due = None if options.within is None else due_after(stand.run, options.within)
        return _wait(stand, Hold(stand.at, due, options.triggers), None, at=stand.at)

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        hold = stand.run.hold
        match given:
            case Reckoned() if hold is not None:
                reckon = stand.reckoning
                renewed = Hold(reckon.since, given.due_at, _options(stand).triggers, reckon, given.reads)
                return None if renewed == hold else _wait(stand, renewed, given.where, at=given.at)
            case Due():
                note = Note(stand.at, "passed", stand.node.id, f"No {Await.waiting_for(stand)} came in time.")
                return Go("else", note)
            case Fired() | Resumed() if isinstance(hold, Hold):
                met = _met_at(stand, hold)
                return None if met is None else Go("then", _met(stand, met))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        options = _options(stand)
        triggers = (stand.program.triggers[t] for t in options.triggers)
        joined = " and " if options.needs == "all" else " or "
        return joined.join(" or ".join(trigger.on) for trigger in triggers)

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, AwaitOptions)
        each = [trigger_words(program.triggers[t]) for t in options.triggers if t in program.triggers]
        what = either(each) if options.needs == "any" else " and ".join(each)
        span = options.span or options.within
        within = None if span is None else span_words(span)
        lines = (f"at most {within}",) if within else ("as long as the journey lasts",)
        if options.since == "step":
            lines = (*lines, "from now on")
        return Label(
            "Wait until she", what, lines, {"then": "yes", "else": f"not within {within}" if within else "never"}
        )


def _wait(stand: Stand, hold: Hold, where: str | None, *, at: datetime) -> Move:
    """Wait so, from `at`; where what is awaited has come already, go on."""
    met = _met_at(stand, hold)
    if met is not None:
        return Go("then", _met(stand, met))
    due = hold.due_at
    until = "" if due is None else f", until {where or f'{due:%A %-d %B %Y, %H:%M} UTC'} at the latest"
    text = f"Waiting for {Await.waiting_for(stand)}{until}."
    return Stay(hold, Note(at, "waiting", stand.node.id, text, {"until": None if due is None else due.isoformat()}))


def _met_at(stand: Stand, hold: Hold) -> datetime | None:
    """When what is awaited was there, counting events between the floor and the deadline; None where it is not yet."""
    options = _options(stand)
    floor = stand.floor(options.repeat) if options.since == "entry" else hold.since
    times = [stand.seen_between(trigger, floor, hold.due_at) for trigger in options.triggers]
    seen = [time for time in times if time is not None]
    if options.needs == "all":
        return max(seen) if len(seen) == len(times) else None
    return min(seen, default=None)


def _met(stand: Stand, at: datetime) -> Note:
    return Note(stand.at, "event", stand.node.id, f"{Await.waiting_for(stand)} came.", {"time": at.isoformat()})


def _conditions(fields: Mapping[str, Cursor], several: str | None, step: str) -> tuple[Trigger, ...]:
    """The triggers of the one condition, or of each of the list; none where one is wrong."""
    if several is None:
        one = trigger_of(fields, f"{step}.1")
        return () if one is None else (one,)
    items = fields[several].items("a list of conditions, each {on, when}") if several in fields else None
    found: list[Trigger | None] = []
    for place, item in enumerate(items or (), start=1):
        condition = item.fields(("on", "when"), required=("on",)) or {}
        found.append(trigger_of(condition, f"{step}.{place}"))
    whole = tuple(trigger for trigger in found if trigger is not None)
    return whole if len(whole) == len(found) else ()


def _options(stand: Stand) -> AwaitOptions:
    assert isinstance(stand.node.options, AwaitOptions)
    return stand.node.options
