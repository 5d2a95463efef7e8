"""What a run keeps, and the page that is made of it."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from bench import __main__ as command
from bench import growth
from bench.__main__ import BENCHMARKS, Asked, Benchmark, not_kept
from bench.chaos import __main__ as chaos
from bench.figures import ROOT, Column, Machine, Row, Table, Target
from bench.results import NotKept, not_committed, save, table_json
from bench.stage import Wrong
from docs import figures

REACHED = Target("messages per second", 61.25, at_least=50, floor=80, decimals=1)
BELOW = Target("the slowest", 3.5, "s", at_most=2, decimals=1)
TABLE = Table(
    "burst", "burst: 10 entries", (Column("messages per second", decimals=1), Column("the slowest", "s", 2)),
    [Row("bare", {"messages per second": 80}), Row("ours", {"messages per second": 61.2512345678, "the slowest": 3.5})],
    ["Everybody got hers."], [REACHED, BELOW],
)  # fmt: skip
HERE = Machine(commit="")
"""Of code of which nothing is known: it is kept in any case."""
FIRST = replace(HERE, taken_at="2026-11-21T09:00:00+00:00", load=0.25)
LATER = replace(FIRST, taken_at="2026-11-22T09:00:00+00:00", load=0.5)


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
    save("poison", table_json(Table("poison", "poison: ten", (), targets=[exact])), HERE, folder=tmp_path)
    assert "| [learners](#poison) | 9 |  | = 10 |" in figures.page(tmp_path)


def test_what_is_kept_is_what_was_measured(tmp_path: Path) -> None:
    """Figures to six digits, the machine, the targets and whether they are reached."""
    kept = orjson.loads(save("burst", table_json(TABLE), HERE, folder=tmp_path).read_bytes())
    assert Machine().cores == kept["machine"]["cores"]
    assert 61.2512 == kept["rows"]["ours"]["messages per second"]
    assert [True, False] == [target["is_reached"] for target in kept["targets"]]


def test_the_page_says_so_where_nothing_was_kept(tmp_path: Path) -> None:
    """A clone without a run has a page all the same."""
    assert "No run has been kept yet" in figures.page(tmp_path)


def test_the_page_has_figures_floors_and_targets(tmp_path: Path) -> None:
    """Each with its bounds; what is below says why, as soon as somebody has written it down."""
    save("burst", table_json(TABLE), HERE, folder=tmp_path)
    page = figures.page(tmp_path)
    assert "1 of 2 are reached" in page
    assert "| [messages per second](#burst) | 61.2 | 80.0 | ≥ 50.0 | reached |" in page
    assert "| [the slowest](#burst) | 3.5 s |  | ≤ 2.0 s | **below**, the reason is not known yet |" in page
    assert "| ours | 61.3 | 3.50 |" in page
    assert f"{Machine().cores} cores" in page


def test_the_page_says_of_which_commit_the_figures_are(tmp_path: Path) -> None:
    """Those of earlier runs, too; and of how many cores a run had its own. Nothing where it is not known."""
    old = replace(FIRST, cores=2, cores_there=2)
    save("burst", table_json(TABLE), old, folder=tmp_path)
    assert "commit" not in figures.page(tmp_path).partition("## burst")[2]
    one = replace(old, commit="abc1234", cores_there=8)
    save("burst", table_json(taken("Waymark, PostgreSQL")), one, folder=tmp_path, root=tmp_path)
    save("burst", table_json(taken("Waymark, SQLite")), replace(one, commit="def5678"), folder=tmp_path, root=tmp_path)
    page = figures.page(tmp_path)
    assert ", 2 cores of 8, " in page
    assert f"; {FIRST.taken_at}; commit def5678\n" in page
    assert f"- {FIRST.taken_at}, load before the run 0.2, commit abc1234: Waymark, PostgreSQL." in page


def test_the_page_says_what_was_taken_at_the_same_time(tmp_path: Path) -> None:
    """Runs that shared the cores, in both sections; not those that came after each other."""
    nine, ten, eleven = (datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (9, 10, 11))

    def keep(name: str, began: datetime, ended: datetime) -> None:
        machine = replace(FIRST, taken_at=began.isoformat(timespec="seconds"))
        save(name, table_json(taken(f"of {name}")), machine, folder=tmp_path, ended_at=ended)

    keep("steady", nine, ten)
    keep("goals", ten, eleven)
    assert "At the same time" not in figures.page(tmp_path)
    keep("soak", ten, eleven)
    page = figures.page(tmp_path)
    assert "- At the same time as of goals, on the same cores: [soak](#soak) (of soak)." in page
    assert "- At the same time as of soak, on the same cores: [goals](#goals) (of goals)." in page
    assert "as of steady" not in page


def test_memory_is_told_in_mib_an_hour_too(tmp_path: Path) -> None:
    """A share of twenty minutes says little of a month."""
    columns = (Column("slope", "MiB/h", 1), Column("growth", "%", 1))
    rows = [Row("sqlite: worker-1", {"slope": 15.04, "growth": 2.9})]
    target = Target("growth of worker-1: sqlite", 2.9, "%", at_most=3, decimals=1, subject="sqlite: worker-1")
    save("soak", table_json(Table("soak", "soak: 30 minutes", columns, rows, targets=[target])), FIRST, folder=tmp_path)
    page = figures.page(tmp_path)
    assert "| [growth of worker-1](#soak): sqlite | 2.9 % (15.0 MiB/h) |  | ≤ 3.0 % | reached |" in page
    assert "That does not show that nothing grows" in page


def test_a_reason_is_shown_of_its_own_run_alone(tmp_path: Path) -> None:
    """What a later run misses may have another cause: the reason is not shown then, and is named as stale."""

    def explain(figure: str, taken_at: str) -> None:
        reasons = {"burst": {figure: {"taken_at": taken_at, "says": "The disk is slow."}}}
        (tmp_path / figures.REASONS).write_bytes(orjson.dumps(reasons))

    save("burst", table_json(TABLE), FIRST, folder=tmp_path)
    explain(BELOW.figure, FIRST.taken_at)
    explained = figures.page(tmp_path)
    assert "| ≤ 2.0 s | **below** |" in explained
    assert "should be ≤ 2.0 s. The disk is slow" in explained
    assert [] == figures.stale_reasons(tmp_path)
    save("burst", table_json(TABLE), LATER, folder=tmp_path)
    later = figures.page(tmp_path)
    assert "| ≤ 2.0 s | **below**, the reason is not known yet |" in later
    assert "The disk is slow" not in later
    assert [f"burst: {BELOW.figure}"] == figures.stale_reasons(tmp_path)
    explain(REACHED.figure, LATER.taken_at)
    assert [f"burst: {REACHED.figure}"] == figures.stale_reasons(tmp_path)


def test_a_section_says_what_was_measured(tmp_path: Path) -> None:
    """By the benchmark's own module; a burst is not a usual day."""
    table = Table("throughput", "throughput: 2,000 entries", (), [Row("Waymark, SQLite", {})])
    save("throughput", table_json(table), HERE, folder=tmp_path)
    page = figures.page(tmp_path)
    assert "    first message     from the event's time to the last byte of the letter" in page
    assert "for a usual day see [steady](#steady)" in page


