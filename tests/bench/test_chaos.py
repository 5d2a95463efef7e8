"""Everything that may fail does, and nothing is lost by it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from bench.chaos import __main__ as command
from bench.chaos import plan as planning
from bench.chaos import poison
from bench.chaos.faults import Troublemaker
from bench.chaos.feed import CHANNEL_OF, TOPICS, coming
from bench.chaos.house import WEBHOOK_SECRET, House, faketime
from bench.chaos.judge import Evidence, judge
from bench.chaos.plan import KINDS, SHORT, Planned, draw, draw_short
from bench.chaos.providers import Mode, open_providers
from bench.chaos.run import (
    MARKERS,
    Asked,
    Outcome,
    Replay,
    Say,
    entered_of,
    markers,
    missing_means,
    planned_for,
    run,
    table_of,
)
from bench.chaos.soak import slope_per_hour
from bench.chaos.stories import printed
from connectors.channels.base import Channel, Limits
from connectors.channels.email import Email, EmailSettings
from connectors.channels.webhook import Webhook, WebhookSettings
from connectors.errors import InDoubt, Retryable
from connectors.outgoing import Outgoing
from store.database import Database
from tests.support.until import until

ANN = "ann"
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


CLOCKS = Path(planning.__file__).parent / "plans" / "clocks.plan"


@pytest.mark.skipif(faketime() is None, reason="libfaketime is not installed (Debian: apt-get install faketime)")
@pytest.mark.timeout(900)
async def test_wrong_clocks_make_nobody_say_anything_twice() -> None:
    """With `resend`, where whoever takes a living attempt for over sends it again: a worker whose clock is an hour
    ahead or behind takes none, though Temporal gives it the other one's turn. What a killed one sent is doubted.
    """
    plan = planning.read(CLOCKS.read_text())
    assert {"hour-ahead", "hour-behind", "kill"} == {planned.fault for planned in plan}
    asked = Asked(seed=2026, learners=LEARNERS, seconds=27.0, in_doubt="resend", is_short=True, plan=plan)
    outcome = await run(asked, say=Say())
    assert outcome.is_good, "\n".join([*outcome.stories, *outcome.remarks])
    assert outcome.row().figures["messages"] >= LEARNERS * len(CHANNEL_OF)


def test_a_plan_that_cannot_be_done_here_is_refused() -> None:
    """Before anything is waited for, with what is missing."""
    with pytest.raises(ValueError, match=r"1 full database 2.*small disk"):
        planned_for(Asked(1, 1, 1.0, plan=planning.read("1 full database 2")), missing_means(has_disk=False))


@pytest.mark.timeout(300)
async def test_who_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM in the middle of a run: no process, no disk, no folder; the logs are kept, and the status says why."""
    words = ("--calm", "--learners", "300", "--minutes", "5")
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with (tmp_path / "said").open("wb") as said:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.chaos", *words, cwd=tmp_path, env=environment, stdout=said, stderr=said
        )
    try:
        said_so = tmp_path / "said"
        await until(lambda: "# the plan" in said_so.read_text() or running.returncode is not None, timeout=120)
        assert processes_in(tmp_path)
        running.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == await asyncio.wait_for(running.wait(), 60)
    finally:
        if running.returncode is None:
            running.kill()
    assert [] == processes_in(tmp_path)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert [] == list(tmp_path.glob("waymark-*"))
    assert list(tmp_path.glob(".chaos/*/worker-1.log"))


