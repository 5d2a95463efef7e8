"""The floor: a bare Temporal workflow of the shape of an enrolment, without Waymark. No database, no rendering, no
sending.

    python -m bench.floor work  --address 127.0.0.1:7233 --file calls.txt      the worker
    python -m bench.floor start --address 127.0.0.1:7233 --file begun.txt --prefix floor --entries 2000

The workflow: signal-with-start by the raw RPC, then three times a local activity that does nothing, with two waits
between; a signal could wake it. The worker is set up as Waymark's, the starter starts as many at once as the gateway
does. Each line of the worker's file is one call: when it was made, by which workflow, the how manieth of it, and the
workflow's own clock.
"""

import argparse
import asyncio
import os
import signal
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.worker import Worker

from bench.pacing import paced
from waymark import garbage
from workers.worker import carrying
from workflows.gateway import CONCURRENCY, connect

QUEUE = "floor"
MESSAGES = 3
WORKFLOW = "Floor"


@dataclass(frozen=True)
class Order:
    """One record in, as everywhere; `seconds` is how long each wait is, `sleep_days` a last one."""

    seconds: float
    messages: int = MESSAGES
    sleep_days: int = 0


@dataclass(frozen=True)
class Call:
    """One call of the activity."""

    workflow: str
    place: int
    now: datetime


@workflow.defn(name=WORKFLOW)
class Floor:
    """Says three times nothing."""

    def __init__(self) -> None:
        self._poked = False

    @workflow.signal
    def poke(self) -> None:
        """As an enrolment's."""
        self._poked = True

    @workflow.run
    async def run(self, order: Order) -> int:
        """Call, wait, call, wait, call; then sleep, where that is asked for."""
        for place in range(order.messages):
            if place > 0:
                await self._wait(order.seconds)
            self._poked = False
            call = Call(workflow.info().workflow_id, place, workflow.now())
            await workflow.execute_local_activity("nothing", call, start_to_close_timeout=timedelta(minutes=3))
        if order.sleep_days:
            self._poked = False
            await self._wait(order.sleep_days * 86_400.0)
        return order.messages

    async def _wait(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(lambda: self._poked, timeout=timedelta(seconds=seconds))
        except TimeoutError:
            return


class Calls:
    """The activity."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    @activity.defn
    async def nothing(self, call: Call) -> None:
        """Only says when it was called."""
        now = call.now.timestamp()
        self._file.write(f"{time.time():.6f} {call.workflow} {call.place} {now:.6f}\n".encode())


def worker(client: Client, file: IO[bytes]) -> Worker:
    """A worker set up as the one that carries enrolments."""
    return carrying(client, QUEUE, Floor, Calls(file).nothing)


async def work(address: str, file: Path, ready_file: Path | None) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(address)
    with file.open("ab", buffering=0) as calls:
        async with worker(client, calls):
            garbage.settle()  # as Waymark's own processes do
            if ready_file is not None:
                ready_file.touch()
            await stop.wait()


async def start(address: str, file: Path, order: Order, *, prefix: str, entries: int) -> None:
    """Start them all at once; `file` gets the instant at which that began."""
    client = await connect(address)
    places = asyncio.Semaphore(CONCURRENCY)

    async def start_one(number: int) -> None:
        async with places:
            await _start(client, f"{prefix}-{number}", order)

    file.write_text(f"{time.time():.6f}\n")
    await asyncio.gather(*(start_one(number) for number in range(entries)))


async def start_steadily(
    address: str, file: Path, order: Order, *, prefix: str, entries: int, per_second: float
) -> None:
    """Start so many a second; each line of `file` is one: when it was begun, and its id."""
    client = await connect(address)
    with file.open("w") as begun:

        async def start_one(number: int) -> None:
            begun.write(f"{time.time():.6f} {prefix}-{number}\n")
            await _start(client, f"{prefix}-{number}", order)

        await paced(entries, per_second, start_one)


async def _start(client: Client, workflow_id: str, order: Order) -> None:
    payloads = Payloads(payloads=await client.data_converter.encode([order]))
    await client.workflow_service.signal_with_start_workflow_execution(
        _request(client, workflow_id, payloads), retry=True, timeout=timedelta(seconds=10)
    )


def _request(client: Client, workflow_id: str, payloads: Payloads) -> SignalWithStartWorkflowExecutionRequest:
    return SignalWithStartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=WORKFLOW),
        task_queue=TaskQueue(name=QUEUE),
        input=payloads,
        signal_name="poke",
        request_id=uuid4().hex,
        identity=client.identity,
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    )


def main() -> None:
    """Read the arguments; work, or start."""
    parser = argparse.ArgumentParser(description="Bare Temporal workflows of the shape of an enrolment.")
    parser.add_argument("doing", choices=["work", "start"])
    parser.add_argument("--address", required=True, help="host:port of Temporal")
    parser.add_argument("--file", type=Path, required=True, help="where calls, or the beginning, are written")
    parser.add_argument("--ready-file", type=Path, help="a file that is made once the worker works")
    parser.add_argument("--prefix", default="floor", help="what the ids of the workflows begin with")
    parser.add_argument("--entries", type=int, default=0, help="how many are started")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each wait is")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="how many calls each makes")
    parser.add_argument("--sleep-days", type=int, default=0, help="how long each sleeps at its end")
    parser.add_argument("--per-second", type=float, help="how many are started in a second; all at once without")
    given = parser.parse_args()
    if given.doing == "work":
        asyncio.run(work(given.address, given.file, given.ready_file))
        return
    order = Order(given.seconds, given.messages, given.sleep_days)
    if given.per_second is None:
        asyncio.run(start(given.address, given.file, order, prefix=given.prefix, entries=given.entries))
    else:
        asyncio.run(
            start_steadily(
                given.address, given.file, order, prefix=given.prefix, entries=given.entries,
                per_second=given.per_second,
            )
        )  # fmt: skip
    os._exit(0)  # the SDK's threads may still be ending, and an interpreter that ends under them aborts


if __name__ == "__main__":
    main()
