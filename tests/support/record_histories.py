"""Record the histories that a changed workflow must replay, from real runs of `EnrolmentWorkflow` and
`DraftingWorkflow`.

    python -m tests.support.record_histories

Those that stand are kept: enrolments which began under an older workflow are alive for months. `--anew` writes all.
"""

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from journeys.events import Event
from journeys.program import Node, Program, Trigger
from journeys.steps.await_ import AwaitOptions
from store.migrate import upgrade
from store.tables import Enrolment
from tests.support.definitions import LEFT, program_of, send, wait
from tests.support.drafting import GOOD, Drafting, drafted, drafting_house, for_each, says
from tests.support.house import Running, running_house, unmanned_house
from tests.support.policies import keep_policy
from tests.support.processes import own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.demo.writer import Answer, Refusal, WriterServer
from workers.records import Incoming
from workers.worker import turns_worker
from workflows.contracts import POKE, Queues
from workflows.enrolment import LONG_HISTORY

FOLDER = Path(__file__).parents[1] / "golden" / "histories"
ADA = "ada@example.org"
SECOND = 1 / 86_400
STARTED = Trigger("started", ("lms.course.started",))


async def waits(house: Running, _sink: SmtpSink) -> None:
    """Two messages, and a wait between them."""
    await enter(house, program_of([send("one", then="wait"), waiting("wait", "send-two"), send("two")]))
    await end(house)


async def moved(house: Running, sink: SmtpSink) -> None:
    """Eight weeks of waits, through which the server's clock was moved."""
    nodes = [send("one", then="wait-28d"), wait(28, then="send-two"), send("two", then="last")]
    await enter(house, program_of([*nodes, Node("last", "wait", wait(27.5).options, {"next": None})]))
    await until(lambda: sink.arrived)
    await house.quiet()
    await house.move_to(datetime.now(UTC) + timedelta(weeks=8))
    await end(house)


async def poked(house: Running, _sink: SmtpSink) -> None:
    """An event that ends an await, after one that means nothing; and a poke after the end."""
    options = AwaitOptions((STARTED.id,), timedelta(days=7))
    nodes = [Node("await", "await", options, {"then": "send-one", "else": None}), send("one")]
    program = program_of(nodes)
    await enter(house, replace(program, triggers={STARTED.id: STARTED}))
    await house.quiet()
    enrolment = await only(house)
    await house.house.gateway.poke([enrolment.id])
    await house.quiet()
    await house.take(Event("started", "lms", "lms.course.started", "ada", datetime.now(UTC), {}))
    await end(house)


async def retried(house: Running, sink: SmtpSink) -> None:
    """Refused for now: the message goes by a retry on its channel's queue."""
    sink.treat(ADA, "later", "later")
    await enter(house, program_of([send("one", then="wait"), waiting("wait", None)]))
    await end(house)


async def left_while_retried(house: Running, sink: SmtpSink) -> None:
    """An exit while a retry runs: the workflow ends when that has ended."""
    sink.always(ADA, "later")
    await enter(house, program_of([send("one", then="wait-3d"), wait(3)], exits=[LEFT]))
    await until(lambda: len(sink.attempts) > 1, timeout=60)
    await house.take(Event("left", "hr", "hr.learner.left", "ada", datetime.now(UTC)))
    await until(lambda: has_ended(house), timeout=60)
    await end(house)


async def failed(house: Running, _sink: SmtpSink) -> None:
    """Turns that fail, until what they need is there."""
    program = program_of([send("one")])
    await house.publish_program(program)
    stored = await house.house.ingest.store([Incoming(promoted())])
    await keep_program(house, "unknown")
    await house.house.gateway.poke(stored.to_poke)
    await until(lambda: has_failed(house), timeout=60)
    await keep_program(house, program.hash)
    await end(house)


async def has_failed(house: Running) -> bool:
    found = await history_of(house, (await only(house)).id)
    return any(event.get("eventType", "").endswith("TIMER_STARTED") for event in found["events"])


async def keep_program(house: Running, hash_: str) -> None:
    async with house.house.database.write() as session:
        await (await session.connection()).execute(update(Enrolment).values(program=hash_))


def waiting(name: str, then: str | None) -> Node:
    return Node(name, "wait", wait(SECOND).options, {"next": then})


def promoted() -> Event:
    data = {"given_name": "Ada", "email": ADA}
    return Event("promoted", "hr", "hr.learner.promoted", "ada", datetime.now(UTC), data)  # type: ignore[arg-type]


