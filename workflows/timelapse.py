"""Moving the clocks of running enrolments, on a server that can skip time. For the demo and the tests; production
never does.

Each workflow has a clock of its own, which starts as the real one. Moved to an instant, it passes every instant at
which something was due on its way, and stops while an activity runs.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

_A_LITTLE = 0.02
"""Seconds between two looks at a workflow."""

_LOOKS = 500
"""After so many looks its turn does not end by itself, and its clock is moved as it stands."""


class Timelapse:
    """Moves clocks forward, never back; at most `concurrency` enrolments at once."""

    def __init__(self, client: Client, *, concurrency: int = 8) -> None:
        self._client = client
        self._skipper = TimeSkipper(client)
        self._places = asyncio.Semaphore(concurrency)

    async def move(self, enrolments: Sequence[str], to: datetime) -> None:
        """Move the clocks of these enrolments to `to`; one that has ended, or is there already, stays as it is."""
        await asyncio.gather(*(self._move(enrolment, to) for enrolment in enrolments))

    async def clock_of(self, enrolment: str) -> datetime:
        """What time it is for this enrolment."""
        return await self._skipper.get_current_time(self._client.get_workflow_handle(enrolment))

    async def _move(self, enrolment: str, to: datetime) -> None:
        handle = self._client.get_workflow_handle(enrolment)
        async with self._places:
            try:
                await self._until_it_waits(handle)
                ahead = to - await self._skipper.get_current_time(handle)
                if ahead > timedelta():
                    await self._skipper.fast_forward(handle, ahead)
            except RPCError as error:
                if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                    raise

    async def _until_it_waits(self, handle: WorkflowHandle[Any, Any]) -> None:
        """A clock that is moved in the middle of a turn would pass by what the turn is about to wait for."""
        for _ in range(_LOOKS):
            if not (await handle.describe()).raw_description.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(_A_LITTLE)
