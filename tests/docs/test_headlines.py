"""The README's figures are those that were kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.run import COLUMNS
from docs import generate
from docs.figures import read
from docs.headlines import COUNTED, DOUBTS, FLOOR, LEAVE, LINES, OURS, READING, written

README = "Before.\n<!-- figures: written by `python -m docs.generate` -->\nold\n<!-- /figures -->\nAfter.\n"
RUN = dict.fromkeys((*COUNTED, *DOUBTS), 0.0) | {"faults": 40, "learners": 1_500, "messages": 4_490}
LEFT = RUN | {"in doubt": 10, "may be in doubt": 100, "unexplained": 3}
KEPT: Mapping[str, Mapping[str, Any]] = {
    "steady": {
        "title": "steady: 10 entries a second for 180 s",
        "rows": {OURS: {"p50": 30.4, "p99": 47.0}, FLOOR: {"p50": 12.0, "p99": 23.0}},
    },
    "throughput": {
        "title": "throughput: 2,000 entries in a burst",
        "rows": {OURS: {"messages per second": 91.7}, FLOOR: {"messages per second": 129.0}},
    },
    "goals": {
        "title": "goals: 10 a second among 5,000 enrolments in a long wait; and the whole journey paused",
        "rows": {
            f"{OURS}: goal, to the end": {"p99": 0.05},
            f"{OURS}: pause, to the last letter": {"the longest": 0.04},
        },
    },
    "ingest": {
        "title": "ingest: 100,000 events through Kafka into the log, each kind beside a floor of its own",
        "rows": {
            f"{OURS}: profile updates": {"events per second": 6_588.0},
            f"{READING}: profile updates": {"events per second": 139_471.0},
            f"{READING}: events in vain": {"events per second": 99.0},
        },
    },
    "listing": {
        "title": "listing: pages of 50 among 1,000,000 enrolments, by the API",
        "rows": {
            f"{OURS}: all": {"p99": 11.0}, f"{OURS}: paused": {"p99": 13.2}, "Waymark, PostgreSQL: all": {"p99": 99.0},
        },
    },
    "chaos": {"rows": {
        "sqlite, leave, seed 1": LEFT, "postgresql, leave, seed 1": LEFT,
        "sqlite, resend, seed 1": RUN | {"may be in doubt": 1_000},
    }},
}  # fmt: skip


def test_the_six_and_what_was_counted() -> None:
    """Each from its own benchmark, with its size as its title says it; the chaos summed up; the rest untouched."""
    readme = written(README, KEPT)
    assert readme.startswith("Before.\n<!-- figures")
    assert readme.endswith("<!-- /figures -->\nAfter.\n")
    assert "old" not in readme
    for line in (
        "| from an event to the letter's arrival, at 10 entries a second: median, p99 | 30 ms, 47 ms | 12 ms, 23 ms |",
        "| a burst of 2,000 entries, three messages each: messages a second | 92 | 129 |",
        "| from the event that is the goal to the journey's end, among 5,000 enrolments that wait, p99 | 0.05 s |  |",
        "| from the pause of a journey of 5,000 enrolments to its last letter | 0.04 s |  |",
        "| 100,000 profile updates through Kafka into the log, a second | 6,588 | 139,471 (read and decoded) |",
        "| a page of a list among 1,000,000 enrolments, p99 of the slowest list | 13 ms |  |",
    ):
        assert line in readme.splitlines()
    assert "3 runs of `make chaos` that were kept, with 120 faults, 4,500 learners and 13,470 messages" in readme
    assert "**0 lost, 0 stuck, 0 said twice without need**. In the 2 of them" in readme
    assert readme == written(readme, KEPT)


def test_doubts_are_counted_where_they_are_left() -> None:
    """With an excuse or without one, and no more with one than had one; what might have been doubted in a run that
    sends again is not among them. That none is without is said.
    """
    readme = written(README, KEPT)
    assert "20 messages are in doubt, and marked so: 14 with an excuse, of 200 that had one (" in readme
    assert "), 6 without." in readme
    all_excused = {"chaos": {"rows": {"sqlite, leave, seed 1": LEFT | {"unexplained": 0}}}}
    assert "10 with an excuse, of 100 that had one" in written(README, all_excused)
    assert "), none without." in written(README, all_excused)
    sent_again = {"chaos": {"rows": {"sqlite, resend, seed 1": RUN}}}
    assert "doubt" not in written(README, sent_again)


def test_the_doubts_that_were_kept_come_to_what_they_must() -> None:
    """None is in doubt where it is sent again; with an excuse there are no more than had one."""
    for run, row in read().get("chaos", {"rows": {}})["rows"].items():
        assert LEAVE in run or row["in doubt"] == 0
        assert 0 <= row["in doubt"] - row["unexplained"] <= row["may be in doubt"] or LEAVE not in run


def test_what_was_not_kept_has_no_line() -> None:
    """On one database only, or not at all."""
    on_postgresql = {"steady": {"title": "steady: 10", "rows": {"Waymark, PostgreSQL": {"p50": 1.0, "p99": 2.0}}}}
    assert "arrival" not in written(README, on_postgresql)
    assert "make chaos" not in written(README, {})


def test_a_readme_without_a_place_for_them_is_an_error() -> None:
    """Rather than a README whose figures nobody writes any more."""
    with pytest.raises(ValueError, match="no place for the figures"):
        written("Nothing here.\n", KEPT)


def test_the_chaos_has_the_columns_that_are_summed_up() -> None:
    """By the names that its table gives them."""
    assert {*COUNTED, *DOUBTS} <= {column.name for column in COLUMNS}


def test_all_six_have_been_kept() -> None:
    """The README that is there shows each."""
    readme = generate.README.read_text()
    assert written(readme, read()) == readme
    figures = readme.partition("| | Waymark | floor |")[2].partition("<!-- /figures -->")[0]
    assert len(LINES) == sum(line.startswith("| ") for line in figures.splitlines())


def test_a_stale_readme_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m docs.generate --check` fails and changes nothing; without `--check` the README is mended."""
    there = generate.README.read_text()
    stale = tmp_path / "README.md"
    stale.write_text(there.replace(" into the log, a second |", " (made up) |"))
    monkeypatch.setattr(generate, "README", stale)
    assert any("(made up)" in line for line in generate.stale())
    assert 1 == generate.main(["--check"])
    assert "(made up)" in stale.read_text()
    monkeypatch.setattr(generate, "PAGES", {})
    assert 0 == generate.main([])
    assert there == stale.read_text()
