"""The worker's process: turns on their queue, retries on each channel's."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from connectors.channels.base import queue_of
from workers.retrying import Retries
from workers.turns import Turns
from workflows.contracts import (
    RETRY_DELIVERY,
    TAKE_TURN,
    TURNS_QUEUE,
    RetryEnded,
    RetryOrder,
    TurnOrder,
    TurnTaken,
)
from workflows.enrolment import EnrolmentWorkflow

GRACE = timedelta(seconds=20)
"""How long a worker that was told to stop waits for what it is doing."""


@dataclass(frozen=True)
class Activities:
    """What Temporal calls: one record in, one out."""

    turns: Turns
    retries: Retries

    @activity.defn(name=TAKE_TURN)
    async def take_turn(self, order: TurnOrder) -> TurnTaken:
        """One turn of one enrolment."""
        return await self.turns.take(order)

    @activity.defn(name=RETRY_DELIVERY)
    async def retry_delivery(self, order: RetryOrder) -> RetryEnded:
        """One attempt of one delivery."""
        return await self.retries.attempt(order)


def turns_worker(client: Client, activities: Activities, *, runner: WorkflowRunner | None = None) -> Worker:
    """The worker that carries enrolments and takes their turns, as local activities."""
    return Worker(
        client,
        task_queue=TURNS_QUEUE,
        workflows=[EnrolmentWorkflow],
        activities=[activities.take_turn],
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        max_cached_workflows=5_000,
        max_concurrent_workflow_tasks=40,
        max_concurrent_local_activities=40,
        no_remote_activities=True,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        graceful_shutdown_timeout=GRACE,
    )


def retries_worker(client: Client, activities: Activities, channel: str) -> Worker:
    """The worker that makes a channel's retries; a few at once, so that no provider takes all the places."""
    return Worker(
        client,
        task_queue=queue_of(channel),
        activities=[activities.retry_delivery],
        max_concurrent_activities=16,
        graceful_shutdown_timeout=GRACE,
    )


async def run_worker(
    client: Client, activities: Activities, channels: Sequence[str], *, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Work until `stop` is set; then finish what is being done, and no more."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns_worker(client, activities))
        for channel in channels:
            await stack.enter_async_context(retries_worker(client, activities, channel))
        ready()
        await stop.wait()