async def enter(house: Running, program: Program) -> None:
    await house.publish_program(program)
    await house.take(promoted())


async def only(house: Running) -> Enrolment:
    (enrolment,) = await house.enrolments()
    return enrolment


async def has_ended(house: Running) -> bool:
    return (await only(house)).status == "ended"


async def end(house: Running) -> None:
    """Until the workflow has ended."""
    await until(lambda: has_ended(house), timeout=90)
    await house.house.client.get_workflow_handle((await only(house)).id).result()


async def history_of(house: Running, workflow: str, *, run: str | None = None) -> dict[str, Any]:
    """The history of a workflow's latest run, or of an older one."""
    history = await house.house.client.get_workflow_handle(workflow, run_id=run).fetch_history()
    return json.loads(history.to_json())


def without_machine(found: Any) -> Any:
    """A history without what tells of the machine it was recorded on."""
    match found:
        case dict():
            return {k: without_machine(v) for k, v in found.items() if k not in {"identity", "stackTrace"}}
        case list():
            return [without_machine(v) for v in found]
        case _:
            return found


SCENARIOS: dict[str, Callable[[Running, SmtpSink], Awaitable[None]]] = {
    "waits": waits,
    "moved": moved,
    "poked": poked,
    "retried": retried,
    "left-while-retried": left_while_retried,
    "failed-turn": failed,
}


# --- cut off in the middle: the history is kept while the workflow is still running --------------------------------


async def cut_off_in_a_wait(house: Running, sink: SmtpSink) -> None:
    """A message gone, a poke that meant nothing, and four weeks to wait."""
    await enter(house, program_of([send("one", then="wait-28d"), wait(28, then="send-two"), send("two")]))
    await until(lambda: sink.arrived)
    await house.quiet()
    before = (await only(house)).fence
    await house.house.gateway.poke([(await only(house)).id])
    await until(lambda: has_taken_turns(house, before + 1))
    await house.quiet()
    await until(lambda: ends_with(house, "TIMER_STARTED"))


async def cut_off_in_a_retry(house: Running, sink: SmtpSink) -> None:
    """A retry that is to be made again and again, beside a wait."""
    sink.always(ADA, "later")
    await enter(house, program_of([send("one", then="wait-3d"), wait(3)]))
    await until(lambda: len(sink.attempts) > 1)
    await house.quiet()
    await until(lambda: any_is(house, "ACTIVITY_TASK_SCHEDULED"))


async def cut_off_in_a_turn(house: Running, sink: SmtpSink) -> None:
    """The second turn, which has begun to send, and no answer yet: its process may die now."""
    await enter(house, program_of([send("one", then="wait"), waiting("wait", "send-two"), send("two", then="last"),
                                   waiting("last", None)]))  # fmt: skip
    await until(lambda: sink.arrived)
    sink.always(ADA, "held_after_data")
    await until(lambda: len(sink.arrived) == 2)
    await until(lambda: ends_with(house, "WORKFLOW_TASK_STARTED"))


async def has_taken_turns(house: Running, number: int) -> bool:
    return (await only(house)).fence >= number


async def ends_with(house: Running, kind: str) -> bool:
    return (await history_of(house, (await only(house)).id))["events"][-1]["eventType"] == f"EVENT_TYPE_{kind}"


async def any_is(house: Running, kind: str) -> bool:
    events = (await history_of(house, (await only(house)).id))["events"]
    return any(event["eventType"] == f"EVENT_TYPE_{kind}" for event in events)


CUT_OFF: dict[str, Callable[[Running, SmtpSink], Awaitable[None]]] = {
    "cut-off-in-a-wait": cut_off_in_a_wait,
    "cut-off-in-a-retry": cut_off_in_a_retry,
    "cut-off-in-a-turn": cut_off_in_a_turn,
}


# --- a long history -----------------------------------------------------------------------------------------------

CONTINUED = "continued", "continued-from"
"""The run that became too long, and the one that went on from it."""
BELOW = 20
"""So many events below the limit stands what was poked: two or three waits are over before it is passed."""
AT_ONCE = 20
CONTINUED_WHEN_POKED = "continued-when-poked"
"""A run that became too long by pokes alone, and waits all the while."""
WAITS = 15
"""Of a second each, counted from the entry: some are over before a worker comes."""
NOBODY = Queues(prefix="nobody-")
"""The queues of a house without a worker."""


