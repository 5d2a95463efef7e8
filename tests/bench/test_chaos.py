"""Everything that may fail does, and the count that comes afterwards finds what it is to find."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from bench.chaos import __main__ as command
from bench.chaos import plan as planning
from bench.chaos import poison
from bench.chaos.feed import CHANNEL_OF, OUTCOME, coming
from bench.chaos.house import WEBHOOK_SECRET
from bench.chaos.judge import Enrolled, Evidence, Told, Verdict, judge
from bench.chaos.plan import KINDS, SHORT, Planned, draw, draw_short
from bench.chaos.providers import Letter, Mode, open_providers
from bench.chaos.run import Asked, Say, run
from bench.chaos.soak import slope_per_hour
from connectors.channels.base import Channel, Limits
from connectors.channels.email import Email, EmailSettings
from connectors.channels.webhook import Webhook, WebhookSettings
from connectors.errors import InDoubt, Retryable
from connectors.outgoing import Outgoing

LEARNERS = 40


@pytest.mark.timeout(900)
async def test_a_minute_of_chaos() -> None:
    """Worker, bridge, API, Temporal and Kafka are killed, SQLite is locked, providers refuse and drop the line: nothing
    is lost, nobody is stuck, nothing is said twice, and what is in doubt was open when somebody died.
    """
    outcome = await run(Asked(seed=2026, learners=LEARNERS, seconds=25.0, is_short=True), say=Say())
    assert outcome.is_good, "\n".join([*map(str, outcome.plan), *outcome.stories, *outcome.remarks])
    assert len(SHORT) - 1 == len(outcome.plan) == len(outcome.happened)  # connections are cut on PostgreSQL only
    figures = outcome.row().figures
    assert LEARNERS * len(CHANNEL_OF) >= figures["messages"] >= LEARNERS * len(CHANNEL_OF) - figures["in doubt"]


# what is run


def test_one_run_for_each_database_and_each_rule() -> None:
    """Both rules have their promise: by `leave` nothing is said twice, by `resend` nothing is lost."""
    assert (["leave"], ["resend"], ["leave", "resend"]) == tuple(map(command.rules, ("leave", "resend", "both")))
    assert (("sqlite",), ("sqlite", "postgresql")) == tuple(map(command.databases, ("sqlite", "both")))


# the plan


def test_a_plan_is_a_function_of_the_seed_and_can_be_given_again() -> None:
    """The same seed draws the same faults; another one others; what is printed is read as it was."""
    drawn = draw(7, seconds=300, on="sqlite")
    assert drawn == draw(7, seconds=300, on="sqlite")
    assert drawn != draw(8, seconds=300, on="sqlite")
    assert drawn == planning.read("# a plan\n" + "\n".join(map(str, drawn)))


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_every_kind_of_fault_comes(on: str) -> None:
    """In five minutes each comes at least once; one that this machine cannot do, never; short runs have one of each."""
    possible = {kind.fault for kind in KINDS if on in kind.on}
    assert possible == {planned.fault for planned in draw(1, seconds=300, on=on)}
    assert possible - {"full"} == {planned.fault for planned in draw(1, seconds=300, on=on, without=["full"])}
    short = draw_short(1, on=on)
    assert sorted(kind.fault for kind in SHORT if on in kind.on) == sorted(planned.fault for planned in short)
    assert 5 == sum(planned.fault == "kill" for planned in short)


@pytest.mark.parametrize("line", ["3.1 kill", "soon kill api 1", "3.1 freeze kafka 2", "3.1 insult api 1"])
def test_a_plan_that_is_none_is_refused(line: str) -> None:
    """With the line."""
    with pytest.raises(ValueError, match=line.split()[1]):
        planning.read(line)


def test_everybody_enters_and_completes() -> None:
    """Each learner's two events come by different roads, in order of time; again the same of the same seed."""
    events = coming(3, learners=30, seconds=60)
    assert events == coming(3, learners=30, seconds=60)
    assert sorted(events, key=lambda event: event.at) == events
    roads = {(event.learner, event.road) for event in events}
    assert 60 == len(roads) == len({event.id for event in events})


# the count


ANN = "ann"


def evidence(**changes: object) -> Evidence:
    """Ann entered, was told everything once, and has ended."""
    letters = [Letter(float(n), channel, ANN, name, f"d-{name}", True, True) for n, (name, channel) in enumerate(CHANNEL_OF.items())]  # fmt: skip  # noqa: E501
    told = [Told(f"d-{name}", ANN, name, "sent") for name in CHANNEL_OF]
    good = Evidence({ANN}, letters, [Enrolled(ANN, "ended", OUTCOME)], told, set())
    return replace(good, **changes)  # type: ignore[arg-type]


def told(**status: str) -> list[Told]:
    return [Told(f"d-{name}", ANN, name, status.get(name, "sent")) for name in CHANNEL_OF]


GOOD = evidence()


