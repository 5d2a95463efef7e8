"""What tests of the store begin with."""

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from store.migrate import upgrade


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database, of which nobody has taken statistics."""
    await upgrade(database_url)
    database = Database(database_url)
    yield database
    await database.close()