def processes_in(folder: Path) -> list[str]:
    """Every process that was told to work there, but for the one that told them."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            settings = (process / "environ").read_bytes()
            if (
                b"TMPDIR=%b" % os.fsencode(folder) in settings
                and b"bench.chaos" not in (process / "cmdline").read_bytes()
            ):
                found.append(process.name)
    return found


# telling what went wrong


def test_all_stories_are_kept_and_the_first_ones_printed(tmp_path: Path) -> None:
    """Who reads the others is told where."""
    stories = [f"--- learner-{number}" for number in range(14)]
    assert [*stories[:10], f"... and 4 more, all in {tmp_path / 'stories.txt'}"] == printed(stories, tmp_path)
    assert stories[:10] == printed(stories[:10], tmp_path)


@pytest.mark.parametrize(
    ("replay", "figure"),
    [
        (Replay([], [], is_answered=True), None),
        (Replay([ANN], [], is_answered=True), "said on replay"),
        (Replay([], [ANN], is_answered=True), "entered on replay"),
        (Replay([], [], is_answered=False), "replay not taken in"),
    ],
)
def test_what_a_replay_does_is_a_finding(replay: Replay, figure: str | None) -> None:
    """Also that nothing came of it because it was never taken in: a figure that misses its target, and no exception."""
    verdict = judge(Evidence(set(), [], [], []))
    outcome = Outcome(Asked(1, 0, 1.0), verdict, (), (), (), 0, 0, replay, 1.0)
    missed = [target.figure for target in table_of([outcome]).targets if not target.is_reached]
    assert [f"{figure}: sqlite, leave, seed 1"] * (figure is not None) == missed
    assert outcome.is_good == (figure is None)


@pytest.mark.parametrize(("entered", "is_reached"), [(1_499, False), (1_500, True), (1_501, False)])
def test_as_many_enter_as_were_asked_for(entered: int, is_reached: bool) -> None:
    """The row says how many did, and the target that it is all; faults are those that happened, not those planned."""
    verdict = judge(Evidence(set(), [], [], []))
    plan = planning.read("1 cut database 0\n2 kill api 1")
    replay = Replay([], [], is_answered=True)
    outcome = Outcome(Asked(1, 1_500, 1.0), verdict, plan, (), (), 0, entered, replay, 1.0, ["kill api"])
    table = table_of([outcome])
    assert {"learners": entered, "faults": 1} == {name: table.rows[0].figures[name] for name in ("learners", "faults")}
    assert [is_reached] == [target.is_reached for target in table.targets if target.figure.startswith("learners: ")]
    assert is_reached == outcome.is_good
    assert {table.rows[0].subject} == {target.subject for target in table.targets}


def test_who_entered_is_said_by_the_feed_and_by_the_log() -> None:
    """What Kafka acknowledged and has no more is not forgotten, nor what it has though it never acknowledged it."""
    events = coming(1, learners=6, seconds=1.0)
    acknowledged = {"learner-0-promoted", "learner-2-promoted", "learner-3-completed"}
    entered = entered_of(events, taken=acknowledged, in_log={"learner-1-promoted", "learner-2-promoted", "None"})
    assert {"learner-0", "learner-1", "learner-2"} == entered


async def test_a_fault_that_could_not_be_done_is_none(tmp_path: Path) -> None:
    """Connections cannot be cut where the database is away: it did not happen, excuses nothing, and is said."""
    url = "postgresql+asyncpg://nobody@127.0.0.1:1/chaos"  # nobody listens there
    providers = await open_providers(tmp_path / "letters.log")
    database = Database(url)
    async with httpx2.AsyncClient() as http:
        house = House(tmp_path, "postgresql", url, http, "", "", providers, None, database)
        trouble = Troublemaker(house, time.time())
        await trouble.carry_out(planning.read("0 cut database 0"))
    providers.close()
    await database.close()
    assert ([], []) == (trouble.happened, trouble.windows)
    assert ["away already"] == [left[-len("away already") :] for left in trouble.left_out]


def test_markers_come_by_every_topic() -> None:
    """As many by each as there are markers, all by Kafka: in every partition of each one comes last."""
    events = markers()
    assert dict.fromkeys(TOPICS, MARKERS) == Counter(event.topic for event in events)
    assert {"kafka"} == {event.road for event in events}


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
    providers = await open_providers(tmp_path / "letters.log", ["worker-1", "worker-2"])
    limits = Limits(hand_over_seconds=2.0, answer_seconds=0.5)
    channel: Channel
    if name == "smtp":
        url = SecretStr(f"smtp://127.0.0.1:{providers.smtp.ports['worker-2']}")
        channel = Email(EmailSettings.model_validate({"WAYMARK_SMTP_URL": url}), limits=limits)
    else:
        url = f"http://127.0.0.1:{providers.webhook.ports['worker-2']}/"
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
    answers = ["said" if mode == "takes" else "withheld" for _ in kept]
    assert answers == [letter.answer for letter in providers.letters()]
    assert [True for _ in kept] == [letter.by == "worker-2" for letter in providers.letters()]
    log = (tmp_path / "letters.log").read_text().splitlines()
    assert [str(letter) for letter in providers.letters()] == log[-len(kept) :] if kept else not log


@pytest.mark.parametrize("name", ["smtp", "webhook"])
async def test_an_answer_that_nobody_waits_for_is_not_said(tmp_path: Path, name: str) -> None:
    """Whoever handed a letter over and has gone before the answer was due: the provider knows."""
    providers = await open_providers(tmp_path / "letters.log", ["worker-1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", providers[name].ports["worker-1"])
    if name == "smtp":
        writer.write(b"EHLO a\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n")
        await reader.readuntil(b"354 go on\r\n")
        writer.write(b"Subject: one\r\nMessage-ID: <d-1@b.org>\r\n\r\nHello\r\n.\r\n")
    else:
        body = b'{"learner": "ann", "message": "one", "delivery": "d-1"}'
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()
    writer.close()
    await until(lambda: [letter.answer for letter in providers.letters()] == ["gone"])
    providers.close()
    (letter,) = providers.letters()
    assert (ANN, "one", "d-1", True, "worker-1") == (
        letter.learner, letter.message, letter.delivery, letter.was_kept, letter.by,
    )  # fmt: skip


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
