"""When a provider is known to be down or slow, by a clock of the test's own."""

from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from workers.breaker import Breaker


@dataclass
class Clock:
    """A monotonic clock that goes when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At some instant."""
    return Clock()


def test_it_opens_after_bad_attempts_in_a_row_and_rests(clock: Clock) -> None:
    """A good one in between begins the count again; after the rest it may be tried, and a bad one opens it anew."""
    breaker = Breaker(clock, threshold=3, rest_seconds=15.0)
    for saw in (breaker.saw_bad, breaker.saw_bad, lambda: breaker.saw_good(0.1), breaker.saw_bad, breaker.saw_bad):
        saw()
    assert not breaker.is_open
    breaker.saw_bad()
    assert breaker.is_open
    clock.now += 15.0
    assert not breaker.is_open
    breaker.saw_bad()
    assert breaker.is_open


def test_a_slow_answer_is_a_bad_one(clock: Clock) -> None:
    """However good it was."""
    breaker = Breaker(clock, threshold=2, slow_seconds=3.0)
    for _ in range(2):
        breaker.saw_good(3.5)
    assert breaker.is_open


def test_many_that_hang_are_seen_before_the_first_is_over(clock: Clock) -> None:
    """Open while as many as that have been under way for that long, and closed again when they are over in time."""
    breaker = Breaker(clock, hanging=3, hangs_after_seconds=1.0)
    with ExitStack() as attempts:
        for _ in range(3):
            attempts.enter_context(breaker.attempting())
        assert not breaker.is_open, "they have only begun"
        clock.now += 1.0
        assert breaker.is_open
        with breaker.attempting():
            assert breaker.is_open
    assert not breaker.is_open


def test_an_attempt_that_fails_is_over(clock: Clock) -> None:
    """Whatever it raises."""
    breaker = Breaker(clock, hanging=1, hangs_after_seconds=0.0)
    with pytest.raises(ConnectionError), breaker.attempting():
        raise ConnectionError
    assert not breaker.is_open
