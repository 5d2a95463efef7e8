"""Which enrolments Temporal carries, and ending a workflow that carries nobody: for `waymark doctor`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from workflows.contracts import ENROLMENT_WORKFLOW, Queues
from workflows.gateway import CONCURRENCY

_PAGE = 1_000
_CALL = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Running:
    """A workflow that runs: of which enrolment, which run of it, and how many retries it waits for."""

    enrolment: str
    run: str
    retries: int = 0


class Carrying:
    """Looks at the workflows of one installation, at most `concurrency` at once."""

    def __init__(self, client: Client, *, queues: Queues = Queues(), concurrency: int = CONCURRENCY) -> None:
        self._client = client
        self._queue = queues.turns
        self._places = asyncio.Semaphore(concurrency)

    async def list_running(self) -> AsyncIterator[Running]:
        """Every workflow that Temporal shows as running, a page at a time. What it shows lags by moments."""
        query = f'WorkflowType = "{ENROLMENT_WORKFLOW}" AND ExecutionStatus = "Running" AND TaskQueue = "{self._queue}"'
        async for found in self._client.list_workflows(query, page_size=_PAGE):
            yield Running(found.id, found.run_id)

    async def find_running(self, enrolments: Sequence[str]) -> Mapping[str, Running]:
        """Those of these whose workflow really runs, by id: asked one by one, and never behind."""
        found = await asyncio.gather(*(self._find_running(enrolment) for enrolment in enrolments))
        return {running.enrolment: running for running in found if running is not None}

    async def _find_running(self, enrolment: str) -> Running | None:
        async with self._places:
            try:
                description = await self._client.get_workflow_handle(enrolment).describe(rpc_timeout=_CALL)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return None
                raise
        if description.status != WorkflowExecutionStatus.RUNNING:
            return None
        return Running(enrolment, description.run_id, len(description.raw_description.pending_activities))

    async def end(self, running: Sequence[Running], *, reason: str) -> int:
        """Terminate these runs, and no later ones of the same enrolments; answers how many had not ended meanwhile."""
        return sum(await asyncio.gather(*(self._end(one, reason) for one in running)))

    async def _end(self, running: Running, reason: str) -> bool:
        handle = self._client.get_workflow_handle(running.enrolment, run_id=running.run)
        async with self._places:
            try:
                await handle.terminate(reason=reason, rpc_timeout=_CALL)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return False
                raise
        return True