def test_what_was_not_taken_is_not_taken_for_reached(tmp_path: Path) -> None:
    """Not at all, in a smaller size, on one database alone; what was taken in full is not named."""

    def keep(name: str, title: str, *rows: str) -> None:
        table = Table(name, f"{name}: {title}", (), [Row(row, {}) for row in rows], targets=[REACHED])
        save(name, table_json(table), HERE, folder=tmp_path)

    both = ("Waymark, SQLite", "Waymark, PostgreSQL")
    keep("steady", "10 entries a second for 20 s", "Waymark, SQLite")
    keep("goals", "10 a second among 5,000 enrolments", *both)
    page = figures.page(tmp_path)
    assert "three minutes: in full size (180 s) and on PostgreSQL\n" in page
    assert "- sleepers: 20,000 asleep: CPU while nothing happens, bytes each\n" in page
    assert "- relay: 100,000 of our own records from the store into Kafka\n" in page
    assert "- goals:" not in page
    assert "Of what was taken, 2 of 2 are reached." in page


@pytest.mark.parametrize("name", sorted(figures.WANTED))
def test_what_is_to_be_reached_is_of_benchmarks_that_are_there(name: str) -> None:
    """One that was renamed would be called not taken for ever."""
    assert name in {*BENCHMARKS, *figures.MODULES}
    assert (figures.BENCH / figures.MODULES.get(name, f"{name}.py")).exists()


