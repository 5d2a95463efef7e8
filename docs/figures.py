"""The page of figures, from what `make bench-full`, `make chaos` and `make soak` have kept, and from nothing else.

`docs/reference/figures/<name>.json` are the figures of one table each, with the machine and the runs they were taken
in; `reasons.json` beside them says why a figure is below its target, and what was tried. Nothing is measured here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parent / "reference" / "figures"
REASONS = "reasons.json"

PICTURES = {
    "growth": ("../images/growth.svg", "What an event and a turn cost, by how much there is, on logarithmic scales")
}
"""The picture of a benchmark, and what it shows."""

COUNTS = ("chaos", "poison", "soak")
"""Whose targets are called `what: where`, and are told together where they came to the same."""

Kept = Mapping[str, Any]
"""One file: the machine, the title, units and decimals of the columns, rows, remarks, targets, runs."""

_INTRO = """# Figures

Taken by `make bench-full`, `make chaos` and `make soak`, each on the machine that its section names; speed beside its
floor: the same thing without Waymark. Take them on your own: `make bench` needs about ten minutes. `chaos` counts what
was lost, stuck or said twice while everything failed, `poison` what became of records that cannot be used and of the
good ones among them, `soak` whether memory grows.
"""
_NONE_YET = "\nNo run has been kept yet: `make bench-full` keeps one.\n"


def page(folder: Path = FOLDER) -> str:
    """All of it."""
    kept = read(folder)
    reasons = _reasons(folder)
    if not kept:
        return _INTRO + _NONE_YET
    lines = [_INTRO, *_summary(kept, reasons)]
    for name, one in kept.items():
        lines += _section(name, one, reasons.get(name, {}))
    return "".join(lines)


def read(folder: Path = FOLDER) -> dict[str, Kept]:
    """Every run that was kept, by the benchmark's name, in order of names."""
    files = sorted(file for file in folder.glob("*.json") if file.name != REASONS)
    return {file.stem: orjson.loads(file.read_bytes()) for file in files}


def _reasons(folder: Path) -> Mapping[str, Mapping[str, str]]:
    file = folder / REASONS
    return orjson.loads(file.read_bytes()) if file.exists() else {}


def _summary(kept: Mapping[str, Kept], reasons: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    targets = [(name, target) for name, one in kept.items() for target in one["targets"]]
    if not targets:
        return
    reached = sum(target["is_reached"] for _, target in targets)
    yield f"\n## What is to be reached\n\n{reached} of {len(targets)} are reached.\n\n"
    yield "| figure | measured | floor | to reach | |\n|---|---:|---:|---:|---|\n"
    lines: dict[tuple[str, str], list[str]] = {}
    for name, target in targets:
        figure, _, where = target["figure"].partition(": ") if name in COUNTS else (target["figure"], "", "")
        rest = f"| {_number(target, 'measured')} | {_number(target, 'floor')} | {_wanted(target)} "
        rest += f"| {_verdict(target, reasons.get(name, {}))} |\n"
        lines.setdefault((f"[{figure}](#{name})", rest), []).append(where)
    for (figure, rest), places in lines.items():
        where = "; ".join(place for place in places if place)
        yield f"| {figure}{': ' if where else ''}{where} {rest}"


def _verdict(target: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    if target["is_reached"]:
        return "reached"
    return "**below**" if target["figure"] in reasons else "**below**, the reason is not known yet"


def _wanted(target: Mapping[str, Any]) -> str:
    if target["at_least"] is not None and target["at_least"] == target["at_most"]:
        return f"= {_number(target, 'at_least')}"
    return f"≥ {_number(target, 'at_least')}" if target["at_least"] is not None else f"≤ {_number(target, 'at_most')}"


def _number(target: Mapping[str, Any], name: str) -> str:
    value = target[name]
    return "" if value is None else f"{value:,.{target['decimals']}f} {target['unit']}".rstrip()


def _section(name: str, one: Kept, reasons: Mapping[str, str]) -> Iterator[str]:
    yield f"\n## {name}\n\n{_about(name, one['title'])}\n\n{_machine(one['machine'])}\n\n"
    yield from _table(one)
    remarks = [*one["remarks"], *_earlier(one)]
    for remark in remarks:
        yield f"\n- {remark}"
    yield "\n" if remarks else ""
    if name in PICTURES:
        yield f"\n![{PICTURES[name][1]}]({PICTURES[name][0]})\n"
    for target in one["targets"]:
        if not target["is_reached"] and target["figure"] in reasons:
            yield f"\n**{target['figure']}** is {_number(target, 'measured')} and should be {_wanted(target)}. "
            yield f"{reasons[target['figure']]}\n"


def _earlier(one: Kept) -> Iterator[str]:
    """Which rows were not taken in the run whose load and time the machine's line says."""
    for run in one.get("runs", [])[:-1]:
        yield f"{run['taken_at']}, load before the run {run['load']:.1f}: {', '.join(run['rows'])}."


def _about(name: str, title: str) -> str:
    said = title.removeprefix(f"{name}: ")
    return f"{said[:1].upper()}{said[1:]}."


def _table(one: Kept) -> Iterator[str]:
    columns: Sequence[str] = [c for c in one["units"] if any(c in row for row in one["rows"].values())]
    headings = [f"{column}, {one['units'][column]}" if one["units"][column] else column for column in columns]
    yield f"| | {' | '.join(headings)} |\n|---|{'---:|' * len(columns)}\n"
    for subject, figures in one["rows"].items():
        cells = [f"{figures[c]:,.{one['decimals'][c]}f}" if c in figures else "" for c in columns]
        yield f"| {subject} | {' | '.join(cells)} |\n"


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['system']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB, "
        f"Python {machine['python']}; load before the run {machine['load']:.1f}; {machine['taken_at']}"
    )
