"""How long a server in trouble is left alone."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from workers.breath import Breath, Pacing


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """It begins somewhere."""
    return Clock()


@pytest.fixture
def breath(clock: Clock) -> Breath:
    """Pauses as they are where nobody says otherwise."""
    return Breath(Pacing(), clock)


def pauses(breath: Breath, clock: Clock, number: int, *, is_misconfigured: bool = False) -> list[float]:
    """The pauses after so many calls that fail, each made as soon as it may be."""
    found: list[float] = []
    for _ in range(number):
        found.append(breath.failed("gone", began=clock.now, is_misconfigured=is_misconfigured).total_seconds())
        clock.now += found[-1]
    return found


def test_each_pause_is_twice_as_long_as_the_one_before(breath: Breath, clock: Clock) -> None:
    """Up to two minutes."""
    assert [5, 10, 20, 40, 80, 120, 120] == pauses(breath, clock, 7)


def test_where_somebody_must_mend_something_pauses_are_longer(breath: Breath, clock: Clock) -> None:
    """Up to ten minutes."""
    assert [5, 10, 20, 40, 80, 160, 320, 600, 600] == pauses(breath, clock, 9, is_misconfigured=True)


def test_of_calls_that_fail_together_one_counts(breath: Breath, clock: Clock) -> None:
    """Eight at once are no reason to wait eight times as long."""
    began = clock.now
    clock.now += 1
    for _ in range(8):
        breath.failed("gone", began=began)

    assert timedelta(seconds=5) == breath.left()


def test_a_server_gets_the_pause_it_asks_for(breath: Breath, clock: Clock) -> None:
    """Where it asks for more than it would get; never less."""
    assert timedelta(seconds=30) == breath.failed("busy", began=clock.now, after=timedelta(seconds=30))
    assert timedelta(seconds=30) == breath.failed("busy", began=clock.now, after=timedelta(seconds=1))


def test_an_answer_ends_all_pauses(breath: Breath, clock: Clock) -> None:
    """And the next trouble begins with the shortest."""
    pauses(breath, clock, 5)
    breath.failed("gone", began=clock.now)
    breath.worked()

    assert (timedelta(), None) == (breath.left(), breath.trouble)
    assert [5] == pauses(breath, clock, 1)


def test_no_number_of_tries_is_too_large() -> None:
    """After a year with a wrong key, too."""
    assert timedelta(minutes=2) == Pacing().own(100_000)
