"""The worker's process: turns on their queue, retries on each channel's and each other system's; drafts on the
writers', where a writer is set up.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from journeys.identity import REQUEST
from workers.requesting import RequestRetries
from workers.retrying import Retries
from workflows.contracts import (
    RETRY_DELIVERY,
    TAKE_TURN,
    TELL_REVIEWERS,
    WRITE_DRAFT,
    Queues,
    RetryEnded,
    RetryOrder,
    TellOrder,
    Told,
    TurnOrder,
    TurnTaken,
    WriteEnded,
    WriteOrder,
)
from workflows.drafting import DraftingWorkflow
from workflows.enrolment import EnrolmentWorkflow

T = TypeVar("T")
log = structlog.get_logger()

GRACE = timedelta(seconds=20)
"""How long a worker that was told to stop waits for what it is doing."""


ALIVE_SECONDS = 5.0
"""How often a call to a model, which may take minutes, says that its process is still there."""

NEW_SHARE = 0.8
"""The share of the pollers that ask for enrolments nobody here carries yet: in a burst who has just entered is told
before those who were told before; by the SDK's own share of 0.2 they waited for nearly all others
(docs/decisions/0005).
"""

KEPT_FOR = timedelta(seconds=30)
"""How long a task waits for the worker that has its enrolment at hand, before any other may have it. What is too short
for a burst costs more than it saves: Temporal gives the task up and writes another one down, which comes with its whole
history. A worker that ended in order, or has not asked for ten seconds, is waited for no longer.
"""

CALLS_AT_ONCE = 8
"""How many texts are drafted at once, so that no provider's limit is met for nothing."""


class TakesTurns(Protocol):
    """Takes a turn: `workers.turns.Turns`."""

    async def take(self, order: TurnOrder) -> TurnTaken:
        """One turn of one enrolment."""
        ...


class Writes(Protocol):
    """Has texts drafted: `workers.drafting.Drafting`, which only a process with a writer imports."""

    async def write(self, order: WriteOrder, *, attempt: int) -> WriteEnded:
        """Take a text at most one call further."""
        ...


class Tells(Protocol):
    """Tells the reviewers: `workers.reviewers.Reviewers`."""

    async def tell(self, order: TellOrder) -> Told:
        """Tell them what waits."""
        ...


@dataclass(frozen=True)
class DraftActivities:
    """What Temporal calls for drafts."""

    writing: Writes
    telling: Tells

    @activity.defn(name=WRITE_DRAFT)
    async def write_draft(self, order: WriteOrder) -> WriteEnded:
        """One call to the model, at most. Temporal may come back to it hours later, when the day is another one."""
        order, attempt = replace(order, now=order.now + _passed()), activity.info().attempt
        return await _without_persons(_alive(self.writing.write(order, attempt=attempt)), order.draft)

    @activity.defn(name=TELL_REVIEWERS)
    async def tell_reviewers(self, order: TellOrder) -> Told:
        """Tell the reviewers that a text is proposed."""
        return await _without_persons(_alive(self.telling.tell(order)), order.draft)


@dataclass(frozen=True)
class Activities:
    """What Temporal calls: one record in, one out."""

    turns: TakesTurns
    retries: Retries
    asking: RequestRetries
    drafting: DraftActivities | None = None

    @activity.defn(name=TAKE_TURN)
    async def take_turn(self, order: TurnOrder) -> TurnTaken:
        """One turn of one enrolment."""
        return await _without_persons(self.turns.take(order), order.enrolment)

    @activity.defn(name=RETRY_DELIVERY)
    async def retry_delivery(self, order: RetryOrder) -> RetryEnded:
        """One attempt of one delivery, or of one request to another system; its instant is the turn's, and what has
        passed since by the workflow's own clock.
        """
        order = replace(order, now=order.now + _passed())
        made = self.asking if order.delivery.startswith(REQUEST) else self.retries
        return await _without_persons(made.attempt(order), order.delivery)


