"""When a message may go, and when a wait that is told in local time is over."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.calendar import Opening, next_opening, reckon, said_locally
from journeys.durations import format_span, parse_span
from journeys.effects import Reckon, Reckoned
from journeys.expressions import Facts, Scope, check
from journeys.policy import DEFAULT_POLICY, UNLIMITED, Policy, Sending
from journeys.program import Span, Until
from journeys.wallclock import LocalTime, localise, parse_local, wall_clock, zone_named
from journeys.workdays import day_off, is_on_leave, where_she_is
from tests.support.times import TimeCase, time_cases

CASES = time_cases()
SENDS = [case for case in CASES if case.send is not None]
WAITS = [case for case in CASES if case.wait is not None]


def _named(case: TimeCase) -> str:
    return case.id.replace(" ", "-")


def _opening(case: TimeCase) -> Opening:
    assert case.send is not None
    wanted = case.send.get("at", "policy")
    return next_opening(
        case.policy,
        case.profile,
        at=case.at,
        is_anytime=wanted == "anytime",
        local_time=wanted if ":" in wanted else None,
        since=case.at,
    )


def _reckon(case: TimeCase) -> Reckon:
    if isinstance(case.wait, str):
        return Reckon("wait", case.at, span=parse_span(case.wait))
    assert case.wait is not None
    text = case.wait["until"]
    before = parse_span(case.wait["before"]) if "before" in case.wait else Span()
    if parse_local(text) is not None:
        return Reckon("wait", case.at, until=Until(local=text, before=before))
    expression = check(text, scope=Scope.STEP, wants="value").expression
    assert expression is not None
    return Reckon("wait", case.at, until=Until(expression=expression, before=before))


def _reckoned(case: TimeCase, effect: Reckon | None = None) -> Reckoned:
    facts = Facts(learner=case.profile, entry={"data": dict(case.data)})
    return reckon(effect or _reckon(case), facts, profile=case.profile, policy=case.policy, at=case.at)


def test_the_table_is_long_enough_and_names_each_case_once() -> None:
    """At least 80 cases."""
    assert len(CASES) >= 80
    assert len(CASES) == len({case.id for case in CASES}) == len(SENDS) + len(WAITS)


@pytest.mark.parametrize("case", SENDS, ids=_named)
def test_a_message_goes_at_the_right_time(case: TimeCase) -> None:
    """At the instant of the table, and for its reason."""
    found = _opening(case)
    assert (case.opens, case.because) == (found.at, found.because)


@pytest.mark.parametrize("case", [c for c in SENDS if c.opens is not None], ids=_named)
def test_at_its_right_time_a_message_goes(case: TimeCase) -> None:
    """Asked again when its time has come, the calendar says now."""
    assert case.opens is not None
    again = replace(case, at=case.opens)
    assert case.opens == _opening(again).at


@pytest.mark.parametrize("case", WAITS, ids=_named)
def test_a_wait_ends_at_the_right_time(case: TimeCase) -> None:
    """At the instant of the table, said as the table says it."""
    found = _reckoned(case)
    assert (case.ends, case.where, None) == (found.due_at, found.where, found.finding)


# --- what the answers say of themselves ------------------------------------------------------------------------------


def test_an_opening_names_the_fields_it_depends_on() -> None:
    """So that a change of one of them asks again; what does not matter is not named."""
    at = datetime(2037, 3, 2, 3, tzinfo=UTC)
    full = ("attributes", "country", "leave", "working_days", "working_hours", "zone")
    assert full == next_opening(DEFAULT_POLICY, {}, at=at).reads
    assert ("leave", "zone") == next_opening(DEFAULT_POLICY, {}, at=at, is_anytime=True).reads
    assert ("leave", "zone") == next_opening(UNLIMITED, {}, at=at).reads
    timed = next_opening(DEFAULT_POLICY, {}, at=at, local_time="09:00").reads
    assert "working_hours" not in timed
    assert "working_days" in timed


def test_a_wait_names_the_fields_it_depends_on() -> None:
    """Her zone, those that say which days are working days, and those that its expression reads."""
    by_id = {case.id: _reckoned(case).reads for case in WAITS}
    assert ("zone",) == by_id["until a weekday and time"]
    assert ("starts_on", "zone") == by_id["until a date of her profile"]
    assert ("attributes", "country", "working_days", "zone") == by_id[
        "five working days from a monday are the next monday"
    ]
    assert "site" in by_id["closed days are no working days"]


def test_a_date_that_cannot_be_told_is_a_finding() -> None:
    """The finding names the field, never its value."""
    expression = check("entry.data.when", scope=Scope.STEP, wants="value").expression
    effect = Reckon("wait", datetime(2037, 3, 2, tzinfo=UTC), until=Until(expression=expression))
    for value in ("soon, says Ada", 17, None, "2037-02-30", "9999-99-99"):
        facts = Facts(entry={"data": {"when": cast("Any", value)}})
        found = reckon(effect, facts, profile={}, policy=DEFAULT_POLICY, at=effect.since)
        assert found.due_at is None
        assert "entry.data.when" in (found.finding or "")
        assert "Ada" not in (found.finding or "")


def test_the_ends_of_the_calendar_are_a_finding() -> None:
    """Nothing raises, however far away a date is."""
    expression = check("entry.data.when", scope=Scope.STEP, wants="value").expression
    for value, before in (("9999-12-31", Span()), ("0001-01-01", Span(timedelta(days=3))), ("0001-01-01", Span())):
        effect = Reckon("wait", datetime(2037, 3, 2, tzinfo=UTC), until=Until(expression=expression, before=before))
        facts = Facts(entry={"data": {"when": value}})
        for zone in ("Pacific/Kiritimati", "Pacific/Midway"):
            found = reckon(effect, facts, profile={"zone": zone}, policy=DEFAULT_POLICY, at=effect.since)
            assert found.due_at is not None or found.finding is not None


# --- moving ----------------------------------------------------------------------------------------------------------


def test_a_local_time_follows_her_to_another_zone() -> None:
    """The wall-clock time that was fixed stays; what is until an instant does not move."""
    case = next(c for c in WAITS if c.id == "until a weekday and time")
    first = _reckoned(case)
    assert "2037-03-09T09:00:00" == first.local
    moved = replace(case, profile={"zone": "Asia/Tokyo"})
    again = _reckoned(moved, replace(_reckon(case), local=first.local))
    assert datetime(2037, 3, 9, 0, tzinfo=UTC) == again.due_at
    assert "Monday 9 March, 09:00 in Tokyo" == again.where
    assert first.local == again.local
    instant = next(c for c in WAITS if c.id == "until an instant of the entry")
    assert instant.ends == _reckoned(replace(instant, profile={"zone": "Asia/Tokyo"})).due_at


def test_a_message_put_off_follows_her_to_another_zone() -> None:
    """Asked again where she is now: the morning of New York is not the morning of Dublin."""
    at = datetime(2037, 3, 2, 20, tzinfo=UTC)
    assert datetime(2037, 3, 3, 8, tzinfo=UTC) == next_opening(DEFAULT_POLICY, {"zone": "Europe/Dublin"}, at=at).at
    assert at == next_opening(DEFAULT_POLICY, {"zone": "America/New_York"}, at=at).at


def test_a_local_time_that_came_while_nobody_woke_is_now() -> None:
    """Within an hour of it the message goes late; after that it waits for the next one."""
    asked = datetime(2037, 3, 2, 8, tzinfo=UTC)
    nine = datetime(2037, 3, 2, 9, tzinfo=UTC)
    profile = {"zone": "Europe/Dublin"}
    for minutes in (0, 1, 59, 60):
        at = nine + timedelta(minutes=minutes)
        assert at == next_opening(DEFAULT_POLICY, profile, at=at, local_time="09:00", since=asked).at
    late = next_opening(DEFAULT_POLICY, profile, at=nine + timedelta(minutes=61), local_time="09:00", since=asked)
    assert nine + timedelta(days=1) == late.at
    moment = nine + timedelta(seconds=30)
    assert moment == next_opening(DEFAULT_POLICY, profile, at=moment, local_time="09:00").at


# --- how times are written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("monday 09:00", LocalTime(time(9), weekday=0)),
        ("Sunday 9:05", LocalTime(time(9, 5), weekday=6)),
        ("wed", LocalTime(weekday=2)),
        ("tomorrow", LocalTime(day="tomorrow")),
        ("today 17:00", LocalTime(time(17), day="today")),
        ("09:00", LocalTime(time(9))),
        ("2026-05-01", LocalTime(on=date(2026, 5, 1))),
        ("2026-05-01 09:00", LocalTime(time(9), on=date(2026, 5, 1))),
        ("2026-05-01T09:00", LocalTime(time(9), on=date(2026, 5, 1))),
        ("2026-05-01T09:00:00Z", LocalTime(instant=datetime(2026, 5, 1, 9, tzinfo=UTC))),
        ("2026-05-01T09:00:00-05:00", LocalTime(instant=datetime(2026, 5, 1, 14, tzinfo=UTC))),
        ("entry.data.starts_on", None),
        ("learner.starts_on", None),
        ('"2026-05-01"', None),
        ("vars.when", None),
        ("", None),
    ],
)
def test_a_local_time_is_read(text: str, expected: LocalTime | None) -> None:
    """Every form of the language; an expression is none of them."""
    assert expected == parse_local(text)


@pytest.mark.parametrize(
    "text",
    ["25:00", "monday 24:00", "09:60", "2026-02-30", "2026-13-01", "30 february", "february 30", "next monday", "noon",
     "funday 09:00", "tomorow", "2026-05-01T25:00:00Z", "3d", "monday tuesday", "09:00 monday"],
)  # fmt: skip
def test_a_time_that_cannot_come_is_refused(text: str) -> None:
    """The error says what was found and what is allowed."""
    with pytest.raises(ValueError, match=r"is no local time.*monday 09:00.*2026-05-01") as refused:
        parse_local(text)
    assert repr(text) in str(refused.value)


def test_what_was_meant_is_said() -> None:
    """Where a word is misspelt or one too many."""
    for text, meant in (("tomorow", "tomorrow"), ("next monday", "monday"), ("funday 09:00", "sunday 09:00")):
        with pytest.raises(ValueError, match=f'did you mean "{meant}"'):
            parse_local(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5wd", Span(timedelta(), 5)),
        ("1wd 4h", Span(timedelta(hours=4), 1)),
        ("1d 1wd 2h", Span(timedelta(hours=26), 1)),
        ("3d", Span(timedelta(days=3))),
        ("0wd", Span()),
    ],
)
def test_a_span_is_read_and_written(text: str, expected: Span) -> None:
    """Working days beside elapsed time."""
    assert expected == parse_span(text)
    assert expected == parse_span(format_span(expected))


@pytest.mark.parametrize("text", ["", "wd", "5 wd", "5wd,1h", "-1wd", "1.5wd", "5WD", "99999wd", "monday"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """The error says what is allowed, or the most."""
    with pytest.raises(ValueError, match="wd"):
        parse_span(text)


def test_every_zone_can_be_said() -> None:
    """By its city; the zone of nobody by its letters."""
    at = datetime(2037, 3, 2, 9, tzinfo=UTC)
    for zone, said in (
        ("America/Argentina/Buenos_Aires", "Monday 2 March, 06:00 in Buenos Aires"),
        ("Etc/UTC", "Monday 2 March, 09:00 UTC"),
        ("Etc/GMT+5", "Monday 2 March, 04:00 in Etc/GMT+5"),
    ):
        assert said == said_locally(at, where_she_is({"zone": zone}, DEFAULT_POLICY))


# --- properties ------------------------------------------------------------------------------------------------------

ZONES = ("Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Asia/Kathmandu",
         "Africa/Casablanca", "Pacific/Kiritimati", "UTC", "Nowhere/Land")  # fmt: skip
_clocks = some.times().map(lambda t: t.strftime("%H:%M"))
_days = some.dates(date(2009, 1, 1), date(2040, 1, 1))
_wall_clocks = some.builds(datetime.combine, _days, some.times())
_instants = _wall_clocks.map(lambda t: t.replace(tzinfo=UTC))
_leaves = some.none() | some.fixed_dictionaries(
    {"since": _instants.map(datetime.isoformat), "until": some.none() | _days.map(str)}
)
_profiles = some.fixed_dictionaries(
    {},
    optional={
        "zone": some.sampled_from(ZONES),
        "country": some.sampled_from(["IE", "GB-SCT", "DE-BY", "US", "ZZ", "JP"]),
        "working_days": some.lists(some.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun", "xyz"])),
        "working_hours": some.fixed_dictionaries({"from": _clocks, "to": _clocks}),
        "leave": _leaves,
    },
)
_policies = some.sampled_from(
    [DEFAULT_POLICY, UNLIMITED, Policy("Asia/Tokyo", Sending(frozenset({5}), time(23), time(23, 30)))]
)
_anything: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)  # the first look at a country's holidays takes its time
@given(policy=_policies, profile=_profiles, at=_instants, is_anytime=some.booleans(), clock=some.none() | _clocks)
def test_an_opening_is_never_before_and_asked_again_it_is_now(
    policy: Policy, profile: dict[str, Any], at: datetime, is_anytime: bool, clock: str | None
) -> None:
    """Not before the instant asked about, permitted, and the same when it has come."""
    clock = None if is_anytime else clock
    found = next_opening(policy, profile, at=at, is_anytime=is_anytime, local_time=clock, since=at)
    assert (found.at == at) == (found.because is None)
    if found.at is None:
        return
    assert found.at >= at
    where = where_she_is(profile, policy)
    assert not is_on_leave(found.at, where)
    again = next_opening(policy, profile, at=found.at, is_anytime=is_anytime, local_time=clock, since=found.at)
    assert found.at == again.at
    if policy.sending is not None and not is_anytime:
        assert _is_permitted(found.at, policy.sending, profile, policy, clock)


def _is_permitted(at: datetime, sending: Sending, profile: dict[str, Any], policy: Policy, clock: str | None) -> bool:
    """Whether one of the two days whose window may hold the instant is hers, judged from the wall clock alone."""
    where = where_she_is(profile, policy)
    local = wall_clock(at, where.zone)
    start, end = where.working_hours or (sending.start, sending.end)
    today = day_off(local.date(), where, sending) is None
    yesterday = day_off(local.date() - timedelta(days=1), where, sending) is None
    if clock is not None:
        return today
    if start < end:
        return today
    return today or yesterday


@settings(deadline=None)
@given(profile=some.dictionaries(some.sampled_from(["zone", "country", "site", "attributes", "working_days",
       "working_hours", "leave"]), _anything), at=_instants)  # fmt: skip
def test_no_profile_breaks_the_calendar(profile: dict[str, Any], at: datetime) -> None:
    """Whatever a source put into it."""
    assert isinstance(next_opening(DEFAULT_POLICY, profile, at=at), Opening)


@given(local=_wall_clocks, name=some.sampled_from(ZONES[:-1]))
@settings(max_examples=300, deadline=None)
def test_a_local_time_is_the_first_instant_that_shows_it_or_comes_after_it(local: datetime, name: str) -> None:
    """A second before, the clocks show an earlier time."""
    zone = zone_named(name)
    assert zone is not None
    local = local.replace(microsecond=0)
    at = localise(local, zone)
    assert wall_clock(at, zone) >= local
    assert wall_clock(at - timedelta(seconds=1), zone) < local


@settings(deadline=None)
@given(at=_instants, days=some.integers(1, 30), name=some.sampled_from(ZONES[:3]))
def test_working_days_add_up(at: datetime, days: int, name: str) -> None:
    """So many days one by one end where they end at once, at a working day."""
    profile = {"zone": name, "country": "IE"}
    at = at.replace(microsecond=0)

    def after(since: datetime, number: int) -> datetime:
        found = reckon(
            Reckon("w", since, span=Span(timedelta(), number)),
            Facts(),
            profile=profile,
            policy=DEFAULT_POLICY,
            at=since,
        ).due_at
        assert found is not None
        return found

    where, sending = where_she_is(profile, DEFAULT_POLICY), DEFAULT_POLICY.sending
    assert sending is not None
    ends = after(at, days)
    assert day_off(wall_clock(ends, where.zone).date(), where, sending) is None
    assert ends > at
    counted = [
        day
        for n in range(1, (wall_clock(ends, where.zone).date() - wall_clock(at, where.zone).date()).days + 1)
        if day_off(day := wall_clock(at, where.zone).date() + timedelta(days=n), where, sending) is None
    ]
    assert days == len(counted)
