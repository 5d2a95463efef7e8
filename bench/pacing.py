"""So many things a second, whatever becomes of those before: who is slow is not spared."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def paced(number: int, per_second: float, do: Callable[[int], Awaitable[object]]) -> None:
    """Call `do` with 0, 1, 2 ... at even distances, and wait until all calls are over."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for place in range(number):
            await asyncio.sleep(max(0.0, began + place / per_second - time.monotonic()))
            group.create_task(_awaited(do(place)))


async def _awaited(call: Awaitable[object]) -> None:
    await call
