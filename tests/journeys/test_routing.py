"""Routing: which triggers an event fires, which journeys it starts, and why not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from journeys.events import Event, Json
from journeys.expressions import Facts, Scope, check
from journeys.program import Again, Entry, EntryRule, Expression, Program, Trigger
from journeys.routing import (
    Entered,
    Firing,
    NotEntered,
    Routes,
    enters,
    entry_facts,
    entry_of,
    event_facts,
    fired,
    instant_text,
    interested_in,
    may_enter,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def expression(text: str, scope: Scope = Scope.EVENT) -> Expression:
    """The expression, checked."""
    checked = check(text, scope=scope, wants="value" if "position" in text or "item" in text else "condition")
    assert checked.expression is not None, checked.findings
    return checked.expression


def event(
    type_: str = "lms.course.completed", data: dict[str, Json] | None = None, *, at: datetime = NOON, id_: str = "e-1"
) -> Event:
    return Event(id_, "/tests", type_, "ada", at, data or {})


def journey(
    *,
    on: str = "hr.learner.promoted",
    when: str | None = None,
    key: str | None = None,
    audience: str | None = None,
    exits: tuple[Trigger, ...] = (),
    awaits: tuple[Trigger, ...] = (),
    name: str = "tested",
) -> Program:
    trigger = Trigger("enter-1", (on,), None if when is None else expression(when))
    return Program(
        journey=name,
        title="Tested",
        enter=(EntryRule(trigger, None if key is None else expression(key)),),
        nodes={},
        start=None,
        exits=exits,
        triggers={trigger.id: trigger for trigger in (*awaits, *exits)},
        audience=None if audience is None else expression(audience, Scope.STEP),
    )


def firing(program: Program, given: Event, facts: Facts | None = None, **options: object) -> Firing:
    arguments = {"entered_at": NOON - HOUR, "entry_event": None, **options}
    return fired(program, given, facts or Facts(), **arguments)  # type: ignore[arg-type]


# -- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "type_", "expected"),
    [
        ("lms.course.completed", "lms.course.completed", True),
        ("lms.course.completed", "lms.course.completed.twice", False),
        ("lms.course.*", "lms.course.completed", True),
        ("lms.*", "lms.course.completed", True),
        ("lms.*", "lmsx.course.completed", False),
        ("lms.course.*", "lms.courses.completed", False),
        ("lms.course.*", "lms.course", False),
    ],
)
def test_a_type_or_a_prefix_finds_its_programs(on: str, type_: str, expected: bool) -> None:
    """`prefix.*` takes what begins with the prefix and a dot; the index agrees with the trigger itself."""
    trigger = Trigger("exit-1", (on,), outcome="goal")
    entering, watching = journey(on=on), journey(exits=(trigger,))
    routes = Routes([entering, watching])
    assert expected == trigger.accepts(type_)
    assert ((entering,) if expected else ()) == routes.entering(type_)
    assert ((watching,) if expected else ()) == routes.watching(type_)


def test_a_program_is_found_once_and_in_order() -> None:
    """However many of its types match, and in the order in which the programs were given."""
    twice = Trigger("exit-1", ("lms.*", "lms.course.*", "lms.course.completed"), outcome="goal")
    programs = [journey(name=name, exits=(twice,)) for name in ("a", "b", "c")]
    assert tuple(programs) == Routes(programs).watching("lms.course.completed")


def test_a_program_says_what_its_enrolments_listen_to() -> None:
    """The types of exits and awaits, and not those of its entries."""
    program = journey(
        exits=(Trigger("exit-1", ("hr.learner.left",), outcome="left"),),
        awaits=(Trigger("await.1", ("lms.course.*",)),),
    )
    assert frozenset({"hr.learner.left", "lms.course.*"}) == interested_in(program)


# -- triggers of an enrolment ------------------------------------------------------------------------------------------


def test_exits_come_first_and_in_document_order() -> None:
    """One event may fire several triggers."""
    program = journey(
        exits=(Trigger("exit-1", ("lms.*",), outcome="a"), Trigger("exit-2", ("lms.*",), outcome="b")),
        awaits=(Trigger("await.1", ("lms.*",)),),
    )
    assert ("exit-1", "exit-2", "await.1") == firing(program, event()).triggers


def test_a_trigger_fires_where_its_condition_holds() -> None:
    """`when` sees the event, the learner and the entry."""
    when = 'event.data.course == entry.data.course && learner.country == "GB" && event.type == "lms.course.completed"'
    program = journey(exits=(Trigger("exit-1", ("lms.*",), expression(when), "goal"),))
    entry = entry_facts(Entry(at="", key="", data={"course": "A"}))
    facts = Facts(learner={"country": "GB"}, entry=entry)
    assert ("exit-1",) == firing(program, event(data={"course": "A"}), facts).triggers
    assert () == firing(program, event(data={"course": "B"}), facts).triggers
    assert () == firing(program, event(data={"course": "A"}), replace(facts, learner={"country": "FR"})).triggers


def test_a_condition_that_cannot_be_judged_names_the_field() -> None:
    """A missing field does not hold, and the finding says which and of which trigger."""
    when = expression('event.data.course == "A"')
    program = journey(exits=(Trigger("exit-1", ("lms.*",), when, "goal"),))
    assert Firing((), ("exit-1: event.data.course is missing",)) == firing(program, event())


def test_what_happened_before_the_entry_fires_nothing() -> None:
    """The event's time counts; at the very instant of the entry it fires."""
    program = journey(exits=(Trigger("exit-1", ("lms.*",), outcome="goal"),))
    assert () == firing(program, event(at=NOON), entered_at=NOON + HOUR).triggers
    assert ("exit-1",) == firing(program, event(at=NOON), entered_at=NOON).triggers


