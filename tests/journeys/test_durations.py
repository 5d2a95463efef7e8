"""Durations as the journey language writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from journeys.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("4h", timedelta(hours=4)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
        ("1w 2d", timedelta(days=9)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_means_what_it_says(text: str, expected: timedelta) -> None:
    """One unit, or several joined by blanks."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "3", "d", "3 d", "-3d", "1.5h", "1d,2h", "3D", "5wd", " 3d", "3d ", "٣d", "9" * 30 + "w"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error says what is allowed."""
    with pytest.raises(ValueError, match="1w 2d"):
        parse_duration(text)


def test_what_no_date_can_be_added_to_is_refused() -> None:
    """The longest is a century."""
    with pytest.raises(ValueError, match="36525d"):
        parse_duration("36526d")


@given(some.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_525)))
def test_a_duration_that_was_written_reads_the_same(duration: timedelta) -> None:
    """Down to the second."""
    whole = timedelta(seconds=int(duration.total_seconds()))
    assert parse_duration(format_duration(whole)) == whole
