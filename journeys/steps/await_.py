"""`await`: the run stays until an event comes, at most `within`, and takes `then` or `else`.

    - await: {on: lms.course.started, when: event.data.course == "MGR-101", within: 7d}
      then: [...]
      else: [...]

An event since the enrolment's entry meets it, also one that came before the run arrived here; `since: step` asks for
one that is not older than the arrival. An event whose time is not after the deadline meets it, however late it arrives,
unless the time-out has been acted on. Events are not used up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from journeys.definition import Cursor, trigger_of
from journeys.drafts import StepDraft, StepSource, said, slug
from journeys.effects import Due, Fired, Note
from journeys.run import Hold
from journeys.source import List
from journeys.steps.base import Go, Move, Resuming, Stand, Stay, step_type
from journeys.timing import due_after


@dataclass(frozen=True, slots=True)
class AwaitOptions:
    """The triggers that meet it (any of them), and how long it may take; without `within`, the journey's limit."""

    triggers: tuple[str, ...]
    within: timedelta | None = None
    since: Literal["entry", "step"] = "entry"


@step_type("await")
class Await:
    """Waits for one event, at most so long."""

    options = AwaitOptions
    keys: frozenset[str] = frozenset({"then", "else"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        on = value.entries().get("on")
        if on is None:
            return "await"
        items = on.node.items if isinstance(on.node, List) else []
        first = Cursor(on.judging, items[0], on.path, on.key_at) if items else on
        return slug("await", said(first))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        later = {"all": "`await` for all of several events", "any": "`await` for any of several conditions"}
        required = () if later.keys() & step.value.entries().keys() else ("on",)
        fields = step.value.fields(("on", "when", "within", "since"), required=required, later=later) or {}
        trigger = trigger_of(fields, f"{step.id}.1")
        within = fields["within"].duration() if "within" in fields else None
        since = fields["since"].choice(("entry", "step")) if "since" in fields else "entry"
        arms = {"then": step.fields.get("then"), "else": step.fields.get("else")}
        if trigger is None:
            return StepDraft(None, arms)
        options = AwaitOptions((trigger.id,), within, cast("Literal['entry', 'step']", since or "entry"))
        never = frozenset[str]() if "within" in fields else frozenset({"else"})
        return StepDraft(options, arms, (trigger,), never)

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        due = None if options.within is None else due_after(stand.run, options.within)
        floor = stand.run.entered_at if options.since == "entry" else stand.at
        seen = (stand.seen_between(t, floor, due) for t in options.triggers)
        if met := next((t for t in seen if t is not None), None):
            return Go("then", _met(stand, met))
        until = "" if due is None else f", until {due:%A %-d %B %Y, %H:%M} UTC at the latest"
        note = Note(stand.at, "waiting", stand.node.id, f"Waiting for {Await.waiting_for(stand)}{until}.",
                    {"until": None if due is None else due.isoformat()})  # fmt: skip
        return Stay(Hold(stand.at, due, options.triggers), note)

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        hold = stand.run.hold
        match given:
            case Due():
                note = Note(stand.at, "passed", stand.node.id, f"No {Await.waiting_for(stand)} came in time.")
                return Go("else", note)
            case Fired() if isinstance(hold, Hold) and _counts(stand, hold, given):
                return Go("then", _met(stand, given.at))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        triggers = (stand.program.triggers[t] for t in _options(stand).triggers)
        return " or ".join(type_ for t in triggers for type_ in t.on)


def _counts(stand: Stand, hold: Hold, fired: Fired) -> bool:
    """Whether the event's time lies between the floor and the deadline."""
    floor = stand.run.entered_at if _options(stand).since == "entry" else hold.since
    return fired.at >= floor and (hold.due_at is None or fired.at <= hold.due_at)


def _met(stand: Stand, at: datetime) -> Note:
    return Note(stand.at, "event", stand.node.id, f"{Await.waiting_for(stand)} came.", {"time": at.isoformat()})


def _options(stand: Stand) -> AwaitOptions:
    assert isinstance(stand.node.options, AwaitOptions)
    return stand.node.options
