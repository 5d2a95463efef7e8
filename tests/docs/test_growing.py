"""The page on growth reckons with the figures that were kept."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from bench import end_to_end, growth, sleepers
from docs.growing import AT_HAND, CALM_PERCENT, COLUMN_OF, FROM_HISTORY, PARTS, ROW, TASKS_A_MESSAGE, page

KEPT: Mapping[str, Mapping[str, Any]] = {
    "throughput": {"rows": {ROW: {"worker": 9.0, "bridge": 2.0, "of it Temporal": 7.0, "database": 2.5}}},
    "sleepers": {
        "rows": {
            ROW: {
                "asleep": 20_000, "Temporal's bytes each": 20_000.0, "Waymark's bytes each": 6_000.0,
                "idle CPU of Waymark": 0.8, "Temporal": 2.0,
            }
        }
    },
    "ingest": {"rows": {f"{ROW}: profile updates": {"events per second": 4_000.0}}},
    "relay": {"rows": {ROW: {"records per second": 2_000.0}}},
    "soak": {"rows": {f"postgresql: worker-{n}": {"at the end": 100.0 + n} for n in (1, 2)}},
    "growth": {
        "rows": {
            f"{ROW}, learners: 1,000": {"learners": 1_000, "CPU": 0.2, "of it the database": 0.05},
            f"{ROW}, learners: 1,000,000": {"learners": 1_000_000, "CPU": 0.3, "of it the database": 0.06},
            f"{ROW}, idle journeys: 1": {"journeys": 1, "CPU": 0.1},
            f"{ROW}, idle journeys: 1,000": {"journeys": 1_000, "CPU": 0.1},
            f"{ROW}, steps: 500": {"steps": 500, "CPU": 5.0, "bytes": 3_000.0},
            f"{ROW}, steps: 10": {"steps": 10, "CPU": 5.0, "bytes": 9_000.0},
            f"{ROW}, her events: 1,000": {"her events": 1_000, "CPU": 0.2, "bytes": 700.0},
            f"{ROW}, her events: 10,000": {"her events": 10_000, "CPU": 0.2, "bytes": 500.0},
            f"{ROW}, {AT_HAND}": {"CPU": 16.0, "of it the worker": 8.0, "of it Temporal": 6.0},
            f"{ROW}, {FROM_HISTORY}": {"CPU": 22.0, "of it the worker": 11.0, "of it Temporal": 7.5},
        }
    },
}  # fmt: skip
LINES = {name for lines in PARTS.values() for name, _ in lines}


def lines(told: str) -> dict[str, list[str]]:
    """The lines of the arithmetic by their names: how it is reckoned, what comes to, where it was measured."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines() if "|" in line]
    return {each[0]: each[1:] for each in cells if each[0] in LINES}


@pytest.mark.parametrize(
    ("name", "reckoned", "result"),
    [
        ("messages", "10,000,000 × 2 ÷ 144,000 s × 3", "417/s"),
        ("worker processes", "417/s × 2 turns × 9.0 ms ÷ 0.6", "13"),
        ("worker processes, each turn from its history", "417/s × 2 turns × (9.0 + 3.0) ms ÷ 0.6", "17"),
        ("cores for Temporal, each turn from its history", "417/s × 2 turns × (7.0 + 1.5) ms × 1.5 ÷ 0.6", "18"),
        ("their memory", "13 × 102 MiB", "1.3 GiB"),
        ("bridges", "5,208/s ÷ (4,000/s × 0.6)", "3"),
        ("Kafka's partitions, at least", "3 bridges, and as many again", "6"),
        ("the relay, of all that one manages", "417/s × 2 records ÷ 2,000/s", "42%"),
        ("cores for Temporal, with its database", "417/s × 2 turns × 7.0 ms × 1.5 ÷ 0.6", "15"),
        ("cores for Waymark's PostgreSQL, for messages", "417/s × 2 turns × 2.5 ms ÷ 0.6", "4"),
        ("cores for Waymark's PostgreSQL, for events", "5,208/s × 0.06 ms ÷ 0.6", "1"),
        ("Temporal's state transitions", "417/s × 2 tasks × 3", "2,500/s"),
        ("tasks in one of a queue's four partitions", "417/s × 2 tasks ÷ 4", "208/s"),
        ("of it in one shard; sleepers in one shard", "2,500/s ÷ 4,096; 10,000,000 ÷ 4,096", "0.6/s; 2,441"),
        ("Temporal's database, everybody asleep", "10,000,000 × 20,000 bytes a sleeper", "200 GB"),
        ("Waymark's database, everybody asleep", "10,000,000 × 6,000 bytes a sleeper", "60 GB"),
        (
            "cores of Waymark while nothing happens, if all of it came of the sleepers",
            "10,000,000 ÷ 20,000 × 0.80 %", "4.0",
        ),
        ("the event log grows by", "10,000,000 × 5 × 5 × 52 × 500 bytes an event", "6,500 GB"),
        ("deliveries and journal grow by", "10,000,000 × 2 × 52 × 3,000 bytes a message", "3,120 GB"),
    ],
)  # fmt: skip
def test_the_arithmetic_is_right(name: str, reckoned: str, result: str) -> None:
    """417 messages a second of two turns at 9 ms, by processes that may be busy for 60 % of their time, are 13."""
    assert [reckoned, f"**{result}**"] == lines(page(KEPT))[name][:2]


