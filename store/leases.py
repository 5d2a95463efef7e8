"""How leases are read: by the real clock, and not believed where no process can have taken them.

A lease is an instant until which something is somebody's: an enrolment's turn, the relay of the outbox. It is written
by the clock of whoever takes it. One that ends farther ahead than any lease lasts was written by a clock that was
wrong, or the clock has been set back since. It is no lease, or what it holds would stand still until that clock was
right.

Who takes one that is alive by another clock does little harm: what a turn writes is guarded by its token, and an
outcome that is told twice has one id. A message that is sent twice has been read twice; so an attempt to send is not
read so (`workers.watching`). Only who pokes, and leaves the judgement to a turn, goes by its instant.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import Mapped

LONGEST = timedelta(minutes=10)
"""No lease lasts as long; nor is anything written down as so far ahead."""


def is_alive(until: datetime | None, *, clock: datetime) -> bool:
    """Whether a lease that ends then is one now."""
    return until is not None and clock < until <= clock + LONGEST


def is_past(instant: Mapped[datetime | None], when: datetime) -> ColumnElement[bool]:
    """In a statement: whether what a column holds was over by then, or lies farther ahead than a right clock writes."""
    return or_(instant <= when, instant > when + LONGEST)
