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
UPDATES = "profile updates"

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


def _goal(title: str, rows: Rows) -> Line:
    taken = rows[f"{OURS}: goal, to the end"]["p99"]
    name = f"from the event that is the goal to the journey's end, among {_enrolments(title)} that wait, p99"
    return name, f"{taken:,.2f} s", ""


def _pause(title: str, rows: Rows) -> Line:
    taken = rows[f"{OURS}: pause, to the last letter"]["the longest"]
    return f"from the pause of a journey of {_enrolments(title)} to its last letter", f"{taken:,.2f} s", ""


def _ingest(title: str, rows: Rows) -> Line:
    floor = rows.get(f"{READING}: {UPDATES}", rows.get(READING, {}))["events per second"]
    ours = rows[f"{OURS}: {UPDATES}"]["events per second"]
    name = f"{_number(title)} {UPDATES} through Kafka into the log, a second"
    return name, f"{ours:,.0f}", f"{floor:,.0f} (read and decoded)"


def _enrolments(title: str) -> str:
    """Among how many enrolments, as a title says it."""
    found = re.search(r" among ([\d,]+) enrolments", title)
    return f"{found.group(1)} enrolments" if found else "enrolments"


def _listing(title: str, rows: Rows) -> Line:
    enrolments = _enrolments(title)
    slowest = max(row["p99"] for subject, row in rows.items() if subject.startswith(OURS))
    return f"a page of a list among {enrolments}, p99 of the slowest list", f"{slowest:,.0f} ms", ""


LINES: Sequence[tuple[str, Callable[[str, Rows], Line]]] = (
    ("steady", _steady),
    ("throughput", _burst),
    ("goals", _goal),
    ("goals", _pause),
    ("ingest", _ingest),
    ("listing", _listing),
)
"""Each figure by the benchmark it is of."""

COUNTED = ("faults", "learners", "messages", "lost", "stuck", "said twice")
"""The columns of the chaos that are summed up."""
DOUBTS = ("in doubt", "may be in doubt", "unexplained")
"""And those of the runs in which doubt is left as it is."""
LEAVE = ", leave, "
"""In the name of a run in which what is in doubt is left so: where it is sent again, none is in doubt at the end."""


def _chaos(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the runs that were kept counted."""
    if "chaos" not in kept:
        return
    rows: Sequence[Mapping[str, float]] = list(kept["chaos"]["rows"].values())
    sums = {name: f"{sum(row[name] for row in rows):,.0f}" for name in COUNTED}
    left = [row for run, row in kept["chaos"]["rows"].items() if LEAVE in run]
    yield (
        f"\nWhat was counted in the {len(rows)} runs of `make chaos` that were kept, with {sums['faults']} faults, "
        f"{sums['learners']} learners and {sums['messages']} messages: **{sums['lost']} lost, {sums['stuck']} stuck, "
        f"{sums['said twice']} said twice without need**.{_doubts(left)}\n"
    )


def _doubts(left: Sequence[Mapping[str, float]]) -> str:
    """Of the runs in which doubt is left as it is: each doubt has an excuse, or has none; never both."""
    if not left:
        return ""
    doubts, excuses, without = (sum(row[name] for row in left) for name in DOUBTS)
    said_without = f"{without:,.0f} without" if without else "none without"
    return (
        f" In the {len(left)} of them where doubt is left as it is, {doubts:,.0f} messages are in doubt, and marked "
        f"so: {doubts - without:,.0f} with an excuse, of {excuses:,.0f} that had one (their answer never came, or came "
        f"while their sender died or the database was away), {said_without}."
    )
