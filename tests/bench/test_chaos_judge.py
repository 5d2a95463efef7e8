"""The count after a chaotic run finds what it is to find, and excuses nothing that happened beside it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.chaos.feed import CHANNEL_OF, OUTCOME
from bench.chaos.judge import Away, Death, Ended, Enrolled, Evidence, Told, Verdict, Window, judge, merged, why_ended
from bench.chaos.providers import Letter
from bench.chaos.run import outcomes_of
from workers.records import Record

ANN = "ann"
HERS = {"one": 100.0, "two": 200.0, "three": 300.0}
"""When a provider took each of her letters; it answered a tenth of a second later."""


def letter(name: str, *, at: float | None = None, by: str = "worker-1") -> Letter:
    taken = HERS[name] if at is None else at
    return Letter(taken, CHANNEL_OF[name], ANN, name, f"d-{name}", True, "said", by, taken + 0.1)


def told(**status: str) -> list[Told]:
    return [Told(f"d-{name}", ANN, name, status.get(name, "sent")) for name in CHANNEL_OF]


ALL = [letter(name) for name in CHANNEL_OF]
ONE, LATER = ALL[0], ALL[1:]
GOOD = Evidence({ANN}, ALL, [Enrolled(ANN, "ended", OUTCOME, "e-ann")], told())


NEVER_WENT = Told("d-one-first", ANN, "one", "failed")
"""Of what went after all."""
RECORDS = {(f"d-{name}", "delivery.sent") for name in CHANNEL_OF} | {
    ("e-ann", "enrolment.started"), ("e-ann", "enrolment.ended"),
}  # fmt: skip
"""What our own topic says of her."""
BOB = Enrolled("bob", "active", None, "e-bob")
KAFKA_LOST_BOB: dict[str, object] = {"entered": {ANN, "bob"}, "forgotten": ["bob"], "never_came": {"bob"}}
"""His entry was acknowledged, and Kafka has it no more."""


def evidence(**changes: object) -> Evidence:
    """Ann entered, was told everything once, and has ended; but for this."""
    return replace(GOOD, **changes)  # type: ignore[arg-type]


def found(verdict: Verdict) -> set[str]:
    """What of a verdict is not empty."""
    names = ("lost", "stuck", "carried", "forgotten", "twice", "wrong", "untold", "unexplained", "strange", "fallen")
    return {name for name in names if getattr(verdict, name)}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (GOOD, set()),
        (evidence(letters=LATER), {"lost"}),
        (evidence(letters=LATER, told=told(one="failed")), {"lost"}),
        (evidence(letters=[replace(ONE, was_kept=False), *LATER]), {"lost"}),
        (evidence(letters=[*ALL, ONE]), {"twice"}),
        (evidence(told=told(two="failed")), {"wrong"}),
        (evidence(told=[*GOOD.told, NEVER_WENT]), set()),
        (evidence(told=[NEVER_WENT, *GOOD.told]), set()),
        (evidence(letters=LATER, told=[*told(one="failed"), NEVER_WENT]), {"lost"}),
        (evidence(told=GOOD.told[:2]), {"wrong"}),
        (evidence(enrolled=[]), {"stuck"}),
        (evidence(enrolled=[Enrolled(ANN, "active", None)]), {"stuck"}),
        (evidence(enrolled=[Enrolled(ANN, "ended", "failed")]), {"stuck"}),
        (evidence(enrolled=[*GOOD.enrolled, *GOOD.enrolled]), {"stuck"}),
        (evidence(carried=["e-ann"]), {"carried"}),
        (evidence(carried=["e-nobody"]), {"carried"}),
        (evidence(forgotten=[ANN]), {"forgotten"}),
        (evidence(**KAFKA_LOST_BOB), {"forgotten"}),
        (evidence(**KAFKA_LOST_BOB, enrolled=[*GOOD.enrolled, BOB]), {"forgotten", "lost", "stuck"}),
        (
            evidence(**KAFKA_LOST_BOB, letters=[*ALL, replace(ONE, learner="bob")]),
            {"forgotten", "lost", "stuck", "wrong"},
        ),
        (evidence(**KAFKA_LOST_BOB, letters=LATER), {"forgotten", "lost"}),
        (evidence(**{**KAFKA_LOST_BOB, "never_came": set()}), {"forgotten", "lost", "stuck"}),
        (evidence(letters=[*ALL, replace(ONE, learner="eve")]), {"strange"}),
        (evidence(letters=[replace(ONE, channel="webhook"), *LATER]), {"strange"}),
        (evidence(entered={ANN, "bob"}), {"lost", "stuck"}),
        (evidence(told=told(one="may_have_gone")), {"unexplained"}),
        (evidence(ended=[Ended("worker-1", 1, 10.0, 50.0, was_ready=True)]), {"fallen"}),
        (evidence(outcomes=RECORDS), set()),
        (evidence(outcomes=RECORDS - {("d-one", "delivery.sent")} | {("d-one", "delivery.may_have_gone")}), set()),
        (evidence(outcomes=RECORDS - {("d-one", "delivery.sent")} | {("d-one", "delivery.failed")}), {"untold"}),
        (evidence(outcomes=RECORDS - {("d-one", "delivery.sent")}), {"untold"}),
        (evidence(outcomes=RECORDS - {("e-ann", "enrolment.started")}), {"untold"}),
        (evidence(outcomes=RECORDS - {("e-ann", "enrolment.ended")}), {"untold"}),
        (evidence(outcomes=frozenset()), {"untold"}),
    ],
)
def test_each_discrepancy_is_found(seen: Evidence, expected: set[str]) -> None:
    """And nothing else; whose story is to be told is said with it."""
    verdict = judge(seen)
    assert expected == found(verdict)
    assert verdict.is_good == (not expected)
    assert bool(expected - {"fallen"}) == bool(verdict.learners())
    assert (str(verdict) == "nothing that must not be") == (not expected)


def test_what_our_own_topic_says_is_read() -> None:
    """Of a delivery and of an enrolment, each by its id."""
    values = [
        b'{"type": "waymark.delivery.sent", "data": {"delivery": "d-one", "enrolment": "e-ann"}}',
        b'{"type": "waymark.enrolment.ended", "data": {"enrolment": "e-ann", "outcome": "completed"}}',
    ]
    records = [Record("waymark.outcomes", 0, offset, value=value) for offset, value in enumerate(values)]
    assert {("d-one", "delivery.sent"), ("e-ann", "enrolment.ended")} == outcomes_of(records)


# what explains a doubt about a letter


def died(at: float, *, who: str = "worker-1", open_: Sequence[str] = ("d-one",), **changes: object) -> Death:
    death = Death(who, at - 0.01, at, frozenset(open_), is_known=True)
    return replace(death, **changes)  # type: ignore[arg-type]


def away(began: float, ended: float, *open_: str, cause: str = "lock") -> Window:
    return Window(cause, began, ended, frozenset(open_))


@pytest.mark.parametrize(
    ("one", "trouble", "is_explained"),
    [
        # 1. the provider's own answer was withheld
        (replace(ONE, answer="withheld", answered_at=None), {}, True),
        # 2. its sender died over it
        (replace(ONE, answer="gone"), {}, False),
        (replace(ONE, answer="gone"), {"deaths": [died(100.05, open_=())]}, True),
        (replace(ONE, answer="gone"), {"deaths": [died(99.5)]}, True),
        (replace(ONE, answer="gone"), {"deaths": [died(98.5)]}, False),
        (replace(ONE, answer="gone"), {"deaths": [died(101.5)]}, False),
        (replace(ONE, answer="gone"), {"deaths": [died(100.05, who="worker-2")]}, False),
        (ONE, {"deaths": [died(101.0)]}, True),
        (ONE, {"deaths": [died(101.0, who="worker-2")]}, False),
        (ONE, {"deaths": [died(101.0, open_=("d-two",))]}, False),
        (ONE, {"deaths": [died(101.0, open_=(), is_known=False)]}, True),
        (ONE, {"deaths": [died(103.0)]}, False),
        (ONE, {"deaths": [died(98.0)]}, False),
        (ONE, {"deaths": [died(105.0)], "windows": [away(99.0, 104.0)]}, True),
        (ONE, {"deaths": [died(107.0)], "windows": [away(99.0, 104.0)]}, False),
        (ONE, {"deaths": [died(105.0)], "windows": [away(90.0, 99.0)]}, False),
        # 3. its sender had been frozen, and was let go just then
        (ONE, {"deaths": [died(70.0, thawed_at=99.0)]}, True),
        (ONE, {"deaths": [died(70.0, thawed_at=99.0, open_=("d-two",))]}, False),
        (ONE, {"deaths": [died(70.0, thawed_at=99.0, open_=(), is_known=False)]}, True),
        (ONE, {"deaths": [died(70.0, thawed_at=90.0)]}, False),
        (ONE, {"deaths": [died(70.0, thawed_at=100.5)]}, False),
        (ONE, {"deaths": [died(70.0, thawed_at=99.0, who="worker-2")]}, False),
        # 4. the database was away when the answer came, and for too long
        (ONE, {"windows": [away(99.0, 106.0)]}, True),
        (ONE, {"windows": [away(101.5, 112.0)]}, True),
        (ONE, {"windows": [away(99.0, 103.0)]}, False),
        (ONE, {"windows": [away(99.0, 103.0), away(102.0, 106.0)]}, True),
        (ONE, {"windows": [away(99.0, 103.0), away(104.0, 112.0)]}, False),
        (ONE, {"windows": [away(80.0, 99.9)]}, False),
        (ONE, {"windows": [away(103.0, 120.0)]}, False),
        # our own table explains nothing of a letter that a provider took
        (ONE, {"deaths": [died(150.0)]}, False),
        (ONE, {"windows": [away(150.0, 160.0, "d-one")]}, False),
        # nor does a disk that was full, unless nothing could be written then
        (ONE, {"full": [away(99.0, 106.0, cause="full")]}, False),
    ],
)
def test_a_doubt_about_a_letter_is_explained_by_the_providers_log(
    one: Letter, trouble: dict[str, object], is_explained: bool
) -> None:
    """By what became of its answer, by who had handed it over, and by when; the bound counts no other delivery."""
    doubted = evidence(letters=[one, *LATER], told=told(one="may_have_gone"), **trouble)
    verdict = judge(doubted)
    assert (set() if is_explained else {"unexplained"}) == found(verdict)
    assert [(ANN, "one")] == verdict.doubts
    assert is_explained == (verdict.might_doubt >= 1)


@pytest.mark.parametrize(
    ("trouble", "is_explained"),
    [
        ({}, False),
        ({"deaths": [died(100.0)]}, True),
        ({"deaths": [died(100.0, open_=())]}, False),
        ({"deaths": [died(100.0, open_=("d-two",))]}, False),
        ({"windows": [away(99.0, 99.1, "d-one", cause="cut")]}, True),
        ({"windows": [away(99.0, 99.1, "d-two", cause="cut")]}, False),
        ({"windows": [away(90.0, 110.0)]}, False),
        ({"windows": [away(90.0, 110.0, "d-one")]}, True),
        ({"windows": [away(99.0, 103.0, "d-one")]}, False),
        ({"windows": [away(99.0, 103.0, "d-one"), away(102.0, 106.0)]}, True),
        ({"windows": [away(99.0, 103.0, "d-one"), away(103.5, 112.0)]}, False),
        ({"windows": [away(99.0, 99.1, "d-two", cause="cut"), away(99.0, 100.0, "d-one", cause="seen")]}, True),
        ({"windows": [away(99.0, 99.1, "d-two", cause="cut"), away(101.0, 102.0, "d-one", cause="seen")]}, False),
    ],
)
def test_a_delivery_that_no_provider_saw_is_explained_by_our_table(
    trouble: dict[str, object], is_explained: bool
) -> None:
    """Where its attempt was open when somebody died, nothing could be written for long, or every connection broke: with
    `leave` it is in doubt, with `resend` it is lost in any case.
    """
    doubted = evidence(letters=LATER, told=told(one="may_have_gone"), **trouble)
    assert (set() if is_explained else {"unexplained"}) == found(judge(doubted))
    assert "lost" in found(judge(replace(doubted, in_doubt="resend")))


AGAIN = letter("one", at=120.0, by="worker-2")


@pytest.mark.parametrize(
    ("letters", "deaths", "is_in_order"),
    [
        ([ONE, AGAIN], [], False),
        ([ONE, AGAIN], [died(100.05)], True),
        ([ONE, AGAIN], [died(100.05, who="worker-2")], False),
        ([ONE, AGAIN], [died(120.05, who="worker-2")], False),
        ([AGAIN, ONE], [died(100.05)], True),
        ([replace(ONE, answer="withheld"), AGAIN], [], True),
        ([ONE, AGAIN, letter("one", at=130.0)], [died(100.05)], False),
        ([ONE, AGAIN, letter("one", at=130.0)], [died(100.05), died(120.05, who="worker-2")], True),
        ([ONE, letter("one", at=120.0)], [died(90.0, thawed_at=119.5, open_=("d-two",))], False),
        ([ONE, AGAIN, letter("one", at=121.0)], [died(90.0, thawed_at=120.5)], False),
        ([ONE, letter("one", at=120.0)], [died(90.0, thawed_at=119.5)], True),
    ],
)
def test_with_resend_a_letter_comes_twice_only_where_it_had_to_be_doubted(
    letters: Sequence[Letter], deaths: Sequence[Death], is_in_order: bool
) -> None:
    """Each that was followed by another, or had been on its way; these are counted; with `leave` there are none."""
    seen = evidence(letters=[*letters, *LATER], deaths=deaths, in_doubt="resend")
    verdict = judge(seen)
    assert (set() if is_in_order else {"twice"}) == found(verdict)
    assert ([(ANN, "one")] if is_in_order else []) == verdict.again
    assert {"twice"} == found(judge(replace(seen, in_doubt="leave")))


def test_who_is_still_carried_is_named_once() -> None:
    """By her name where the enrolment is known, else by the workflow's."""
    assert [ANN, "e-nobody"] == judge(evidence(carried=["e-nobody", "e-ann", "e-ann"])).carried


