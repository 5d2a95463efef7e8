"""Random journeys that are valid, with learners and events that drive them: strategies for Hypothesis.

`definitions()` gives definitions as JSON text, of every step of the language; `stories()` a definition with learners
and events. All of a story's instants are whole minutes, and no two events share one, so that a real server with its
clocks moved can play it too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from journeys.events import Event, Json

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When the first event of a story happens."""

SOURCE = "/random"
COURSES = ("A", "B")
MESSAGES = ("one", "two", "three")
CHANNELS = ("email", "webhook")
SURVEYS = ("pulse", "check")

Form = dict[str, Any]
Forms = st.SearchStrategy[list[Form]]

WATCHED = ("lms.course.started", "lms.course.completed", "lms.assessment.scored")
durations = st.sampled_from(["1m", "90m", "6h", "1d", "2d 4h", "3d", "1w"])
spans = durations | st.sampled_from(["1wd", "3wd", "2wd 4h"])
"""Durations, and those that count working days."""
courses = st.sampled_from(COURSES)

vias = st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=2, unique=True)

conditions = st.sampled_from(
    [
        'learner.country == "GB"',
        'learner.department in ["Sales", "Law"]',
        "has(learner.manager)",
        'learner.attributes.tier == "gold"',
        'entry.data.to_level == "manager"',
        'sent["one"].status == "sent"',
        'has(sent.two) && sent.two.channel == "webhook"',
        '!has(learner.team) || learner.team != "T1"',
        "has(vars.n) && vars.n > 1",
        "vars.tone == learner.department",
        "true",
    ]
)
"""Conditions in steps: some of them name fields that many learners lack."""

event_conditions = st.one_of(
    st.builds("event.data.course == {!r}".format, courses).map(lambda text: text.replace("'", '"')),
    st.sampled_from(["event.data.score >= 0.5", 'learner.country == "GB"', "has(event.data.course)"]),
)


# --- steps --------------------------------------------------------------------------------------------------------


def _with(form: st.SearchStrategy[Form], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Form]:
    """The form, with any of these keys beside."""
    extras = st.fixed_dictionaries({}, optional=optional)
    return st.builds(lambda given, extra: {**given, **extra}, form, extras)


def _send(_: Forms) -> st.SearchStrategy[Form]:
    options = {
        "via": vias,
        "to": st.sampled_from(["learner", "manager"]),
        "at": st.sampled_from(["policy", "anytime", "09:00"]),
        "expires": st.sampled_from(["1h", "2d", "never"]),
        "priority": st.integers(1, 100),
        "confirm": st.fixed_dictionaries({"within": spans, "then": st.sampled_from(["email", "webhook", "next"])}),
        "when": conditions,
    }
    return _with(st.builds(lambda name: {"send": name}, st.sampled_from(MESSAGES)), **options)


def _wait(_: Forms) -> st.SearchStrategy[Form]:
    times = st.sampled_from(
        [
            "monday 09:00",
            "friday",
            "tomorrow 07:30",
            "17:00",
            "2026-03-20",
            "2026-03-11T12:00:00Z",
            "entry.data.starts_on",
        ]
    )
    until = _with(st.builds(lambda until: {"until": until}, times), before=spans)
    how_long = spans | st.just("0s") | until
    return _with(st.builds(lambda duration: {"wait": duration}, how_long), when=conditions)


def watching() -> st.SearchStrategy[Form]:
    """An `on` with or without `when`."""
    on = st.sampled_from(WATCHED).map(lambda type_: [type_]) | st.just(["lms.*"])
    return _with(st.builds(lambda on: {"on": on}, on), when=event_conditions)


def _await(inner: Forms) -> st.SearchStrategy[Form]:
    several = st.builds(
        lambda word, forms: {word: forms}, st.sampled_from(["any", "all"]), st.lists(watching(), min_size=1, max_size=3)
    )
    limited = _with(watching() | several, since=st.sampled_from(["entry", "step"]))
    timed = st.builds(lambda form, within: {**form, "within": within}, limited, spans)
    with_time_out = _with(st.builds(lambda form: {"await": form}, timed), **{"then": inner, "else": inner})
    for_ever = _with(st.builds(lambda form: {"await": form}, limited), then=inner)
    return with_time_out | for_ever


