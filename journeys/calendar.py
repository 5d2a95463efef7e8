"""The right time: when a message may go to a learner, and when a wait that is told where she is is over.

Pure: never reads a clock. `next_opening` answers for both performers whether a message may go, or when; `reckon`
answers `Reckon`. Both say which fields of her profile they looked at, so that a change of one of them asks again. All
instants are UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from journeys.effects import Reckon, Reckoned
from journeys.events import Json
from journeys.expressions import Facts, value
from journeys.policy import Policy
from journeys.program import Span, Until
from journeys.timing import PUNCTUAL
from journeys.wallclock import LocalTime, city_of, localise, parse_clock, parse_local, said_date, wall_clock
from journeys.workdays import (
    Whereabouts,
    day_off,
    is_on_leave,
    leave_begins,
    leave_ends,
    said_leave,
    where_she_is,
    working_pattern,
)

AHEAD = 400
"""For so many days a permitted moment is looked for."""

PATIENCE = timedelta(hours=1)
"""A message for 09:00 that could not go then may still go so much later; after that it waits for the next 09:00."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The first instant, from the one asked about, at which a message may go; None: nobody knows.

    `because` says in plain words, without personal values, why not at once (None where at once); `reads` are the fields
    of the profile it depends on.
    """

    at: datetime | None
    because: str | None = None
    reads: tuple[str, ...] = ()


def next_opening(
    policy: Policy,
    profile: Mapping[str, Json],
    *,
    at: datetime,
    is_anytime: bool = False,
    local_time: str | None = None,
    since: datetime | None = None,
) -> Opening:
    """When a message may go that is ready at `at`; `Opening.at == at` means that it may go now.

    Her working days and hours, where they are known, take the place of the policy's; a window that ends on the next
    day belongs to the day it begins on. `is_anytime` passes hours, days, holidays and closed days, and waits for leave.
    `local_time` (`09:00`) is the next such time on a permitted day; the hours are not asked. `since` is when the
    message was asked for (`Deliver.asked_at`): a local time that has come since then and is at most an hour ago is now;
    without it, one at most a minute ago, so that a waking a moment late is not a day late.
    """
    where = where_she_is(profile, policy)
    clock = None if local_time is None else parse_clock(local_time)
    reads = _reads(policy, is_anytime=is_anytime, is_timed=clock is not None)
    if not is_on_leave(at, where) and is_anytime:
        return Opening(at, None, reads)
    try:
        found = _find(policy, where, at=at, is_anytime=is_anytime, clock=clock, since=since)
    except OverflowError:
        found = None
    if found is not None and found <= at:
        return Opening(at, None, reads)
    return Opening(found, _because(policy, where, at, found, is_anytime=is_anytime, clock=clock), reads)


def said_locally(at: datetime, where: Whereabouts) -> str:
    """The instant as she would say it: `Monday 2 March, 09:00 in Dublin`; where her zone is not known, that too."""
    local = wall_clock(at, where.zone)
    seconds = f":{local.second:02}" if local.second else ""
    city = city_of(where.zone)
    place = city if city == "UTC" else f"in {city}"
    doubt = "" if where.zone_is_known else " (her zone is not known: the policy's zone counts)"
    return f"{said_date(local.date())}, {local.hour:02}:{local.minute:02}{seconds} {place}{doubt}"


def reckon(effect: Reckon, facts: Facts, *, profile: Mapping[str, Json], policy: Policy, at: datetime) -> Reckoned:
    """When the wait is over, where she is now; a wait that cannot be told has no `due_at`, and a finding.

    An instant in the past is answered as it is. A local time keeps the wall-clock time that was fixed first, in the
    zone where she is now; a date or an instant that an expression yields is read anew. Working days are counted from
    `since` with the days and holidays of where she is now; her leave does not matter to the count.
    """
    where = where_she_is(profile, policy)
    try:
        if effect.until is not None:
            return _reckon_until(effect, effect.until, facts, where, policy, at)
        return _reckon_span(effect, effect.span or Span(), where, policy, at)
    except OverflowError:
        return Reckoned(at, None, finding="the time lies beyond what a calendar can say")


def add_span(start: datetime, span: Span, where: Whereabouts, policy: Policy) -> datetime | None:
    """The end of a span from an instant: the elapsed time first, then so many working days at the same local time.

    The day it starts on is not counted: 5wd from Monday 10:00 is the next Monday 10:00, and 1wd from Friday, Saturday
    or Sunday is Monday. None where so many working days do not come.
    """
    return _move(start + span.elapsed, span.working_days, where, policy, step=1)


def take_span(end: datetime, span: Span, where: Whereabouts, policy: Policy) -> datetime | None:
    """The instant a span before another: the elapsed time first, then so many working days back, likewise."""
    return _move(end - span.elapsed, span.working_days, where, policy, step=-1)


# --- openings -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Window:
    """From `opens` up to but not at `closes` a message may go; an `opens` alone is one moment."""

    opens: datetime
    closes: datetime


def _reads(policy: Policy, *, is_anytime: bool, is_timed: bool) -> tuple[str, ...]:
    if is_anytime:
        return ("leave", "zone")
    if policy.sending is None:
        return ("leave", "zone")
    hours = () if is_timed else ("working_hours",)
    places = ("country", "attributes") if policy.sending.holidays or policy.sending.closed else ()
    site = ("site",) if policy.sending.closed else ()
    return tuple(sorted(("leave", "zone", "working_days", *hours, *places, *site)))


def _find(
    policy: Policy,
    where: Whereabouts,
    *,
    at: datetime,
    is_anytime: bool,
    clock: time | None,
    since: datetime | None,
) -> datetime | None:
    """The first permitted instant; one before `at` is a local time that has just come."""
    if is_anytime or (policy.sending is None and clock is None):
        return leave_ends(where) if is_on_leave(at, where) else at
    earliest: datetime | None = at
    if is_on_leave(at, where):
        earliest = leave_ends(where)
    elif clock is not None:
        earliest = at - PUNCTUAL if since is None else min(at, max(since, at - PATIENCE))
    if earliest is None:
        return None
    for window in _windows(policy, where, earliest, clock):
        found = _within(window, where, earliest)
        if found is not None:
            return found
    return None


def _within(window: _Window, where: Whereabouts, earliest: datetime) -> datetime | None:
    """The first instant of the window, from `earliest`, at which she is not on leave."""
    found = max(window.opens, earliest)
    if is_on_leave(found, where):
        ends = leave_ends(where)
        if ends is None:
            return None
        found = ends
    return found if found < window.closes else None


def _windows(policy: Policy, where: Whereabouts, earliest: datetime, clock: time | None) -> Iterator[_Window]:
    """The windows of her working days, in order of time, from the one that may still be open."""
    first = wall_clock(earliest, where.zone).date() - timedelta(days=1)
    for number in range(AHEAD + 2):
        day = first + timedelta(days=number)
        if policy.sending is not None and day_off(day, where, policy.sending) is not None:
            continue
        if (window := _window_of(day, policy, where, clock)) is not None:
            yield window


def _window_of(day: date, policy: Policy, where: Whereabouts, clock: time | None) -> _Window | None:
    """When a message may go on this day; None where the zone skips the day or the hours."""
    if clock is not None:
        moment = localise(datetime.combine(day, clock), where.zone)
        is_there = wall_clock(moment, where.zone).date() == day
        return _Window(moment, moment + timedelta(microseconds=1)) if is_there else None
    start, end = _hours(policy, where)
    last = day if start < end else day + timedelta(days=1)
    opens = localise(datetime.combine(day, start), where.zone)
    closes = localise(datetime.combine(last, end), where.zone)
    return _Window(opens, closes) if opens < closes and wall_clock(opens, where.zone).date() == day else None


def _hours(policy: Policy, where: Whereabouts) -> tuple[time, time]:
    if where.working_hours is not None:
        return where.working_hours
    sending = working_pattern(policy)
    return sending.start, sending.end


# --- why not now --------------------------------------------------------------------------------------------------


def _because(
    policy: Policy, where: Whereabouts, at: datetime, found: datetime | None, *, is_anytime: bool, clock: time | None
) -> str:
    reasons = _reasons(policy, where, at, found, is_anytime=is_anytime, clock=clock)
    said = ", then ".join(list(dict.fromkeys(reasons))[:3])
    if found is None and where.leave is None:
        said = f"{said}, and no moment within {AHEAD} days is allowed"
    if where.zone_is_known:
        return said
    return f"{said}; her zone is not known: the policy's zone {city_of(where.zone)} counts"


def _reasons(
    policy: Policy, where: Whereabouts, at: datetime, found: datetime | None, *, is_anytime: bool, clock: time | None
) -> Iterator[str]:
    """Why not at once, and what else comes between: leave, holidays and closed days, not the nights and week-ends."""
    local = wall_clock(at, where.zone)
    if is_on_leave(at, where):
        yield said_leave(where)
        if is_anytime or policy.sending is None:
            return
        local = wall_clock(leave_ends(where) or at, where.zone)
    else:
        yield _first_reason(policy, where, at, clock)
    begins = leave_begins(where)
    if begins is not None and at < begins and (found is None or begins < found):
        yield said_leave(where)
    if policy.sending is None or found is None:
        return
    hers = policy.sending.days if where.working_days is None else where.working_days
    for number in range((wall_clock(found, where.zone).date() - local.date()).days):
        day = local.date() + timedelta(days=number)
        off = day_off(day, where, policy.sending) if day.weekday() in hers else None
        if off is not None:
            yield off


def _first_reason(policy: Policy, where: Whereabouts, at: datetime, clock: time | None) -> str:
    local = wall_clock(at, where.zone)
    off = None if policy.sending is None else day_off(local.date(), where, policy.sending)
    if off is not None:
        return off
    if clock is not None:
        return f"it is to go at {clock:%H:%M} where she is"
    start, _ = _hours(policy, where)
    return "her working day has not begun" if local.time() < start else "her working day is over"


# --- waits --------------------------------------------------------------------------------------------------------


def _reckon_until(
    effect: Reckon, until: Until, facts: Facts, where: Whereabouts, policy: Policy, at: datetime
) -> Reckoned:
    reads = {"zone"} if until.expression is None else {"zone", *_fields_of(until.expression.reads)}
    meant: datetime | str = _told(until, facts, effect.since, where)
    if isinstance(meant, str):
        return Reckoned(at, None, reads=tuple(sorted(reads)), finding=meant)
    local = effect.local if until.local is not None and effect.local is not None else None
    if local is None and meant.tzinfo is None:
        local = meant.isoformat(timespec="seconds")
    instant = meant if local is None else localise(datetime.fromisoformat(local), where.zone)
    if until.before.working_days:
        reads |= _pattern_reads(policy)
    due = take_span(instant, until.before, where, policy)
    if due is None:
        return Reckoned(at, None, local, reads=tuple(sorted(reads)), finding=_no_days(until.before))
    return Reckoned(at, due, local, said_locally(due, where), tuple(sorted(reads)))


def _told(until: Until, facts: Facts, since: datetime, where: Whereabouts) -> datetime | str:
    """The instant (UTC), or the wall-clock time (without a zone), or why it cannot be told."""
    if until.expression is None:
        read = _read(until.local)
        if read is None:
            return f"{until.local!r} is no local time"
        return read.instant or read.after(wall_clock(since, where.zone))
    found = value(until.expression, facts)
    if found.finding is not None:
        return found.finding
    read = _read(found.value)
    if read is None or not read.is_absolute:
        return f"{until.expression.text} is no date and no instant"
    return read.instant or read.after(wall_clock(since, where.zone))


def _read(text: Json) -> LocalTime | None:
    try:
        return parse_local(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _reckon_span(effect: Reckon, span: Span, where: Whereabouts, policy: Policy, at: datetime) -> Reckoned:
    reads = tuple(sorted({"zone", *_pattern_reads(policy)})) if span.working_days else ()
    due = add_span(effect.since, span, where, policy)
    if due is None:
        return Reckoned(at, None, reads=reads, finding=_no_days(span))
    return Reckoned(at, due, None, said_locally(due, where), reads)


def _move(start: datetime, days: int, where: Whereabouts, policy: Policy, *, step: int) -> datetime | None:
    """The same local time so many working days later or earlier; the day of `start` is not counted."""
    if not days:
        return start.astimezone(UTC)
    pattern = working_pattern(policy)
    local = wall_clock(start, where.zone)
    day = local.date()
    for _ in range(AHEAD + days * 10):
        day += timedelta(days=step)
        if day_off(day, where, pattern) is None:
            days -= 1
            if not days:
                return localise(datetime.combine(day, local.time()), where.zone)
    return None


def _pattern_reads(policy: Policy) -> set[str]:
    """The fields that say which days are working days."""
    pattern = working_pattern(policy)
    places = {"country", "attributes"} if pattern.holidays or pattern.closed else set[str]()
    return {"working_days", *places, *({"site"} if pattern.closed else ())}


def _fields_of(reads: tuple[str, ...]) -> set[str]:
    """The fields of the profile among what an expression reads."""
    return {parts[1] for path in reads if (parts := path.split("."))[0] == "learner" and len(parts) > 1}


def _no_days(span: Span) -> str:
    return f"so many working days do not come: {span.working_days}"


__all__ = ["Opening", "add_span", "next_opening", "parse_local", "reckon", "said_locally", "take_span", "where_she_is"]
