"""A line to the database that breaks at the worst moment."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database


@dataclass
class Unheard:
    """A database whose next commit comes about, and of which nobody hears that it did."""

    database: Database
    is_heard: bool = False

    @asynccontextmanager
    async def write(self, *, is_answer: bool = False) -> AsyncGenerator[AsyncSession]:
        """As `Database.write`; the first ends with an outage."""
        async with self.database.write(is_answer=is_answer) as session:
            yield session
        if not self.is_heard:
            self.is_heard = True
            raise OperationalError("COMMIT", None, OSError("the line broke"))
