"""A turn takes what happened and what fell due in order of time, and goes on until the run waits."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.codec import run_from_json, run_to_json
from journeys.effects import Asking, Decide, Decided, Deferred, Deliver, Delivered, End, Fired, Retrying, Withdraw
from journeys.program import Node, Program
from journeys.run import Hold, Pending, Run
from journeys.turn import Interrupted, due_at
from tests.support.programs import (
    DAY,
    HOUR,
    MONDAY,
    Told,
    await_,
    branch,
    chain,
    end,
    fired,
    fresh,
    program,
    send,
    wait,
)

EXITS = (("exit-1", "lms.course.completed", "goal"), ("exit-2", "hr.learner.left", "left"))
STARTED = {"started": "lms.course.started"}


def waiting_for_start(*, within: timedelta | None = 7 * DAY, since: str = "entry", **options: object) -> Program:
    return program(
        wait(3 * DAY, then="await"),
        await_("started", within=within, since=since, then="send-well-begun", otherwise="send-reminder"),
        send("well-begun"),
        send("reminder"),
        awaits=STARTED,
        exits=EXITS,
        **options,  # type: ignore[arg-type]
    )


# -- one turn ----------------------------------------------------------------------------------------------------------


async def test_one_turn_does_everything_that_is_due() -> None:
    """Three messages with waits between them, looked at late, are all reached in one turn."""
    told = Told()
    journey = program(*chain(send("a"), wait(DAY, name="w1"), send("b"), wait(DAY, name="w2"), send("c")))
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert [("a", MONDAY)] == told.sent()
    assert due_at(journey, run) == MONDAY + DAY
    run = await told.turn(journey, run, now=MONDAY + DAY)
    run = await told.turn(journey, run, now=MONDAY + 2 * DAY)
    assert [("a", MONDAY), ("b", MONDAY + DAY), ("c", MONDAY + 2 * DAY)] == told.sent()
    assert "completed" == run.outcome


async def test_steps_without_a_message_are_taken_at_their_own_instants() -> None:
    """Two waits that were over long ago end one after the other, each at its instant, not at now."""
    told = Told()
    journey = program(*chain(wait(DAY, name="w1"), wait(DAY, name="w2"), end("done")))
    run = await told.turn(journey, fresh(), now=MONDAY + 30 * DAY)
    assert [End(MONDAY + 2 * DAY, "done")] == told.ends()
    assert MONDAY + 2 * DAY == run.at


async def test_a_turn_with_nothing_to_do_changes_nothing() -> None:
    """A poke in the middle of a wait leaves the run and the journal as they were."""
    told = Told()
    journey = program(*chain(wait(DAY), send("a")))
    run = await told.turn(journey, fresh(), now=MONDAY)
    kept = list(told.effects)
    assert run == await told.turn(journey, run, now=MONDAY + HOUR)
    assert kept == told.effects


async def test_a_run_that_has_ended_stays_as_it_is() -> None:
    """Nothing moves a run with an outcome, not even an exit."""
    told = Told()
    journey = program(end("done"), exits=EXITS)
    run = await told.turn(journey, fresh(), now=MONDAY)
    again = await told.turn(journey, run, now=MONDAY + DAY, inbox=[fired("exit-1", MONDAY + HOUR)])
    assert run == again
    assert [End(MONDAY, "done")] == told.ends()


async def test_the_clock_never_goes_back() -> None:
    """A turn whose clock stands before the run's last instant is taken at that instant."""
    told = Told()
    journey = program(*chain(wait(DAY), wait(0 * DAY, name="none"), send("a")))
    run = replace(await told.turn(journey, fresh(), now=MONDAY), at=MONDAY + 2 * DAY)
    run = await told.turn(journey, run, now=MONDAY)
    assert run.at >= MONDAY + 2 * DAY
    assert run.has_ended