def test_windows_that_meet_are_one() -> None:
    """In whatever order they were noted."""
    windows = [away(5.0, 6.0), away(1.0, 3.0), away(2.0, 4.0), away(2.5, 2.6)]
    assert [(1.0, 4.0), (5.0, 6.0)] == merged(windows)
    assert 4.0 == judge(evidence(windows=windows)).away_seconds


# what explains that a process ended


@pytest.mark.parametrize(
    ("ended", "trouble", "why"),
    [
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=True), {"away": [Away("temporal", 5.0, 30.0)]}, None),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=True), {"full": [away(5.0, 30.0, cause="full")]}, None),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=False), {}, None),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=False), {"away": [Away("temporal", 5.0, 11.0)]}, "temporal"),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=False), {"away": [Away("temporal", 5.0, 9.0)]}, None),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=False), {"away": [Away("kafka", 5.0, 30.0)]}, None),
        (Ended("bridge-2", 1, 10.0, 20.0, was_ready=False), {"away": [Away("kafka", 5.0, 30.0)]}, "kafka"),
        (Ended("api", 1, 10.0, 20.0, was_ready=False), {"away": [Away("kafka", 5.0, 30.0)]}, None),
        (Ended("api", 3, 10.0, 20.0, was_ready=False), {"windows": [away(15.0, 30.0)]}, "a database"),
        (Ended("kafka", 1, 10.0, 20.0, was_ready=True), {"away": [Away("kafka", 20.0, 30.0)]}, None),
        (Ended("kafka", 1, 10.0, 20.0, was_ready=False), {"away": [Away("kafka", 5.0, 30.0)]}, "after it was killed"),
        (Ended("database", 1, 10.0, 20.0, was_ready=True), {"windows": [away(15.0, 30.0)]}, None),
        (Ended("database", 1, 1.0, 20.0, was_ready=True), {"full": [away(15.0, 30.0, cause="full")]}, "full"),
        (Ended("worker-1", 1, 10.0, 20.0, was_ready=False), {"full": [away(5.0, 30.0, cause="full")]}, None),
        (Ended("database", 1, 1.0, 20.0, was_ready=True), {"full": [away(10.0, 15.5, cause="full")]}, "full"),
        (Ended("database", 1, 1.0, 20.0, was_ready=True), {"full": [away(10.0, 14.5, cause="full")]}, None),
        (Ended("database", 1, 1.0, 20.0, was_ready=True), {"full": [away(20.5, 30.0, cause="full")]}, None),
    ],
)
def test_a_process_may_end_only_for_a_cause(ended: Ended, trouble: dict[str, object], why: str | None) -> None:
    """One that was ready never may; one that begins, where it cannot reach what it needs."""
    seen = evidence(ended=[ended], **trouble)
    said = why_ended(ended, seen)
    assert said is None if why is None else said is not None and why in said
    assert (why is None) == bool(judge(seen).fallen)
    assert judge(seen).is_good == (why is not None)
