"""The decision: a program, all that is remembered, one thing that happened; what is remembered then, and what to do.

    Began ─────────────> arrive at the first node
    Fired ──┬ an exit ─> end
            └ else ────> remembered; the waiting step is asked
    LimitReached ──────> end as expired
    Paused, Resumed ───> held: only exits and the limit act; let go: the wait is mended, the waiting step is asked
    Due ───────────────> the waiting step is asked
    an answer ─────────> the step that asked is resumed; Deferred and Retrying leave it asking

    arrive: visit counted ─> guard asked, where there is one ─> enter ─> Go: arrive at the successor
                                                                         Stay, Ask: the run holds
                                                                         Finish, no successor: end

No clock, no chance, no await: the same arguments give the same answer, always. What the run asks to have done and
waits to be answered stands in its `hold` (`Pending`); `journeys.turn` performs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from journeys.effects import (
    Answered,
    Began,
    Decide,
    Decided,
    Deferred,
    Deliver,
    Delivered,
    Due,
    Effect,
    End,
    Enrolled,
    Evaluated,
    Fired,
    Input,
    LimitReached,
    Note,
    Paused,
    Reckoned,
    Request,
    Resumed,
    Retrying,
    Withdraw,
)
from journeys.events import Json
from journeys.program import Node, Program
from journeys.run import Hold, Pending, Run
from journeys.steps import STEP_TYPES
from journeys.steps.base import Ask, Finish, Go, Move, Stand, Stay, remember
from journeys.timing import mended, own_instant, settle

Watch = Callable[[datetime, str, str | None], None]


@dataclass(slots=True)
class _Advance:
    """One advance under way: the run as it becomes, and the effects gathered."""

    program: Program
    run: Run
    watch: "Watch | None" = None
    effects: list[Effect] = field(default_factory=list[Effect])

    def note(self, note: Note | None) -> None:
        if note is not None:
            self.effects.append(note)


def advance(program: Program, run: Run, given: Input, *, watch: Watch | None = None) -> tuple[Run, tuple[Effect, ...]]:
    """The run after `given` happened to it, and what is to be done. An ended run stays as it is.

    `watch` is told of each arrival at a step (at which instant, which step, None), and by which arm it was left.
    """
    if run.has_ended:
        return run, ()
    doing = _Advance(program, run, watch)
    match given:
        case Began():
            _begin(doing)
        case Fired():
            _fire(doing, given)
        case LimitReached():
            doing.run = run.but(at=max(run.at, given.at), late=timedelta())
            _end(doing, "expired")
        case Due():
            _come_due(doing, given)
        case Paused() | Resumed():
            _pause(doing, given) if isinstance(given, Paused) else _let_go(doing, given)
        case Decided():
            _decide(doing, given)
        case Evaluated() | Reckoned() | Enrolled():
            _resume(doing, given)
        case Delivered() | Answered():
            doing.run = settle(run, given.at)
            _resume(doing, given)
        case Deferred():
            _defer(doing, given)
        case Retrying():
            _hand_over(doing, given)
        case _:
            assert_never(given)
    return doing.run, tuple(doing.effects)


def take_up(program: Program, run: Run, *, with_guard: bool = False) -> tuple[Run, tuple[Effect, ...]]:
    """The run at its step as this program has it: entered anew, its visit not counted again. For a run that was moved
    to another version before anything of the step was done.
    """
    doing = _Advance(program, run.but(hold=None))
    node = _node(doing)
    if with_guard and node.guard is not None:
        _hold(doing, Pending(Decide(node.id, (node.guard,), is_guard=True), run.at))
    else:
        _enter(doing, node)
    return doing.run, tuple(doing.effects)


def waiting_for(program: Program, run: Run) -> str | None:
    """What the run waits for, in plain words without personal values; None where it waits for nothing."""
    if run.node is None or run.has_ended:
        return None
    node = program.nodes[run.node]
    return STEP_TYPES[node.kind].waiting_for(Stand(program, node, run))


def _begin(doing: _Advance) -> None:
    doing.run = doing.run.but(has_begun=True, visits={})
    doing.note(Note(doing.run.at, "entered", None, f"Entered the journey {doing.program.journey}."))
    _arrive(doing, doing.program.start)


def _fire(doing: _Advance, fired: Fired) -> None:
    run = doing.run
    order = doing.program.exit_order(fired.trigger)
    if order is not None:
        doing.run = run.but(at=max(run.at, fired.at), late=timedelta())
        outcome = doing.program.exits[order].outcome or "goal"
        doing.note(
            Note(
                doing.run.at,
                "event",
                None,
                f"{fired.event_type} came: the exit rule for {outcome}.",
                {"event": fired.event, "trigger": fired.trigger},
            )
        )
        return _end(doing, outcome)
    doing.run = run.but(seen={**run.seen, fired.trigger: remember(run.seen.get(fired.trigger), fired)})
    if isinstance(run.hold, Hold) and fired.trigger in run.hold.triggers and not run.is_held:
        moved = doing.run.but(at=max(run.at, fired.at), late=timedelta())
        _ask_step(doing, moved, fired)
    return None


def _come_due(doing: _Advance, due: Due) -> None:
    moved = doing.run.but(at=max(doing.run.at, due.at), late=timedelta())
    _ask_step(doing, moved, due)


def _pause(doing: _Advance, paused: Paused) -> None:
    run = doing.run
    number = max(run.journey_pauses, paused.number)
    if paused.by in run.held_by:
        doing.run = run.but(journey_pauses=number)
        return
    since = run.held_since if run.held_since is not None else max(run.at, paused.at)
    doing.run = run.but(held_by=(*run.held_by, paused.by), held_since=since, journey_pauses=number)
    doing.note(Note(max(run.at, paused.at), "paused", run.node, _PAUSED_BY[paused.by], {"by": paused.by}))


_PAUSED_BY: Mapping[str, str] = {
    "admin": "Paused by hand.",
    "journey": "The whole journey was paused.",
    "learner": "She paused it herself.",
}


def _let_go(doing: _Advance, resumed: Resumed) -> None:
    """The run moves again once nobody holds it; its wait is mended as `catch_up` says."""
    run = doing.run
    if resumed.by not in run.held_by:
        return
    left = tuple(by for by in run.held_by if by != resumed.by)
    at = max(run.at, resumed.at)
    if left:
        doing.run = run.but(held_by=left)
        text = "Resumed, but still held: " + ", ".join(_PAUSED_BY[by] for by in left)
        doing.note(Note(at, "resumed", run.node, text, {"by": resumed.by}))
        return
    hold = run.hold
    if isinstance(hold, Hold) and run.held_since is not None:
        hold = mended(hold, paused_at=run.held_since, resumed_at=at, catch_up=resumed.catch_up)
    doing.run = run.but(at=at, late=timedelta(), held_by=(), held_since=None, hold=hold)
    data: dict[str, Json] = {"by": resumed.by, "catch_up": resumed.catch_up}
    if isinstance(hold, Hold) and hold.due_at is not None:
        data["until"] = hold.due_at.isoformat()
    doing.note(Note(at, "resumed", run.node, "Resumed.", data))
    if isinstance(hold, Hold):
        _ask_step(doing, doing.run, resumed)


def _ask_step(doing: _Advance, moved: Run, given: Due | Fired | Resumed) -> None:
    """Ask the waiting step; the run moves to the instant of what happened only where the step moves."""
    node = _node(doing)
    move = STEP_TYPES[node.kind].resume(Stand(doing.program, node, moved), given)
    if move is not None:
        doing.run = moved
        _make(doing, node, move)


def _decide(doing: _Advance, decided: Decided) -> None:
    pending = doing.run.hold
    node = _node(doing)
    if isinstance(pending, Pending) and isinstance(pending.effect, Decide) and pending.effect.is_guard:
        doing.run = doing.run.but(hold=None)
        if decided.choice is None:
            text = f"Passed over {node.id}: its condition does not hold."
            doing.note(Note(doing.run.at, "passed", node.id, text, {"findings": list(decided.findings)}))
            if doing.watch is not None:
                doing.watch(doing.run.at, node.id, "skip")
            return _arrive(doing, node.successors.get("skip", node.successors.get("next")))
        return _enter(doing, node)
    return _resume(doing, decided)


def _resume(doing: _Advance, given: Decided | Evaluated | Reckoned | Delivered | Answered | Enrolled) -> None:
    node = _node(doing)
    move = STEP_TYPES[node.kind].resume(Stand(doing.program, node, doing.run), given)
    if move is not None:
        _make(doing, node, move)


def _defer(doing: _Advance, deferred: Deferred) -> None:
    pending = doing.run.hold
    if not isinstance(pending, Pending):
        return
    is_news = pending.because != deferred.because or pending.until != deferred.until
    if is_news and not deferred.is_brief:
        said = None if deferred.until is None else f"{deferred.until:%A %-d %B %Y, %H:%M} UTC"
        when = "" if said is None else f" until {deferred.where or said}"
        text = f"{_subject(pending)} waits{when}: {deferred.because}."
        data: dict[str, Json] = {
            "message": pending.effect.message if isinstance(pending.effect, Deliver) else None,
            "until": None if deferred.until is None else deferred.until.isoformat(),
            "reason": deferred.because,
        }
        doing.note(Note(own_instant(doing.run, deferred.at), "deferred", doing.run.node, text, data))
    doing.run = doing.run.but(hold=replace(pending, until=deferred.until, because=deferred.because))


def _hand_over(doing: _Advance, retrying: Retrying) -> None:
    _defer(doing, Deferred(retrying.at, None, retrying.because))


def _arrive(doing: _Advance, node_id: str | None) -> None:
    if node_id is None:
        return _end(doing, "completed")
    run = doing.run
    if doing.watch is not None:
        doing.watch(run.at, node_id, None)
    visits = {**run.visits, node_id: run.visits.get(node_id, 0) + 1}
    doing.run = run.but(node=node_id, visits=visits, hold=None)
    node = doing.program.nodes[node_id]
    if node.guard is not None and node_id not in run.rounds:  # a round that goes on is not asked again
        return _hold(doing, Pending(Decide(node_id, (node.guard,), is_guard=True), doing.run.at))
    return _enter(doing, node)


def _enter(doing: _Advance, node: Node) -> None:
    _make(doing, node, STEP_TYPES[node.kind].enter(Stand(doing.program, node, doing.run)))


def _make(doing: _Advance, node: Node, move: Move) -> None:
    match move:
        case Go():
            doing.run = (move.run or doing.run).but(hold=None)
            doing.note(move.note)
            doing.effects.extend(move.effects)
            if doing.watch is not None:
                doing.watch(doing.run.at, node.id, move.by)
            _arrive(doing, node.successors.get(move.by))
        case Stay():
            doing.run = move.run or doing.run
            doing.note(move.note)
            _hold(doing, move.hold)
        case Ask():
            doing.run = move.run or doing.run
            doing.note(move.note)
            _hold(doing, Pending(move.effect, doing.run.at))
        case Finish():
            _end(doing, move.outcome)
        case _:
            assert_never(move)


def _hold(doing: _Advance, hold: Hold | Pending) -> None:
    doing.run = doing.run.but(hold=hold)


def _end(doing: _Advance, outcome: str) -> None:
    run = doing.run
    if isinstance(run.hold, Pending) and isinstance(run.hold.effect, Deliver):
        doing.effects.append(Withdraw(f"the enrolment ended as {outcome}"))
    doing.run = run.but(outcome=outcome, hold=None)
    doing.note(Note(run.at, "ended", run.node, f"Ended as {outcome}.", {"outcome": outcome}))
    doing.effects.append(End(run.at, outcome))


def _subject(pending: Pending) -> str:
    match pending.effect:
        case Deliver(message=message):
            return message
        case Request(target=target):
            return f"The request to {target}"
        case _:
            return "A decision"


def _node(doing: _Advance) -> Node:
    assert doing.run.node is not None, "a run that has begun and not ended stands at a node"
    return doing.program.nodes[doing.run.node]