async def test_a_journey_without_steps_completes_at_its_start() -> None:
    """A program that has no first node ends as completed at the entry's instant."""
    told = Told()
    run = await told.turn(program(), fresh(), now=MONDAY)
    assert "completed" == run.outcome
    assert [End(MONDAY, "completed")] == told.ends()


async def test_an_entry_that_lies_ahead_begins_then() -> None:
    """An enrolment whose entry takes effect later does nothing before, and is due at that instant."""
    told = Told()
    journey = program(send("a"))
    ahead = replace(fresh(MONDAY + 3 * DAY), begins_at=MONDAY + 3 * DAY)
    run = await told.turn(journey, ahead, now=MONDAY)
    assert ahead == run
    assert [] == told.effects
    assert due_at(journey, run) == MONDAY + 3 * DAY
    run = await told.turn(journey, run, now=MONDAY + 3 * DAY)
    assert [("a", MONDAY + 3 * DAY)] == told.sent()


async def test_an_entry_ahead_of_the_clock_begins_on_arrival() -> None:
    """A source whose clock is fast is believed that it happened: the run begins, at the entry's time."""
    told = Told()
    run = await told.turn(program(*chain(send("a"), wait(DAY))), fresh(MONDAY + HOUR), now=MONDAY)
    assert [("a", MONDAY + HOUR)] == told.sent()
    assert MONDAY + HOUR == run.at


# -- when an event counts ----------------------------------------------------------------------------------------------


async def test_an_event_during_the_wait_meets_the_await_after_it() -> None:
    """She starts the course on day 1 of a 3-day wait: the await takes `then` as soon as it is reached."""
    told = Told()
    journey = waiting_for_start()
    run = await told.turn(journey, fresh(), now=MONDAY)
    run = await told.turn(journey, run, now=MONDAY + DAY, inbox=[fired("started", MONDAY + DAY)])
    assert due_at(journey, run) == MONDAY + 3 * DAY
    await told.turn(journey, run, now=MONDAY + 3 * DAY)
    assert [("well-begun", MONDAY + 3 * DAY)] == told.sent()


async def test_since_step_asks_for_a_new_event() -> None:
    """With `since: step` what came before the await is reached does not count, what comes after does."""
    told = Told()
    journey = waiting_for_start(since="step")
    run = await told.turn(journey, fresh(), now=MONDAY)
    run = await told.turn(journey, run, now=MONDAY + DAY, inbox=[fired("started", MONDAY + DAY)])
    run = await told.turn(journey, run, now=MONDAY + 3 * DAY)
    assert [] == told.sent()
    await told.turn(journey, run, now=MONDAY + 4 * DAY, inbox=[fired("started", MONDAY + 4 * DAY)])
    assert [("well-begun", MONDAY + 4 * DAY)] == told.sent()


@pytest.mark.parametrize("since", ["entry", "step"])
async def test_an_event_at_the_deadline_meets_the_await(since: str) -> None:
    """An event whose time is the deadline is in time, also where the turn is taken at that very instant."""
    told = Told()
    journey = waiting_for_start(since=since)
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    deadline = MONDAY + 10 * DAY
    assert deadline == due_at(journey, run)
    await told.turn(journey, run, now=deadline, inbox=[fired("started", deadline)])
    assert [("well-begun", deadline)] == told.sent()


async def test_an_event_in_time_that_arrives_late_meets_the_await_unless_it_was_acted_on() -> None:
    """The event's time counts, however late it arrives, until the time-out has been acted on."""
    journey = waiting_for_start()
    in_time = fired("started", MONDAY + 9 * DAY)

    told = Told()
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    await told.turn(journey, run, now=MONDAY + 12 * DAY, inbox=[in_time])
    assert [message for message, _ in told.sent()] == ["well-begun"]

    told = Told()
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    run = await told.turn(journey, run, now=MONDAY + 10 * DAY)
    await told.turn(journey, run, now=MONDAY + 12 * DAY, inbox=[in_time])
    assert [message for message, _ in told.sent()] == ["reminder"]