async def record_continued(temporal_address: str, folder: Path) -> None:
    """An enrolment that was poked so often before a worker came that its history is almost long, and some waits: a run
    that goes on as it is where it wakes below the limit, and as a new one where it wakes above it.

    The limit is the real one: under another one the workflow would do otherwise than the history says.
    """
    folder.mkdir()
    sink = SmtpSink()
    await sink.start()
    url = f"sqlite+aiosqlite:///{folder / 'waymark.db'}"
    async with unmanned_house(database_url=url, temporal_address=temporal_address, smtp_url=sink.url, home=folder) as (
        house,
        activities,
    ):
        id_ = await enter_to_be_continued(house)
        handle = house.house.client.get_workflow_handle(id_)
        await poke_often(house, id_)
        async with turns_worker(house.house.client, activities, queues=NOBODY, runner=SandboxedWorkflowRunner()):
            await handle.result()
        then = await history_of(house, id_)
        first = then["events"][0]["workflowExecutionStartedEventAttributes"]["continuedExecutionRunId"]
        for name, history in zip(CONTINUED, [await history_of(house, id_, run=first), then], strict=True):
            keep(name, history)
    await sink.stop()


async def record_continued_when_poked(temporal_address: str, folder: Path) -> None:
    """An enrolment in a long wait, which is poked until its run goes on as a new one."""
    folder.mkdir()
    sink = SmtpSink()
    await sink.start()
    url = f"sqlite+aiosqlite:///{folder / 'waymark.db'}"
    async with unmanned_house(database_url=url, temporal_address=temporal_address, smtp_url=sink.url, home=folder) as (
        house,
        activities,
    ):
        id_ = await enter_a_long_wait(house)
        await poke_often(house, id_)
        async with turns_worker(house.house.client, activities, queues=NOBODY, runner=SandboxedWorkflowRunner()):
            first = await poke_until_continued(house, id_)
        keep(CONTINUED_WHEN_POKED, await history_of(house, id_, run=first))
    await sink.stop()


