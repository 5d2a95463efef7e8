"""A tiny run of the pure core, and what the benchmarks print."""

import sys

import orjson
import pytest

from bench import __main__ as command
from bench import rehearsal
from bench.figures import Machine


def test_every_figure_of_the_core_is_taken() -> None:
    """Numbers, seconds and what they come to."""
    table = rehearsal.table(learners=3)
    assert 3 == table.rows[0].figures["number"]
    for row in table.rows:
        assert row.figures["per second"] == pytest.approx(row.figures["number"] / row.figures["seconds"])


def test_the_table_stands_beside_the_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """For people."""
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "rehearsal", "--quick"])
    command.main()
    said = capsys.readouterr().out
    assert f"{Machine().cores} cores" in said.splitlines()[0]
    assert "learners rehearsed over 90 days" in said


def test_the_same_figures_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """JSON: the machine, and each benchmark's rows and units."""
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "rehearsal", "--quick", "--json"])
    command.main()
    said = orjson.loads(capsys.readouterr().out)
    assert Machine().cores == said["machine"]["cores"]
    assert 100 == said["benchmarks"]["rehearsal"]["rows"]["learners rehearsed over 90 days"]["number"]
