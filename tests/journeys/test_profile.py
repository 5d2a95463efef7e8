"""Profiles: what events give them, and that the order of arrival changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from journeys.catalogue import EVENT_TYPES, is_our_own
from journeys.events import Event, Json
from journeys.expressions import Facts, Scope, check, learner_facts, value
from journeys.profile import LEAVE, PROFILE_FIELDS, ahead, as_of, changes, is_ahead, merge, updates_of
from journeys.program import Expression

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def event(type_: str, data: dict[str, Json]) -> Event:
    """An event of this type."""
    return Event("e1", "hr", type_, "u1", AT, data)


@pytest.mark.parametrize(
    ("type_", "data", "wanted"),
    [
        ("hr.learner.hired", {"given_name": "Ada", "shoe_size": 5}, {"given_name": "Ada"}),
        ("hr.learner.promoted", {"to_level": "m", "level": "m"}, {"level": "m"}),
        ("hr.learner.changed", {"manager": None}, {"manager": None}),
        ("hr.learner.moved", {"zone": 5, "working_days": ["mon"]}, {"working_days": ["mon"]}),
        ("hr.learner.moved", {"attributes": {"a": 1}, "working_hours": "9-5"}, {"attributes": {"a": 1}}),
        ("hr.learner.changed", {"starts_on": "soon"}, {}),
        ("hr.learner.changed", {"starts_on": "2026-03-02"}, {"starts_on": "2026-03-02"}),
        ("hr.learner.manager_changed", {"manager": "u2", "email": "x@example.com"}, {"manager": "u2"}),
        ("lms.course.started", {"title": "x", "role": "x"}, {}),
        ("hr.learner.left", {"last_day": "2026-03-02"}, {}),
        (
            "hr.learner.leave_started",
            {"until": "2026-04-01", "kind": "parental", "country": "FR"},
            {"leave": {"since": "2026-03-02T09:00:00Z", "until": "2026-04-01"}},
        ),
        ("hr.learner.leave_started", {}, {"leave": {"since": "2026-03-02T09:00:00Z", "until": None}}),
        ("hr.learner.leave_started", {"until": "soon"}, {"leave": {"since": "2026-03-02T09:00:00Z", "until": None}}),
        ("hr.learner.leave_ended", {"until": "2026-04-01"}, {"leave": None}),
        ("hr.learner.changed", {"leave": {"since": "2026-03-02T09:00:00Z", "until": None}}, {}),
    ],
)  # fmt: skip
def test_updates(type_: str, data: dict[str, Json], wanted: dict[str, Json]) -> None:
    """Four HR events give every field they have, one the manager, two the leave; values of other kinds are left out."""
    assert wanted == updates_of(event(type_, data))


def test_merge_in_any_order() -> None:
    """Whatever the order of arrival, the latest time wins field by field; at one instant, the greater value."""
    given: list[tuple[dict[str, Json], datetime]] = [
        ({"role": "a", "team": "x"}, AT),
        ({"role": "b"}, AT + timedelta(days=1)),
        ({"role": "c", "country": None}, AT + timedelta(days=1)),
        ({"team": None}, AT - timedelta(days=1)),
    ]
    for order in permutations(given):
        profile: dict[str, Json] = {}
        times: dict[str, datetime] = {}
        for updates, at in order:
            profile, times = merge(profile, times, updates, at)
        assert {"role": "c", "team": "x", "country": None} == profile
        assert times["role"] == AT + timedelta(days=1)


def test_merge_changes_nothing_given() -> None:
    """The profile that was given stays as it is."""
    profile: dict[str, Json] = {"role": "a"}
    merge(profile, {"role": AT}, {"role": "b"}, AT + timedelta(1))
    assert {"role": "a"} == profile


def test_a_profile_as_of_an_instant() -> None:
    """What takes effect later is not in it yet, whatever the order in which the events are told."""
    moved = replace(event("hr.learner.moved", {"site": "Leeds"}), effective=AT + timedelta(days=7))
    told = event("hr.learner.changed", {"site": "Ripon", "team": "x"})
    changed = replace(told, effective=AT + timedelta(days=1))
    for order in ([moved, changed], [changed, moved]):
        given: dict[str, Json] = {"site": "York", "role": "a"}
        assert {"site": "York", "role": "a"} == as_of(order, AT, given=given)
        assert {"site": "Ripon", "team": "x", "role": "a"} == as_of(order, AT + timedelta(days=6), given=given)
        assert {"site": "Leeds", "team": "x"} == as_of(order, AT + timedelta(days=7))
    assert [True, False] == [is_ahead({"site": AT}, AT - timedelta(seconds=1)), is_ahead({"site": AT}, AT)]


def test_catalogue() -> None:
    """The catalogue has every canonical type, and HR events carry the whole profile."""
    assert len(EVENT_TYPES) == 23
    assert set(PROFILE_FIELDS) <= set(EVENT_TYPES["hr.learner.promoted"])
    assert [is_our_own(t) for t in ("message.clicked", "survey.answered", "lms.course.started")] == [True, True, False]


# leave


def test_leave_is_as_the_latest_of_its_events_says() -> None:
    """In any order of arrival: she came back on the 5th, from the leave that began on the 3rd."""
    log = [
        Event("1", "hr", "hr.learner.leave_started", "u1", AT + timedelta(days=1), {"until": "2026-03-20"}),
        Event("2", "hr", "hr.learner.leave_ended", "u1", AT + timedelta(days=3)),
    ]
    for order in permutations(log):
        on_leave = as_of(order, AT + timedelta(days=9))
        assert {LEAVE: None} == on_leave
    assert {LEAVE: {"since": "2026-03-03T09:00:00Z", "until": "2026-03-20"}} == as_of(log[:1], AT + timedelta(days=2))


def test_leave_that_lies_ahead_begins_when_it_takes_effect() -> None:
    """Until then she is not on leave; then she is, since that instant."""
    begins = AT + timedelta(days=10)
    told = Event("1", "hr", "hr.learner.leave_started", "u1", AT, {"until": "2026-04-01"}, begins)

    assert {} == as_of([told], begins - timedelta(seconds=1))
    assert {LEAVE: {"since": "2026-03-12T09:00:00Z", "until": "2026-04-01"}} == as_of([told], begins)


def test_leave_is_no_field_that_expressions_or_events_name() -> None:
    """`learner.leave` is unknown at publish, and absent at run time."""
    on_leave: dict[str, Json] = {"country": "GB", LEAVE: {"since": "2026-03-12T09:00:00Z", "until": None}}

    assert ["unknown_field"] == [f.code for f in check("has(learner.leave)", scope=Scope.STEP).findings]
    assert LEAVE not in PROFILE_FIELDS
    facts = Facts(learner=learner_facts(on_leave, source_id="u1"))
    assert {"country": "GB", "id": "u1"} == dict(facts.learner)
    assert value(Expression("learner.leave"), facts).finding is not None


# what a change touches


@pytest.mark.parametrize(
    ("updates", "at", "wanted"),
    [
        ({"zone": "Asia/Tokyo", "role": "lead"}, AT, {"zone"}),
        ({"zone": "Europe/Dublin"}, AT, set()),
        ({"zone": "Asia/Tokyo"}, AT - timedelta(days=9), set()),
        ({"zone": "Europe/Dublin"}, AT + timedelta(days=1), {"zone"}),
        ({"team": "red"}, AT, {"team"}),
        ({"email": None}, AT, set()),
    ],
)
def test_what_a_change_touches(updates: dict[str, Json], at: datetime, wanted: set[str]) -> None:
    """What is given as it stands, or is older than what stands, touches nothing; what lies ahead may touch anything."""
    profile: dict[str, Json] = {"zone": "Europe/Dublin", "role": "lead", "team": "blue"}
    times = {"zone": AT - timedelta(days=5), "role": AT - timedelta(days=5), "team": AT + timedelta(days=3)}

    assert wanted == changes(profile, times, updates, at, now=AT)


def test_the_next_change_of_a_field_is_the_first_that_lies_ahead() -> None:
    """Also where a later one has been told as well, and stands in the profile already."""
    log = [
        Event("1", "hr", "hr.learner.moved", "u1", AT, {"zone": "Asia/Tokyo"}, AT + timedelta(days=8)),
        Event("2", "hr", "hr.learner.moved", "u1", AT, {"zone": "Europe/Paris"}, AT + timedelta(days=3)),
        Event("3", "hr", "hr.learner.changed", "u1", AT, {"role": "lead"}, AT + timedelta(days=1)),
    ]

    first = {"zone": AT + timedelta(days=3), "role": AT + timedelta(days=1)}
    assert first == ahead(log, AT)
    assert {"zone": AT + timedelta(days=8)} == ahead(log, AT + timedelta(days=3))
    assert {} == ahead(log, AT + timedelta(days=8))
