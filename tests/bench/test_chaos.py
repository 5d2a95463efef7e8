"""Everything that may fail does, and nothing is lost by it."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import Client

from bench.chaos import __main__ as command
from bench.chaos import plan as planning
from bench.chaos import poison
from bench.chaos.faults import Done, Full, Impossible, Lock, Troublemaker, WrongClock
from bench.chaos.feed import CHANNEL_OF, DEFINITION, OUTCOME, TOPICS, Feed, coming
from bench.chaos.house import (
    HOUR_SECONDS,
    LASTS_SECONDS,
    MEETS_EVERY_SECONDS,
    WEBHOOK_SECRET,
    Attempt,
    Disk,
    Frozen,
    House,
    Misled,
    Running,
    faketime,
    open_at,
    secret_of,
)
from bench.chaos.judge import Evidence, judge
from bench.chaos.plan import KINDS, SHORT, WORKERS, Planned, draw, draw_short
from bench.chaos.providers import Mode, open_providers
from bench.chaos.run import (
    MARKERS,
    Asked,
    Outcome,
    Replay,
    Say,
    entered_of,
    forgotten_of,
    grow_quiet,
    markers,
    missing_means,
    planned_for,
    run,
    table_of,
    told_of,
    told_of_clocks,
    tried,
)
from bench.chaos.soak import slope_per_hour
from bench.chaos.stories import PRINTED, Keeper, printed
from bench.chaos.watch import EVERY_SECONDS, watching
from connectors.channels.base import Channel, Limits
from connectors.channels.email import Email, EmailSettings
from connectors.channels.webhook import Webhook, WebhookSettings
from connectors.errors import InDoubt, Retryable
from connectors.outgoing import Outgoing
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.events import Event
from journeys.identity import delivery_id, learner_id
from journeys.rehearse import rehearse
from store.database import Database
from store.migrate import upgrade
from store.queries.deliveries import record, take_over
from store.queries.events import record as log
from store.tables import DeliveryRow
from tests.support.processes import own_temporal
from tests.support.until import until
from waymark.stack.ours import Background
from waymark.stack.parts import Launch, Listens, NotReady
from waymark.vocabulary import vocabulary

ANN = "ann"
LEARNERS = 40


@pytest.mark.timeout(900)
async def test_a_minute_of_chaos() -> None:
    """Worker, bridge, API, Temporal and Kafka are killed, a bridge leaves and comes again, SQLite is locked, providers
    refuse and drop the line: nothing is lost, nobody is stuck, nothing is said twice, and what is in doubt was open
    when somebody died.
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
        assert 128 + signal.SIGTERM == await asyncio.wait_for(running.wait(), 150)  # each server has its grace
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
    """Everybody is named; who reads the others is told where."""
    stories = [f"--- learner-{number}\nher story" for number in range(PRINTED + 4)]
    names, *told, where = printed(stories, tmp_path)
    assert f"stories of {PRINTED + 4}: learner-0, learner-1, " == names[:37]
    assert f"learner-{PRINTED + 3}" == names.rpartition(", ")[2]
    assert (stories[:PRINTED], f"... and 4 more, all in {tmp_path / 'stories.txt'}") == (told, where)
    assert ["stories of 2: learner-0, learner-1", *stories[:2]] == printed(stories[:2], tmp_path)
    assert [] == printed([], tmp_path)


async def test_what_was_found_is_kept_whatever_happens_afterwards(house: House, tmp_path: Path) -> None:
    """A run that is ended in the replay keeps what happened only where nothing was kept; another finding is added."""
    told: list[Path] = []
    keeper, other = (Keeper(name, house, told.append) for name in ("found", "ended"))
    with contextlib.chdir(tmp_path):
        keeper.keep(stories=["ann's"])
        keeper.keep_at_least(stories=[])
        other.keep_at_least(stories=[], plan=["1 cut database 0"])
    found, ended = told
    assert ("ann's\n", "1 cut database 0\n") == ((found / "stories.txt").read_text(), (ended / "plan.txt").read_text())
    keeper.keep(stories=["ann's", "bob's"])
    assert ([found, ended], "ann's\nbob's\n") == (told, (found / "stories.txt").read_text())


