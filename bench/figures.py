"""What every benchmark answers: tables of figures, beside the machine they were taken on."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from journeys.events import Json


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _content("/proc/cpuinfo"), re.MULTILINE)
    return found.group(1) if found else platform.processor() or "unknown processor"


def _memory_gib() -> float:
    found = re.search(r"^MemTotal:\s*(\d+)", _content("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) / 2**20 if found else 0.0


def _content(file: str) -> str:
    path = Path(file)
    return path.read_text() if path.exists() else ""


ROOT = Path(__file__).parents[1]
NOT_RUN = ("docs", "tests", "README.md")
"""What a figure does not depend on: a run that keeps its figures writes there, too."""


_RUN = (".", *(f":(exclude){each}" for each in NOT_RUN))
DIRTY = "-dirty"
"""Behind a commit: what runs is not as that has it."""


def commit_of(root: Path = ROOT) -> str:
    """What runs, as git calls it; empty where there is no git, or nothing of it."""
    commit = _git(root, "describe", "--always").strip()
    return f"{commit}{DIRTY}" if commit and uncommitted(root) else commit


def uncommitted(root: Path = ROOT) -> Sequence[str]:
    """The files that run and are not as they were committed; none where there is no git."""
    return [line[3:] for line in _git(root, "status", "--porcelain", "--", *_RUN).splitlines()]


def changed_since(commit: str, root: Path = ROOT) -> Sequence[str]:
    """The files that run and are not as they were in this commit, whether that has been committed or not; none where
    there is no git, or it is not known what the commit was.
    """
    if not commit or not commit_of(root):
        return []
    commit = commit.removesuffix(DIRTY)
    if not _git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"):
        return [f"the commit {commit} itself, which is not there any more"]
    return sorted({*uncommitted(root), *_git(root, "diff", "--name-only", commit, "--", *_RUN).splitlines()})


def _git(root: Path, *arguments: str) -> str:
    try:
        said = subprocess.run(("git", *arguments), cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return said.stdout


@dataclass(frozen=True)
class Column:
    """One figure of each row; `unit` is empty for counts and shares."""

    name: str
    unit: str = ""
    decimals: int = 0

    @property
    def heading(self) -> str:
        """Name and unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def shown(self, value: float | None) -> str:
        """A figure as people read it."""
        return "" if value is None else f"{value:,.{self.decimals}f}"


@dataclass(frozen=True)
class Row:
    """One subject and its figures, by the column's name; a figure that was not taken is left out."""

    subject: str
    figures: Mapping[str, float]
    remark: str = ""


@dataclass(frozen=True)
class Target:
    """One figure and what it is to reach: at least or at most so much. `floor` is the same figure of the same shape
    without Waymark, taken in the same run, where there is one. `subject` is the row it was reckoned of, or how the rows
    begin that it was: when they are taken anew, it goes with them. Without one it is of the whole table.
    """

    figure: str
    measured: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    floor: float | None = None
    decimals: int = 0
    subject: str = ""

    @property
    def is_reached(self) -> bool:
        """Whether it is within its bounds."""
        return (self.at_least is None or self.measured >= self.at_least) and (
            self.at_most is None or self.measured <= self.at_most
        )

    def shown(self, value: float | None) -> str:
        """One of its numbers with its unit."""
        return "" if value is None else f"{value:,.{self.decimals}f} {self.unit}".rstrip()

    @property
    def wanted(self) -> str:
        """What it is to reach, in words."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"exactly {self.shown(self.at_least)}"
        least = "" if self.at_least is None else f"at least {self.shown(self.at_least)}"
        return least if self.at_most is None else f"at most {self.shown(self.at_most)}"

    def __str__(self) -> str:
        """For a terminal."""
        floor = "" if self.floor is None else f", floor {self.shown(self.floor)}"
        verdict = "reached" if self.is_reached else "MISSED "
        return f"{verdict}  {self.figure}: {self.shown(self.measured)} ({self.wanted}{floor})"


@dataclass(frozen=True)
class Table:
    """All figures of one benchmark, and which of them are to reach something."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row] = ()
    remarks: Sequence[str] = ()
    targets: Sequence[Target] = ()

    def __str__(self) -> str:
        """For a terminal."""
        headings = ["", *(column.heading for column in self.columns)]
        cells = [[row.subject, *(c.shown(row.figures.get(c.name)) for c in self.columns)] for row in self.rows]
        widths = [max(len(line[place]) for line in [headings, *cells]) for place in range(len(headings))]
        lines = [_aligned(line, widths) for line in [headings, *cells]]
        for place, row in enumerate(self.rows, start=1):
            lines[place] = f"{lines[place]}  {row.remark}".rstrip()
        targets = [str(target) for target in self.targets]
        return "\n".join([self.title, "", *lines, "", *self.remarks, "", *targets]).rstrip() + "\n"


@dataclass(frozen=True)
class Machine:
    """Where figures were taken, and of what. `cores` are those that the run may use, of `cores_there`; `load` is the
    machine's own average before the run: what else was going on; `commit` is empty where it is not known.
    """

    system: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    processor: str = field(default_factory=_processor)
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory_gib: float = field(default_factory=_memory_gib)
    python: str = field(default_factory=platform.python_version)
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    taken_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    cores_there: int = field(default_factory=lambda: os.cpu_count() or 1)
    commit: str = field(default_factory=commit_of)

    def __str__(self) -> str:
        """In one line."""
        cores = f"{self.cores} cores" + (f" of {self.cores_there}" if self.cores_there != self.cores else "")
        commit = f"; commit {self.commit}" if self.commit else ""
        return (
            f"{self.system}, {self.processor}, {cores}, {self.memory_gib:.0f} GiB, Python {self.python}; "
            f"load before the run {self.load:.1f}; {self.taken_at}{commit}"
        )


def as_json(machine: Machine, tables: Sequence[Table]) -> dict[str, object]:
    """For programs: the same figures under the same names, with their units."""
    return {"machine": asdict(machine), "benchmarks": {table.name: table_json(table) for table in tables}}


def table_json(table: Table) -> dict[str, Json]:
    """One table for programs, and for the page of figures."""
    return {
        "title": table.title,
        "units": {column.name: column.unit for column in table.columns},
        "decimals": {column.name: column.decimals for column in table.columns},
        "rows": {row.subject: dict(row.figures) for row in table.rows},
        "remarks": [*table.remarks, *(f"{row.subject}: {row.remark}" for row in table.rows if row.remark)],
        "targets": [{**asdict(target), "is_reached": target.is_reached} for target in table.targets],
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed (nearest rank)."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    rank = max(1, -int(-share * len(values) // 1))
    return sorted(values)[rank - 1]


class Progress:
    """One line on a terminal that says how far a benchmark is; nothing where nobody looks."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Say where it stands."""
        if self._is_seen:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def done(self) -> None:
        """Take the line away."""
        self.say("")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([line[0].ljust(len(first)), *others]).rstrip()