def test_the_entrys_own_event_fires_nothing() -> None:
    """The event is known by source and id together."""
    program = journey(exits=(Trigger("exit-1", ("lms.*",), outcome="goal"),))
    assert () == firing(program, event(id_="e-1"), entry_event=("/tests", "e-1")).triggers
    assert ("exit-1",) == firing(program, event(id_="e-1"), entry_event=("/others", "e-1")).triggers


# -- entries -----------------------------------------------------------------------------------------------------------


def promoted(**data: Json) -> Event:
    return event("hr.learner.promoted", data)


def test_an_entry_without_a_key_has_the_empty_one() -> None:
    """One enrolment for each learner."""
    assert (Entered("enter-1", "", NOON),) == enters(journey(), promoted(), Facts())


def test_an_event_of_another_type_is_no_entry() -> None:
    """No rule accepts it, so there is no answer."""
    assert () == enters(journey(), event("hr.learner.left"), Facts())


def test_an_entry_counts_from_when_it_takes_effect() -> None:
    """`effective`, where it is later than the event's time."""
    later = replace(promoted(), effective=NOON + HOUR)
    earlier = replace(promoted(), effective=NOON - HOUR)
    assert [NOON + HOUR, NOON] == [
        e.at for given in (later, earlier) for e in enters(journey(), given, Facts()) if isinstance(e, Entered)
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("P-1", "P-1"), (17, "17"), (17.0, "17"), (1.5, "1.5"), (-3, "-3"), (True, "true"), (False, "false"), ("", "")],
)
def test_a_key_is_a_text_a_number_or_a_truth(given: Json, expected: str) -> None:
    """Whatever kind it comes as, one value is one key."""
    program = journey(key="event.data.position_id")
    assert (Entered("enter-1", expected, NOON),) == enters(program, promoted(position_id=given), Facts())


@pytest.mark.parametrize("data", [{}, {"position_id": None}, {"position_id": ["P-1"]}, {"position_id": {"id": "P-1"}}])
def test_a_key_that_fails_enrols_nobody(data: dict[str, Json]) -> None:
    """Missing, null, a list or a map: the finding names the expression and no value."""
    (refused,) = enters(journey(key="event.data.position_id"), promoted(**data), Facts())
    assert isinstance(refused, NotEntered)
    assert ("key", False) == (refused.reason, refused.is_missing)
    assert refused.finding is not None
    assert "event.data.position_id" in refused.finding
    assert "P-1" not in refused.finding


def test_a_condition_that_does_not_hold_refuses() -> None:
    """With nothing to find fault with: it was judged."""
    program = journey(when='event.data.to_level == "manager"')
    assert (NotEntered("enter-1", "when"),) == enters(program, promoted(to_level="lead"), Facts())


def test_a_condition_of_an_entry_sees_the_entry_it_would_be() -> None:
    """`entry.data` is the event's data."""
    program = journey(when='entry.data.to_level == "manager" && entry.at == event.time')
    assert (Entered("enter-1", "", NOON),) == enters(program, promoted(to_level="manager"), Facts())


