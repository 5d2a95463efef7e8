"""Record the histories that a changed workflow must replay, from real runs of `EnrolmentWorkflow` and
`DraftingWorkflow`.

    python -m tests.support.record_histories

Those that stand are kept: enrolments which began under an older workflow are alive for months. `--anew` writes all.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from journeys.events import Event
from journeys.program import Node, Program, Trigger
from journeys.steps.await_ import AwaitOptions
from store.migrate import upgrade
from store.tables import Enrolment
from tests.support.definitions import LEFT, program_of, send, wait
from tests.support.drafting import GOOD, Drafting, drafted, drafting_house, for_each, says
from tests.support.house import Running, running_house
from tests.support.policies import keep_policy
from tests.support.processes import own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.demo.writer import Answer, Refusal, WriterServer
from workers.records import Incoming

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


async def history_of(house: Running, workflow: str) -> dict[str, Any]:
    history = await house.house.client.get_workflow_handle(workflow).fetch_history()
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
        await SCENARIOS[name](house, sink)
        keep(name, await history_of(house, (await only(house)).id))
    await sink.stop()


def keep(name: str, history: dict[str, Any]) -> None:
    """Write a history down."""
    found = without_machine(history)
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"{name}: {len(found['events'])} events")


async def main(*, anew: bool) -> None:
    """Record what is missing."""
    with tempfile.TemporaryDirectory() as temporary:
        async with own_temporal(Path(temporary) / "temporal") as temporal:
            for name in [*SCENARIOS, *DRAFTING_SCENARIOS]:
                if anew or not (FOLDER / f"{name}.json").exists():
                    recorded = record if name in SCENARIOS else record_drafting
                    await recorded(name, temporal.address, Path(temporary) / name)


if __name__ == "__main__":
    asyncio.run(main(anew="--anew" in sys.argv))
