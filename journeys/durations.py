"""Durations as the journey language writes them: `30s 15m 4h 3d 2w`, joined as `1w 2d`.

Working days (`5wd`) depend on a learner's calendar and are not durations but spans; `journeys/calendar.py` counts them.
"""

import re
from datetime import timedelta

from journeys.program import Span

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST = timedelta(days=36_525)  # a century: what a date can still be added to
_PART = re.compile(r"([0-9]{1,12})([smhdw])")
_WHOLE = re.compile(r"[0-9]{1,12}[smhdw](?: +[0-9]{1,12}[smhdw])*")


def parse_duration(text: str) -> timedelta:
    """What `text` says; raises ValueError, which says what is allowed."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a duration: write numbers and units (s m h d w), as 30s 15m 4h 3d 2w, or joined: 1w 2d"
        )
    total = sum(int(number) * UNIT_SECONDS[unit] for number, unit in _PART.findall(text))
    if total > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than a century: the longest duration is 36525d")
    return timedelta(seconds=total)


def format_duration(duration: timedelta) -> str:
    """`duration` as the language writes it, in whole seconds: the inverse of `parse_duration`."""
    rest = int(duration.total_seconds())
    parts: list[str] = []
    for unit, seconds in sorted(UNIT_SECONDS.items(), key=lambda item: -item[1]):
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts) or "0s"


_SPAN = re.compile(r"[0-9]{1,12}(?:wd|[smhdw])(?: +[0-9]{1,12}(?:wd|[smhdw]))*")
_WORKING_DAYS = re.compile(r"([0-9]+)wd")
MOST_WORKING_DAYS = 2_600
"""About ten years of them."""


def parse_span(text: str) -> Span:
    """A length of time that may count working days: `5wd`, `1wd 4h`, or a duration. Raises ValueError, which says what
    is allowed.
    """
    if not _SPAN.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a length of time: write numbers and units (s m h d w, or wd for working days), as "
            "30s 15m 4h 3d 2w 5wd, or joined: 1wd 4h"
        )
    parts = text.split()
    days = sum(int(found[1]) for part in parts if (found := _WORKING_DAYS.fullmatch(part)))
    if days > MOST_WORKING_DAYS:
        raise ValueError(f"{text!r} is too long: at most {MOST_WORKING_DAYS}wd")
    elapsed = [part for part in parts if not part.endswith("wd")]
    return Span(parse_duration(" ".join(elapsed)) if elapsed else timedelta(), days)


def format_span(span: Span) -> str:
    """`span` as the language writes it: the inverse of `parse_span`."""
    if not span.working_days:
        return format_duration(span.elapsed)
    days = f"{span.working_days}wd"
    return f"{days} {format_duration(span.elapsed)}" if span.elapsed else days