@pytest.mark.parametrize("name", ["worker processes", "cores for Temporal, with its database",
                                  "cores for Waymark's PostgreSQL, for messages"])  # fmt: skip
def test_what_a_turn_costs_is_taken_as_often_as_there_are_tasks(name: str) -> None:
    """The figures are of one turn; whatever is reckoned of them has as many turns as Temporal has tasks, and the page
    says that those that events woke are among them.
    """
    told = page(KEPT)
    assert f"417/s × {TASKS_A_MESSAGE} turns × " in lines(told)[name][0]
    assert f"417/s × {TASKS_A_MESSAGE} tasks × " in lines(told)["Temporal's state transitions"][0]
    assert "A turn that an event woke is reckoned to cost as much" in told


def test_no_more_is_said_of_idleness_than_was_measured() -> None:
    """What of it grows with the sleepers nobody has measured."""
    assert "was not measured: the cores are reckoned as if all of it did" in " ".join(page(KEPT).split())
    assert "does not grow with the sleepers" not in " ".join(page(KEPT).split())


def test_the_page_stands_without_the_cost_of_a_replay() -> None:
    """It says what is left out, and that more comes to it; what is reckoned of turns at hand stands."""
    rows = {name: row for name, row in KEPT["growth"]["rows"].items() if "woken" not in name}
    told = page({**KEPT, "growth": {"rows": rows}})
    assert not [name for name in lines(told) if "each turn from its history" in name]
    assert "have not been kept: `growth`." in told
    assert "worker processes" in lines(told)
    assert "These are lower bounds" in told


def test_the_rows_of_a_replay_are_those_that_growth_has() -> None:
    """The page finds them by their names."""
    said = inspect.getsource(end_to_end.by_memory)
    for row in (AT_HAND, FROM_HISTORY):
        beginning, _, way = row.rpartition(", ")
        assert f'f"{beginning}, {{said}}"' in said
        assert f'"{way}"' in said
    assert CALM_PERCENT == sleepers.CALM_PERCENT
    assert COLUMN_OF.keys() <= {column.name for column in growth.COLUMNS}


def test_a_row_that_was_not_calm_is_named() -> None:
    """What came of falling asleep is in its figures."""
    rows = {ROW: {**KEPT["sleepers"]["rows"][ROW], "just before": 9.5}}
    assert "was not calm: 9.5 % of a core" in page({**KEPT, "sleepers": {"rows": rows}})
    assert "was not calm" not in page(KEPT)


def test_every_line_says_where_its_figures_were_measured() -> None:
    """By a link to the benchmark; with all figures there, no line is left out."""
    told = page(KEPT)
    assert LINES == set(lines(told))
    assert "Not reckoned yet" not in told
    assumed = {"messages", "events", "Temporal's state transitions"} | {
        name for name in LINES if " of a queue's " in name
    }
    assumed |= {"of it in one shard; sleepers in one shard"}
    assert assumed == {name for name, cells in lines(told).items() if cells[2] == "assumed above"}
    assert all("](figures.md#" in cells[2] for name, cells in lines(told).items() if name not in assumed)


def test_what_few_cost_stands_beside_what_many_cost() -> None:
    """From the growth of each kind, whatever order its rows are in."""
    told = page(KEPT)
    assert "| An event | 1,000 | 0.20 ms | 1,000,000 | 0.30 ms | 1.5 |" in told
    assert "| A turn with its letter | 10 | 5.00 ms | 500 | 5.00 ms | 1.0 |" in told


def test_without_figures_there_is_no_arithmetic() -> None:
    """A line whose figures are missing is left out, and the page says what is missing; the others stand."""
    some = page({"throughput": KEPT["throughput"]})
    assert {"messages", "worker processes"} <= set(lines(some))
    assert "bridges" not in lines(some)
    assert "have not been kept: `growth`, `soak`, `ingest`, `relay`, `sleepers`." in some
    assert "## Whether that holds" not in page({})
    on_sqlite = {"throughput": {"rows": {"Waymark, SQLite": {"worker": 9.0}}}}
    assert "worker processes" not in lines(page(on_sqlite))


def test_temporal_is_reckoned_for_postgresql() -> None:
    """It was measured on SQLite, and the page advises PostgreSQL: the assumption stands in the line."""
    _, _, source = lines(page(KEPT))["cores for Temporal, with its database"][:3]
    assert "× assumed above" in source