def _passed() -> timedelta:
    """How long after it was first asked for this attempt has begun, as Temporal says it: by the clock of the workflow,
    which may have been moved, and by no machine's of ours.
    """
    info = activity.info()
    return max(info.started_time - info.scheduled_time, timedelta())


async def _without_persons(work: Awaitable[T], subject: str) -> T:
    """What fails here goes into a history: the kind of error does, and never its text, which may hold a person's
    data.
    """
    try:
        return await work
    except ApplicationError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not go into a history
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error("activity_failed", subject=subject, error=type(error).__name__, at=f"{place.filename}:{place.lineno}")
        raise ApplicationError(f"{type(error).__name__}, see the worker's log", type=type(error).__name__) from None


async def _alive(work: Coroutine[Any, Any, T]) -> T:
    """Do it, and let Temporal know all the while that nobody else needs to."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=ALIVE_SECONDS))[0]:
            activity.heartbeat()
        return task.result()
    finally:
        task.cancel()


def turns_worker(
    client: Client, activities: Activities, *, queues: Queues, runner: WorkflowRunner | None = None
) -> Worker:
    """The worker that carries enrolments and takes their turns, as local activities."""
    return carrying(client, queues.turns, EnrolmentWorkflow, activities.take_turn, runner=runner)


def carrying(
    client: Client,
    queue: str,
    workflow: type[object],
    local_activity: Callable[..., Awaitable[object]],
    *,
    runner: WorkflowRunner | None = None,
) -> Worker:
    """A worker for many small workflows that call one local activity; what Waymark is measured against is set up so
    too.
    """
    return Worker(
        client,
        task_queue=queue,
        workflows=[workflow],
        activities=[local_activity],
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        max_cached_workflows=5_000,
        max_concurrent_workflow_tasks=40,
        max_concurrent_local_activities=40,
        no_remote_activities=True,
        nonsticky_to_sticky_poll_ratio=NEW_SHARE,
        sticky_queue_schedule_to_start_timeout=KEPT_FOR,
        graceful_shutdown_timeout=GRACE,
    )


def retries_worker(client: Client, activities: Activities, channel: str, *, queues: Queues) -> Worker:
    """The worker that makes a channel's retries; a few at once, so that no provider takes all the places."""
    return _retrying(client, activities, queues.deliveries(channel))


def asking_worker(client: Client, activities: Activities, system: str, *, queues: Queues) -> Worker:
    """The worker that asks another system (`call-crm`) again, on a queue of its own."""
    return _retrying(client, activities, queues.requests(system))


def _retrying(client: Client, activities: Activities, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        activities=[activities.retry_delivery],
        max_concurrent_activities=16,
        graceful_shutdown_timeout=GRACE,
    )


def drafting_worker(
    client: Client, activities: DraftActivities, *, queues: Queues, runner: WorkflowRunner | None = None
) -> Worker:
    """The worker that has texts drafted, on a queue of its own."""
    return Worker(
        client,
        task_queue=queues.writers,
        workflows=[DraftingWorkflow],
        activities=[activities.write_draft, activities.tell_reviewers],
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        max_concurrent_activities=CALLS_AT_ONCE,
        graceful_shutdown_timeout=GRACE,
    )


async def run_worker(
    client: Client,
    activities: Activities,
    channels: Sequence[str],
    *,
    queues: Queues,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Work until `stop` is set; then finish what is being done, and no more."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns_worker(client, activities, queues=queues))
        for channel in channels:
            await stack.enter_async_context(retries_worker(client, activities, channel, queues=queues))
        for system in activities.asking.requesting.systems:
            await stack.enter_async_context(asking_worker(client, activities, system, queues=queues))
        if activities.drafting is not None:
            await stack.enter_async_context(drafting_worker(client, activities.drafting, queues=queues))
        ready()
        await stop.wait()
