"""A policy for tests: none, unless they are about one. A test whose result hangs on the hour it runs at is no test."""

from collections.abc import Mapping
from datetime import UTC, datetime

from journeys.events import Json
from journeys.policy import UNLIMITED, policy_to_json
from store.database import Database
from store.queries import installation


async def keep_policy(database_url: str, policy: Mapping[str, Json] | None = None) -> None:
    """The policy of this database from now on; without one, messages go at any hour and as many as there are."""
    database = Database(database_url, pool_size=1)
    try:
        async with database.write() as session:
            kept = policy_to_json(UNLIMITED) if policy is None else policy
            await installation.keep_policy(session, kept, at=datetime.now(UTC))
    finally:
        await database.close()