def _branch(inner: Forms) -> st.SearchStrategy[Form]:
    arm = st.builds(lambda question, steps: {"if": question, "do": steps}, conditions, inner)
    last = st.builds(lambda steps: [{"else": steps}], inner) | st.just([])
    return st.builds(lambda arms, last: {"branch": [*arms, *last]}, st.lists(arm, min_size=1, max_size=3), last)


def _split(inner: Forms) -> st.SearchStrategy[Form]:
    arm = st.builds(lambda steps, weight: {"weight": weight, "do": steps}, inner, st.integers(1, 3))
    arms = st.fixed_dictionaries({"a": arm, "b": arm})
    made = st.builds(lambda name, arms: {"split": name, "arms": arms}, st.sampled_from(["s", "t"]), arms)
    return _with(made, unit=st.sampled_from(["learner", "learner.team", "learner.department"]), when=conditions)


def _repeat(inner: Forms) -> st.SearchStrategy[Form]:
    rounds = st.builds(lambda times: {"times": times}, st.integers(1, 3))
    bounded = _with(rounds, every=spans, until=conditions)
    until = st.fixed_dictionaries({"every": st.sampled_from(["2d", "1w", "3wd"]), "until": conditions})
    return st.builds(lambda form, steps: {"repeat": form, "do": steps}, bounded | until, inner)


def _ask(inner: Forms) -> st.SearchStrategy[Form]:
    questions = [
        {"id": "sure", "text": "How sure are you, {{ learner.given_name | default('you') }}?", "scale": [1, 5]},
        {"id": "why", "text": "Why?", "choices": ["time", "room"]},
    ]
    made = st.builds(lambda survey: {"ask": survey, "questions": questions}, st.sampled_from(SURVEYS))
    asked = _with(made, to=st.sampled_from(["learner", "manager"]), via=vias, within=spans, when=conditions)
    judged = st.builds(
        lambda form, yes: {**form, "then": [{"branch": [{"if": f"answers.{form['ask']}.sure > 2", "do": yes}]}]},
        asked,
        inner,
    )
    return _with(asked | judged, **{"else": inner})


def _set(_: Forms) -> st.SearchStrategy[Form]:
    values = {
        "n": st.sampled_from([0, 1, 2.5, True]) | st.sampled_from(["vars.n + 1", "size(learner.team)"]),
        "tone": st.sampled_from(['"warm"', "learner.department", "entry.data.to_level"]),
    }
    terms = st.fixed_dictionaries({}, optional=values).filter(bool)
    return _with(st.builds(lambda terms: {"set": terms}, terms), when=conditions)


def _call(_: Forms) -> st.SearchStrategy[Form]:
    body = st.just({"learner": "learner.id", "tone": "vars.tone"})
    made = st.just({"call": "crm"})
    return _with(made, body=body, keep=st.just({"n": "count", "tone": "a.b"}), within=durations, when=conditions)


def _assign(_: Forms) -> st.SearchStrategy[Form]:
    course = _with(st.builds(lambda name: {"lms": "moodle", "course": name}, courses), due=spans)
    return st.builds(lambda course: {"assign": course}, course)


def _enrol(_: Forms) -> st.SearchStrategy[Form]:
    other = _with(
        st.just({"journey": "another"}),
        key=st.sampled_from(["entry.data.position_id", '"k"']),
        data=st.just({"from": '"random"', "tone": "vars.tone"}),
    )
    return st.builds(lambda other: {"enrol": other}, other)


def _end(_: Forms) -> st.SearchStrategy[Form]:
    return _with(
        st.builds(lambda word: {"end": word}, st.sampled_from(["goal", "completed", "left-off"])), when=conditions
    )


