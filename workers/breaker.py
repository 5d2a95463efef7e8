"""Whether a provider is known to be down or slow, so that no turn waits for it: its messages go straight to its
queue.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens after `threshold` bad attempts in a row, for `rest_seconds`; then one attempt may try it again.

    `clock` is a monotonic one, in seconds. An attempt is bad when it was refused for now, timed out or took longer
    than `slow_seconds`.
    """

    clock: Callable[[], float]
    threshold: int = 3
    rest_seconds: float = 15.0
    slow_seconds: float = 3.0
    _bad_in_a_row: int = 0
    _open_until: float = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether turns should not try this provider now."""
        return self.clock() < self._open_until

    def saw_good(self, took_seconds: float) -> None:
        """An attempt got an answer, whatever it was."""
        if took_seconds > self.slow_seconds:
            return self.saw_bad()
        self._bad_in_a_row = 0
        self._open_until = float("-inf")
        return None

    def saw_bad(self) -> None:
        """An attempt was refused for now, or got no answer in time."""
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= self.threshold:
            self._open_until = self.clock() + self.rest_seconds
