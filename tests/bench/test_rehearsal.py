"""A tiny run of the pure core, and what the benchmarks print."""

import sys
from collections import Counter

import orjson
import pytest

from bench import __main__ as command
from bench import rehearsal
from bench.figures import Machine
from journeys.compiler import compile_definition


def test_every_figure_of_the_core_is_taken() -> None:
    """Numbers, seconds and what they come to."""
    table = rehearsal.table(learners=3)
    assert 3 == table.rows[0].figures["number"]
    for row in table.rows:
        assert row.figures["per second"] == pytest.approx(row.figures["number"] / row.figures["seconds"])


def test_a_rehearsal_is_as_slow_as_the_slower_of_its_journeys() -> None:
    """By a policy there is more to decide."""
    table = rehearsal.table(learners=20)
    seconds = {row.subject: row.figures["seconds"] for row in table.rows}
    slower = max(seconds[rehearsal.REHEARSED], seconds[rehearsal.EXAMPLED])
    assert [slower] == [target.measured for target in table.targets if target.figure.startswith("rehearsal, ")]


def test_the_journey_that_is_compiled_has_something_to_check() -> None:
    """Every third step an expression of its own, or nearly; each message another one."""
    compiled = compile_definition(rehearsal.long_journey(500, "x"))
    assert compiled.program is not None, compiled.problems
    nodes = compiled.program.nodes.values()
    kinds = Counter(node.kind for node in nodes)
    assert 500 == len(nodes)
    assert 500 // 3 == kinds["await"] + kinds["branch"]
    assert kinds["send"] == len(compiled.program.messages)
    assert kinds["await"] == len({each.when.text for each in compiled.program.triggers.values() if each.when})


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
