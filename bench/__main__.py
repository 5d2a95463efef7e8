"""`python -m bench`: every figure, beside the machine it was taken on.

python -m bench [--only throughput] [--quick | --full] [--on floor,sqlite,postgresql] [--json] [--save]

All of them once, in the usual size, on SQLite and beside the floors. `--full` is for both databases. The same figures
as JSON are in `.waymark-bench/latest.json` after each run, with the seconds that each benchmark took; `--json` prints
them instead of the tables.

A benchmark that finds something wrong (a letter that did not come) has no figures. It is told, the others are taken all
the same, and the exit status is 1.

`--save` keeps each benchmark's figures, as soon as they are taken, for `docs/reference/figures.md`: those of its full
size, and no others, never without the floor that they are read beside, and never of code that is not committed, or was
changed since the first benchmark began: then the run ends, as nothing that follows would be kept. What another run has
kept of the same table, on another database perhaps, stays beside them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

from bench import (
    attention,
    goals,
    growth,
    ingest,
    listing,
    rehearsal,
    relay,
    sleepers,
    slow_provider,
    steady,
    steering,
    throughput,
    turns,
)
from bench.figures import Machine, Table, as_json
from bench.processes import on_two_cores
from bench.results import not_committed, not_saved
from bench.stage import SUBJECT_OF, Wrong

LATEST = Path(".waymark-bench") / "latest.json"
"""The latest run's figures, of whatever size; nobody keeps it."""

