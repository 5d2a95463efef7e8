"""What a run keeps, and the page that is made of it."""

from pathlib import Path

import orjson
import pytest

from bench.figures import Column, Machine, Row, Table, Target
from bench.results import FOLDER, save, table_json
from docs import figures

REACHED = Target("messages per second", 61.25, at_least=50, floor=80, decimals=1)
BELOW = Target("the slowest", 3.5, "s", at_most=2, decimals=1)
TABLE = Table(
    "burst", "burst: 10 entries", (Column("messages per second", decimals=1), Column("the slowest", "s", 2)),
    [Row("bare", {"messages per second": 80}), Row("ours", {"messages per second": 61.2512345678, "the slowest": 3.5})],
    ["Everybody got hers."], [REACHED, BELOW],
)  # fmt: skip


@pytest.mark.parametrize(
    ("measured", "is_reached"), [(0.69, False), (0.7, True), (0.9, True), (1.1, False)], ids=str
)  # fmt: skip
def test_a_target_is_reached_within_its_bounds(measured: float, is_reached: bool) -> None:
    """The bounds themselves are within."""
    assert is_reached == Target("share", measured, at_least=0.7, at_most=1.0).is_reached


def test_a_target_that_is_one_number_says_so(tmp_path: Path) -> None:
    """On a terminal and on the page: neither more nor less will do."""
    exact = Target("learners", 9, at_least=10, at_most=10)
    assert "exactly 10" in str(exact)
    save("poison", table_json(Table("poison", "poison: ten", (), targets=[exact])), Machine(), folder=tmp_path)
    assert "| [learners](#poison) | 9 |  | = 10 |" in figures.page(tmp_path)


def test_what_is_kept_is_what_was_measured(tmp_path: Path) -> None:
    """Figures to six digits, the machine, the targets and whether they are reached."""
    kept = orjson.loads(save("burst", table_json(TABLE), Machine(), folder=tmp_path).read_bytes())
    assert Machine().cores == kept["machine"]["cores"]
    assert 61.2512 == kept["rows"]["ours"]["messages per second"]
    assert [True, False] == [target["is_reached"] for target in kept["targets"]]


def test_the_page_says_so_where_nothing_was_kept(tmp_path: Path) -> None:
    """A clone without a run has a page all the same."""
    assert "No run has been kept yet" in figures.page(tmp_path)


def test_the_page_has_figures_floors_and_targets(tmp_path: Path) -> None:
    """Each with its bounds; what is below says why, as soon as somebody has written it down."""
    save("burst", table_json(TABLE), Machine(), folder=tmp_path)
    page = figures.page(tmp_path)
    assert "1 of 2 are reached" in page
    assert "| [messages per second](#burst) | 61.2 | 80.0 | ≥ 50.0 | reached |" in page
    assert "| [the slowest](#burst) | 3.5 s |  | ≤ 2.0 s | **below**, the reason is not known yet |" in page
    assert "| ours | 61.3 | 3.50 |" in page
    assert f"{Machine().cores} cores" in page
    (tmp_path / "reasons.json").write_text(
        '{"burst": {"the slowest": "The disk is slow; a faster one was not there."}}'
    )
    explained = figures.page(tmp_path)
    assert "| ≤ 2.0 s | **below** |" in explained
    assert "should be ≤ 2.0 s. The disk is slow" in explained


def test_reasons_are_given_for_targets_that_are_there() -> None:
    """A reason that names no figure of a run would be lost in silence."""
    kept = figures.read()
    file = FOLDER / figures.REASONS
    reasons = orjson.loads(file.read_bytes()) if file.exists() else {}
    known = {name: {target["figure"] for target in one["targets"]} for name, one in kept.items()}
    assert {} == {n: set(each) - known.get(n, set()) for n, each in reasons.items() if set(each) - known.get(n, set())}
