"""Whether the attempt of another process is over, told without a clock that two processes would have to share.

Theory of operation. An attempt to send, or to ask another system, is a token in a row. One process claims it; it is
answered or given back, which takes the token away, unless that process died. Whoever finds a token asks whether its
attempt may be under way yet. The instant that its claimant wrote is no answer: a process whose clock is an hour ahead
would take a living attempt for over, and one whose clock is an hour behind would not believe it; either says a message
in doubt though nobody died, or twice. So no instant is believed, and each process watches instead:

    first seen ──(the same token, for as long as an attempt may last, by this process's own monotonic clock)──> over
        └── no token, or another one ──> forgotten, or watched from now on

It was claimed before it was first seen, and its claimant bounds it by a monotonic clock of its own; what has stood
unchanged for as long as an attempt may last has therefore lasted so long. How long that is the row says itself: the two
instants which the claimant wrote with one look at its clock lie so far apart, however wrong that clock is. It counts
where it is more than what attempts may last here, and less than any lease does: the setting may just have been changed.

What is over is taken over by one compare-and-set of the token. A token is of one attempt and never comes again, so that
who looked too late changes nothing.

A watch lives with its process, and is one for each. Where the second look is another process's, that one begins anew;
who is started again does too. Nothing is lost by it but time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from store.leases import LONGEST
from store.tables import DeliveryRow, RequestRow

MOST = 10_000
"""So many attempts are remembered, many times what can be under way at once; who was not looked at the longest goes."""


@dataclass
class Watch:
    """The attempts of others that this process has seen, and since when. `monotonic` answers seconds."""

    monotonic: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])

    def left(self, row: DeliveryRow | RequestRow, *, limit: timedelta) -> timedelta | None:
        """For how long yet the attempt in this row, as it was just read, is taken for living; None where it is over, or
        where there is none. `limit` is what an attempt may last here.
        """
        known = self._seen.pop(row.id, None)
        if row.attempt is None:
            return None
        now = self.monotonic()
        since = known[1] if known is not None and known[0] == row.attempt else now
        self._seen[row.id] = (row.attempt, since)  # at the end: it was looked at last
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        rest = _lasts(row, limit) - timedelta(seconds=now - since)
        return rest if rest > timedelta() else None


def _lasts(row: DeliveryRow | RequestRow, limit: timedelta) -> timedelta:
    """What the attempt in this row may last: by its claimant's reckoning, where that is more."""
    allowed = limit if row.attempt_until is None else row.attempt_until - row.updated_at
    return max(limit, allowed) if allowed < LONGEST else limit