@pytest.mark.parametrize("name", sorted(name for name, (_, full) in figures.WANTED.items() if full))
def test_the_title_of_a_full_run_says_that_it_is_one(name: str) -> None:
    """And that of a quick one does not: the page goes by it."""
    full = figures.WANTED[name][1]
    assert full in title_of(name, "full")
    if name in BENCHMARKS:
        assert full not in title_of(name, "quick")


def title_of(name: str, size: str) -> str:
    """The title of a run of this size, without the run: of the only text in its module that begins as titles do."""
    module = import_module(f"bench.{figures.MODULES.get(name, name).removesuffix('.py').replace('/', '.')}")
    titles = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.JoinedStr)
        if isinstance(node.values[0], ast.Constant) and str(node.values[0].value).startswith(f"{name}: ")
    ]
    assert 1 == len(titles), f"bench/{name} has {len(titles)} texts that begin with {name!r}: which one is its title?"
    return eval(compile(ast.Expression(titles[0]), name, "eval"), {**vars(module), **sizes_of(name, size, module)})


def sizes_of(name: str, size: str, module: ModuleType) -> dict[str, Any]:
    """What the benchmark's function is given at this size, by the names of its parameters."""
    if name in figures.MODULES:
        of_chaos = {"poison": {"records": chaos.RECORDS}, "soak": {"minutes": chaos.SOAK_MINUTES}}
        return {**defaults_of(module.run), **of_chaos[name]}
    value = getattr(BENCHMARKS[name], size)
    if isinstance(value, growth.Sizes):
        return {"sizes": value}
    given = value if isinstance(value, tuple) else (value,)
    parameters = inspect.signature(module.measure).parameters
    return {**defaults_of(module.measure), **dict(zip(parameters, given, strict=False))}


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What a run is given that nobody has chosen."""
    return {n: p.default for n, p in inspect.signature(function).parameters.items() if p.default is not p.empty}


def test_reasons_are_given_for_targets_that_are_there() -> None:
    """A reason that explains no figure of the run that was kept would be lost in silence."""
    assert [] == figures.stale_reasons()


def test_counts_that_came_to_the_same_are_told_together(tmp_path: Path) -> None:
    """Of many runs of the chaos: one line for what was lost in none of them, and one for where something was."""
    targets = [Target(f"lost: {run}", lost, at_most=0) for run, lost in (("one", 0), ("two", 3), ("three", 0))]
    save("chaos", table_json(Table("chaos", "chaos: all", (), targets=targets)), HERE, folder=tmp_path)
    page = figures.page(tmp_path)
    assert "2 of 3 are reached" in page
    assert "| [lost](#chaos): one; three | 0 |  | ≤ 0 | reached |" in page
    assert "| [lost](#chaos): two | 3 |  | ≤ 0 | **below**, the reason is not known yet |" in page


# beside what was kept before


def taken(*subjects: str, title: str = "burst: 10 entries", value: float = 1.0, remark: str = "") -> Table:
    """A run of these rows, each with its target."""
    rows = [Row(subject, {"rate": value}, remark) for subject in subjects]
    targets = [Target(f"{subject}: rate", value, at_least=1, subject=subject) for subject in subjects]
    return Table("burst", title, (Column("rate"),), rows, [f"Taken of {', '.join(subjects)}."], targets)


def kept_of(folder: Path, *runs: tuple[Table, Machine]) -> dict[str, Any]:
    """What stands there once all of them were kept, one after the other."""
    file = folder
    for table, machine in runs:
        file = save("burst", table_json(table), machine, folder=folder)
    return orjson.loads(file.read_bytes())


def test_the_rows_of_another_run_stay(tmp_path: Path) -> None:
    """PostgreSQL today, SQLite with the floor tomorrow: all stand there, in their order, with their targets and
    remarks, and the page says when those were taken that are not of the last run.
    """
    kept = kept_of(
        tmp_path, (taken("Waymark, PostgreSQL"), FIRST), (taken("bare (the floor)", "Waymark, SQLite", value=2), LATER)
    )
    order = ["bare (the floor)", "Waymark, SQLite", "Waymark, PostgreSQL"]
    assert order == list(kept["rows"])
    assert [f"{subject}: rate" for subject in order] == [target["figure"] for target in kept["targets"]]
    assert [2.0, 2.0, 1.0] == [figures["rate"] for figures in kept["rows"].values()]
    assert LATER.taken_at == kept["machine"]["taken_at"]
    page = figures.page(tmp_path)
    assert "3 of 3 are reached" in page
    assert "- Taken of Waymark, PostgreSQL." in page
    assert "- 2026-11-21T09:00:00+00:00, load before the run 0.2: Waymark, PostgreSQL." in page


def test_a_row_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """What was remarked of it goes with it, and a run of which nothing is left is forgotten with its targets."""
    first = taken("Waymark, SQLite", "Waymark, PostgreSQL", remark="was slow")
    half = kept_of(tmp_path, (first, FIRST), (taken("Waymark, SQLite", value=3), LATER))
    assert {"Waymark, SQLite": {"rate": 3.0}, "Waymark, PostgreSQL": {"rate": 1.0}} == half["rows"]
    assert [3.0, 1.0] == [target["measured"] for target in half["targets"]]
    assert "Waymark, SQLite: was slow" not in half["remarks"]
    assert "Waymark, PostgreSQL: was slow" in half["remarks"]
    whole = kept_of(tmp_path, (taken("Waymark, PostgreSQL", value=4), LATER))
    assert ["Taken of Waymark, SQLite.", "Taken of Waymark, PostgreSQL."] == whole["remarks"]
    renamed = Table("burst", first.title, first.columns, first.rows, targets=[Target("rate", 1.0)])
    assert ["rate"] == [target["figure"] for target in kept_of(tmp_path, (renamed, LATER))["targets"]]


SHARE = Target("burst: share of the floor", 0.7, at_least=0.7, floor=1, subject="Waymark, SQLite")


def test_a_target_goes_with_the_row_it_is_of(tmp_path: Path) -> None:
    """Whatever it is called: a share that was reckoned of an earlier row would stand beside figures it is not of. One
    that says no row is of all of them; one of another row stays.
    """
    table = taken("Waymark, SQLite: all", "Waymark, PostgreSQL: all")
    whole, other = Target("all of it", 1.0), Target("PostgreSQL's own", 1.0, subject="Waymark, PostgreSQL")
    first = replace(table, targets=[SHARE, whole, other])
    kept = kept_of(tmp_path, (first, FIRST), (replace(taken("Waymark, SQLite: all"), targets=[]), LATER))
    assert [other.figure] == [target["figure"] for target in kept["targets"]]


def test_a_floor_taken_anew_takes_the_rows_beside_the_old_one_away(tmp_path: Path) -> None:
    """What was a share of the old floor says nothing beside the new one."""
    first = taken("bare (the floor)", "Waymark, SQLite", "Waymark, PostgreSQL")
    first = replace(first, targets=[*first.targets, SHARE])
    again = taken("bare (the floor)", "Waymark, PostgreSQL", value=2)
    kept = kept_of(tmp_path, (first, FIRST), (again, LATER))
    assert ["bare (the floor)", "Waymark, PostgreSQL"] == list(kept["rows"])
    assert [target.figure for target in again.targets] == [target["figure"] for target in kept["targets"]]
    assert 1 == len(kept["runs"])


@pytest.mark.parametrize(
    ("table", "machine"),
    [
        (taken("Waymark, SQLite"), replace(LATER, cores=64)),
        (taken("Waymark, SQLite"), replace(LATER, processor="another")),
        (taken("Waymark, SQLite", title="burst: 2,000 entries"), LATER),
    ],
    ids=["cores", "processor", "size"],
)
def test_another_machine_or_another_size_begins_anew(tmp_path: Path, table: Table, machine: Machine) -> None:
    """One table is of one machine and one size."""
    kept = kept_of(tmp_path, (taken("Waymark, PostgreSQL"), FIRST), (table, machine))
    assert ["Waymark, SQLite"] == list(kept["rows"])
    assert ["Waymark, SQLite: rate"] == [target["figure"] for target in kept["targets"]]
    assert 1 == len(kept["runs"])


def test_what_was_kept_before_there_were_runs_is_one(tmp_path: Path) -> None:
    """Files of old stay readable, and their rows stay."""
    old = kept_of(tmp_path, (taken("Waymark, PostgreSQL"), FIRST))
    (tmp_path / "burst.json").write_bytes(orjson.dumps({name: each for name, each in old.items() if name != "runs"}))
    kept = kept_of(tmp_path, (taken("Waymark, SQLite"), LATER))
    assert [["Waymark, PostgreSQL"], ["Waymark, SQLite"]] == [run["rows"] for run in kept["runs"]]


# what is kept at all


def asked(size: str, entries: int | None = None) -> Asked:
    """On both."""
    return Asked(size, entries, ("floor", "sqlite"))


def test_only_the_full_size_is_kept() -> None:
    """A quick run is not, nor the usual one where the full one is larger; what to do is said."""
    assert [None] * len(BENCHMARKS) == [not_kept([name], asked("full")) for name in BENCHMARKS]
    quick = not_kept(list(BENCHMARKS), asked("quick"))
    assert quick is not None
    assert all(name in quick for name in (*BENCHMARKS, "--full"))
    usual = not_kept(["rehearsal", "steady", "throughput"], asked("usual"))
    assert usual is not None
    assert "and steady would not be" in usual
    assert not_kept(["throughput"], asked("usual", 2_000)) is None
    assert not_kept(["throughput"], asked("full", 50)) is not None


def test_nothing_is_kept_without_its_floor() -> None:
    """Where a row is read beside one that the command line may leave out; others have theirs always, or none."""
    alone = Asked("full", None, ("sqlite", "postgresql"))
    assert ["steady", "sleepers", "throughput"] == [name for name in BENCHMARKS if not_kept([name], alone)]
    why = not_kept(list(BENCHMARKS), alone)
    assert why is not None
    assert "name floor in --on" in why


def git(folder: Path, *arguments: str) -> str:
    """What it says there."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def write_to(folder: Path, name: str, content: str) -> None:
    """A file there, below folders that need not be there yet."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def test_nothing_is_kept_of_code_that_is_not_committed(tmp_path: Path) -> None:
    """Changed or new; figures, pages and tests do not run, and may be as they are."""
    assert not_committed(tmp_path) is None, "without git nobody knows"
    git(tmp_path, "init")
    for name in ("workers/turns.py", "docs/reference/figures/burst.json", "README.md", "tests/test_turns.py"):
        write_to(tmp_path, name, "one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    for name in ("docs/reference/figures/burst.json", "docs/new.md", "README.md", "tests/test_turns.py"):
        write_to(tmp_path, name, "two")
    assert not_committed(tmp_path) is None
    write_to(tmp_path, "workers/turns.py", "two")
    write_to(tmp_path, "bench/new.py", "new")
    why = not_committed(tmp_path)
    assert why is not None
    assert "workers/turns.py" in why
    assert "bench/" in why
    assert "Commit it, or measure in a clone, or leave --save out" in why
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "two")
    assert not_committed(tmp_path) is None


def test_nothing_is_kept_of_code_that_was_changed_during_the_run(tmp_path: Path) -> None:
    """Whether the change was committed or not, and though it was undone in part; of pages and tests it may be. What was
    kept before stays as it is.
    """
    code = tmp_path / "code"
    code.mkdir()
    git(code, "init")
    for name in ("workers/turns.py", "docs/a.md"):
        write_to(code, name, "one")
    git(code, "add", ".")
    git(code, "commit", "-m", "one")
    began = replace(FIRST, commit=git(code, "describe", "--always").strip())

    def keep(machine: Machine = began) -> bytes:
        return save("burst", table_json(TABLE), machine, folder=tmp_path, root=code).read_bytes()

    kept = keep()
    write_to(code, "docs/a.md", "two")
    keep()
    git(code, "commit", "-a", "-m", "pages")
    keep()
    write_to(code, "workers/turns.py", "two")
    with pytest.raises(NotKept, match=rf"burst.* {began.commit}, and .*: workers/turns\.py\. Measure again in a clone"):
        keep()
    with pytest.raises(NotKept, match="not as the commit abc1234 has it"):
        keep(replace(began, commit="abc1234-dirty"))
    git(code, "commit", "-a", "-m", "two")
    write_to(code, "bench/new.py", "new")
    with pytest.raises(NotKept, match=r": bench/, workers/turns\.py\."):
        keep()
    (code / "bench" / "new.py").unlink()
    with pytest.raises(NotKept, match=r": workers/turns\.py\."):
        keep()
    with pytest.raises(NotKept, match="the commit abc1234 itself"):
        keep(replace(began, commit="abc1234"))
    git(code, "revert", "--no-edit", "HEAD")
    assert orjson.loads(kept)["rows"] == orjson.loads(keep())["rows"]


def test_a_virtual_environment_that_is_a_link_is_no_change(tmp_path: Path) -> None:
    """A clone may use another's."""
    git(tmp_path, "init")
    write_to(tmp_path, ".gitignore", (ROOT / ".gitignore").read_text())
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    (tmp_path / ".venv").symlink_to(tmp_path)
    assert not_committed(tmp_path) is None


