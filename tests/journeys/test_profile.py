"""Profiles: what events give them, and that the order of arrival changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from journeys.catalogue import EVENT_TYPES, is_our_own
from journeys.events import Event, Json
from journeys.profile import PROFILE_FIELDS, as_of, is_ahead, merge, updates_of

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
    ],
)  # fmt: skip
def test_updates(type_: str, data: dict[str, Json], wanted: dict[str, Json]) -> None:
    """Four HR events give every field they have, one the manager; values of another kind are left out."""
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
