"""Keeping the figures of a quiet run: `docs/reference/figures/<name>.json`, of which `python -m docs.generate` makes
the page `docs/reference/figures.md`.

    save("throughput", table_json(table), Machine())

A run need not take every row of its table: SQLite today, PostgreSQL tomorrow. Rows take the place of those of the same
subject, with the targets that were reckoned of them, and what else there is stays, as long as it was taken on the same
machine and at the same size (a title says the size); otherwise the new run stands alone. A floor taken anew takes all
rows of earlier runs away: beside it they would say what was never measured. `runs` says which rows came of which run,
of which commit, when it began and ended, and what was remarked there: a run of which no row is left is forgotten with
its remarks and targets. Nothing is kept of code that was not committed, nor of code that was changed during the run:
nobody could say afterwards what ran.

A figure beside what it is to reach is a `Target` of its table. Why one is below its target, and what was tried, is
written by hand in `docs/reference/figures/reasons.json`, which no run overwrites: by the benchmark's name and the
target's `figure`, with the `taken_at` of the run that it is of. Of another run it explains nothing, and is not shown.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from bench.figures import DIRTY, ROOT, Machine, Table, Target, changed_since, table_json, uncommitted
from journeys.events import Json

__all__ = ["FOLDER", "Machine", "NotKept", "Target", "not_committed", "not_saved", "save", "table_json"]

FOLDER = ROOT / "docs" / "reference" / "figures"

Kept = Mapping[str, Any]
"""One file, or what is to become one."""


class NotKept(Exception):
    """Figures of code of which nobody could say what it was."""


def not_committed(root: Path = ROOT) -> str | None:
    """Why nothing that is run now is to be kept, and what to do; None where it may be. To be asked before a run."""
    changed = uncommitted(root)
    if not changed:
        return None
    return (
        f"--save keeps figures of code that is committed alone, and this is not, or not as it stands here: "
        f"{_first(changed)}. Commit it, or measure in a clone, or leave --save out"
    )


def _first(changed: Sequence[str]) -> str:
    """Five of the files, and how many more there are."""
    return ", ".join([*changed[:5], *([f"{len(changed) - 5} more"] if len(changed) > 5 else [])])


def save(
    name: str,
    table: Mapping[str, Json],
    machine: Machine,
    *,
    folder: Path = FOLDER,
    ended_at: datetime | None = None,
    root: Path = ROOT,
) -> Path:
    """Keep the figures of one benchmark beside those that this run has not taken; answers the file. `machine` is as it
    was when the run began, with the commit of what ran; `ended_at` is now, unless it is given. Raises NotKept where the
    code in `root` was not committed when the run began, or has been changed since.
    """
    _check_unchanged(name, machine.commit, root)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    new: Kept = {"machine": asdict(machine), **table}
    ended = (ended_at or datetime.now(UTC)).isoformat(timespec="seconds")
    runs = [{**_run_of(new), "ended_at": ended}]
    if file.exists():
        before: Kept = orjson.loads(file.read_bytes())
        if before["title"] == new["title"] and _is_same(before["machine"], new["machine"]):
            new, runs = _beside(before, new, runs[0])
    kept: dict[str, Json] = {**new, "runs": [dict(run) for run in runs]}
    file.write_bytes(orjson.dumps(_rounded(kept), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return file


def not_saved(table: Table, machine: Machine) -> str | None:
    """Keep a table; answers why it could not be, None where it was."""
    try:
        save(table.name, table_json(table), machine)
    except NotKept as why:
        return str(why)
    return None


def _check_unchanged(name: str, commit: str, root: Path) -> None:
    if commit.endswith(DIRTY):
        raise NotKept(
            f"{name} is not kept: when the run began, the code was not as the commit {commit.removesuffix(DIRTY)} has "
            "it. Commit it, or take a clone, and measure again"
        )
    if changed := changed_since(commit, root):
        raise NotKept(
            f"{name} is not kept: the run began with the commit {commit}, and what runs is not as it was then: "
            f"{_first(changed)}. Measure again in a clone, where nobody changes anything meanwhile"
        )


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether it is the same machine, whatever else went on there."""
    plain = ("system", "processor", "cores", "python")
    return all(one[name] == other[name] for name in plain) and round(one["memory_gib"]) == round(other["memory_gib"])


def _run_of(kept: Kept) -> Kept:
    """What came of a run that stands alone."""
    return {
        "taken_at": kept["machine"]["taken_at"],
        "load": kept["machine"]["load"],
        "commit": kept["machine"].get("commit", ""),
        "rows": list(kept["rows"]),
        "targets": [target["figure"] for target in kept["targets"]],
        "remarks": list(kept["remarks"]),
    }


def _beside(before: Kept, new: Kept, latest: Kept) -> tuple[Kept, Sequence[Kept]]:
    """The new run, whose record `latest` is, and what is left of those before it."""
    is_floor_new = any(map(_is_floor, latest["rows"])) and any(map(_is_floor, before["rows"]))
    gone = set(before["rows"]) if is_floor_new else set(latest["rows"])
    subjects = {target["figure"]: target.get("subject", "") for target in before["targets"]}
    earlier = [_left_of(run, latest, gone, subjects) for run in before.get("runs", [_run_of(before)])]
    runs = [*(run for run in earlier if run["rows"]), latest]
    rows: Mapping[str, Any] = {**before["rows"], **new["rows"]}
    targets = {target["figure"]: target for target in [*before["targets"], *new["targets"]]}
    left_rows = {row for run in runs for row in run["rows"]}
    left_targets = {figure for run in runs for figure in run["targets"]}
    return {
        **new,
        "units": {**new["units"], **{c: u for c, u in before["units"].items() if c not in new["units"]}},
        "decimals": {**new["decimals"], **{c: d for c, d in before["decimals"].items() if c not in new["decimals"]}},
        "rows": {subject: rows[subject] for subject in _in_order(rows) if subject in left_rows},
        "remarks": list(dict.fromkeys(remark for run in runs for remark in run["remarks"])),
        "targets": [targets[figure] for figure in _in_order(targets) if figure in left_targets],
    }, runs


def _left_of(run: Kept, latest: Kept, gone: AbstractSet[str], subjects: Mapping[str, str]) -> Kept:
    """What of an earlier run stays; `subjects` are those of its targets, by their figure."""
    mine = gone & set(run["rows"])

    def stays(figure: str) -> bool:
        return figure not in latest["targets"] and not any(_is_of(subjects.get(figure, ""), row) for row in mine)

    return {
        **run,
        "rows": [subject for subject in run["rows"] if subject not in gone],
        "targets": [figure for figure in run["targets"] if stays(figure)],
        "remarks": [said for said in run["remarks"] if not any(said.startswith(f"{subject}: ") for subject in gone)],
    }


def _is_of(subject: str, row: str) -> bool:
    """Whether a target of this subject was reckoned of the row."""
    return subject in ("", row) or row.startswith((f"{subject}:", f"{subject},"))


def _is_floor(subject: str) -> bool:
    return "(the floor)" in subject.lower()


def _in_order(subjects: Mapping[str, Any]) -> Sequence[str]:
    """The floor, SQLite, PostgreSQL; otherwise as they came."""

    def place(subject: str) -> int:
        return 0 if _is_floor(subject) else 2 if "postgresql" in subject.lower() else 1

    return sorted(subjects, key=place)


def _rounded(value: Json) -> Json:
    """Six significant digits say all that a measurement knows."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
