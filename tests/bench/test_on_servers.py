"""Each benchmark on real servers, at its smallest: it goes through, checks itself, and has every figure. No timings."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bench import goals, ingest, listing, sleepers, slow_provider, steady
from bench.figures import Row, Table
from bench.stage import FLOOR, SQLITE, Servers, servers

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Servers]:
    """Temporal and Kafka of the test's own: the bridge of a benchmark must not see what other tests produce."""
    async with servers(tmp_path, is_counted=True) as started:
        yield started


def _rows(table: Table) -> dict[str, Row]:
    return {row.subject: row for row in table.rows}


def _has_all_targets(table: Table, names: Sequence[str]) -> None:
    assert [True for _ in names] == [
        name in target.figure for name, target in zip(names, table.targets, strict=True)
    ], [target.figure for target in table.targets]  # fmt: skip
    assert str(table)


async def test_entries_steadily(stage: Servers) -> None:
    """The floor and Waymark, each with its letters."""
    table = await steady.measure(seconds=0.5, on=("floor", "sqlite"), stage=stage)
    for row in table.rows:
        assert 0 < row.figures["p50"] <= row.figures["p99"] <= row.figures["the longest"]
    _has_all_targets(table, ["p50", "p99"])


async def test_what_waiting_costs() -> None:
    """Each row on a Temporal of its own, which holds nobody else; processes with their bytes and their calm."""
    slept = _rows(await sleepers.measure(sleepers=5, seconds=0.5, on=("floor", "sqlite")))
    assert {FLOOR, SQLITE} == set(slept)
    for row in slept.values():
        assert 5 == row.figures["asleep"]
        assert row.figures["Temporal"] >= 0
        assert (row.figures["just before"] > sleepers.CALM_PERCENT) == ("not calm" in row.remark)


async def test_events_in_the_log(stage: Servers) -> None:
    """Those in vain make no call to Temporal, and the count of calls sees polling, and those who are woken."""
    table = await ingest.measure(events=1_500, sleepers=3, on=("sqlite",), stage=stage)
    _has_all_targets(table, ["profile updates, per second", "calls to Temporal"])
    in_vain = _rows(table)[f"{SQLITE}: events in vain"]
    assert 0 == in_vain.figures["calls to Temporal"]
    assert "GetSystemInfo" in in_vain.remark, "that the bridge connects is seen, and is told as polling"
    assert _rows(table)[f"{SQLITE}: events that reach their goal"].figures["calls to Temporal"] >= 3


async def test_goals_and_a_slow_provider(stage: Servers) -> None:
    """What each says that it checks has been checked: every goal an end, nothing twice."""
    table = await goals.measure(enrolments=12, seconds=0.5, waits=20, on=("sqlite",), stage=stage)
    _has_all_targets(table, ["goal, to the end, p99", "pause, to the last letter"])
    assert 5 == _rows(table)[f"{SQLITE}: goal, to the end"].figures["number"]
    paused = _rows(table)[f"{SQLITE}: pause, to the last letter"].figures
    assert paused["number"] > 20
    assert (paused["the longest"] >= 0) == (paused["letters after the call"] > 0)
    table = await slow_provider.measure(seconds=0.5, on=("sqlite",), stage=stage)
    _has_all_targets(table, ["p99 by webhook"])
    assert 10 == _rows(table)[f"{SQLITE}: beside a slow SMTP server"].figures["messages"]
    assert 20 == _rows(table)[f"{SQLITE}: twice as many by webhook"].figures["messages"]


async def test_a_list_of_many(stage: Servers) -> None:
    """Every list, on both databases; what a page shows is checked by the run."""
    table = await listing.measure(enrolments=1_200, pages=2, on=("sqlite", "postgresql"), stage=stage)
    assert 2 * len(listing.LISTS) == len(table.rows)
    _has_all_targets(table, ["SQLite: p99 of a page", "PostgreSQL: p99 of a page"])
