"""The holdout in a rehearsal: by the same hash as in the store, at entry, with her goal seen all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from journeys.chance import is_held_out
from journeys.composing import Reach
from journeys.effects import ArmChosen
from journeys.events import Event, Json
from journeys.holdout import chosen, goal_of, held_out
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.run import Run
from journeys.timeline import Rehearsal, RehearsedEnrolment
from journeys.turn import due_at
from tests.support.compiling import compiled

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REACH = {"email": Reach(is_set_up=True, address_field="email")}
NAMES = [f"learner-{n}" for n in range(200)]


def journey(holdout: str, *, again: str = "never") -> Program:
    """A journey with a goal, an exit of another kind, and this holdout."""
    return compiled(
        f"""
        waymark: 1
        journey: compared
        title: Compared
        enter: [{{on: hr.learner.promoted}}]
        again: {again}
        exit:
          - on: hr.learner.left
            as: left
          - on: lms.course.completed
            when: event.data.course == "A"
        limit: 30d
        holdout: {holdout}
        steps:
          - send: welcome
          - wait: 20d
        messages:
          welcome: {{subject: Welcome, body: Welcome.}}
        """
    )


def event(number: int, type_: str, at: datetime, *, subject: str = "ada", **data: Json) -> Event:
    return Event(f"e-{number}", "/tests", type_, subject, at, data)


def play(program: Program, *events: Event, **options: object) -> Rehearsal:
    known: dict[str, dict[str, Json]] = {name: {"email": f"{name}@example.com"} for name in ["ada", *NAMES]}
    return rehearse(program, known, events, reach=REACH, **options)  # type: ignore[arg-type]


def the_enrolment(rehearsal: Rehearsal, learner: str = "ada") -> RehearsedEnrolment:
    (enrolment,) = next(each for each in rehearsal.learners if each.learner == learner).enrolments
    return enrolment


def test_who_is_held_out_gets_nothing() -> None:
    """She has an enrolment that ended at its entry, and one line that says why."""
    held = the_enrolment(play(journey("100%"), event(1, "hr.learner.promoted", MONDAY)))

    assert ("holdout", MONDAY, ()) == (held.outcome, held.entered_at, held.messages)
    (line,) = held.timeline
    assert (MONDAY, "ended") == (line.at, line.kind)


@pytest.mark.parametrize("prefix", ["", "lrn-"])
def test_the_same_learners_are_held_out_as_in_the_store(prefix: str) -> None:
    """By the hash of the id that the rehearsal is told to use, whatever the source calls them."""
    entries = (event(n, "hr.learner.promoted", MONDAY, subject=name) for n, name in enumerate(NAMES))
    told = play(journey("25%"), *entries, identify=lambda source_id: prefix + source_id)

    held = {each.learner for each in told.learners if each.enrolments and each.enrolments[0].outcome == "holdout"}
    wanted = {name for name in NAMES if is_held_out(0.25, journey="compared", learner=prefix + name)}
    assert wanted == held
    assert 30 < len(held) < 70


def test_her_goal_is_told() -> None:
    """When it came, though the journey had no part in it; what is no goal, or comes after the limit, is not."""
    held = the_enrolment(
        play(
            journey("100%"),
            event(1, "hr.learner.promoted", MONDAY),
            event(2, "lms.course.completed", MONDAY + 2 * DAY, course="B"),
            event(3, "hr.learner.left", MONDAY + 3 * DAY),
            event(4, "lms.course.completed", MONDAY + 5 * DAY, course="A"),
            event(5, "lms.course.completed", MONDAY + 31 * DAY, course="A"),
        )
    )

    assert [("ended", MONDAY), ("event", MONDAY + 5 * DAY)] == [(line.kind, line.at) for line in held.timeline]
    assert "holdout" == held.outcome


def test_a_goal_that_was_known_before_is_told() -> None:
    """The look-back finds it, where the entry arrives late."""
    entry = event(1, "hr.learner.promoted", MONDAY)
    goal = event(2, "lms.course.completed", MONDAY + DAY, course="A")
    held = the_enrolment(play(journey("100%"), goal, entry, arrivals={"e-1": MONDAY + 2 * DAY}))

    assert [("ended", MONDAY), ("event", MONDAY + DAY)] == [(line.kind, line.at) for line in held.timeline]


@pytest.mark.parametrize(("again", "entries"), [("never", 1), ("2d", 2), ("always", 3)])
def test_again_counts_her_entry(again: str, entries: int) -> None:
    """Each entry that `again` lets in is one, though none of them lasted; the others are told why not."""
    told = play(journey("100%", again=again), *(event(n, "hr.learner.promoted", MONDAY + n * DAY) for n in range(3)))
    (ada,) = (each for each in told.learners if each.learner == "ada")

    assert ["holdout"] * entries == [each.outcome for each in ada.enrolments]
    assert 3 - entries == sum(line.kind == "not_entered" for line in ada.timeline)


def test_an_entry_ahead_that_is_moved_is_one() -> None:
    """Sent again with another `effective`, she is held out from then."""
    first = Event("e-1", "/tests", "hr.learner.promoted", "ada", MONDAY, {}, MONDAY + 5 * DAY)
    again = Event("e-2", "/tests", "hr.learner.promoted", "ada", MONDAY + DAY, {}, MONDAY + 9 * DAY)
    held = the_enrolment(play(journey("100%"), first, again))

    assert ("holdout", MONDAY + 9 * DAY) == (held.outcome, held.entered_at)
    assert [("ended", MONDAY + 9 * DAY)] == [(line.kind, line.at) for line in held.timeline]


def test_what_chance_says_has_its_probability() -> None:
    """Of held out and treated alike; without a holdout nothing is said."""
    program = journey("25%")
    said = {name: chosen(program, name, at=MONDAY) for name in NAMES}

    for name, choice in said.items():
        arm, share = ("holdout", 0.25) if is_held_out(0.25, journey="compared", learner=name) else ("treated", 0.75)
        assert ArmChosen(MONDAY, "holdout", arm, share, name) == choice
    assert chosen(journey("0%"), "ada", at=MONDAY) is None


def test_a_run_that_is_held_out_waits_for_nothing() -> None:
    """It has ended, whatever its entry lies ahead."""
    run = held_out(Run("e", entered_at=MONDAY + DAY, at=MONDAY, begins_at=MONDAY + DAY))

    assert (True, None) == (run.has_ended, due_at(journey("100%"), run))


def test_the_goal_is_the_first_exit_that_says_goal() -> None:
    """Of several triggers that one event fires; at the limit's own instant it counts, and after it does not."""
    program = journey("100%")
    left, goal = (trigger.id for trigger in program.exits)

    def found(triggers: list[str], after: timedelta) -> str | None:
        return goal_of(program, triggers, entered_at=MONDAY, at=MONDAY + after)

    assert goal == found([left, goal], DAY)
    assert None is found([left], DAY)
    assert goal == found([goal], 30 * DAY)
    assert None is found([goal], 30 * DAY + timedelta(seconds=1))
