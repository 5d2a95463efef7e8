"""Where a learner is and on which days she works: zone, pattern, public holidays, the firm's closed days, leave.

Reads what a profile says and never fails on it: a value that cannot be read counts as one that is not known. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol, cast
from zoneinfo import ZoneInfo

from journeys.events import Json
from journeys.policy import DEFAULT_POLICY, Closed, Policy, Sending
from journeys.wallclock import localise, parse_clock, parse_date, said_date, weekday_of, zone_named

WHERE = ("zone", "country", "site", "attributes")
"""The fields of a profile that say where she is."""

UTC_ZONE = cast("ZoneInfo", zone_named("UTC"))


@dataclass(frozen=True, slots=True)
class Leave:
    """She is away from `since` (UTC; None: already) to the end of the day `until`, the last of the leave, where she
    is; None: nobody knows.
    """

    since: datetime | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a learner is and when she works, as far as it is known.

    Where `zone_is_known` is False the zone is the policy's. `working_hours` are from and to; a `to` no later than
    `from` is on the next day. `subdivision` is what follows the country in ISO 3166-2: `SCT`.
    """

    zone: ZoneInfo
    zone_is_known: bool
    country: str | None = None
    subdivision: str | None = None
    site: str | None = None
    working_days: frozenset[int] | None = None
    working_hours: tuple[time, time] | None = None
    leave: Leave | None = None


def where_she_is(profile: Mapping[str, Json], policy: Policy) -> Whereabouts:
    """What the profile says about place and time; what is missing or cannot be read is not known."""
    zone = _zone(profile.get("zone"))
    country, subdivision = _country(profile)
    return Whereabouts(
        zone=zone or zone_named(policy.zone) or UTC_ZONE,
        zone_is_known=zone is not None,
        country=country,
        subdivision=subdivision,
        site=_text(profile.get("site")),
        working_days=_days(profile.get("working_days")),
        working_hours=_hours(profile.get("working_hours")),
        leave=_leave(profile.get("leave")),
    )


def day_off(day: date, where: Whereabouts, sending: Sending) -> str | None:
    """Why this day is none of her working days, in words for the journal; None where it is one.

    Her own days, where they are known, take the place of the policy's.
    """
    for closed in sending.closed:
        if closed.start <= day <= closed.end and _concerns(closed, where):
            return "the firm is closed" + (f" ({closed.name})" if closed.name else "")
    if sending.holidays and (name := holiday(day, where.country, where.subdivision)):
        return f"a public holiday where she is ({name})"
    days = sending.days if where.working_days is None else where.working_days
    return None if day.weekday() in days else "it is not one of her working days"


def working_pattern(policy: Policy) -> Sending:
    """What counts as a working day where a learner's own days are not known: without `sending` the default's."""
    return policy.sending or DEFAULT_POLICY.sending or Sending(frozenset(range(5)), time(), time())


def holiday(day: date, country: str | None, subdivision: str | None) -> str | None:
    """The name of the public holiday that a country, or a part of it, has on this day; None where there is none or
    nothing is known of the country.
    """
    calendar = None if country is None else _holidays_of(country, subdivision)
    return None if calendar is None else calendar.get(day)


def leave_begins(where: Whereabouts) -> datetime | None:
    """The first instant of the leave; None where there is no leave, or it has always been."""
    return None if where.leave is None else where.leave.since


def leave_ends(where: Whereabouts) -> datetime | None:
    """The first instant after the leave, where she is; None where there is no leave or nobody knows."""
    if where.leave is None or where.leave.until is None:
        return None
    try:
        return localise(datetime.combine(where.leave.until + timedelta(days=1), time()), where.zone)
    except OverflowError:
        return None


def is_on_leave(at: datetime, where: Whereabouts) -> bool:
    """Whether she is away at this instant."""
    if where.leave is None or (where.leave.since is not None and at < where.leave.since):
        return False
    ends = leave_ends(where)
    return ends is None or at < ends


def said_leave(where: Whereabouts) -> str:
    """Her leave in words for the journal."""
    until = None if where.leave is None else where.leave.until
    return "she is on leave" + ("" if until is None else f" until {said_date(until)}")


# --- reading a profile --------------------------------------------------------------------------------------------

_COUNTRY = re.compile(r"([A-Z]{2,3})(?:-([A-Z0-9]{1,3}))?")


def _text(found: Json) -> str | None:
    return found.strip() or None if isinstance(found, str) else None


def _zone(found: Json) -> ZoneInfo | None:
    return zone_named(found.strip()) if isinstance(found, str) else None


def _country(profile: Mapping[str, Json]) -> tuple[str | None, str | None]:
    """The country and the part of it: from `country`, `GB` or `GB-SCT`, and `attributes.subdivision`."""
    match = _COUNTRY.fullmatch((_text(profile.get("country")) or "").upper())
    if match is None:
        return None, None
    country, part = match[1], cast("str | None", match[2])
    attributes = profile.get("attributes")
    given = _text(attributes.get("subdivision")) if isinstance(attributes, dict) else None
    return country, given.upper().removeprefix(f"{country}-") if given else part


def _days(found: Json) -> frozenset[int] | None:
    if not isinstance(found, list):
        return None
    days = (weekday_of(day) for day in found if isinstance(day, str))
    return frozenset(day for day in days if day is not None) or None


def _hours(found: Json) -> tuple[time, time] | None:
    if not isinstance(found, dict):
        return None
    start, end = found.get("from"), found.get("to")
    first = parse_clock(start) if isinstance(start, str) else None
    last = (time() if end == "24:00" else parse_clock(end)) if isinstance(end, str) else None
    if first is None or last is None or (first == last and end != "24:00"):
        return None
    return first, last


def _leave(found: Json) -> Leave | None:
    if not isinstance(found, dict):
        return None
    since, until = found.get("since"), found.get("until")
    return Leave(
        _instant(since) if isinstance(since, str) else None, parse_date(until) if isinstance(until, str) else None
    )


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _concerns(closed: Closed, where: Whereabouts) -> bool:
    if closed.site is not None and closed.site != where.site:
        return False
    country, _, part = (closed.country or "").partition("-")
    return not country or (country == where.country and part in ("", where.subdivision))


# --- public holidays ----------------------------------------------------------------------------------------------


class _Calendar(Protocol):
    def get(self, key: date, /) -> str | None: ...


@lru_cache(maxsize=1024)
def _holidays_of(country: str, subdivision: str | None) -> _Calendar | None:
    """The calendar of a country, or of a part of it where that is known; in English where that is there."""
    import holidays  # half a second: only where somebody asks

    if country not in holidays.list_supported_countries(include_aliases=True):
        return None
    part = subdivision if subdivision in _parts_of(country) else None
    plain = holidays.country_holidays(country, subdiv=part)
    languages: tuple[str, ...] = plain.supported_languages or ()
    english = next((language for language in ("en_GB", "en_IE", "en_US") if language in languages), None)
    return cast("_Calendar", holidays.country_holidays(country, subdiv=part, language=english) if english else plain)


@lru_cache(maxsize=256)
def _parts_of(country: str) -> frozenset[str]:
    import holidays

    return frozenset(holidays.list_supported_countries(include_aliases=True).get(country, ()))
