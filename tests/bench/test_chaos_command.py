"""`python -m bench.chaos`: what is run, and what of it is kept."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.chaos.__main__ import arguments, joined
from bench.figures import Column, Row, Table, Target

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def table(subject: str, name: str = "poison") -> Table:
    """One row with its target, and a remark that all share."""
    return Table(name, name, (Column("learners"),), [Row(subject, {"learners": 1})], ["As ever."], [Target(subject, 1)])


def test_tables_of_one_name_become_one() -> None:
    """For programs there is one `poison`, of both databases."""
    chaos, poison = joined([table("sqlite, leave", "chaos"), table("sqlite"), table("postgresql")])
    assert ["sqlite, leave"] == [row.subject for row in chaos.rows]
    assert ["sqlite", "postgresql"] == [row.subject for row in poison.rows]
    assert ["sqlite", "postgresql"] == [target.figure for target in poison.targets]
    assert ["As ever."] == poison.remarks


@pytest.mark.parametrize("words", [[], ["run", "poison", "soak"], ["run", "--learners", "2000"], ["soak"], ["poison"]])
def test_runs_of_full_size_are_kept(words: Sequence[str]) -> None:
    """Or larger ones."""
    assert arguments([*words, "--save"]).what == ([word for word in words if word.isalpha()] or ["run"])


@pytest.mark.parametrize(
    "words",
    [
        ["--quick"],
        ["--calm"],
        ["--plan", "plan.txt"],
        ["--learners", "60"],
        ["--minutes", "1"],
        ["poison", "--records", "9999"],
        ["soak", "--minutes", "29"],
        ["run", "soak", "--minutes", "5"],
    ],
    ids=" ".join,
)
def test_a_smaller_run_is_not_kept(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before it begins, with the option that makes it small; without --save it may be had."""
    assert not arguments(words).save
    with pytest.raises(SystemExit) as ended:
        arguments([*words, "--save"])
    assert 2 == ended.value.code
    said = capsys.readouterr().err
    assert "leave out" in said
    assert next(word for word in words if word.startswith("--")) in said


def test_what_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With what there is."""
    with pytest.raises(SystemExit):
        arguments(["insult"])
    assert "insult: there are only run, poison, soak" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "expected"), [("chaos", ["run", "poison"]), ("soak", ["soak"])])
def test_make_keeps_what_it_runs(target: str, expected: list[str]) -> None:
    """`make chaos` is one command for both databases, both rules, and poison; the half hours are of their own."""
    found = re.search(
        rf"^{target}: setup.*\n\t@\$\(BIN\)/python -m bench\.chaos (.*); \$\(TO_THE_PAGES\)$",
        MAKEFILE.read_text(),
        re.MULTILINE,
    )
    assert found is not None
    words = re.sub(r"\$\(or \$\(\w+\),([^)]*)\)", r"\1", found.group(1)).split()
    given = arguments(words)
    assert (expected, "both", True) == (given.what, given.on, given.save)
    assert target == "soak" or "both" == given.in_doubt