async def poke_often(house: Running, enrolment: str) -> None:
    """So often that its history is almost long, though nobody has woken it yet."""
    handle = house.house.client.get_workflow_handle(enrolment)
    for _ in range((LONG_HISTORY - BELOW) // AT_ONCE):
        await asyncio.gather(*(handle.signal(POKE) for _ in range(AT_ONCE)))


async def poke_until_continued(house: Running, enrolment: str) -> str:
    """Poke, each time when the turn before is over, until its run has gone on as a new one; answers the first run."""
    handle = house.house.client.get_workflow_handle(enrolment)
    first = (await handle.describe()).run_id
    for _ in range(BELOW):
        fence = await fence_of(house, enrolment)
        await handle.signal(POKE)
        await until(lambda fence=fence: has_turned(house, enrolment, fence))
        if (await handle.describe()).run_id != first:
            return first
    raise AssertionError(f"the run of {enrolment} goes on as it is, though it is long")


async def has_turned(house: Running, enrolment: str, fence: int) -> bool:
    return await fence_of(house, enrolment) > fence


async def fence_of(house: Running, enrolment: str) -> int:
    return next(each.fence for each in await house.enrolments() if each.id == enrolment)


async def enter_a_long_wait(house: Running) -> str:
    """Bob waits for a week; beside him Ada, whom nobody wakes."""
    return await enter_bob(house, program_of([wait(7)]))


async def enter_to_be_continued(house: Running) -> str:
    """Bob enters a journey of waits; beside it that of Ada, whom nobody wakes."""
    names = [f"wait-{n}" for n in range(1, WAITS + 1)]
    return await enter_bob(
        house, program_of([waiting(name, then) for name, then in zip(names, [*names[1:], None], strict=True)])
    )


async def enter_bob(house: Running, program: Program) -> str:
    await house.publish_program(replace(program, journey="long", hash="hash-of-long"))
    await house.take(replace(promoted(), id="promoted-bob", subject="bob"))
    (found,) = [each.id for each in await house.enrolments() if each.journey == "long"]
    return found


# --- drafting -----------------------------------------------------------------------------------------------------


async def corrected(house: Drafting) -> str:
    """A text that is sent back once, and the reviewers told."""
    house.server.replies = [says({"subject": "Your course", "body": "<b>Hurry!</b>"})]
    return (await house.draft(await house.publish(drafted()))).id


async def in_trouble(house: Drafting) -> str:
    """A server that is busy twice, and declines for good."""
    busy = Refusal(503, None, "The engine is overloaded.")
    declined = Answer(None, refusal="No.")
    house.server.replies = [busy, busy, declined, declined]
    return (await house.draft(await house.publish(drafted()))).id


async def put_off(house: Drafting) -> str:
    """No room in the day's budget, and the next day, to which the server's clock was moved."""
    program = await house.publish(drafted(for_each("learner.role")))
    await house.ended((await house.draft(program, value="one")).id)
    id_ = await house.want(program, value="two")
    await house.start(id_)
    await house.move(timedelta(days=1), id_)
    return (await house.settled(id_)).id


async def told_later(house: Drafting) -> str:
    """The reviewers were told of another text a moment ago."""
    program = await house.publish(drafted(for_each("learner.role")))
    await house.ended((await house.draft(program, value="one")).id)
    id_ = (await house.draft(program, value="two")).id
    await house.move(timedelta(minutes=15), id_)
    return id_


DRAFTING_SCENARIOS: dict[str, Callable[[Drafting], Awaitable[str]]] = {
    "draft-corrected": corrected,
    "draft-in-trouble": in_trouble,
    "draft-put-off": put_off,
    "draft-told-later": told_later,
}


async def record_drafting(name: str, temporal_address: str, folder: Path) -> None:
    """Run one scenario of drafting, and write its history."""
    folder.mkdir()
    sink, server = SmtpSink(), WriterServer(lambda _asked: says(GOOD))
    await sink.start()
    await server.start()
    async with drafting_house(
        server, database_url=f"sqlite+aiosqlite:///{folder / 'waymark.db'}", temporal_address=temporal_address,
        smtp_url=sink.url, home=folder, reviewers="email:ld@firm.example",
        writer_tokens_per_day=200 if name == "draft-put-off" else 100_000,
    ) as house:  # fmt: skip
        id_ = await DRAFTING_SCENARIOS[name](house)
        await house.ended(id_)
        keep(name, await history_of(house.running, house.workflow(id_)))
    await server.stop()
    await sink.stop()


async def record(name: str, temporal_address: str, folder: Path) -> None:
    """Run one scenario, and write its history."""
    folder.mkdir()
    sink = SmtpSink()
    await sink.start()
    url = f"sqlite+aiosqlite:///{folder / 'waymark.db'}"
    await upgrade(url)
    await keep_policy(url)
    async with running_house(
        database_url=url, temporal_address=temporal_address, smtp_url=sink.url, home=folder
    ) as house:
        await {**SCENARIOS, **CUT_OFF}[name](house, sink)
        keep(name, await history_of(house, (await only(house)).id))
        sink.released.set()
    await sink.stop()


def keep(name: str, history: dict[str, Any]) -> None:
    """Write a history down."""
    found = without_machine(history)
    text = json.dumps(found, indent=1) + "\n"
    if len(found["events"]) < LONG_HISTORY:
        (FOLDER / f"{name}.json").write_text(text)
    else:
        (FOLDER / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{name}: {len(found['events'])} events")


def recorded() -> dict[str, str]:
    """All histories that stand, by name."""
    short = {file.name.removesuffix(".json"): file.read_text() for file in FOLDER.glob("*.json")}
    long = {file.name.removesuffix(".json.gz"): gzip.decompress(file.read_bytes()) for file in FOLDER.glob("*.json.gz")}
    return short | {name: text.decode() for name, text in long.items()}


async def main(*, anew: bool) -> None:
    """Record what is missing."""
    standing = recorded()
    with tempfile.TemporaryDirectory() as temporary:
        async with own_temporal(Path(temporary) / "temporal") as temporal:
            for name in [*SCENARIOS, *CUT_OFF, *DRAFTING_SCENARIOS]:
                if anew or name not in standing:
                    anew_by = record_drafting if name in DRAFTING_SCENARIOS else record
                    await anew_by(name, temporal.address, Path(temporary) / name)
            if anew or not standing.keys() >= set(CONTINUED):
                await record_continued(temporal.address, Path(temporary) / "continued")
            if anew or CONTINUED_WHEN_POKED not in standing:
                await record_continued_when_poked(temporal.address, Path(temporary) / CONTINUED_WHEN_POKED)


if __name__ == "__main__":
    asyncio.run(main(anew="--anew" in sys.argv))
