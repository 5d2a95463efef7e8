"""The page of figures, from what `make bench-full`, `make chaos` and `make soak` have kept, and from nothing else.

`docs/reference/figures/<name>.json` are the figures of one table each, with the machine and the runs they were taken
in; `reasons.json` beside them says why a figure is below its target, and what was tried, of the run that began at its
`taken_at`: of another run it is not shown, and `stale_reasons` names it. Nothing is measured here.
"""

import ast
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

NOTES = {
    "soak": (
        "Flat is less than 3 % in the twenty minutes that are counted. That does not show that nothing grows: what the "
        "slope would come to in an hour stands beside each."
    ),
    "throughput": "Everybody comes at once, on two cores that run everything: for a usual day see [steady](#steady).",
}
"""What a reader of a section must know beside what its module says."""

BESIDE = {"soak": "slope"}
"""A column that is told beside what was measured, where the row of the target has it."""

BENCH = Path(__file__).parents[1] / "bench"
MODULES = {name: f"chaos/{file}.py" for name, file in {"chaos": "judge", "poison": "poison", "soak": "soak"}.items()}
"""Where it is said what is measured, and what the columns are; elsewhere in the module of the benchmark's name."""

WANTED: Mapping[str, tuple[str, str]] = {
    "throughput": ("a burst of 2,000 entries, beside bare Temporal", "2,000 entries"),
    "steady": ("10 entries a second for three minutes", "180 s"),
    "ingest": ("events that concern no journey, and those for sleepers in vain", "100,000 events"),
    "goals": ("goals and a pause among 5,000 in a long wait", "5,000 enrolments"),
    "sleepers": ("20,000 asleep: CPU while nothing happens, bytes each", "20,000"),
    "slow_provider": ("a webhook beside an SMTP server that answers after five seconds", "60 s"),
    "growth": ("one learner's 10,000 events, and a journey of 500 steps", "10,000 events of one learner"),
    "listing": ("a page of a list among 1,000,000 enrolments", "1,000,000 enrolments"),
    "relay": ("100,000 of our own records from the store into Kafka", "100,000 records"),
    "rehearsal": ("the pure core: `advance`, triggers, compiling, rehearsing", "1,000 learners"),
    "chaos": ("nothing lost, stuck or said twice while everything fails", ""),
    "poison": ("10,000 records that cannot be used among 10,000 good ones", "10,000"),
    "soak": ("half an hour of steady work: whether memory grows", "30 minutes"),
}
"""What is to be reached, by benchmark, and what the title of a run of full size says."""

BOTH = frozenset(WANTED) - {"rehearsal"}
"""Those that both databases are to be measured with."""

Reasons = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By benchmark and figure: `taken_at` of the run, and what it `says`."""

Kept = Mapping[str, Any]
"""One file: the machine, the title, units and decimals of the columns, rows, remarks, targets, runs."""

_INTRO = """# Figures

What runs of `python -m bench`, `make chaos` and `make soak` have kept, each of the size that its first line says, and
on the machine that its second names, with the commit that ran; where none is named, the run was kept before commits
were, and nobody can say any more. Speed stands beside its floor, where there is one: the same thing without Waymark,
taken in the same run. Take them on your own: `make bench` is meant to need ten minutes, and says at its end how many it
took; `make bench-full` needs far longer. Every section begins with what its benchmark says of itself: what is measured,
how it is checked, what its words mean.
"""
_NONE_YET = "\nNo run has been kept yet: `make bench-full` keeps one.\n"


def page(folder: Path = FOLDER) -> str:
    """All of it."""
    kept = read(folder)
    reasons = _reasons(folder)
    if not kept:
        return _INTRO + _NONE_YET
    lines = [_INTRO, *_summary(kept, reasons)]
    for name in kept:
        lines += _section(name, kept, reasons)
    return "".join(lines)


def stale_reasons(folder: Path = FOLDER) -> Sequence[str]:
    """Reasons that explain nothing that stands there: of another run, or of what is reached, or of no figure at all."""
    kept = read(folder)
    shown = {(name, target["figure"]) for name, one in kept.items() for target in one["targets"]
             if not target["is_reached"] and _reason(name, one, target, _reasons(folder))}  # fmt: skip
    return [
        f"{name}: {figure}" for name, each in _reasons(folder).items() for figure in each if (name, figure) not in shown
    ]


def read(folder: Path = FOLDER) -> dict[str, Kept]:
    """Every run that was kept, by the benchmark's name, in order of names."""
    files = sorted(file for file in folder.glob("*.json") if file.name != REASONS)
    return {file.stem: orjson.loads(file.read_bytes()) for file in files}


def _reasons(folder: Path) -> Reasons:
    file = folder / REASONS
    return orjson.loads(file.read_bytes()) if file.exists() else {}


def _reason(name: str, one: Kept, target: Mapping[str, Any], reasons: Reasons) -> str | None:
    """Why a figure is below its target; None where nobody has looked into this run's."""
    reason = reasons.get(name, {}).get(target["figure"])
    is_of_this_run = reason is not None and reason["taken_at"] == _taken_at(one, target["figure"])
    return reason["says"] if reason is not None and is_of_this_run else None


def _taken_at(one: Kept, figure: str) -> str:
    """When the run began that a target was reckoned in."""
    runs = [run["taken_at"] for run in one.get("runs", []) if figure in run["targets"]]
    return runs[-1] if runs else one["machine"]["taken_at"]