def found(verdict: Verdict) -> set[str]:
    """What of a verdict is not empty."""
    names = ("lost", "stuck", "twice", "wrong", "unexplained", "strange")
    return {name for name in names if getattr(verdict, name)}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (GOOD, set()),
        (evidence(letters=GOOD.letters[1:]), {"lost"}),
        (evidence(letters=GOOD.letters[1:], told=told(one="failed")), {"lost"}),
        (evidence(letters=GOOD.letters[1:], told=told(one="may_have_gone"), open_then={"d-one"}), set()),
        (evidence(letters=GOOD.letters[1:], told=told(one="may_have_gone")), {"unexplained"}),
        (
            evidence(letters=GOOD.letters[1:], told=told(one="may_have_gone"), open_then={"d-one"}, in_doubt="resend"),
            {"lost"},
        ),
        (evidence(letters=[replace(GOOD.letters[0], was_kept=False), *GOOD.letters[1:]]), {"lost"}),
        (evidence(letters=[*GOOD.letters, GOOD.letters[0]]), {"twice"}),
        (evidence(letters=[*GOOD.letters, GOOD.letters[0]], in_doubt="resend"), {"twice"}),
        (evidence(letters=[*GOOD.letters, GOOD.letters[0]], in_doubt="resend", open_then={"d-one"}), set()),
        (evidence(told=told(one="may_have_gone"), windows=[(-1.0, 1.0)]), set()),
        (evidence(told=told(three="may_have_gone"), windows=[(-9.0, -1.0)]), {"unexplained"}),
        (
            evidence(
                told=told(one="may_have_gone"),
                letters=[replace(GOOD.letters[0], was_answered=False), *GOOD.letters[1:]],
            ),
            set(),
        ),
        (evidence(told=told(two="failed")), {"wrong"}),
        (evidence(told=GOOD.told[:2]), {"wrong"}),
        (evidence(enrolled=[]), {"stuck"}),
        (evidence(enrolled=[Enrolled(ANN, "active", None)]), {"stuck"}),
        (evidence(enrolled=[Enrolled(ANN, "ended", "failed")]), {"stuck"}),
        (evidence(enrolled=[*GOOD.enrolled, *GOOD.enrolled]), {"stuck"}),
        (evidence(letters=[*GOOD.letters, replace(GOOD.letters[0], learner="eve")]), {"strange"}),
        (evidence(letters=[replace(GOOD.letters[0], channel="webhook"), *GOOD.letters[1:]]), {"strange"}),
        (evidence(entered={ANN, "bob"}), {"lost", "stuck"}),
    ],
)
def test_each_discrepancy_is_found(seen: Evidence, expected: set[str]) -> None:
    """And nothing else; whose story is to be told is said with it."""
    verdict = judge(seen)
    assert expected == found(verdict)
    assert verdict.is_good == (not expected)
    assert bool(expected) == bool(verdict.learners())


# the providers


def outgoing(delivery: str) -> Outgoing:
    return Outgoing(
        delivery_id=delivery, enrolment_id="e-1", journey="chaos", message="one", learner=ANN,
        address=f"{ANN}@example.org", subject="one", text="Hello", link=None, sent_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["smtp", "webhook"])
@pytest.mark.parametrize(
    ("mode", "delivery", "raises", "kept"),
    [
        ("takes", "d-1", None, [True]),
        ("refuse", "d-1", Retryable, []),
        ("drop", "d-1", InDoubt, [True]),
        ("drop", "d-4", InDoubt, [False]),
        ("hang", "d-1", InDoubt, [True]),
        ("hang", "d-4", InDoubt, [False]),
    ],
)
async def test_a_provider_does_as_it_is_told(
    tmp_path: Path, name: str, mode: Mode, delivery: str, raises: type[Exception] | None, kept: list[bool]
) -> None:
    """To our own channels; what it kept is in its log, whatever it answered."""
    providers = await open_providers(tmp_path / "letters.log")
    limits = Limits(hand_over_seconds=2.0, answer_seconds=0.5)
    channel: Channel
    if name == "smtp":
        url = SecretStr(f"smtp://127.0.0.1:{providers.smtp.port}")
        channel = Email(EmailSettings.model_validate({"WAYMARK_SMTP_URL": url}), limits=limits)
    else:
        url = f"http://127.0.0.1:{providers.webhook.port}/"
        secret = SecretStr(WEBHOOK_SECRET)
        channel = Webhook(WebhookSettings(WAYMARK_WEBHOOK_URL=url, WAYMARK_WEBHOOK_SECRET=secret), limits=limits)
    providers[name].mode = mode
    if raises is None:
        await channel.send(outgoing(delivery))
    else:
        with pytest.raises(raises):
            await channel.send(outgoing(delivery))
    await channel.close()
    providers.close()
    said = [(letter.learner, letter.message, letter.delivery, letter.was_kept) for letter in providers.letters()]
    assert [(ANN, "one", delivery, each) for each in kept] == said
    assert len(kept) == len((tmp_path / "letters.log").read_text().splitlines())


def test_a_slope_is_that_of_the_line() -> None:
    """MiB an hour; of memory that stays, none."""
    assert 60.0 == pytest.approx(slope_per_hour([(float(s), 100 + s / 60) for s in range(0, 600, 10)]))
    assert 0.0 == slope_per_hour([(float(s), 100.0) for s in range(0, 600, 10)])
    assert Planned(1.0, "kill", "api", 0.5) == planning.read("1 kill api 0.5")[0]


@pytest.mark.timeout(600)
async def test_poison_stands_aside() -> None:
    """Records that cannot be used, each between two good ones: through the bridge itself, each is a dead letter with
    its reason, and every good one is taken.
    """
    table, is_good = await poison.run(records=150, on="sqlite")
    assert is_good, str(table)
    assert {"learners": 150, "dead letters": 150, "misplaced": 0} == {
        name: table.rows[0].figures[name] for name in ("learners", "dead letters", "misplaced")
    }
