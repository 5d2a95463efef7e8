"""What a clock that was wrong has left behind holds nothing up."""

from datetime import UTC, datetime, timedelta

import pytest

from store.leases import is_alive

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ends_in", "expected"),
    [
        (timedelta(seconds=1), True),
        (timedelta(minutes=10), True),
        (timedelta(), False),
        (-timedelta(hours=1), False),
        (timedelta(hours=1), False),  # taken by a process whose clock was an hour ahead
    ],
)
def test_a_lease_is_alive_until_it_ends_and_never_for_long(ends_in: timedelta, expected: bool) -> None:
    """One that would last longer than any does was never taken by a clock that was right."""
    assert expected == is_alive(NOW + ends_in, clock=NOW)


def test_no_lease_is_not_alive() -> None:
    """Nobody holds it."""
    assert not is_alive(None, clock=NOW)
