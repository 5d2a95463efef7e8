"""A small run of the relay."""

import pytest

from bench import relay
from workers.relay import PAGE

pytestmark = pytest.mark.timeout(300)


async def test_one_relay_on_each_database() -> None:
    """Every record comes once; what the server took is told where there is one."""
    table = await relay.measure(records=2 * PAGE + 7, on=("sqlite", "postgresql"))
    sqlite, postgresql = (row.figures for row in table.rows)
    for figures in (sqlite, postgresql):
        assert 2 * PAGE + 7 == figures["records"]
        assert figures["records per second"] > 0
    assert {"database"} == set(postgresql) - set(sqlite)