def _summary(kept: Mapping[str, Kept], reasons: Reasons) -> Iterator[str]:
    targets = [(name, target) for name, one in kept.items() for target in one["targets"]]
    if not targets:
        return
    reached = sum(target["is_reached"] for _, target in targets)
    open_still = list(_not_taken(kept))
    and_not = " What has not been taken yet is [below](#not-taken-yet), and counts in neither." if open_still else ""
    yield f"\n## What is to be reached\n\nOf what was taken, {reached} of {len(targets)} are reached.{and_not}\n\n"
    yield "| figure | measured | floor | to reach | |\n|---|---:|---:|---:|---|\n"
    lines: dict[tuple[str, str], list[str]] = {}
    for name, target in targets:
        figure, _, where = target["figure"].partition(": ") if name in COUNTS else (target["figure"], "", "")
        one = kept[name]
        rest = f"| {_number(target, 'measured')}{_beside(name, one, target)} | {_number(target, 'floor')} "
        rest += f"| {_wanted(target)} | {_verdict(target, _reason(name, one, target, reasons))} |\n"
        lines.setdefault((f"[{figure}](#{name})", rest), []).append(where)
    for (figure, rest), places in lines.items():
        where = "; ".join(place for place in places if place)
        yield f"| {figure}{': ' if where else ''}{where} {rest}"
    if open_still:
        yield f"\n### Not taken yet\n\n{''.join(open_still)}"


def _not_taken(kept: Mapping[str, Kept]) -> Iterator[str]:
    """What is to be reached and was not tried, or only in part."""
    for name, (what, full) in WANTED.items():
        if name not in kept:
            yield f"- {name}: {what}\n"
            continue
        title, rows = kept[name]["title"], " ".join(kept[name]["rows"]).lower()
        lacking = [
            *([f"in full size ({full})"] if full not in title else []),
            *([f"on {each}" for each in ("SQLite", "PostgreSQL") if each.lower() not in rows] if name in BOTH else []),
        ]
        if lacking:
            yield f"- {name}: {what}: {' and '.join(lacking)}\n"


def _beside(name: str, one: Kept, target: Mapping[str, Any]) -> str:
    """Another figure of the target's row, without which the first says too little."""
    column = BESIDE.get(name, "")
    figure = one["rows"].get(target.get("subject", ""), {}).get(column)
    return "" if figure is None else f" ({figure:,.{one['decimals'][column]}f} {one['units'][column]})"


def _verdict(target: Mapping[str, Any], reason: str | None) -> str:
    if target["is_reached"]:
        return "reached"
    return "**below**" if reason else "**below**, the reason is not known yet"


def _wanted(target: Mapping[str, Any]) -> str:
    if target["at_least"] is not None and target["at_least"] == target["at_most"]:
        return f"= {_number(target, 'at_least')}"
    return f"≥ {_number(target, 'at_least')}" if target["at_least"] is not None else f"≤ {_number(target, 'at_most')}"


def _number(target: Mapping[str, Any], name: str) -> str:
    value = target[name]
    return "" if value is None else f"{value:,.{target['decimals']}f} {target['unit']}".rstrip()


def _section(name: str, kept: Mapping[str, Kept], reasons: Reasons) -> Iterator[str]:
    one = kept[name]
    yield f"\n## {name}\n\n{_about(name, one['title'])}\n\n{_machine(one['machine'])}\n\n"
    yield from (f"{text}\n\n" for text in (NOTES.get(name), _legend(name)) if text)
    yield from _table(one)
    remarks = [*one["remarks"], *_earlier(one), *_at_the_same_time(name, kept)]
    for remark in remarks:
        yield f"\n- {remark}"
    yield "\n" if remarks else ""
    if name in PICTURES:
        yield f"\n![{PICTURES[name][1]}]({PICTURES[name][0]})\n"
    for target in one["targets"]:
        reason = _reason(name, one, target, reasons)
        if not target["is_reached"] and reason:
            yield f"\n**{target['figure']}** is {_number(target, 'measured')} and should be {_wanted(target)}. "
            yield f"{reason}\n"


def _legend(name: str) -> str:
    """What the benchmark's module says of itself; nothing of one that is not there."""
    file = BENCH / MODULES.get(name, f"{name}.py")
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "") if file.exists() else ""


def _earlier(one: Kept) -> Iterator[str]:
    """Which rows were not taken in the run whose load and time the machine's line says."""
    for run in one.get("runs", [])[:-1]:
        commit = f", commit {run['commit']}" if run.get("commit") else ""
        yield f"{run['taken_at']}, load before the run {run['load']:.1f}{commit}: {', '.join(run['rows'])}."


def _at_the_same_time(name: str, kept: Mapping[str, Kept]) -> Iterator[str]:
    """Which other runs went on while one of this section did: they shared its cores."""
    for place, run in enumerate(kept[name].get("runs", [])):
        others = [
            f"[{other}](#{other}) ({', '.join(each['rows'])})"
            for other, one in kept.items()
            for number, each in enumerate(one.get("runs", []))
            if (other, number) != (name, place) and _overlap(run, each)
        ]
        if others:
            yield f"At the same time as {', '.join(run['rows'])}, on the same cores: {'; '.join(others)}."


def _overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Of runs that do not say when they ended, only whether both began at once."""
    began, ended = (one["taken_at"], other["taken_at"]), (one.get("ended_at"), other.get("ended_at"))
    if ended[0] is None or ended[1] is None:
        return began[0] == began[1]
    return began[0] < ended[1] and began[1] < ended[0]


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
    cores = f"{machine['cores']} cores"
    if machine.get("cores_there", machine["cores"]) != machine["cores"]:
        cores += f" of {machine['cores_there']}"
    commit = f"; commit {machine['commit']}" if machine.get("commit") else ""
    return (
        f"{machine['system']}, {machine['processor']}, {cores}, {machine['memory_gib']:.0f} GiB, "
        f"Python {machine['python']}; load before the run {machine['load']:.1f}; {machine['taken_at']}{commit}"
    )
