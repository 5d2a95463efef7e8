"""A deadline that is fair to a process that was held up.

A loop that stood still (a crowded machine, a process that was frozen) finds two things at once when it goes on: that
the time is over, and what has arrived meanwhile. `asyncio.timeout` acts on the first: an answer that lies there is
never read, and a message is in doubt that is known to have gone. So what is over here is over a moment later: whatever
had come by then is read first. Nothing new is begun in that moment: another process may have done it meanwhile.
"""

import asyncio
import math
from types import TracebackType
from typing import Self

LAST_LOOK_SECONDS = 0.25
"""How long yet what has arrived by the deadline is read."""


class Deadline:
    """`async with Deadline(seconds) as deadline:` raises TimeoutError that long after it was entered, or was `put_off`,
    and the moment of the last look.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(None)
        self._when = -math.inf  # by the loop's clock, without the last look
        self._over: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self.put_off(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._cancel()
        return await self._limit.__aexit__(kind, error, trace)

    def put_off(self, seconds: float) -> None:
        """So many seconds from now."""
        self._cancel()
        self._limit.reschedule(None)
        self._over = asyncio.get_running_loop().call_later(seconds, self._look)
        self._when = self._over.when()

    def begin(self, seconds: float) -> None:
        """What cannot be taken back begins now, and has so many seconds from now at least; what of it needs no other
        round of the loop is safe from the deadline. Raises TimeoutError where the time is over: then it must not begin.
        """
        now = asyncio.get_running_loop().time()
        if self._when <= now:
            raise TimeoutError
        if self._when < now + seconds:
            self.put_off(seconds)

    def _look(self) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + LAST_LOOK_SECONDS)

    def _cancel(self) -> None:
        if self._over is not None:
            self._over.cancel()
