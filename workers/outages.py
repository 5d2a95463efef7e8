"""Telling a database that is away from a database that refuses what it is given."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from store.database import is_deadlock


def is_outage(error: Exception) -> bool:
    """Whether the database is away or wants the transaction again: nothing is wrong with what it was given."""
    if isinstance(error, DBAPIError) and (error.connection_invalidated or is_deadlock(error)):
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError)