def test_a_run_that_is_to_be_kept_is_refused_before_it_begins_where_code_is_not_committed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command itself, as wrong usage, with the files."""
    monkeypatch.setattr(command, "not_committed", lambda: "not committed: workers/turns.py")
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "rehearsal", "--full", "--save"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert 2 == ended.value.code
    assert "not committed: workers/turns.py" in capsys.readouterr().err
    monkeypatch.setattr(chaos, "not_committed", lambda: "not committed: store/tables.py")
    monkeypatch.setattr(sys, "argv", ["bench.chaos", "--save"])
    with pytest.raises(SystemExit) as ended:
        chaos.main()
    assert 2 == ended.value.code
    assert "not committed: store/tables.py" in capsys.readouterr().err


def test_the_figures_are_json_too(tmp_path: Path) -> None:
    """After every run, whatever it prints."""
    file = tmp_path / "made" / "latest.json"
    command.Run(Machine(), [TABLE], {"burst": 61.25}).write(file)
    told = orjson.loads(file.read_bytes())
    assert table_json(TABLE) == told["benchmarks"]["burst"]
    assert Machine().cores == told["machine"]["cores"]
    assert ({"burst": 61.2}, {}) == (told["seconds"], told["wrong"])


def test_what_one_benchmark_finds_wrong_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is told, has no figures, and the exit status says so; how long each took is told, too."""

    def find(_size: object, _asked: Asked) -> Table:
        raise ExceptionGroup("of a group", [Wrong("3 letters did not come")])

    benchmarks = {"bad": Benchmark(find, 1, 1, 1), "good": Benchmark(lambda *_: TABLE, 1, 1, 1)}
    monkeypatch.setattr(command, "BENCHMARKS", benchmarks)
    monkeypatch.setattr(command, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    told = capsys.readouterr()
    assert 1 == ended.value.code
    assert "bad has no figures: 3 letters did not come" in told.err
    assert "messages per second" in told.out
    assert "good took 0 s" in told.out
    kept = orjson.loads((tmp_path / "latest.json").read_bytes())
    assert ["burst"] == list(kept["benchmarks"])
    assert {"bad", "good"} == kept["seconds"].keys()
    assert {"bad": "3 letters did not come"} == kept["wrong"]


@pytest.mark.parametrize(
    "arguments", [["bench", "--only", "rehearsal", "--quick"], ["bench", "--only", "turns", "--entries", "5"]]
)
def test_a_small_run_that_is_to_be_kept_is_refused_before_it_begins(arguments: list[str]) -> None:
    """By the command itself, as wrong usage."""
    ended = subprocess.run([sys.executable, "-m", *arguments, "--save"], capture_output=True, text=True, check=False)
    assert 2 == ended.returncode
    assert "give --full" in ended.stderr
