"""Instants: when a duration that begins now is over. Pure; all instants are UTC.

A message that goes out a moment behind its instant has gone at its instant, or a weekly message would creep through
the day and no two timelines would ever agree. A message that goes out much later has gone later, or a learner would
get three at once when the servers were down for a week. `PUNCTUAL` divides the two.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from journeys.effects import CatchUp
from journeys.run import Hold, Pending, Run

PUNCTUAL = timedelta(seconds=60)
"""A step that ended at most so long after its instant ended at its instant."""

NEGLIGIBLE_SHARE = 1000
"""Lateness below the duration divided by this is not carried into the duration's end."""


def settle(run: Run, really_at: datetime) -> Run:
    """The run after something took place at `really_at`: at its own instant where that was punctual, else then."""
    own = own_instant(run, really_at)
    return run.but(at=own, late=max(really_at - own, timedelta()))


def own_instant(run: Run, really_at: datetime) -> datetime:
    """The instant that what takes place at `really_at` belongs to: where the run stands in time, or until when it was
    put off, if that is at most a moment ago; else `really_at`.
    """
    if really_at - run.at <= PUNCTUAL:
        return run.at
    put_off = run.hold.until if isinstance(run.hold, Pending) else None
    is_punctual = put_off is not None and timedelta() <= really_at - put_off <= PUNCTUAL
    return put_off if put_off is not None and is_punctual else really_at


def due_after(run: Run, duration: timedelta) -> datetime:
    """When `duration` is over that begins as the run's last step ends.

    Lateness of the last message is added where it is not negligible against the duration: three seconds after a
    message that went half a second late are three seconds after it went, and a week is a week.
    """
    late = run.late if run.late * NEGLIGIBLE_SHARE > duration else timedelta()
    return run.at + late + duration


def mended(hold: Hold, *, paused_at: datetime, resumed_at: datetime, catch_up: CatchUp) -> Hold:
    """The wait after a pause: lengthened by it (`continue`), as it was (`skip`: over, where it is over by now), or
    begun anew (`restart_wait`).

    Elapsed time is mended; a wall-clock time (`monday 09:00`) and an instant stay what they are.
    """
    if catch_up == "skip" or hold.due_at is None:
        return hold
    pause = resumed_at - max(paused_at, hold.since)
    if hold.reckon is not None:
        if hold.reckon.until is not None:
            return hold
        since = resumed_at if catch_up == "restart_wait" else hold.reckon.since + pause
        return replace(hold, due_at=hold.due_at + pause, reckon=replace(hold.reckon, since=since))
    if catch_up == "restart_wait":
        return replace(hold, due_at=resumed_at + (hold.due_at - hold.since))
    return replace(hold, due_at=hold.due_at + pause)
