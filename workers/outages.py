"""Telling a database that is away from a database that refuses what it is given; and outlasting one that is away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from store.database import is_deadlock

T = TypeVar("T")
_LONGEST_PAUSE_SECONDS = 2.0


def is_outage(error: Exception) -> bool:
    """Whether the database is away or wants the transaction again: nothing is wrong with what it was given."""
    if isinstance(error, DBAPIError) and (error.connection_invalidated or is_deadlock(error)):
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError)


async def outlast(transaction: Callable[[], Awaitable[T]], *, within: timedelta) -> T:
    """Run a whole transaction again and again while the database is away, until it has been so for `within`."""
    deadline = monotonic() + within.total_seconds()
    pause = 0.1
    while True:
        try:
            return await transaction()
        except Exception as error:
            if not is_outage(error) or monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