async def test_a_replay_that_is_refused_says_why(tmp_path: Path) -> None:
    """Though what brings it in raises it within groups; what is wrong with the run itself is no answer."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 422 No\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnever")
        await writer.drain()
        writer.close()

    by_http = [event for event in coming(1, learners=3, seconds=0.0) if event.road == "http"]
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            found, why_not = await tried(Feed("", http).bring(by_http, begin_at=time.time() - 60))
    assert (None, "Refused the API refuses events of the run (422): never") == (found, why_not)

    async def answer(error: Exception | None) -> int:
        if error is not None:
            raise error
        return 7

    assert (7, None) == await tried(answer(None))
    with pytest.raises(RuntimeError, match="MARKERS"):
        await tried(answer(RuntimeError("make MARKERS more")))


async def test_it_is_counted_though_it_never_grows_quiet(house: House) -> None:
    """Whoever says the same without end is judged, too."""

    async def say_again() -> None:
        while True:
            house.providers.webhook.take(ANN, "one", "d-1", by="worker-1")
            await asyncio.sleep(0.1)

    saying = asyncio.create_task(say_again())
    async with asyncio.timeout(60):
        await grow_quiet(house, 1, within_seconds=1.5)
    saying.cancel()
    assert len(house.providers.letters()) > 1


def test_each_harm_is_counted_with_what_the_frozen_were_doing() -> None:
    """Two workers are one kind, two providers are two; one frozen over nothing is no freeze of a turn."""
    lines = ["1 drop smtp 1", "2 drop webhook 1", "3 kill worker-2 1", "4 kill worker-1 1", "5 freeze worker-1 24"]
    happened = [Done(planned, planned.at, planned.at + 1) for planned in planning.read("\n".join(lines))]
    frozen = [Frozen("worker-1", 5, {"d-1"}, {"d-1"}), Frozen("worker-1", 9, {"d-2"}), Frozen("worker-2", 9, set())]
    harms, freezes = told_of(happened, frozen)
    assert "faults: drop smtp 1, drop webhook 1, freeze worker 1, kill worker 2." == harms
    assert "workers were frozen 3 times, 2 of them over a letter" in freezes
    assert "let go 1 times" in freezes
    assert [] == list(told_of([], []))


async def test_poison_that_did_not_stand_aside_is_named() -> None:
    """By its place, with what it should be; what is as it should be is not."""
    expected = {(0, 1): "empty", (0, 3): "not_json", (1, 1): "too_deep"}
    assert [] == list(poison.differences(expected, expected))
    found = {(0, 1): "empty", (0, 2): "bad_time", (0, 3): "empty"}
    assert [
        "hr.events 0/2: bad_time, and should be none",
        "hr.events 0/3: empty, and should be not_json",
        "hr.events 1/1: no dead letter, and should be too_deep",
    ] == list(poison.differences(expected, found))


@pytest.mark.parametrize(
    ("replay", "figure"),
    [
        (Replay([], []), None),
        (Replay([ANN], []), "said on replay"),
        (Replay([], [ANN]), "entered on replay"),
        (Replay([], [], "TimeoutError"), "replay not taken in"),
    ],
)
def test_what_a_replay_does_is_a_finding(replay: Replay, figure: str | None) -> None:
    """Also that nothing came of it because it was never taken in: a figure that misses its target, and no exception."""
    verdict = judge(Evidence(set(), [], [], []))
    outcome = Outcome(Asked(1, 0, 1.0, is_calm=True), verdict, (), (), (), 0, 0, replay, 1.0)
    missed = [target.figure for target in table_of([outcome]).targets if not target.is_reached]
    assert [f"{figure}: sqlite, leave, seed 1"] * (figure is not None) == missed
    assert outcome.is_good == (figure is None)


@pytest.mark.parametrize(("entered", "is_reached"), [(1_499, False), (1_500, True), (1_501, False)])
def test_as_many_enter_as_were_asked_for(entered: int, is_reached: bool) -> None:
    """The row says how many did, and the target that it is all; faults are those that happened, not those planned."""
    verdict = judge(Evidence(set(), [], [], []))
    plan = planning.read("1 cut database 0\n2 kill api 1")
    replay = Replay([], [])
    done = [Done(plan[1], 2.0, 3.0)]
    outcome = Outcome(Asked(1, 1_500, 300.0), verdict, plan, (), (), 0, entered, replay, 1.0, done)
    table = table_of([outcome])
    assert "chaos: 1,500 learners, 5 minutes of faults: " == table.title[:44]
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


def test_what_kafka_forgot_is_seen() -> None:
    """What it acknowledged and has not in its log, of either topic; what the API acknowledged was never there."""
    events = coming(1, learners=3, seconds=1.0)
    by_kafka = {event.id for event in events if event.road == "kafka"}
    everything, first = {event.id for event in events}, {"learner-0-promoted"}
    assert [] == forgotten_of(events, taken=everything, in_log=by_kafka)
    assert [] == forgotten_of(events, taken=everything - first, in_log=by_kafka - first)
    left = forgotten_of(events, taken=everything, in_log=by_kafka - {"learner-0-promoted", "learner-2-completed"})
    assert ["learner-0-promoted", "learner-2-completed"] == sorted(event.id for event in left)


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
    assert ([], []) == (trouble.happened, house.cuts)
    assert ["away already"] == [left[-len("away already") :] for left in trouble.left_out]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with a database and providers, in which nothing of ours runs."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'waymark.db'}"
    await upgrade(url)
    providers = await open_providers(tmp_path / "letters.log", WORKERS)
    database = Database(url)
    async with httpx2.AsyncClient() as http:
        yield House(tmp_path, "sqlite", url, http, "", "", providers, None, database)
    providers.close()
    await database.close()


async def claimed(house: House, delivery: str, *, at: float, status: str = "queued") -> None:
    """A delivery whose attempt was claimed at this instant, as whoever did so writes it down."""
    began, until_ = (datetime.fromtimestamp(at + more, UTC) for more in (0, LASTS_SECONDS))
    row = DeliveryRow(
        id=delivery, enrolment="e-1", journey="chaos", learner="l-1", recipient="l-1", node=delivery, visit=1,
        message="one", channel="email", status=status, attempts=1, attempt="a-1",
        attempt_until=until_ if status == "queued" else None, created_at=began, updated_at=began,
    )  # fmt: skip
    async with house.database.write() as session:
        await record(session, row)


async def test_the_lock_is_an_outage_for_as_long_as_it_is_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who writes sees it, and sees none before and after; who does not get the lock has locked nothing."""
    slow_seconds = 5.0  # a write on a busy machine takes a second now and then
    monkeypatch.setattr("bench.chaos.watch.SLOW_SECONDS", slow_seconds)
    file = house.url.partition(":///")[2]
    holding, waiting = Lock(), Lock(within_seconds=0.1)
    async with watching(house) as watch:
        await claimed(house, "d-1", at=time.time())
        assert [] == watch.windows
        began = time.time()
        await holding.begin(house)
        with contextlib.closing(sqlite3.connect(file, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Impossible, match="did not get the lock"):
            await waiting.begin(house)
        await waiting.end(house)
        await until(lambda: watch.is_out)  # a write that began early may wait for as long as the lock is held
        await holding.end(house)
        (window,) = await until(lambda: watch.windows)
        assert began - EVERY_SECONDS - slow_seconds <= window.began < window.ended <= time.time()
        assert window.ended - window.began >= slow_seconds
        assert {"d-1"} == window.open
        before = await rows_of_watch(house)
        await until(lambda: has_more_rows(house, before))
        assert [window] == watch.windows


async def rows_of_watch(house: House) -> int:
    async with house.database.read() as session:
        return (await (await session.connection()).execute(text("SELECT count(*) FROM chaos_watch"))).scalar_one()


async def has_more_rows(house: House, than: int) -> bool:
    return await rows_of_watch(house) > than + 1


def test_a_full_disk_has_no_room() -> None:
    """Until it is emptied; where some was left, it says so."""
    disk = Disk.mount()
    if disk is None:
        pytest.skip("a small disk can only be mounted by root")
    try:
        assert disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(bytes(1 << 16))
        disk.empty()
        (disk.folder / "more").write_bytes(bytes(1 << 16))
    finally:
        disk.unmount()


@dataclass
class NotesWhenFull(Disk):
    """A disk that says when it was full."""

    full_at: float = 0.0

    def fill(self) -> bool:
        """And whether it is."""
        is_full = super().fill()
        self.full_at = time.time()
        return is_full


async def test_a_disk_may_end_its_database_while_it_is_being_filled(house: House) -> None:
    """It is full before that is known: from the beginning of the filling on an end is excused."""
    disk = Disk.mount()
    if disk is None:
        pytest.skip("a small disk can only be mounted by root")
    house.disk = noted = NotesWhenFull(disk.folder)
    try:
        full = Full()
        await full.begin(house)
        await full.end(house)
    finally:
        disk.unmount()
    (window,) = house.full
    assert window.began < noted.full_at <= window.ended


def test_what_was_open_at_a_death_had_been_claimed_by_then() -> None:
    """Read in time, what was taken over had been before; read late, it may have been open."""
    attempts = [
        Attempt("before", 90.0), Attempt("after", 101.0), Attempt("over-before", 95.0, is_taken_over=True),
        Attempt("over-since", 105.0, is_taken_over=True),
    ]  # fmt: skip
    assert {"before"} == open_at(attempts, 100.0)
    assert {"before", "over-since"} == open_at(attempts, 100.0, is_late=True)


async def test_whose_clock_is_wrong_is_read_right(house: House) -> None:
    """An attempt that was claimed by a worker an hour ahead, or behind, was claimed when it was."""
    now = time.time()
    await claimed(house, "ahead", at=now - 5 + HOUR_SECONDS)
    await claimed(house, "behind", at=now - 5 - HOUR_SECONDS)
    await claimed(house, "later", at=now + 5)
    await claimed(house, "over", at=now - 5, status="may_have_gone")
    assert {"ahead", "behind"} == await house.open_attempts(at=now)
    assert {"ahead", "behind", "later"} == await house.open_attempts(at=now + 5.1)


async def test_a_worker_is_frozen_over_a_letter_and_let_go_when_it_was_taken_over(house: House) -> None:
    """It is waited until it has handed one over; what another has concluded meanwhile was taken over, no more."""
    child = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 - as `Running` holds one
    part = Background("worker", house.folder / "ready", {})
    house.processes["worker-1"] = Running(part, house.folder, child)
    try:
        for delivery in ("d-1", "d-2", "d-3"):
            await claimed(house, delivery, at=time.time())
        freezing = asyncio.create_task(house.freeze("worker-1"))
        await asyncio.sleep(3 * MEETS_EVERY_SECONDS)
        house.providers.smtp.take(ANN, "one", "d-other", by="worker-2")
        await asyncio.sleep(3 * MEETS_EVERY_SECONDS)
        assert not freezing.done()
        house.providers.smtp.take(ANN, "one", "d-1", by="worker-1")
        for delivery in ("d-2", "d-3"):
            house.providers.webhook.take(ANN, "two", delivery, by="worker-1")
        await freezing
        assert [("worker-1", {"d-1", "d-2", "d-3"}, set())] == [
            (each.who, each.over, each.taken_over) for each in house.frozen
        ]
        await until(lambda: state_of(child.pid) == "T")
        async with house.database.write() as session:
            now = datetime.now(UTC)
            assert await take_over(session, "d-1", of="a-1", clock=now, status="may_have_gone")
            anew = {"attempt": "a-2", "attempt_until": now + timedelta(seconds=LASTS_SECONDS)}
            assert await take_over(session, "d-3", of="a-1", clock=now, **anew)
        await house.thaw("worker-1")
        assert [{"d-1", "d-3"}] == [each.taken_over for each in house.frozen]
        await until(lambda: state_of(child.pid) != "T")
        await house.looked()
        (death,) = house.deaths
        assert "d-2" in death.open
        assert death.thawed_at is not None
    finally:
        child.kill()
        child.wait()


@dataclass(frozen=True)
class Sleeps:
    """A process that does nothing, and is ready a while after it has begun."""

    ready: Path
    after_seconds: float = 0.0
    name: str = "worker"
    address: str = "-"
    ports: tuple[Listens, ...] = ()
    ready_within_seconds: float = 60.0

    def prepare(self, folder: Path) -> Launch:
        """It says that it is ready by a file."""
        self.ready.unlink(missing_ok=True)
        return Launch(("sh", "-c", f"sleep {self.after_seconds:g}; touch '{self.ready}'; exec sleep 600"))

    async def make_ready(self) -> None:
        """As `Background` is."""
        if not self.ready.exists():
            raise NotReady("it has not begun")


@pytest.fixture
async def workers(house: House) -> AsyncIterator[Mapping[str, Running]]:
    """Two in the house that do nothing; the second takes long to begin."""
    for name, after in zip(WORKERS, (0.0, 2.0), strict=True):
        await house.begin(name, Sleeps(house.folder / f"{name}.ready", after))
    yield house.processes
    await house.end_all()


async def test_a_worker_stays_frozen_until_another_has_taken_over(house: House, workers: Mapping[str, Running]) -> None:
    """However short was planned; and the other one, who is to take over, suffers what was planned for it later."""
    frozen, other = workers["worker-1"].child, workers["worker-2"].child
    await claimed(house, "d-1", at=time.time())
    house.providers.smtp.take(ANN, "one", "d-1", by="worker-1")
    trouble = Troublemaker(house, time.time())
    plan = planning.read("0 freeze worker-1 0.1\n0.5 kill worker-2 0.1")
    carrying = asyncio.create_task(trouble.carry_out(plan))
    await until(lambda: state_of(frozen.pid) == "T")
    await asyncio.sleep(1.5)
    assert ("T", None) == (state_of(frozen.pid), other.poll())
    async with house.database.write() as session:
        assert await take_over(session, "d-1", of="a-1", clock=datetime.now(UTC), status="may_have_gone")
    await carrying
    assert state_of(frozen.pid) != "T"
    assert other.poll() is not None
    assert ["freeze", "kill"] == [done.planned.fault for done in trouble.happened]
    assert [{"d-1"}] == [each.taken_over for each in house.frozen]


async def test_who_was_frozen_over_a_lock_is_let_go(
    house: House, workers: Mapping[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can write, nobody takes over, however long it is waited."""
    monkeypatch.setattr("bench.chaos.house.STILL_SECONDS", 1.0)
    await claimed(house, "d-1", at=time.time())
    house.providers.smtp.take(ANN, "one", "d-1", by="worker-1")
    await house.freeze("worker-1")
    file = house.url.partition(":///")[2]
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(20):
            await house.hold("worker-1")
        holder.execute("ROLLBACK")
    await house.thaw("worker-1")
    assert state_of(workers["worker-1"].child.pid) != "T"
    assert [set()] == [each.taken_over for each in house.frozen]


def test_that_another_took_over_is_to_happen_in_a_full_run() -> None:
    """Of a plan that was drawn; whoever gives a plan, or wants none, need not have a worker frozen."""
    verdict, replay = judge(Evidence(set(), [], [], [])), Replay([], [])
    full = Outcome(Asked(1, 0, 300.0), verdict, (), (), (), 0, 0, replay, 1.0)
    figure = "taken over while frozen"
    for taken_over, missed in ((0, [f"{figure}: sqlite, leave, seed 1"]), (1, [])):
        table = table_of([replace(full, taken_over=taken_over)])
        assert missed == [target.figure for target in table.targets if not target.is_reached]
        assert taken_over == table.rows[0].figures[figure]
    for other in ({"is_short": True}, {"is_calm": True}, {"plan": ()}):
        table = table_of([replace(full, asked=Asked(1, 0, 300.0, **other))])  # type: ignore[arg-type]
        assert not [target for target in table.targets if target.figure.startswith(figure)]


async def test_a_clock_is_wrong_from_when_its_process_is_ready(
    house: House, workers: Mapping[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes to begin is not counted; what it did by that clock is: letters, of a bridge events."""
    monkeypatch.setattr("bench.chaos.faults.faketime", lambda: "")
    fault = WrongClock("worker-2", HOUR_SECONDS)
    began = time.time()
    await fault.begin(house)
    assert house.processes["worker-2"].is_ready
    assert time.time() - began >= 2.0
    house.providers.webhook.take(ANN, "two", "d-2", by="worker-2")
    house.providers.webhook.take(ANN, "two", "d-1", by="worker-1")
    await fault.end(house)
    now = datetime.now(UTC)
    house.misled.append(Misled("bridge-1", -HOUR_SECONDS, began, time.time()))
    event = Event("e-1", "/hr", "hr.learner.promoted", ANN, now, {})
    async with house.database.write() as session:
        await log(session, [(event, "1", None)], at=now - timedelta(hours=1))
        await log(session, [(replace(event, id="e-2"), "2", None)], at=now)
    assert [("worker-2", 1), ("bridge-1", 1)] == [(one.who, done) for one, done in await house.under_wrong_clocks()]


async def test_who_ends_before_it_is_ready_had_no_wrong_clock(
    house: House, workers: Mapping[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was tried: it is said, and not counted among what happened."""
    monkeypatch.setattr("bench.chaos.faults.faketime", lambda: "")
    monkeypatch.setattr(Sleeps, "prepare", lambda *_: Launch(("false",)))
    trouble = Troublemaker(house, time.time())
    await trouble.carry_out(planning.read("0 hour-ahead worker-1 0.1"))
    assert ([], []) == (trouble.happened, house.misled)
    assert ["0 hour-ahead worker-1 0.1, as it did not become ready, or ended before"] == trouble.left_out


def test_what_was_done_under_a_wrong_clock_is_told() -> None:
    """By the kind of process; where it was nothing, that is told, too."""
    clocks = [
        (Misled("worker-1", 3600, 1.0, 11.0), 7), (Misled("worker-2", -3600, 1.0, 3.0), 0),
        (Misled("bridge-1", 3600, 5.0, 9.0), 20),
    ]  # fmt: skip
    assert [
        "under a wrong clock, worker: 2 times, 12 s in all, in which 7 letters were handed over; 1 times none.",
        "under a wrong clock, bridge: 1 times, 4 s in all, in which 20 events were taken in; 0 times none.",
    ] == list(told_of_clocks(clocks))


def state_of(pid: int) -> str:
    """As the kernel has it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.timeout(180)
async def test_temporal_is_asked_whom_it_carries(house: House, tmp_path: Path) -> None:
    """A workflow of which our tables know nothing is seen, once it had time to end; one that has ended is not."""
    async with own_temporal(tmp_path / "temporal") as temporal:
        asked = replace(house, temporal_address=temporal.address)
        assert [] == await asked.carried()
        client = await Client.connect(temporal.address)
        handle = await client.start_workflow("Nobody", id="e-ann", task_queue="nobody")
        assert ["e-ann"] == await until(lambda: asked.carried(within_seconds=0.5))
        await handle.terminate()
        assert [] == await asked.carried(within_seconds=60)


def test_the_ids_of_a_run_are_those_of_its_seed() -> None:
    """So that a provider that keeps some of the letters by their ids keeps the same ones again."""
    ids = [delivery_id(learner_id(secret_of(seed), "learner-0"), "one", 1, 0) for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


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
    """In five minutes each comes at least once to each group, each provider's to each provider, whatever the seed; one
    that this machine cannot do, never; short runs have one of each.
    """
    for seed in range(1, 21):
        drawn = {(planned.fault, planned.subject) for planned in draw(seed, seconds=300, on=on)}
        possible = [kind for kind in KINDS if on in kind.on]
        assert [] == [kind for kind in possible if drawn.isdisjoint((kind.fault, who) for who in kind.subjects)]
        assert set(product(("refuse", "hang", "drop"), ("smtp", "webhook"))) <= drawn
        assert drawn.isdisjoint((kind.fault, who) for kind in KINDS if on not in kind.on for who in kind.subjects)
        assert "full" not in {planned.fault for planned in draw(seed, seconds=300, on=on, without=["full"])}
    short = draw_short(1, on=on)
    assert sorted(kind.fault for kind in SHORT if on in kind.on) == sorted(planned.fault for planned in short)
    assert 5 == sum(planned.fault == "kill" for planned in short)
    assert 1 == sum(planned.fault == "rebalance" for planned in short)


@pytest.mark.parametrize("line", ["3.1 kill", "soon kill api 1", "3.1 freeze kafka 2", "3.1 insult api 1"])
def test_a_plan_that_is_none_is_refused(line: str) -> None:
    """With the line."""
    with pytest.raises(ValueError, match=line.split()[1]):
        planning.read(line)


def test_what_is_to_be_said_is_what_the_definition_says() -> None:
    """The count goes by a table written by hand: a rehearsal of the definition says the same."""
    compiled = compile_definition(DEFINITION, vocabulary=vocabulary())
    assert compiled.program is not None, compiled.problems
    now, known = datetime.now(UTC), {"given_name": "Ann", "email": "ann@example.org"}
    events = [
        Event(each.id, "/bench", each.type, each.learner, now + timedelta(seconds=each.at), known)
        for each in coming(1, learners=3, seconds=1.0)
    ]
    reach = {"email": Reach(is_set_up=True, address_field="email"), "webhook": Reach(True, None)}
    told = rehearse(compiled.program, {}, events, reach=reach)
    enrolments = [enrolment for learner in told.learners for enrolment in learner.enrolments]
    assert [OUTCOME] * 3 == [enrolment.outcome for enrolment in enrolments]
    for enrolment in enrolments:
        assert list(CHANNEL_OF.items()) == [(message.message, message.channel) for message in enrolment.messages]


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
    limits = Limits(hand_over_seconds=20.0, answer_seconds=0.5 if mode == "hang" else 20.0)
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