async def test_an_event_after_the_deadline_does_not_meet_the_await() -> None:
    """Taken in the same turn, the deadline comes before an event that is later."""
    told = Told()
    journey = waiting_for_start()
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    await told.turn(journey, run, now=MONDAY + 12 * DAY, inbox=[fired("started", MONDAY + 11 * DAY)])
    assert [message for message, _ in told.sent()] == ["reminder"]


async def test_an_event_meets_several_awaits() -> None:
    """Events are not used up."""
    told = Told()
    journey = program(
        await_("started", name="a1", within=DAY, then="a2", otherwise="late"),
        await_("started", name="a2", within=DAY, then="yes", otherwise="late"),
        end("met", name="yes"),
        end("late", name="late"),
        awaits=STARTED,
    )
    run = await told.turn(journey, fresh(), now=MONDAY + HOUR, inbox=[fired("started", MONDAY + HOUR)])
    assert "met" == run.outcome


async def test_an_await_without_within_lasts_until_the_limit() -> None:
    """What nobody limits is limited by the journey."""
    told = Told()
    journey = waiting_for_start(within=None, limit=30 * DAY)
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    assert due_at(journey, run) == MONDAY + 30 * DAY
    run = await told.turn(journey, run, now=MONDAY + 30 * DAY)
    assert "expired" == run.outcome


async def test_an_event_ahead_of_the_clock_counts_on_arrival() -> None:
    """A source whose clock is fast is believed that it happened, not when."""
    told = Told()
    journey = waiting_for_start()
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    now = MONDAY + 4 * DAY
    run = await told.turn(journey, run, now=now, inbox=[fired("started", now + HOUR)])
    assert [("well-begun", now)] == told.sent()


# -- exits and the limit -----------------------------------------------------------------------------------------------


async def test_an_exit_ends_at_once_whatever_is_awaited() -> None:
    """A goal on day 2 of a wait ends the journey on day 2."""
    told = Told()
    journey = waiting_for_start()
    run = await told.turn(journey, fresh(), now=MONDAY)
    run = await told.turn(journey, run, now=MONDAY + 2 * DAY, inbox=[fired("exit-1", MONDAY + 2 * DAY)])
    assert [End(MONDAY + 2 * DAY, "goal")] == told.ends()


async def test_at_one_instant_exits_go_in_document_order() -> None:
    """The first exit of the document wins, whichever arrived first."""
    told = Told()
    journey = waiting_for_start()
    at = MONDAY + DAY
    run = await told.turn(journey, fresh(), now=at, inbox=[fired("exit-2", at), fired("exit-1", at)])
    assert "goal" == run.outcome


async def test_the_earlier_exit_wins() -> None:
    """Order of time comes before order of the document."""
    told = Told()
    journey = waiting_for_start()
    inbox = [fired("exit-1", MONDAY + 2 * HOUR), fired("exit-2", MONDAY + HOUR)]
    run = await told.turn(journey, fresh(), now=MONDAY + DAY, inbox=inbox)
    assert "left" == run.outcome
    assert MONDAY + HOUR == run.at


@pytest.mark.parametrize(
    ("inbox", "expected"),
    [
        (["exit-2", "started"], "left"),
        (["started"], "expired"),
        ([], "expired"),
    ],
    ids=["an exit before the limit", "the limit before the event", "the limit before the deadline"],
)
async def test_at_one_instant_exit_then_limit_then_the_step(inbox: list[str], expected: str) -> None:
    """Deadline, event, limit and exit at one instant: exits first, then the limit, then the waiting step."""
    told = Told()
    limit = MONDAY + 10 * DAY
    journey = waiting_for_start(limit=10 * DAY)
    run = await told.turn(journey, fresh(), now=MONDAY + 3 * DAY)
    run = await told.turn(journey, run, now=limit, inbox=[fired(name, limit) for name in inbox])
    assert expected == run.outcome
    assert [] == told.sent()


