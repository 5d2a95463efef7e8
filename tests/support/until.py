"""Wait for a condition, never for time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_SECONDS = 60.0
"""Who waits so long in vain waits for something that does not come: many times what anything takes on a machine whose
cores are shared by ten others. It costs nothing where a test passes.
"""


async def until(
    condition: Callable[[], T | Awaitable[T | None] | None], *, timeout: float = LONGEST_SECONDS, every: float = 0.05
) -> T:
    """What `condition` answers once that is true; an AssertionError in it counts as not yet.

    Raises AssertionError after `timeout` seconds, with the last that was found.
    """
    deadline = time.monotonic() + timeout
    while True:
        found, problem = await _ask(condition)
        if found is not None and found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {timeout} s; the last that was found: {found!r}") from problem
        await asyncio.sleep(every)


async def _ask(condition: Callable[[], T | Awaitable[T | None] | None]) -> tuple[T | None, AssertionError | None]:
    try:
        found = condition()
        return (await found if inspect.isawaitable(found) else found), None
    except AssertionError as problem:
        return None, problem
