"""A turn: decide and perform until the run waits. The one loop that both performers share.

Order. What happened and what fell due by `now` is taken in order of time; at one instant exits come first, in document
order, then `limit`, then pauses, then events for the waiting step, then its deadline. A decision is taken where the run
stands in time. A message goes *now*: everything that happened by now comes before it, so that an exit which is known
ends the enrolment before the message is on its way.

What the run waits for may depend on the learner as she is now (her zone, her leave, the policy): an instant that was
reckoned is reckoned again at every waking, and a message that was put off is asked for again.

The loop itself reads no clock: `now` is handed in, and the performer says when something really took place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from journeys.advance import Watch, advance
from journeys.effects import (
    Answer,
    Asking,
    Began,
    Decide,
    Deferred,
    Deliver,
    Due,
    Effect,
    Enrol,
    Evaluate,
    Fired,
    Input,
    LimitReached,
    Paused,
    Reckon,
    Reckoned,
    Resumed,
    Retrying,
)
from journeys.program import Program
from journeys.run import Hold, Pending, Run
from journeys.timing import PUNCTUAL


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Something new is in the inbox: it goes first, then the effect is asked for again."""


Happening = Fired | Paused | Resumed
"""What happens to an enrolment from outside."""

DEFERRED_BY = ("zone", "country", "site", "working_days", "working_hours", "leave", "attributes")
"""The fields of a profile that say when a message may go."""

HELD_BY_JOURNEY = ("journey",)
"""What a run depends on while its whole journey is paused."""


class Performer(Protocol):
    """Performs effects; decides nothing."""

    async def unread(self) -> Sequence["Happening"]:
        """What is in the inbox, and pauses of the whole journey, as far as this turn has not had it."""
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
    limit = run.entered_at + program.limit
    if run.is_held:
        return limit
    if not run.has_begun and run.begins_at is not None:
        return run.begins_at
    match run.hold:
        case Hold(due_at=due):
            own = due
        case Pending(until=until):
            own = until
        case None:
            own = run.at
    return limit if own is None else min(own, limit)


def depends_on(run: Run) -> tuple[str, ...]:
    """The fields of the learner's profile of which a change may move what the run waits for; with the first of them,
    the policy. What the pause of its journey holds waits for that alone.
    """
    if "journey" in run.held_by:
        return HELD_BY_JOURNEY
    match run.hold:
        case Hold(reads=reads):
            return reads
        case Pending(effect=Deliver()):
            return DEFERRED_BY
        case _:
            return ()


async def take_turn(
    program: Program, run: Run, *, now: datetime, performer: Performer, watch: Watch | None = None
) -> Run:
    """The run after everything that is due by `now` has been decided and performed; `watch` is `advance`'s."""
    if not run.has_begun and run.begins_at is not None and now < run.begins_at:
        return run  # `due_at` says when
    now = max(now, run.at)
    backlog = list(await performer.unread())
    has_answered = False
    reckons = _reckoned_again(run)
    while not run.has_ended:
        given: Input | Interrupted | None
        if reckons is not None:
            given, reckons = await performer.perform(run, reckons), None
            if isinstance(given, Reckoned):
                given = replace(given, at=now)  # what is reckoned anew is so from now on
        elif isinstance(run.hold, Pending) and isinstance(run.hold.effect, _AT_ONCE) and not run.is_held:
            given = await performer.perform(run, run.hold.effect)
        else:
            given = next_input(program, run, backlog, now)
        if given is None and not has_answered and isinstance(run.hold, Pending) and not run.is_held:
            given = await performer.perform(run, run.hold.effect)
            has_answered = isinstance(given, Deferred | Retrying)
        if given is None:
            break
        if isinstance(given, Interrupted):
            backlog.extend(await performer.unread())
            continue
        run, effects = advance(program, run, given, watch=watch)
        performer.keep(effects)
    return run


_AT_ONCE = Decide | Evaluate | Reckon | Enrol
"""What is answered where the run stands in time; the others go *now*."""


def _reckoned_again(run: Run) -> Reckon | None:
    return run.hold.reckon if isinstance(run.hold, Hold) and not run.is_held else None


def next_input(program: Program, run: Run, backlog: list[Happening], now: datetime) -> Input | None:
    """What comes next in time, taken out of the backlog where it stands there; None where nothing is left by `now`."""
    first = min(backlog, key=lambda happening: _rank(program, happening), default=None)
    limit = run.entered_at + program.limit
    due = run.hold.due_at if isinstance(run.hold, Hold) and not run.is_held else None
    if not run.has_begun and not run.is_held and (first is None or not _comes_before_all(program, run, first)):
        return Began(run.entered_at)
    candidates = [(*_rank(program, first), first)] if first is not None else []
    limits = [(limit, 1, 0, LimitReached(limit))] if limit <= now else []
    dues = [(due, 4, 0, Due(due))] if due is not None and due <= now else []
    chosen = min([*candidates, *limits, *dues], key=lambda c: c[:3], default=None)
    if chosen is None:
        return None
    given = chosen[3]
    match given:
        case Fired():
            backlog.remove(given)
            return _not_ahead(given, now)
        case Paused() | Resumed():
            backlog.remove(given)
            return given
        case _:
            return given


def _comes_before_all(program: Program, run: Run, first: Happening) -> bool:
    """Whether the first thing in the backlog is an exit of the entry's own instant, or a pause that began by then."""
    if isinstance(first, Fired):
        return program.exit_order(first.trigger) is not None and first.at <= run.entered_at
    return first.at <= run.entered_at


def _rank(program: Program, happening: Happening) -> tuple[datetime, int, int]:
    if not isinstance(happening, Fired):
        return (happening.at, 2, happening.number)
    order = program.exit_order(happening.trigger)
    return (happening.at, 3, 0) if order is None else (happening.at, 0, order)


def _not_ahead(fired: Fired, now: datetime) -> Fired:
    """An event whose time lies ahead of the clock counts on arrival; no two clocks agree to the second, so a moment
    is none.
    """
    return fired if fired.at <= now + PUNCTUAL else replace(fired, at=now)
