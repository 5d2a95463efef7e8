"""A turn: decide and perform until the run waits. The one loop that both performers share.

Order. What happened and what fell due by `now` is taken in order of time; at one instant exits come first, in document
order, then `limit`, then events for the waiting step, then its deadline. A decision is taken where the run stands in
time. A message goes *now*: everything that happened by now comes before it, so that an exit which is known ends the
enrolment before the message is on its way.

The loop itself reads no clock: `now` is handed in, and the performer says when something really took place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from journeys.advance import advance
from journeys.effects import Answer, Asking, Began, Decide, Deferred, Due, Effect, Fired, Input, LimitReached, Retrying
from journeys.program import Program
from journeys.run import Hold, Pending, Run
from journeys.timing import PUNCTUAL


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Something new is in the inbox: it goes first, then the effect is asked for again."""


class Performer(Protocol):
    """Performs effects; decides nothing."""

    async def unread(self) -> Sequence[Fired]:
        """What is in the inbox and has not been handed out to this turn."""
        ...

    def keep(self, effects: Sequence[Effect]) -> None:
        """Notes, withdrawals and the end, in order; kept together with the run."""
        ...

    async def perform(self, run: Run, effect: Asking) -> Answer | Interrupted:
        """Do it, once, whatever happened in earlier turns to the same effect, and answer."""
        ...


def due_at(program: Program, run: Run) -> datetime | None:
    """When the run must be looked at again if nothing happens; None where it has ended or only a poke can help."""
    if run.has_ended:
        return None
    if not run.has_begun and run.begins_at is not None:
        return run.begins_at
    match run.hold:
        case Hold(due_at=due):
            own = due
        case Pending(until=until):
            own = until
        case None:
            own = run.at
    limit = run.entered_at + program.limit
    return limit if own is None else min(own, limit)


async def take_turn(program: Program, run: Run, *, now: datetime, performer: Performer) -> Run:
    """The run after everything that is due by `now` has been decided and performed."""
    if not run.has_begun and run.begins_at is not None and now < run.begins_at:
        return run  # `due_at` says when
    now = max(now, run.at)
    backlog = list(await performer.unread())
    has_answered = False
    while not run.has_ended:
        given: Input | Interrupted | None
        if isinstance(run.hold, Pending) and isinstance(run.hold.effect, Decide):
            given = await performer.perform(run, run.hold.effect)
        else:
            given = next_input(program, run, backlog, now)
        if given is None and not has_answered and isinstance(run.hold, Pending) and _may_ask(run.hold, now):
            given = await performer.perform(run, run.hold.effect)
            has_answered = isinstance(given, Deferred | Retrying)
        if given is None:
            break
        if isinstance(given, Interrupted):
            backlog.extend(await performer.unread())
            continue
        run, effects = advance(program, run, given)
        performer.keep(effects)
    return run


def next_input(program: Program, run: Run, backlog: list[Fired], now: datetime) -> Input | None:
    """What comes next in time, taken out of the backlog where it stands there; None where nothing is left by `now`."""
    first = min(backlog, key=lambda fired: _rank(program, fired), default=None)
    limit = run.entered_at + program.limit
    due = run.hold.due_at if isinstance(run.hold, Hold) else None
    if not run.has_begun and (first is None or not _ends_at_start(program, run, first)):
        return Began(run.entered_at)
    candidates = [(*_rank(program, first), first)] if first is not None else []
    limits = [(limit, 1, 0, LimitReached(limit))] if limit <= now else []
    dues = [(due, 3, 0, Due(due))] if due is not None and due <= now else []
    chosen = min([*candidates, *limits, *dues], key=lambda c: c[:3], default=None)
    if chosen is None:
        return None
    given = chosen[3]
    if isinstance(given, Fired):
        backlog.remove(given)
        return _not_ahead(given, now)
    return given


def _ends_at_start(program: Program, run: Run, fired: Fired) -> bool:
    """Whether the first thing in the backlog is an exit of the entry's own instant."""
    return program.exit_order(fired.trigger) is not None and fired.at <= run.entered_at


def _rank(program: Program, fired: Fired) -> tuple[datetime, int, int]:
    order = program.exit_order(fired.trigger)
    return (fired.at, 2, 0) if order is None else (fired.at, 0, order)


def _not_ahead(fired: Fired, now: datetime) -> Fired:
    """An event whose time lies ahead of the clock counts on arrival; no two clocks agree to the second, so a moment
    is none.
    """
    return fired if fired.at <= now + PUNCTUAL else Fired(now, fired.trigger, fired.event, fired.event_type)


def _may_ask(pending: Pending, now: datetime) -> bool:
    return pending.until is None or pending.until <= now