async def test_an_exit_of_the_entrys_own_instant_ends_it_before_anything_is_sent() -> None:
    """An exit that arrived before the entry and is not older ends the enrolment at its start."""
    told = Told()
    journey = program(send("welcome"), exits=EXITS)
    run = await told.turn(journey, fresh(), now=MONDAY, inbox=[fired("exit-2", MONDAY)])
    assert "left" == run.outcome
    assert [] == told.sent()
    assert [] == told.asked


async def test_a_known_exit_comes_before_a_message_that_is_due() -> None:
    """A message goes now: an exit that is known by now ends the enrolment before it is on its way."""
    told = Told()
    journey = program(send("welcome"), exits=EXITS)
    run = await told.turn(journey, fresh(), now=MONDAY + HOUR, inbox=[fired("exit-2", MONDAY + timedelta(minutes=1))])
    assert "left" == run.outcome
    assert [] == told.sent()


async def test_the_limit_ends_a_message_that_could_not_go() -> None:
    """A message that is deferred beyond the limit is withdrawn when the limit comes."""
    told = Told(answering=lambda run, _: Deferred(run.at, MONDAY + 20 * DAY, "she is on leave"))
    journey = program(send("welcome"), limit=10 * DAY)
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert due_at(journey, run) == MONDAY + 10 * DAY
    run = await told.turn(journey, run, now=MONDAY + 10 * DAY)
    assert "expired" == run.outcome
    assert [Withdraw("the enrolment ended as expired")] == [e for e in told.effects if isinstance(e, Withdraw)]


# -- asking ------------------------------------------------------------------------------------------------------------


async def test_a_deferred_message_is_asked_for_again_when_its_time_has_come() -> None:
    """Nothing is asked before, and the same delivery is asked for then."""
    until = MONDAY + 2 * HOUR
    told = Told(answering=lambda run, _: Deferred(run.at, until, "outside her working hours"))
    journey = program(*chain(send("a"), wait(3 * DAY), send("b")))
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert until == due_at(journey, run)
    run = await told.turn(journey, run, now=MONDAY + HOUR)
    assert 2 == len(told.asked)  # at every waking: her hours may have changed
    told.answering = None
    run = await told.turn(journey, run, now=until)
    assert [("a", until)] == told.sent()
    assert told.asked[0] == told.asked[1]
    assert until + 3 * DAY == due_at(journey, run)


async def test_a_deferral_is_noted_once_for_each_reason() -> None:
    """The journal says why a message waits when it begins to, and again only when the reason changes."""
    told = Told(answering=lambda run, _: Deferred(run.at, None, "paused"))
    journey = program(send("a"))
    run = await told.turn(journey, fresh(), now=MONDAY)
    run = await told.turn(journey, run, now=MONDAY + HOUR)
    told.answering = lambda run, _: Deferred(run.at, None, "halted")
    run = await told.turn(journey, run, now=MONDAY + 2 * HOUR)
    assert [note.data["reason"] for note in told.notes if note.kind == "deferred"] == ["paused", "halted"]


async def test_a_delivery_that_is_being_retried_is_asked_for_again_at_any_waking() -> None:
    """The run waits for a poke, or its limit, and goes on with what became of the retries."""
    told = Told(answering=lambda run, _: Retrying(run.at, "email", "the server said later"))
    journey = program(*chain(send("a"), wait(DAY), send("b")))
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert isinstance(run.hold, Pending)
    assert MONDAY + journey.limit == due_at(journey, run)
    told.answering = lambda _, __: Delivered(MONDAY + HOUR, "failed", "email", "mailbox unknown")
    run = await told.turn(journey, run, now=MONDAY + HOUR)
    assert "failed" == run.sent["a"].status
    assert due_at(journey, run) == MONDAY + HOUR + DAY


