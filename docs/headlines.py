"""What the README shows of the figures: the six that matter to a reader, and what came of the chaos.

They stand between two lines of the README, `<!-- figures ... -->` and `<!-- /figures -->`, and are written there by
`python -m docs.generate` from what was kept, so that they cannot say anything else. A figure that has not been kept has
no line.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

BETWEEN = re.compile(
    r"(?<=<!-- figures: written by `python -m docs\.generate` -->\n).*?(?=<!-- /figures -->)", re.DOTALL
)
FLOOR, OURS = "bare Temporal (the floor)", "Waymark, SQLite"
READING = "kafka-python and JSON (the floor)"

Rows = Mapping[str, Mapping[str, float]]
Line = tuple[str, str, str]
"""What it is, Waymark's, the floor's."""


def written(readme: str, kept: Mapping[str, Mapping[str, Any]]) -> str:
    """The README as it must be; raises ValueError where it has no place for the figures."""
    if not BETWEEN.search(readme):
        raise ValueError("the README has no place for the figures: see docs/headlines.py for the two lines around it")
    return BETWEEN.sub(lambda _: "".join(["\n", *_table(kept), *_chaos(kept), "\n"]), readme)


def _table(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| | Waymark | floor |\n|---|---:|---:|\n"
    for benchmark, line in LINES:
        try:
            name, ours, floor = line(kept[benchmark]["title"], kept[benchmark]["rows"])
        except KeyError:
            continue
        yield f"| {name} | {ours} | {floor} |\n"


def _number(title: str) -> str:
    """The first number of a title, which says how large the run was."""
    found = re.search(r"\d[\d,]*", title)
    return found.group() if found else ""


def _steady(title: str, rows: Rows) -> Line:
    ours, floor = ("{p50:,.0f} ms, {p99:,.0f} ms".format(**rows[subject]) for subject in (OURS, FLOOR))
    return f"from an event to the letter's arrival, at {_number(title)} entries a second: median, p99", ours, floor


def _burst(title: str, rows: Rows) -> Line:
    ours, floor = (f"{rows[subject]['messages per second']:,.0f}" for subject in (OURS, FLOOR))
    return f"a burst of {_number(title)} entries, three messages each: messages a second", ours, floor


def _goal(_: str, rows: Rows) -> Line:
    taken = rows[f"{OURS}: goal, to the end"]["p99"]
    return "from the event that is the goal to the journey's end, p99", f"{taken:,.2f} s", ""


def _pause(_: str, rows: Rows) -> Line:
    taken = rows[f"{OURS}: pause, to the last letter"]["the longest"]
    return "from the pause of a whole journey to its last letter", f"{taken:,.2f} s", ""


def _ingest(_: str, rows: Rows) -> Line:
    ours, floor = (rows[name]["events per second"] for name in (f"{OURS}: profile updates", READING))
    return "profile updates through Kafka into the log, a second", f"{ours:,.0f}", f"{floor:,.0f} (reading alone)"


def _listing(title: str, rows: Rows) -> Line:
    enrolments = re.sub(r".* among ([\d,]+) .*", r"\1", title)
    slowest = max(row["p99"] for subject, row in rows.items() if subject.startswith(OURS))
    return f"a page of a list among {enrolments} enrolments, p99 of the slowest list", f"{slowest:,.0f} ms", ""


LINES: Sequence[tuple[str, Callable[[str, Rows], Line]]] = (
    ("steady", _steady),
    ("throughput", _burst),
    ("goals", _goal),
    ("goals", _pause),
    ("ingest", _ingest),
    ("listing", _listing),
)
"""Each figure by the benchmark it is of."""

COUNTED = (
    "faults", "learners", "messages", "lost", "stuck", "said twice", "in doubt", "may be in doubt", "unexplained",
)  # fmt: skip
"""The columns of the chaos that are summed up."""


def _chaos(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the runs that were kept counted."""
    if "chaos" not in kept:
        return
    rows: Sequence[Mapping[str, float]] = list(kept["chaos"]["rows"].values())
    sums = {name: f"{sum(row[name] for row in rows):,.0f}" for name in COUNTED}
    yield (
        f"\nWhat was counted in the {len(rows)} runs of `make chaos` that were kept, with {sums['faults']} faults, "
        f"{sums['learners']} learners and {sums['messages']} messages: **{sums['lost']} lost, {sums['stuck']} stuck, "
        f"{sums['said twice']} said twice without need**; {sums['in doubt']} in doubt, and marked so, of "
        f"{sums['may be in doubt']} whose answer never came, or came while their sender died or the database was "
        f"away; {sums['unexplained']} of them without such an excuse.\n"
    )