def test_the_audience_sees_the_key() -> None:
    """It is judged last, of the entry as it would be."""
    program = journey(key="event.data.position_id", audience='entry.key == "P-1"')
    assert (Entered("enter-1", "P-1", NOON),) == enters(program, promoted(position_id="P-1"), Facts())
    assert (NotEntered("enter-1", "audience"),) == enters(program, promoted(position_id="P-2"), Facts())


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"country": "GB"}, Entered("enter-1", "", NOON)),
        ({"country": "FR"}, NotEntered("enter-1", "audience")),
        ({}, NotEntered("enter-1", "audience", "learner.country is missing", is_missing=True)),
    ],
)
def test_only_a_missing_field_of_the_profile_is_judged_again(
    profile: dict[str, Json], expected: Entered | NotEntered
) -> None:
    """What was judged stays judged."""
    program = journey(audience='learner.country == "GB"')
    assert (expected,) == enters(program, promoted(), Facts(learner=profile))


def test_a_missing_attribute_is_missing_and_a_missing_field_of_the_event_is_not() -> None:
    """The event will never get a field; the profile may."""
    own = journey(audience='learner.attributes.region == "EMEA"')
    (refused,) = enters(own, promoted(), Facts(learner={"attributes": {"other": "x"}}))
    assert isinstance(refused, NotEntered)
    assert refused.is_missing
    (refused,) = enters(journey(when='event.data.to_level == "manager"'), promoted(), Facts())
    assert isinstance(refused, NotEntered)
    assert (False, "event.data.to_level is missing") == (refused.is_missing, refused.finding)


def test_each_rule_answers_for_itself() -> None:
    """An event that two rules accept has two answers, in document order."""
    first, second = Trigger("enter-1", ("hr.*",), expression("false")), Trigger("enter-2", ("hr.learner.promoted",))
    program = replace(journey(), enter=(EntryRule(first), EntryRule(second)))
    assert (NotEntered("enter-1", "when"), Entered("enter-2", "", NOON)) == enters(program, promoted(), Facts())


# -- again -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "last", "is_active", "expected"),
    [
        (Again("never"), None, False, True),
        (Again("never"), NOON - 1000 * HOUR, False, False),
        (Again("always"), NOON - HOUR, False, True),
        (Again("always"), NOON - HOUR, True, False),
        (Again("after", 5 * HOUR), NOON - 4 * HOUR, False, False),
        (Again("after", 5 * HOUR), NOON - 5 * HOUR, False, True),
        (Again("after", 5 * HOUR), NOON - 9 * HOUR, True, False),
        (Again("after", 5 * HOUR), None, False, True),
    ],
)
def test_who_may_enter_again(again: Again, last: datetime | None, is_active: bool, expected: bool) -> None:
    """Counted from the last entry's time; nobody enters twice at once."""
    assert expected == may_enter(again, last_entered_at=last, is_active=is_active, at=NOON)


# -- facts -------------------------------------------------------------------------------------------------------------


def test_an_event_as_expressions_see_it() -> None:
    """Times are RFC 3339 in UTC; what the event does not have is absent."""
    full = Event("e-1", "/tests", "hr.learner.hired", "ada", NOON, {"x": 1}, NOON + HOUR)
    assert {
        "id": "e-1",
        "source": "/tests",
        "type": "hr.learner.hired",
        "subject": "ada",
        "time": "2026-03-02T12:00:00Z",
        "effective": "2026-03-02T13:00:00Z",
        "data": {"x": 1},
    } == event_facts(full)
    bare = event_facts(Event("e-1", "/tests", "hr.learner.hired", None, NOON))
    assert not {"subject", "effective"} & set(bare)


def test_an_entry_as_expressions_see_it() -> None:
    """Key, time and data, and not which event it was."""
    entry = entry_of(replace(promoted(title="Head"), effective=NOON + HOUR), key="P-1")
    assert {"key": "P-1", "at": "2026-03-02T13:00:00Z", "data": {"title": "Head"}} == entry_facts(entry)


def test_an_instant_is_written_in_utc() -> None:
    """With `Z`, whatever zone it came in; a fraction only where there is one."""
    assert "2026-03-02T12:00:00Z" == instant_text(NOON)
    assert "2026-03-02T12:00:00.500000Z" == instant_text(NOON + timedelta(seconds=0.5))