Size = TypeVar("Size")


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; `entries` is None where the size decides."""

    size: str
    entries: int | None
    on: tuple[str, ...]

    @property
    def databases(self) -> Sequence[str]:
        """For what has no floor of its own, or takes it beside the first."""
        return [each for each in self.on if each != "floor"]


@dataclass(frozen=True)
class Benchmark(Generic[Size]):
    """One benchmark in its sizes: for whoever is changing something, for `make bench`, and the one that is kept.
    `is_burst`: its size is a number of entries, which the command line may give. `asks_for_floor`: its floor is a row
    that the command line may leave out.
    """

    measure: Callable[[Size, Asked], Table]
    quick: Size
    usual: Size
    full: Size
    is_burst: bool = False
    asks_for_floor: bool = False

    def size(self, asked: Asked) -> Size | int:
        """The one that was asked for."""
        if self.is_burst and asked.entries is not None:
            return asked.entries
        return {"quick": self.quick, "usual": self.usual, "full": self.full}[asked.size]

    def may_keep(self, asked: Asked) -> bool:
        """Whether that is the size at which its figures are kept."""
        return self.size(asked) == self.full

    def taken(self, asked: Asked) -> Table:
        """Its figures, now."""
        return self.measure(self.size(asked), asked)  # type: ignore[arg-type] - where it is an int, Size is one


def _attention(learners: int, _: Asked) -> Table:
    return attention.table(learners=learners)


def _goals(size: tuple[int, int], asked: Asked) -> Table:
    enrolments, seconds = size
    return asyncio.run(goals.measure(enrolments=enrolments, seconds=seconds, on=asked.databases))


def _growth(sizes: growth.Sizes, asked: Asked) -> Table:
    return asyncio.run(growth.measure(sizes, on=asked.databases))


def _ingest(size: tuple[int, int], asked: Asked) -> Table:
    events, sleeping = size
    return asyncio.run(ingest.measure(events=events, sleepers=sleeping, on=asked.databases))


def _listing(size: tuple[int, int], asked: Asked) -> Table:
    enrolments, pages = size
    return asyncio.run(listing.measure(enrolments=enrolments, pages=pages, on=asked.databases))


def _rehearsal(learners: int, _: Asked) -> Table:
    return rehearsal.table(learners=learners)


def _relay(records: int, asked: Asked) -> Table:
    return asyncio.run(relay.measure(records=records, on=asked.databases))


def _sleepers(size: tuple[int, int], asked: Asked) -> Table:
    number, seconds = size
    return asyncio.run(sleepers.measure(sleepers=number, seconds=seconds, on=asked.on))


def _slow_provider(seconds: int, asked: Asked) -> Table:
    return asyncio.run(slow_provider.measure(seconds=seconds, on=asked.databases))


def _steady(seconds: int, asked: Asked) -> Table:
    return asyncio.run(steady.measure(seconds=seconds, on=asked.on))


def _steering(learners: int, _: Asked) -> Table:
    return asyncio.run(steering.measure(learners=learners))


def _throughput(entries: int, asked: Asked) -> Table:
    return asyncio.run(throughput.measure(entries=entries, on=asked.on))


def _turns(entries: int, asked: Asked) -> Table:
    return asyncio.run(turns.measure(entries=entries, on=asked.databases))


GROWTH = (
    growth.Sizes((100, 1_000), (1, 10), (10, 50), 500, 200),
    growth.Sizes((1_000, 10_000), (1, 10, 100), (10, 100), 2_000, 500),
    growth.Sizes((1_000, 10_000, 100_000, 1_000_000), (1, 10, 100, 1_000), (10, 50, 100, 250, 500), 10_000, 2_000),
)

BENCHMARKS: Mapping[str, Benchmark[Any]] = {
    "attention": Benchmark(_attention, 100, 1_000, 1_000),
    "rehearsal": Benchmark(_rehearsal, 100, 1_000, 1_000),
    "relay": Benchmark(_relay, 2_000, 20_000, 100_000),
    "steady": Benchmark(_steady, 20, 30, 180, asks_for_floor=True),
    "ingest": Benchmark(_ingest, (5_000, 50), (20_000, 200), (100_000, 1_000)),
    "goals": Benchmark(_goals, (100, 5), (1_000, 20), (5_000, 60)),
    "growth": Benchmark(_growth, *GROWTH),
    "listing": Benchmark(_listing, (20_000, 5), (100_000, 25), (1_000_000, 100)),
    "slow_provider": Benchmark(_slow_provider, 10, 20, 60),
    "sleepers": Benchmark(_sleepers, (200, 30), (500, 20), (20_000, 60), asks_for_floor=True),
    "steering": Benchmark(_steering, 20, 100, 100),
    "turns": Benchmark(_turns, 100, 500, 500, is_burst=True),
    "throughput": Benchmark(_throughput, 200, 2_000, 2_000, is_burst=True, asks_for_floor=True),
}


def not_kept(names: Sequence[str], asked: Asked) -> str | None:
    """Why these are not to be kept at this size, and what to do; None where they are."""
    small = [name for name in names if not BENCHMARKS[name].may_keep(asked)]
    alone = [name for name in names if BENCHMARKS[name].asks_for_floor and "floor" not in asked.on]
    if small:
        with_full = "give --full without --entries, or leave --save out"
        return f"--save keeps figures of the full size alone, and {', '.join(small)} would not be: {with_full}"
    with_floor = "name floor in --on, or leave --save out"
    return f"--save keeps {', '.join(alone)} beside the floor of the same run alone: {with_floor}" if alone else None


def main() -> None:
    """Take the figures and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Every figure, beside the machine.")
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="one benchmark alone")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small, while something is being changed")
    size.add_argument("--full", action="store_true", help="the long ones too")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--save", action="store_true", help="keep them for docs/reference/figures.md (full size only)")
    parser.add_argument("--entries", type=int, help="how many entries the burst has")
    parser.add_argument(
        "--on", help="what they run on: floor, sqlite, postgresql (floor,sqlite; with --full all three)"
    )
    given = parser.parse_args()
    chosen = "quick" if given.quick else "full" if given.full else "usual"
    on = given.on or ("floor,sqlite,postgresql" if given.full else "floor,sqlite")
    asked = Asked(chosen, given.entries, tuple(on.split(",")))
    if unknown := set(asked.on) - set(SUBJECT_OF):
        parser.error(f"--on {', '.join(sorted(unknown))} is nothing to run on: give some of {', '.join(SUBJECT_OF)}")
    names = [given.only] if given.only else list(BENCHMARKS)
    if given.save and (why := not_kept(names, asked) or not_committed()):
        parser.error(why)
    run = Run(Machine())
    if not given.json:
        print(run.machine, end="\n\n")
    why = None
    for name in names:
        before = Machine(commit=run.machine.commit)
        table = run.take(name, asked)
        if not given.json:
            print(table or "", f"{name} took {run.seconds[name]:.0f} s\n", sep="\n", flush=True)
        run.write()
        if given.save and table and (why := not_saved(table, before)):
            break
    if given.json:
        print(LATEST.read_text())
    else:
        print(f"All took {sum(run.seconds.values()) / 60:.1f} minutes. The same as JSON: {LATEST}")
    if run.wrong:
        print(*(f"{name} has no figures: {wrong}" for name, wrong in run.wrong.items()), sep="\n", file=sys.stderr)
    if why:
        print(why, file=sys.stderr)
    if why or run.wrong:
        sys.exit(2 if why else 1)


@dataclass
class Run:
    """What has come of the benchmarks so far: `seconds` is what each took by the clock on the wall, `wrong` what some
    found, which have no table.
    """

    machine: Machine
    tables: list[Table] = field(default_factory=list[Table])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    wrong: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, name: str, asked: Asked) -> Table | None:
        """The figures of one; None where it found something wrong, which is told at once."""
        began = time.monotonic()
        table: Table | None = None
        try:
            table = BENCHMARKS[name].taken(asked)
            self.tables.append(table)
        except* Wrong as group:
            self.wrong[name] = ", ".join(map(str, _each(group)))
            print(f"{name} is WRONG: {self.wrong[name]}", file=sys.stderr, flush=True)
        self.seconds[name] = time.monotonic() - began
        return table

    def write(self, file: Path | None = None) -> None:
        """The figures so far, for programs: after each benchmark, so that a run that is broken off has left its own."""
        file = file or LATEST
        file.parent.mkdir(parents=True, exist_ok=True)
        seconds = {name: round(taken, 1) for name, taken in self.seconds.items()}
        told = {**as_json(self.machine, self.tables), "seconds": seconds, "wrong": self.wrong}
        file.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _each(group: BaseExceptionGroup[Wrong]) -> Iterator[Wrong]:
    """Those within groups within groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            yield error


if __name__ == "__main__":
    on_two_cores()
    main()
