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
    """A good one in between begins the count again; after the rest it is tried, and a bad one lets it rest again."""
    breaker = Breaker(clock, threshold=3, rest_seconds=15.0)
    for saw in (breaker.saw_bad, breaker.saw_bad, lambda: breaker.saw_good(0.1), breaker.saw_bad, breaker.saw_bad):
        saw()
    assert breaker.may_try()
    breaker.saw_bad()
    assert not breaker.may_try()
    clock.now += 15.0
    assert breaker.may_try()
    breaker.saw_bad()
    assert not breaker.may_try()


def test_after_a_rest_one_tries_for_all(clock: Clock) -> None:
    """If it hangs, no other waits with it; a good answer, whoever got it, lets all try again."""
    breaker = Breaker(clock, threshold=1, rest_seconds=15.0)
    breaker.saw_bad()
    clock.now += 15.0
    assert [True, False, False] == [breaker.may_try() for _ in range(3)]
    clock.now += 14.0
    assert not breaker.may_try(), "it hangs still"
    clock.now += 1.0
    assert [True, False] == [breaker.may_try() for _ in range(2)], "another one, after another rest"
    breaker.saw_good(0.1)
    assert [True, True] == [breaker.may_try() for _ in range(2)]


def test_a_slow_answer_is_a_bad_one(clock: Clock) -> None:
    """However good it was."""
    breaker = Breaker(clock, threshold=2, slow_seconds=3.0)
    for _ in range(2):
        breaker.saw_good(3.5)
    assert not breaker.may_try()


def test_many_that_hang_are_seen_before_the_first_is_over(clock: Clock) -> None:
    """Open while as many as that have been under way for that long, and closed again when they are over in time."""
    breaker = Breaker(clock, hanging=3, hangs_after_seconds=1.0)
    with ExitStack() as attempts:
        for _ in range(3):
            attempts.enter_context(breaker.attempting())
        assert breaker.may_try(), "they have only begun"
        clock.now += 1.0
        assert not breaker.may_try()
        with breaker.attempting():
            assert not breaker.may_try()
    assert breaker.may_try()


def test_an_attempt_that_fails_is_over(clock: Clock) -> None:
    """Whatever it raises."""
    breaker = Breaker(clock, hanging=1, hangs_after_seconds=0.0)
    with pytest.raises(ConnectionError), breaker.attempting():
        raise ConnectionError
    assert breaker.may_try()
