"""Whether a provider is known to be down or slow, so that no turn waits for it: its messages go straight to its
queue.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """Opens after `threshold` bad attempts in a row, for `rest_seconds`; then one turn tries for all, and the others
    let it rest again until a good attempt, whoever makes it, has closed it.

    `clock` is a monotonic one, in seconds. An attempt is bad when it was refused for now, timed out or took longer
    than `slow_seconds`. It is open, too, while `hanging` attempts have been under way for `hangs_after_seconds`: by the
    time that the first of them is over, the turns that wait for them would have taken every place of the worker.
    """

    clock: Callable[[], float]
    threshold: int = 3
    rest_seconds: float = 15.0
    slow_seconds: float = 3.0
    hanging: int = 8
    hangs_after_seconds: float = 1.0
    _bad_in_a_row: int = 0
    _open_until: float = float("-inf")
    _begun: dict[object, float] = field(default_factory=dict[object, float])

    def may_try(self) -> bool:
        """Whether this turn should try the provider now; whoever is told so tries it. After a rest one is told so, and
        no other for another rest: if it hangs, one place is waited in and not every one.
        """
        now = self.clock()
        if now < self._open_until or self._hang(now):
            return False
        if self._bad_in_a_row >= self.threshold:
            self._open_until = now + self.rest_seconds
        return True

    def _hang(self, now: float) -> bool:
        since = [begun for begun in self._begun.values() if now - begun >= self.hangs_after_seconds]
        return len(since) >= self.hanging

    @contextmanager
    def attempting(self) -> Generator[None]:
        """An attempt is under way for as long as this lasts."""
        this = object()
        self._begun[this] = self.clock()
        try:
            yield
        finally:
            del self._begun[this]

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
