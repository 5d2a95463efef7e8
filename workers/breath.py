"""Pauses between calls to a server that is in trouble: how long each lasts, and that all who ask it keep them.

One draft after the other would try a server that is gone; while it is, one call now and then is enough.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

log = structlog.get_logger()


@dataclass(frozen=True)
class Pacing:
    """How long to wait: at first, then twice as long each time, until `longest`; longer where somebody must first mend
    a setting or pay.
    """

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=2)
    longest_misconfigured: timedelta = timedelta(minutes=10)

    def own(self, attempt: int, *, is_misconfigured: bool = False) -> timedelta:
        """The wait after this attempt, counted from 1."""
        most = self.longest_misconfigured if is_misconfigured else self.longest
        return min(self.first * 2 ** min(attempt - 1, 30), most)


@dataclass
class Breath:
    """Whether calls are made now. `clock` is a monotonic one, in seconds; `trouble` is what is wrong, in words."""

    pacing: Pacing
    clock: Callable[[], float]
    trouble: str | None = None
    _failures: int = 0
    _until: float = float("-inf")

    def left(self) -> timedelta:
        """How long no call is made."""
        return timedelta(seconds=max(self._until - self.clock(), 0.0))

    def worked(self) -> None:
        """The server answered."""
        if self.trouble is not None:
            log.info("writer_works_again")
        self.trouble, self._failures, self._until = None, 0, float("-inf")

    def failed(
        self, trouble: str, *, began: float, after: timedelta | None = None, is_misconfigured: bool = False
    ) -> timedelta:
        """A call that began then got no answer; how long no other is made. `after` is what the server asks for.

        Of calls that were under way together one counts.
        """
        if trouble != self.trouble:
            log.warning("writer_in_trouble", trouble=trouble)
        self.trouble = trouble
        if began >= self._until:
            self._failures += 1
            pause = self.pacing.own(self._failures, is_misconfigured=is_misconfigured)
            self._until = self.clock() + pause.total_seconds()
        if after is not None:
            self._until = max(self._until, self.clock() + after.total_seconds())
        return self.left()
