"""One drafted text, from being wanted to being proposed (or given up), and the reviewers told.

Each call to the model is an activity of its own on the writers' queue, which Temporal tries again for as long as the
model's server does not answer. The workflow knows an id and instants, never a text. Imports the standard library,
temporalio and its own contracts, nothing else. A change here must replay `tests/golden/histories`.
"""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():  # the sandbox's own datetime would not be the converter's
    from workflows.contracts import (
        DRAFTING_WORKFLOW,
        TELL_REVIEWERS,
        WRITE_DRAFT,
        Drafted,
        Drafting,
        TellOrder,
        Told,
        WriteEnded,
        WriteOrder,
    )

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=2)
)
"""Where the activity does not say itself when to try again: the database is away, its process is gone."""

_LIMIT = timedelta(minutes=30)
_SILENCE = timedelta(seconds=20)
"""After so long without a sign of life its process is gone, and another one takes the text up."""


@workflow.defn(name=DRAFTING_WORKFLOW)
class DraftingWorkflow:
    """Has one text drafted."""

    @workflow.run
    async def run(self, drafting: Drafting) -> Drafted:
        """Go on until nothing is wanted any more, and the reviewers know what is proposed."""
        written = await self._write(drafting.draft)
        while written.state == "wanted":
            await _sleep_until(written.due_at)
            written = await self._write(drafting.draft)
        if written.state == "proposed":
            await self._tell(drafting.draft)
        return Drafted(written.state)

    async def _write(self, draft: str) -> WriteEnded:
        return await workflow.execute_activity(
            WRITE_DRAFT, WriteOrder(draft, workflow.now()), result_type=WriteEnded, retry_policy=_RETRY,
            start_to_close_timeout=_LIMIT, heartbeat_timeout=_SILENCE,
        )  # fmt: skip

    async def _tell(self, draft: str) -> None:
        order = TellOrder(draft, workflow.now())
        while True:
            told = await workflow.execute_activity(
                TELL_REVIEWERS, order, result_type=Told, retry_policy=_RETRY, start_to_close_timeout=_LIMIT,
                heartbeat_timeout=_SILENCE,
            )  # fmt: skip
            if told.due_at is None:
                return
            await _sleep_until(told.due_at)
            order = TellOrder(draft, workflow.now(), told.claimed_at, told.left)


async def _sleep_until(instant: datetime | None) -> None:
    """Until then; no time at all where it is past."""
    ahead = timedelta() if instant is None else instant - workflow.now()
    if ahead > timedelta():
        await asyncio.sleep(ahead.total_seconds())
