"""Local times: zones, wall clocks, and how a definition writes them (`monday 09:00`, `tomorrow`, `2026-05-01 09:00`).

Never reads a clock. Zones come from the pinned `tzdata` package and not from the machine, so that every worker reckons
alike. In a daylight-saving gap the first instant after it counts, in an overlap the first occurrence.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

LOCAL_TIMES = (
    "monday 09:00", "monday", "tomorrow 09:00", "tomorrow", "today 17:00", "09:00", "2026-05-01", "2026-05-01 09:00",
    "2026-05-01T09:00:00Z",
)  # fmt: skip
"""One example of each form of a local time."""


# --- zones --------------------------------------------------------------------------------------------------------


@cache
def zone_names() -> frozenset[str]:
    """Every IANA name of a zone."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def country_codes() -> frozenset[str]:
    """Every ISO 3166-1 alpha-2 code of a country."""
    lines = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split("\t")[0] for line in lines if line and not line.startswith("#"))


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The zone of this IANA name, or None where there is none."""
    if name not in zone_names():
        return None
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def city_of(zone: ZoneInfo) -> str:
    """How the zone is said: `Dublin`, `Buenos Aires`, `UTC`."""
    name = zone.key
    if name in _UTC_NAMES:
        return "UTC"
    if "/" not in name or name.startswith("Etc/"):
        return name
    return name.rsplit("/", maxsplit=1)[1].replace("_", " ")


_UTC_NAMES = frozenset(
    {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"}
)


# --- wall clocks and instants -------------------------------------------------------------------------------------


def localise(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the clocks of the zone show `local`, which carries no zone.

    In a gap the first instant after it; in an overlap the first occurrence. Raises OverflowError at the ends of the
    calendar.
    """
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_clock(instant, zone) == local:
        return instant
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _first_after_gap(before, instant, zone)


def wall_clock(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of the zone show at this instant, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _first_after_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the zone's clocks were put forward, between two instants around it; to the second."""
    offset = after.astimezone(zone).utcoffset()
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


# --- how they are written -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A local time as it is written: a clock time on a day, or an instant.

    The day is a weekday (0 is Monday), `today` or `tomorrow`, a date, or none: the next day on which it comes. Without
    a clock time it is the day's midnight.
    """

    clock: time = time()
    weekday: int | None = None
    day: Literal["today", "tomorrow"] | None = None
    on: date | None = None
    instant: datetime | None = None

    @property
    def is_absolute(self) -> bool:
        """Whether it says the same whenever it is read."""
        return self.on is not None or self.instant is not None

    def after(self, local: datetime) -> datetime:
        """The wall-clock time it means, read where and when the clocks show `local`.

        A bare weekday or clock time is the next one: what is now has come, so that of two waits for the same hour the
        second is a day or a week later. The others may be past. Not for an instant.
        """
        if self.on is not None:
            return datetime.combine(self.on, self.clock)
        if self.day is not None:
            return datetime.combine(local.date() + timedelta(days=self.day == "tomorrow"), self.clock)
        step = 1 if self.weekday is None else 7
        ahead = 0 if self.weekday is None else (self.weekday - local.weekday()) % 7
        found = datetime.combine(local.date() + timedelta(days=ahead), self.clock)
        return found if found > local else found + timedelta(days=step)


@lru_cache(maxsize=4096)
def parse_local(text: str) -> LocalTime | None:
    """The local time or instant that `text` writes; None where it is something else, such as an expression.

    Raises ValueError for a time that cannot come (`25:00`, `2026-02-30`, `funday 09:00`), saying what is allowed.
    """
    words = text.strip().split()
    if not words or not _is_meant(words):
        return None
    found = _read_instant(text.strip()) or _read_words(text, [word.lower() for word in words])
    if found is None:
        raise ValueError(f"{text!r} is no local time{_never(words) or _probably(words)}: write {_LIKE}")
    return found


def _never(words: list[str]) -> str:
    """What of it is well written and never comes: a day that no calendar has, an hour that no clock shows."""
    day = next((word for word in words if _DATE.fullmatch(word) and parse_date(word) is None), None)
    clock = next((word for word in words if _CLOCK.fullmatch(word) and parse_clock(word) is None), None)
    parts = ([f"there is no day {day}"] if day else []) + ([f"no clock shows {clock}"] if clock else [])
    return f" ({', and '.join(parts)})" if parts else ""


def parse_clock(text: str) -> time | None:
    """The time of day, `09:00`; None where it is none."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
        return None
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def parse_date(text: str) -> date | None:
    """The date, `2026-05-01`; None where it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def weekday_of(word: str) -> int | None:
    """The weekday that `mon` or `Monday` says, from 0 for Monday."""
    word = word.strip().lower()
    return next((n for n, name in enumerate(DAY_NAMES) if word in (name.lower(), DAYS[n])), None)


def said_date(day: date) -> str:
    """`Monday 2 March`."""
    return f"{DAY_NAMES[day.weekday()]} {day.day} {MONTH_NAMES[day.month - 1]}"


_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LIKE = ", ".join(f'"{form}"' for form in LOCAL_TIMES)
_DAY_WORDS = ("today", "tomorrow", *(name.lower() for name in DAY_NAMES))
_TIME_WORDS = frozenset(
    {"now", "noon", "midnight", "next", "yesterday", "at", "on", *DAYS, *_DAY_WORDS}
    | {name.lower() for name in MONTH_NAMES} | {name[:3].lower() for name in MONTH_NAMES}
)  # fmt: skip
_NAMES = frozenset({"entry", "learner", "vars", "answers", "sent", "event"})


def _is_meant(words: list[str]) -> bool:
    """Whether this is meant as a time: no expression begins with a digit, or with the name of a day."""
    first = words[0].lower()
    if first[0].isdigit() or first in _TIME_WORDS:
        return True
    if not all(re.fullmatch(r"[A-Za-z]+|[0-9:.]+", word) for word in words) or first in _NAMES:
        return False
    return any(_CLOCK.fullmatch(word) for word in words[1:]) or bool(get_close_matches(first, _DAY_WORDS, 1, 0.8))


def _read_instant(text: str) -> LocalTime | None:
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return LocalTime(instant=datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _read_words(text: str, words: list[str]) -> LocalTime | None:
    if len(words) == 1 and _DATE.match(text.strip()) and "t" in words[0]:
        words = words[0].split("t", maxsplit=1)
    day, clock = words[0], parse_clock(words[-1])
    if len(words) == 1:
        return LocalTime(clock=clock) if clock else _on_day(day, time())
    return _on_day(day, clock) if len(words) == 2 and clock else None


def _on_day(word: str, clock: time) -> LocalTime | None:
    if word == "today" or word == "tomorrow":
        return LocalTime(clock=clock, day=word)
    if (weekday := weekday_of(word)) is not None:
        return LocalTime(clock=clock, weekday=weekday)
    found = parse_date(word)
    return None if found is None else LocalTime(clock=clock, on=found)


def _probably(words: list[str]) -> str:
    rest = [word.lower() for word in words if word.lower() not in ("next", "at", "on")]
    close = get_close_matches(rest[0], _DAY_WORDS, 1, 0.7) if rest else []
    meant = " ".join([*close, *rest[1:]])
    if not close or _read_words(meant, meant.split()) is None or meant == " ".join(words).lower():
        return ""
    return f' (did you mean "{meant}"?)'
