"""`advance` decides alone: the same program, run and happening give the same run and effects."""

from dataclasses import replace
from datetime import timedelta

import pytest

from journeys.advance import advance, waiting_for
from journeys.effects import (
    Began,
    Decide,
    Decided,
    Deferred,
    Deliver,
    Delivered,
    Due,
    Effect,
    End,
    LimitReached,
    Note,
    Withdraw,
)
from journeys.program import Program
from journeys.run import Hold, Pending, Run, Seen
from journeys.timing import PUNCTUAL, due_after, settle
from tests.support.programs import DAY, HOUR, MONDAY, await_, branch, chain, end, fired, fresh, program, send, wait

EXITS = (("exit-1", "lms.course.completed", "goal"), ("exit-2", "hr.learner.left", "left"))


def begun(journey: Program, run: Run | None = None) -> Run:
    """The run after its first step was taken."""
    return advance(journey, run or fresh(), Began(MONDAY))[0]


def notes(effects: tuple[Effect, ...]) -> list[Note]:
    return [effect for effect in effects if isinstance(effect, Note)]


def test_beginning_enters_the_first_step() -> None:
    """The run stands at the first node, visited once, and the journal says that she entered."""
    run, effects = advance(program(wait(DAY)), fresh(), Began(MONDAY))
    assert ("wait", {"wait": 1}, True) == (run.node, run.visits, run.has_begun)
    assert Hold(MONDAY, MONDAY + DAY) == run.hold
    assert [note.kind for note in notes(effects)] == ["entered", "waiting"]


def test_a_send_asks_for_its_delivery() -> None:
    """The delivery carries what its key is made of, when it was asked for and when it expires."""
    run = begun(program(send("welcome", via=("webhook", "email"), expires=2 * DAY, is_anytime=True)))
    expected = Deliver("send-welcome", 1, 0, "welcome", ("webhook", "email"), MONDAY, MONDAY + 2 * DAY, is_anytime=True)
    assert Pending(expected, MONDAY) == run.hold


def test_a_message_that_never_expires_has_no_expiry() -> None:
    """`expires: never` is no instant."""
    run = begun(program(send("welcome", expires=None)))
    assert isinstance(run.hold, Pending)
    assert isinstance(run.hold.effect, Deliver)
    assert run.hold.effect.expires_at is None


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (Delivered(MONDAY, "sent", "email"), "sent", "sent"),
        (Delivered(MONDAY, "skipped", None, "no_address"), "skipped", "skipped"),
        (Delivered(MONDAY, "failed", "email", "mailbox unknown"), "failed", "failed"),
        (Delivered(MONDAY, "may_have_gone", "email", "the line dropped"), "sent", "may_have_gone"),
    ],
)
def test_any_final_answer_leads_on_and_is_remembered(answer: Delivered, kind: str, status: str) -> None:
    """What became of the message stands in `sent` and in the journal, and the step is over."""
    journey = program(*chain(send("welcome"), wait(DAY)))
    run, effects = advance(journey, begun(journey), answer)
    assert status == run.sent["welcome"].status
    assert "wait" == run.node
    told = notes(effects)[0]
    assert (kind, "send-welcome") == (told.kind, told.step)
    assert {"message": "welcome", "channel": answer.channel, "status": status, "reason": answer.reason} == told.data


def test_a_deferred_delivery_leaves_the_step_asking() -> None:
    """The same effect stands, until the instant, with the reason, and the journal names the message."""
    journey = program(send("welcome"))
    before = begun(journey)
    run, effects = advance(journey, before, Deferred(MONDAY, MONDAY + HOUR, "outside her hours"))
    assert isinstance(before.hold, Pending)
    assert replace(before.hold, until=MONDAY + HOUR, because="outside her hours") == run.hold
    note = notes(effects)[0]
    assert ("deferred", "send-welcome", "welcome") == (note.kind, note.step, note.data["message"])


def test_a_guard_is_asked_before_the_step_begins() -> None:
    """Nothing of the step is done before its condition was judged."""
    journey = program(send("welcome", guard="has(learner.manager)"))
    run = begun(journey)
    assert isinstance(run.hold, Pending)
    assert isinstance(run.hold.effect, Decide)
    assert run.hold.effect.is_guard
    run, effects = advance(journey, run, Decided(MONDAY, None, ("learner.manager is missing",)))
    assert "completed" == run.outcome
    assert ["learner.manager is missing"] == notes(effects)[0].data["findings"]


def test_a_branch_asks_its_questions_in_order() -> None:
    """The questions go together, so that they are judged on one profile."""
    journey = program(branch("a", "b", arms=["one", None]), end("one", name="one"))
    run = begun(journey)
    assert isinstance(run.hold, Pending)
    assert isinstance(run.hold.effect, Decide)
    assert [question.text for question in run.hold.effect.questions] == ["a", "b"]
    assert "one" == advance(journey, run, Decided(MONDAY, 0))[0].outcome
    assert "completed" == advance(journey, run, Decided(MONDAY, 1))[0].outcome


