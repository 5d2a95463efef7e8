"""Instants: when a duration that begins now is over. Pure; all instants are UTC.

A message that goes out a moment behind its instant has gone at its instant, or a weekly message would creep through
the day and no two timelines would ever agree. A message that goes out much later has gone later, or a learner would
get three at once when the servers were down for a week. `PUNCTUAL` divides the two.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from journeys.run import Run

PUNCTUAL = timedelta(seconds=60)
"""A step that ended at most so long after its instant ended at its instant."""

NEGLIGIBLE_SHARE = 1000
"""Lateness below the duration divided by this is not carried into the duration's end."""


def settle(run: Run, really_at: datetime) -> Run:
    """The run after something took place at `really_at`: at its own instant where that was punctual, else then."""
    late = max(really_at - run.at, timedelta())
    if late > PUNCTUAL:
        return replace(run, at=really_at, late=timedelta())
    return replace(run, late=late)


def due_after(run: Run, duration: timedelta) -> datetime:
    """When `duration` is over that begins as the run's last step ends.

    Lateness of the last message is added where it is not negligible against the duration: three seconds after a
    message that went half a second late are three seconds after it went, and a week is a week.
    """
    late = run.late if run.late * NEGLIGIBLE_SHARE > duration else timedelta()
    return run.at + late + duration