async def test_an_exit_while_a_delivery_is_retried_ends_and_withdraws() -> None:
    """An exit does not wait for a provider."""
    told = Told(answering=lambda run, _: Retrying(run.at, "email", "the server said later"))
    journey = program(send("a"), exits=EXITS)
    run = await told.turn(journey, fresh(), now=MONDAY)
    asked = len(told.asked)
    run = await told.turn(journey, run, now=MONDAY + HOUR, inbox=[fired("exit-2", MONDAY + HOUR)])
    assert "left" == run.outcome
    assert asked == len(told.asked)
    assert any(isinstance(effect, Withdraw) for effect in told.effects)


async def test_what_comes_in_between_goes_first() -> None:
    """A performer that finds something new in the inbox is interrupted: an exit then wins over the message."""
    told = Told()
    journey = program(send("a"), exits=EXITS)

    def interrupt(run: Run, effect: object) -> Interrupted:
        told.inbox.append(fired("exit-2", MONDAY))
        return Interrupted()

    told.answering = interrupt
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert "left" == run.outcome
    assert [] == told.sent()


async def test_after_an_interruption_that_does_not_end_it_the_message_goes() -> None:
    """An event that is no exit is remembered, and the effect is asked for again."""
    told = Told()
    journey = program(
        send("a", then="await"), await_("started", within=DAY, then="yes"), end("met", name="yes"), awaits=STARTED
    )
    interruptions = [fired("started", MONDAY)]

    def answer(run: Run, effect: object) -> Interrupted | Delivered:
        if interruptions:
            told.inbox.append(interruptions.pop())
            return Interrupted()
        return Delivered(told.now, "sent", "email")

    told.answering = answer
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert [("a", MONDAY)] == told.sent()
    assert "met" == run.outcome


async def test_a_guard_that_does_not_hold_passes_the_step_over() -> None:
    """The step after it is reached at the same instant, and the journal says what was passed over."""
    told = Told(
        answering=lambda run, effect: (
            Decided(run.at, None) if isinstance(effect, Decide) else Delivered(run.at, "sent", "email")
        )
    )
    journey = program(*chain(send("a", guard="has(learner.manager)"), send("b")))
    await told.turn(journey, fresh(), now=MONDAY)
    assert [("b", MONDAY)] == told.sent()
    assert [note.step for note in told.notes if note.kind == "passed"] == ["send-a"]


async def test_a_guard_that_holds_lets_the_step_begin() -> None:
    """The guard is asked once, then the step does what it does."""
    told = Told()
    journey = program(*chain(send("a", guard="has(learner.manager)"), send("b")))
    await told.turn(journey, fresh(), now=MONDAY)
    assert [message for message, _ in told.sent()] == ["a", "b"]
    assert [effect.is_guard for effect in told.asked if isinstance(effect, Decide)] == [True]


async def test_a_guarded_await_or_branch_is_passed_over_to_what_follows_it() -> None:
    """A node with several ways on names where passing over leads in `skip`."""
    told = Told(answering=lambda run, effect: Decided(run.at, None))
    guarded = replace(
        await_("started", within=DAY, then="yes", otherwise="no"),
        guard=wait(DAY, guard="x").guard,
        successors={"then": "yes", "else": "no", "skip": "after"},
    )
    journey = program(
        guarded, end("met", name="yes"), end("late", name="no"), end("passed", name="after"), awaits=STARTED
    )
    run = await told.turn(journey, fresh(), now=MONDAY)
    assert "passed" == run.outcome