STEPS: Mapping[str, Callable[[Forms], st.SearchStrategy[Form]]] = {
    "send": _send,
    "wait": _wait,
    "await": _await,
    "branch": _branch,
    "split": _split,
    "repeat": _repeat,
    "ask": _ask,
    "set": _set,
    "call": _call,
    "assign": _assign,
    "enrol": _enrol,
    "end": _end,
}
"""A strategy for each step type; each is handed one for the lists of steps inside it."""


def steps(words: Sequence[str] = tuple(STEPS)) -> Forms:
    """Lists of steps, nested as deep as may be read."""
    leaves = [STEPS[word](st.nothing()) for word in words if word in ("send", "wait", "set")]
    inner = st.lists(st.one_of(leaves), min_size=1, max_size=3)
    nested = st.lists(st.one_of([STEPS[word](inner) for word in words if word != "end"]), min_size=1, max_size=3)
    deep = inner | nested
    return st.lists(st.one_of([STEPS[word](deep) for word in words]), min_size=2, max_size=7)


# --- definitions --------------------------------------------------------------------------------------------------

_TEXTS = (
    "Hello {{ learner.given_name | default('you') }}",
    "You are now {{ entry.data.to_level | default('promoted') }}",
    "In {{ learner.country }}",
)
_GERMAN = {"de": {"subject": "Hallo", "body": "Guten Tag, {{ recipient.given_name | default('du') }}"}}
_EXITS: tuple[Form, ...] = (
    {"on": "hr.learner.left", "as": "left"},
    {"on": "lms.course.completed", "when": 'event.data.course == "A"'},
    {"on": "lms.assessment.scored", "when": "event.data.score >= 0.8", "as": "goal"},
)
_ENTRIES: tuple[Form, ...] = (
    {"on": "hr.learner.promoted"},
    {"on": "hr.learner.promoted", "when": 'event.data.to_level == "manager"', "key": "event.data.position_id"},
)
_more_entries = st.just([{"on": ["hr.learner.hired", "hr.learner.moved"], "key": '"hired"'}]) | st.just([])

_messages = st.fixed_dictionaries(
    {
        name: st.builds(
            lambda text, extra: {**text, **extra},
            st.fixed_dictionaries({"subject": st.just(f"About {name}"), "body": st.sampled_from(_TEXTS)}),
            st.fixed_dictionaries({}, optional={"webhook": st.just("In short"), "languages": st.just(_GERMAN)}),
        )
        for name in MESSAGES
    }
)


def definitions(words: Sequence[str] = tuple(STEPS)) -> st.SearchStrategy[str]:
    """Valid definitions of these step types, as JSON text."""
    required = {
        "waymark": st.just(1),
        "journey": st.just("random"),
        "title": st.just("A random journey"),
        "enter": st.builds(lambda first, more: [first, *more], st.sampled_from(_ENTRIES), _more_entries),
        "steps": steps(words),
        "messages": _messages,
    }
    optional = {
        "audience": st.sampled_from(['learner.country in ["GB", "IE"]', "has(learner.given_name)"]),
        "again": st.sampled_from(["never", "always", "3d"]),
        "exit": st.lists(st.sampled_from(_EXITS), min_size=1, max_size=3, unique_by=str),
        "limit": st.sampled_from(["2d", "10d", "60d"]),
        "priority": st.integers(1, 100),
        "mandatory": st.booleans(),
        "holdout": st.sampled_from(["0%", "20%"]),
    }
    return st.fixed_dictionaries(required, optional=optional).map(json.dumps)


# --- stories ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """A definition, the learners as they are before, and what happens to them."""

    definition: str
    learners: Mapping[str, Mapping[str, Json]]
    events: tuple[Event, ...]