def test_the_end_withdraws_what_was_asked_for() -> None:
    """Ending while a delivery is under way lets it fall, then tells the outcome, last."""
    journey = program(send("welcome"), exits=EXITS)
    run, effects = advance(journey, begun(journey), fired("exit-2", MONDAY + HOUR))
    assert "left" == run.outcome
    assert Withdraw("the enrolment ended as left") in effects
    assert End(MONDAY + HOUR, "left") == effects[-1]


def test_an_exit_that_comes_late_ends_now_and_not_in_the_past() -> None:
    """What has been done is not undone: the run's instant never goes back."""
    journey = program(*chain(wait(DAY, name="w1"), wait(DAY, name="w2")), exits=EXITS)
    run = advance(journey, begun(journey), Due(MONDAY + DAY))[0]
    run, effects = advance(journey, run, fired("exit-1", MONDAY + HOUR))
    assert End(MONDAY + DAY, "goal") == effects[-1]


def test_an_event_nobody_waits_for_is_remembered() -> None:
    """The first and the last time at which a trigger fired are kept; the run does not move."""
    journey = program(wait(3 * DAY), awaits={"started": "lms.course.started"})
    run = begun(journey)
    for hours in (5, 2, 9, 4):
        run, effects = advance(journey, run, fired("started", MONDAY + hours * HOUR))
        assert effects == ()
    assert {"started": Seen(MONDAY + 2 * HOUR, MONDAY + 9 * HOUR)} == run.seen
    assert MONDAY == run.at


def test_an_event_does_not_end_a_wait() -> None:
    """A wait is over by its instant alone."""
    journey = program(*chain(wait(3 * DAY), send("a")), awaits={"started": "lms.course.started"})
    run = begun(journey)
    after, _ = advance(journey, run, fired("started", MONDAY + HOUR))
    assert (after.node, after.hold) == (run.node, run.hold)


def test_the_limit_ends_as_expired() -> None:
    """Whatever the run waits for."""
    journey = program(await_("started"), awaits={"started": "lms.course.started"}, limit=10 * DAY)
    run, effects = advance(journey, begun(journey), LimitReached(MONDAY + 10 * DAY))
    assert "expired" == run.outcome
    assert End(MONDAY + 10 * DAY, "expired") == effects[-1]


def test_nothing_happens_to_a_run_that_has_ended() -> None:
    """Whatever comes, run and journal stay."""
    journey = program(end("done"), exits=EXITS)
    run = begun(journey)
    for given in (Began(MONDAY), fired("exit-1", MONDAY), Due(MONDAY), LimitReached(MONDAY), Delivered(MONDAY, "sent")):
        assert (run, ()) == advance(journey, run, given)


def test_the_same_arguments_give_the_same_answer() -> None:
    """The run handed in is not changed."""
    journey = program(*chain(wait(DAY), send("a")))
    run = begun(journey)
    assert advance(journey, run, Due(MONDAY + DAY)) == advance(journey, run, Due(MONDAY + DAY))
    assert begun(journey) == run


def test_what_a_run_waits_for_is_said_in_plain_words() -> None:
    """Each waiting step names what it waits for; nothing is awaited before the start and after the end."""
    awaiting = program(await_("started"), awaits={"started": "lms.course.started"})
    assert waiting_for(awaiting, fresh()) is None
    assert "lms.course.started" == waiting_for(awaiting, begun(awaiting))
    assert "time to pass" == waiting_for(program(wait(DAY)), begun(program(wait(DAY))))
    assert "the message a to go" == waiting_for(program(send("a")), begun(program(send("a"))))
    assert waiting_for(program(end("done")), begun(program(end("done")))) is None


# -- instants ----------------------------------------------------------------------------------------------------------


def test_a_punctual_message_went_at_its_instant() -> None:
    """Up to a minute late, a step ended at its instant, so that a weekly message does not creep through the day."""
    run = settle(fresh(), MONDAY + PUNCTUAL)
    assert (MONDAY, PUNCTUAL) == (run.at, run.late)


def test_a_late_message_went_when_it_went() -> None:
    """More than a minute late, the run's instant is when it really was."""
    really = MONDAY + PUNCTUAL + timedelta(seconds=1)
    run = settle(fresh(), really)
    assert (really, timedelta()) == (run.at, run.late)


def test_a_clock_behind_the_run_makes_nothing_late() -> None:
    """An instant before the run's own is none of ours."""
    run = settle(fresh(), MONDAY - HOUR)
    assert (MONDAY, timedelta()) == (run.at, run.late)


@pytest.mark.parametrize(
    ("duration", "carried"),
    [(timedelta(seconds=3), True), (timedelta(seconds=499), True), (timedelta(seconds=501), False), (7 * DAY, False)],
)
def test_lateness_is_carried_where_it_is_not_negligible(duration: timedelta, carried: bool) -> None:
    """Half a second counts against three seconds, not against a week: a thousandth divides them."""
    late = timedelta(seconds=0.5)
    run = settle(fresh(), MONDAY + late)
    assert MONDAY + duration + (late if carried else timedelta()) == due_after(run, duration)