async def test_a_branch_takes_the_arm_that_is_decided() -> None:
    """Arm n for question n, `else` where none holds, and on after it where there is no `else`."""
    journey = program(
        branch("a", "b", arms=["one", "two"], otherwise="three"), *(end(n, name=n) for n in ("one", "two", "three"))
    )
    for choice, expected in ((0, "one"), (1, "two"), (None, "three")):
        told = Told(answering=lambda run, _, choice=choice: Decided(run.at, choice))
        assert expected == (await told.turn(journey, fresh(), now=MONDAY)).outcome
    told = Told(answering=lambda run, _: Decided(run.at, None))
    without_else = program(branch("a", arms=["one"]), end("one", name="one"))
    assert (await told.turn(without_else, fresh(), now=MONDAY)).outcome == "completed"


# -- properties --------------------------------------------------------------------------------------------------------


TRIGGERS = ("started", "scored")
TYPES = {"started": "lms.course.started", "scored": "lms.assessment.scored"}
HOURS = st.integers(min_value=0, max_value=240).map(lambda hours: hours * HOUR)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs of the five step types; successors lead forward only, as the compiler makes them without `repeat`."""
    size = draw(st.integers(min_value=1, max_value=7))
    names = [f"n{number}" for number in range(size)]
    nodes: list[Node] = []
    for number, name in enumerate(names):
        later = st.sampled_from([*names[number + 1 :], None])
        nodes.append(_drawn_node(draw, name, later))
    exits = draw(st.sampled_from([(), EXITS[:1], EXITS]))
    limit = draw(st.integers(min_value=1, max_value=30)) * DAY
    return program(*nodes, awaits=TYPES, exits=exits, limit=limit)


def _drawn_node(draw: st.DrawFn, name: str, later: st.SearchStrategy[str | None]) -> Node:
    guard = draw(st.sampled_from([None, None, "guarded"]))
    match draw(st.sampled_from(["send", "wait", "await", "branch", "end"])):
        case "send":
            node = send(name, name=name, then=draw(later), guard=guard)
        case "wait":
            node = wait(draw(HOURS), name=name, then=draw(later), guard=guard)
        case "await":
            triggers = draw(st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=2, unique=True))
            within = draw(st.one_of(st.none(), HOURS))
            since = draw(st.sampled_from(["entry", "step"]))
            node = await_(*triggers, name=name, within=within, since=since, then=draw(later), otherwise=draw(later))
        case "branch":
            node = branch("a", "b", name=name, arms=[draw(later), draw(later)], otherwise=draw(later))
        case _:
            node = end("done", name=name)
    return node


@st.composite
def inboxes(draw: st.DrawFn, journey: Program) -> list[Fired]:
    """Events of distinct instants, at least a minute apart, from the entry on."""
    names = sorted(journey.triggers)
    minutes = draw(st.lists(st.integers(min_value=0, max_value=40 * 24 * 60), max_size=8, unique=True))
    return [fired(draw(st.sampled_from(names)), MONDAY + timedelta(minutes=m)) for m in minutes]


class Steady(Told):
    """Answers by what is asked alone, so that the same question has the same answer in any world."""

    async def perform(self, run: Run, effect: Asking) -> Delivered | Decided:
        self.asked.append(effect)
        if isinstance(effect, Decide):
            choices = [None, *range(len(effect.questions))]
            return Decided(run.at, choices[len(effect.node + str(run.visits)) % len(choices)])
        assert isinstance(effect, Deliver), "these programs ask for nothing else"
        return Delivered(max(self.now, run.at), "sent", effect.via[0])


async def live(journey: Program, events: list[Fired], *, restored: bool = False) -> tuple[Run, list[object]]:
    """Drive a run as the real world does: a turn whenever something comes or falls due."""
    told = Steady()
    run = fresh()
    coming = sorted(events, key=lambda event: event.at)
    now: datetime | None = MONDAY
    while now is not None:
        arrived = [event for event in coming if event.at <= now]
        coming = coming[len(arrived) :]
        run = await told.turn(journey, run, now=now, inbox=arrived)
        if restored:
            run = run_from_json(run_to_json(run))
        instants = [at for at in (due_at(journey, run), coming[0].at if coming and not run.has_ended else None) if at]
        now = min(instants, default=None)
    return run, list(told.effects)


@settings(max_examples=150, deadline=None)
@given(st.data())
async def test_every_enrolment_ends_by_its_limit(data: st.DataObject) -> None:
    """Whatever the program and the events, one outcome stands when the limit is over, and nothing comes after it."""
    journey = data.draw(programs())
    run, effects = await live(journey, data.draw(inboxes(journey)))
    assert run.has_ended
    assert run.at <= MONDAY + journey.limit
    assert 1 == sum(isinstance(effect, End) for effect in effects)
    assert isinstance(effects[-1], End)


@settings(max_examples=150, deadline=None)
@given(st.data())
async def test_a_run_restored_from_json_goes_on_the_same(data: st.DataObject) -> None:
    """A run that is written down and read again after every turn ends as one that never was."""
    journey = data.draw(programs())
    events = data.draw(inboxes(journey))
    assert await live(journey, events) == await live(journey, events, restored=True)


@settings(max_examples=150, deadline=None)
@given(st.data())
async def test_shuffled_events_end_alike(data: st.DataObject) -> None:
    """Events that are all in before the first turn end in the same run and journal, in whatever order they came."""
    journey = data.draw(programs())
    events = data.draw(inboxes(journey))
    shuffled = data.draw(st.permutations(events))
    now = MONDAY + 400 * DAY

    async def once(inbox: list[Fired]) -> tuple[Run, list[object]]:
        told = Steady()
        run: Run = fresh()
        run = await told.turn(journey, run, now=now, inbox=inbox)
        return run, list(told.effects)

    assert await once(events) == await once(list(shuffled))


@settings(max_examples=150, deadline=None)
@given(st.data())
async def test_pokes_that_bring_nothing_change_nothing(data: st.DataObject) -> None:
    """Turns taken at any instants between those that matter leave the same journal."""
    journey = data.draw(programs())
    events = data.draw(inboxes(journey))
    expected = await live(journey, events)
    idle = sorted(data.draw(st.lists(st.integers(0, 40 * 24 * 60), max_size=6)))
    told = Steady()
    run = fresh()
    coming = sorted(events, key=lambda event: event.at)
    pokes = [MONDAY + timedelta(minutes=m) for m in idle]
    now: datetime | None = MONDAY
    while now is not None:
        arrived = [event for event in coming if event.at <= now]
        coming = coming[len(arrived) :]
        pokes = [poke for poke in pokes if poke > now]
        run = await told.turn(journey, run, now=now, inbox=arrived)
        if run.has_ended:
            break
        instants = [due_at(journey, run), coming[0].at if coming else None, pokes[0] if pokes else None]
        now = min((at for at in instants if at is not None), default=None)
    assert expected == (run, list(told.effects))


def test_a_hold_and_a_pending_survive_json() -> None:
    """Both kinds of waiting come back as what they were."""
    deliver = Deliver("n", 1, 0, "m", ("email",), MONDAY, None)
    for hold in (
        Hold(MONDAY, MONDAY + DAY, ("a",)),
        Pending(deliver, MONDAY, MONDAY, "x"),
        Pending(Decide("n", ()), MONDAY),
    ):
        run = replace(fresh(), hold=hold, node="n", has_begun=True)
        assert run == run_from_json(run_to_json(run))


async def test_a_message_that_was_put_off_goes_at_the_instant_it_was_put_off_to() -> None:
    """A moment late is punctual then too: the next wait counts from the instant itself."""
    until = MONDAY + 2 * HOUR
    told = Told(answering=lambda run, _: Deferred(run.at, until, "outside her working hours"))
    journey = program(*chain(send("a"), wait(3 * DAY), send("b")))
    run = await told.turn(journey, fresh(), now=MONDAY)
    told.answering = None
    run = await told.turn(journey, run, now=until + timedelta(seconds=0.7))
    assert until == run.at
    assert until + 3 * DAY == due_at(journey, run)