PROFILES = st.fixed_dictionaries(
    {"email": st.just("learner@example.com")},
    optional={
        "given_name": st.just("Ada"),
        "country": st.sampled_from(["GB", "IE", "DE"]),
        "department": st.sampled_from(["Sales", "Law", "Research"]),
        "manager": st.sampled_from(["eve", "nobody"]),
        "zone": st.sampled_from(["Europe/Dublin", "America/New_York", "Asia/Kolkata", "Nowhere/Else"]),
        "language": st.sampled_from(["de", "en-GB"]),
        "working_days": st.sampled_from([["mon", "tue", "wed"], ["sat", "sun"]]),
        "team": st.sampled_from(["T1", "T2"]),
        "attributes": st.sampled_from([{"tier": "gold"}, {"tier": 1}, {}]),
    },
)

_HAPPENINGS: Mapping[str, st.SearchStrategy[Mapping[str, Json]]] = {
    "hr.learner.promoted": st.fixed_dictionaries(
        {}, optional={"to_level": st.sampled_from(["manager", "lead"]), "position_id": st.sampled_from(["P1", "P2"])}
    ),
    "hr.learner.hired": st.fixed_dictionaries({}, optional={"country": st.sampled_from(["GB", "IE", "DE"])}),
    "hr.learner.changed": st.fixed_dictionaries({}, optional={"department": st.sampled_from(["Sales", "Research"])}),
    "hr.learner.moved": st.fixed_dictionaries({}, optional={"zone": st.sampled_from(["Asia/Tokyo", "Europe/Berlin"])}),
    "hr.learner.leave_started": st.just({}),
    "hr.learner.leave_ended": st.just({}),
    "hr.learner.left": st.just({}),
    "lms.course.started": st.fixed_dictionaries({}, optional={"course": courses}),
    "lms.course.completed": st.fixed_dictionaries({"course": courses}),
    "lms.assessment.scored": st.fixed_dictionaries(
        {"score": st.sampled_from([0.2, 0.5, 1])}, optional={"course": courses}
    ),
}

_watched = st.sampled_from(WATCHED).flatmap(lambda type_: st.tuples(st.just(type_), _HAPPENINGS[type_]))
_happening = st.sampled_from(sorted(_HAPPENINGS)).flatmap(lambda type_: st.tuples(st.just(type_), _HAPPENINGS[type_]))


def _events(happenings: Sequence[tuple[int, str, tuple[str, Mapping[str, Json]], int | None]]) -> tuple[Event, ...]:
    """Events from minutes, learners, types with data, and how many days ahead they take effect."""
    return tuple(
        Event(
            id=f"e{number}",
            source=SOURCE,
            type=type_,
            subject=learner,
            time=MONDAY + timedelta(minutes=minute),
            effective=None if ahead is None else MONDAY + timedelta(minutes=minute, days=ahead),
            data=dict(data),
        )
        for number, (minute, learner, (type_, data), ahead) in enumerate(sorted(happenings, key=lambda each: each[0]))
    )


def events(
    learners: Sequence[str] = ("ada",), *, most: int = 8, days: int = 20
) -> st.SearchStrategy[tuple[Event, ...]]:
    """Events of these learners, no two in one minute, the first at `MONDAY`: it is one that may start the journey."""
    minutes = st.integers(1, days * 24 * 60)
    ahead = st.sampled_from([None, None, None, None, 1, 4])
    who = st.sampled_from(list(learners))
    what = _happening | _watched
    later = st.lists(st.tuples(minutes, who, what, ahead), min_size=2, max_size=most, unique_by=lambda each: each[0])
    starting = st.just(("hr.learner.promoted", {"to_level": "manager", "position_id": "P1", "country": "GB"}))
    first = st.tuples(st.just(0), who, starting, st.none())
    return st.builds(lambda one, others: _events([one, *others]), first, later)


def stories(
    words: Sequence[str] = tuple(STEPS), *, learners: Sequence[str] = ("ada", "eve"), most: int = 8
) -> st.SearchStrategy[Story]:
    """A journey of these step types, learners and what happens to them."""
    people = st.fixed_dictionaries(dict.fromkeys(learners, PROFILES))
    return st.builds(Story, definitions(words), people, events(learners, most=most))
