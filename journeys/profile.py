"""What is known of a learner: the fields a profile has, what an event gives them, and which value stays.

Each field keeps the value of the latest event time, so the order in which events arrive changes nothing. Pure; the
store keeps profiles, this module only says what becomes of them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Literal, cast

import orjson

from journeys.events import Event, Json

FieldKind = Literal["text", "list", "map", "date"]

PROFILE_FIELDS: Mapping[str, FieldKind] = {
    "given_name": "text",
    "family_name": "text",
    "email": "text",
    "phone": "text",
    "zone": "text",
    "language": "text",
    "country": "text",
    "site": "text",
    "department": "text",
    "role": "text",
    "level": "text",
    "team": "text",
    "manager": "text",
    "starts_on": "date",
    "working_days": "list",
    "working_hours": "map",
    "slack_id": "text",
    "teams_id": "text",
    "attributes": "map",
}
"""The fields of a profile that events name, in the order of the events page, and what each holds."""

LEAVE = "leave"
"""A field of the profile that no event may name, and expressions do not see: the leave she is on, as `{"since": an
instant (RFC 3339), "until": a date or null}`, or null.
"""

_UPDATING = frozenset({"hr.learner.hired", "hr.learner.changed", "hr.learner.promoted", "hr.learner.moved"})


def updates_of(event: Event) -> dict[str, Json]:
    """The profile fields that this event gives; a null takes the field's value away, a value of another kind is left
    out (it stays in the event, where expressions see it).
    """
    if event.type == "hr.learner.leave_started":
        return {LEAVE: _leave_of(event)}
    if event.type == "hr.learner.leave_ended":
        return {LEAVE: None}
    if event.type == "hr.learner.manager_changed":
        fields = ("manager",)
    elif event.type in _UPDATING:
        fields = tuple(PROFILE_FIELDS)
    else:
        return {}
    given = {name: event.data[name] for name in fields if name in event.data}
    return {name: value for name, value in given.items() if value is None or is_of_kind(value, PROFILE_FIELDS[name])}


def merge(
    profile: Mapping[str, Json], times: Mapping[str, datetime], updates: Mapping[str, Json], at: datetime
) -> tuple[dict[str, Json], dict[str, datetime]]:
    """The profile after `updates` that count from `at`, and since when each of its fields has counted.

    The latest time wins, field by field. Of two values of one instant the one whose canonical JSON is greater stays, so
    that the order of arrival never matters. A field that was taken away stands as null.
    """
    merged, since = dict(profile), dict(times)
    for name, value in updates.items():
        known = since.get(name)
        if known is None or at > known or (at == known and _canonical(value) > _canonical(merged.get(name))):
            merged[name] = value
            since[name] = at
    return merged, since


def changes(
    profile: Mapping[str, Json],
    times: Mapping[str, datetime],
    updates: Mapping[str, Json],
    at: datetime,
    *,
    now: datetime,
) -> frozenset[str]:
    """The fields that `updates`, which count from `at`, change now or later: what depends on one must look again.

    A field given as it stands already is none, unless something about it lies ahead.
    """
    after, _ = merge(profile, times, updates, at)
    return frozenset(
        name for name in updates if after.get(name) != profile.get(name) or at > now or times.get(name, now) > now
    )


def ahead(events: Iterable[Event], now: datetime) -> dict[str, datetime]:
    """The fields that change later than `now` by what these events have said already, each with the first instant."""
    first: dict[str, datetime] = {}
    for event in events:
        if event.counts_from > now:
            first |= {name: min(event.counts_from, first.get(name, event.counts_from)) for name in updates_of(event)}
    return first


def is_ahead(times: Mapping[str, datetime], now: datetime) -> bool:
    """Whether some field counts from an instant that has not come: then `as_of` says how the profile is now."""
    return any(at > now for at in times.values())


def as_of(events: Iterable[Event], now: datetime, *, given: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The profile at `now`, by all the learner's events in any order: what takes effect later is not in it yet.

    `given` is what was known of her before all events.
    """
    profile, times = dict(given or {}), dict[str, datetime]()
    for event in events:
        if event.effective is None or event.effective <= now:
            profile, times = merge(profile, times, updates_of(event), event.counts_from)
    return profile


def _leave_of(event: Event) -> Json:
    until = event.data.get("until")
    since = event.counts_from.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"since": since, "until": until if is_of_kind(until, "date") else None}


def is_of_kind(value: Json, kind: FieldKind) -> bool:
    """Whether a value can stand in a field of this kind."""
    match kind:
        case "text":
            return isinstance(value, str)
        case "list":
            return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Json]", value))
        case "map":
            return isinstance(value, dict)
        case "date":
            return isinstance(value, str) and _is_date(value)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _canonical(value: Json) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
