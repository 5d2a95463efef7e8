"""`python -m bench`: every figure, beside the machine it was taken on.

python -m bench [--only throughput] [--quick | --full] [--json] [--save]

`--save` keeps each benchmark's figures, as soon as they are taken, for `docs/reference/figures.md`.
"""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from bench import (
    attention,
    goals,
    growth,
    ingest,
    listing,
    rehearsal,
    sleepers,
    slow_provider,
    steady,
    steering,
    throughput,
    turns,
)
from bench.figures import Machine, Table, as_json, table_json
from bench.results import save


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; `entries` and `on` are None where the size decides."""

    size: str
    entries: int | None
    on: tuple[str, ...]


def _attention(asked: Asked) -> Table:
    return attention.table(learners={"quick": 100}.get(asked.size, 1_000))


def _goals(asked: Asked) -> Table:
    enrolments, seconds = {"quick": (100, 5), "full": (5_000, 60)}.get(asked.size, (1_000, 20))
    return asyncio.run(goals.measure(enrolments=enrolments, seconds=seconds, on=_databases(asked)))


def _growth(asked: Asked) -> Table:
    sizes = {
        "quick": growth.Sizes((100, 1_000), (1, 10), (10, 50), 500, 200),
        "full": growth.Sizes(
            (1_000, 10_000, 100_000, 1_000_000), (1, 10, 100, 1_000), (10, 50, 100, 250, 500), 10_000, 2_000
        ),
    }.get(asked.size, growth.Sizes((1_000, 10_000), (1, 10, 100), (10, 100), 2_000, 500))
    return asyncio.run(growth.measure(sizes, on=_databases(asked)))


def _ingest(asked: Asked) -> Table:
    events, sleepers = {"quick": (5_000, 50), "full": (100_000, 1_000)}.get(asked.size, (20_000, 200))
    return asyncio.run(ingest.measure(events=events, sleepers=sleepers, on=_databases(asked)))


def _listing(asked: Asked) -> Table:
    enrolments, pages = {"quick": (20_000, 5), "full": (1_000_000, 100)}.get(asked.size, (100_000, 25))
    return asyncio.run(listing.measure(enrolments=enrolments, pages=pages, on=_databases(asked)))


def _rehearsal(asked: Asked) -> Table:
    return rehearsal.table(learners={"quick": 100}.get(asked.size, 1_000))


def _sleepers(asked: Asked) -> Table:
    number, seconds = {"quick": (200, 30), "full": (20_000, 60)}.get(asked.size, (500, 20))
    return asyncio.run(sleepers.measure(sleepers=number, seconds=seconds, on=asked.on))


def _slow_provider(asked: Asked) -> Table:
    seconds = {"quick": 10, "full": 60}.get(asked.size, 20)
    return asyncio.run(slow_provider.measure(seconds=seconds, on=_databases(asked)))


def _steady(asked: Asked) -> Table:
    seconds = {"quick": 20, "full": 180}.get(asked.size, 60)
    return asyncio.run(steady.measure(seconds=seconds, on=asked.on))


def _steering(asked: Asked) -> Table:
    return asyncio.run(steering.measure(learners={"quick": 20}.get(asked.size, 100)))


def _throughput(asked: Asked) -> Table:
    entries = asked.entries or {"quick": 200}.get(asked.size, 2_000)
    return asyncio.run(throughput.measure(entries=entries, on=asked.on))


def _turns(asked: Asked) -> Table:
    entries = asked.entries or {"quick": 100}.get(asked.size, 500)
    return asyncio.run(turns.measure(entries=entries, on=_databases(asked)))


def _databases(asked: Asked) -> list[str]:
    return [each for each in asked.on if each != "floor"]


BENCHMARKS: Mapping[str, Callable[[Asked], Table]] = {
    "attention": _attention,
    "rehearsal": _rehearsal,
    "steady": _steady,
    "ingest": _ingest,
    "goals": _goals,
    "growth": _growth,
    "listing": _listing,
    "slow_provider": _slow_provider,
    "sleepers": _sleepers,
    "steering": _steering,
    "turns": _turns,
    "throughput": _throughput,
}


def main() -> None:
    """Take the figures and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Every figure, beside the machine.")
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="one benchmark alone")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small, while something is being changed")
    size.add_argument("--full", action="store_true", help="the long ones too")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--save", action="store_true", help="keep them for docs/reference/figures.md")
    parser.add_argument("--entries", type=int, help="how many entries the burst has")
    parser.add_argument(
        "--on", default="floor,sqlite,postgresql", help="what the burst runs on: floor, sqlite, postgresql"
    )
    given = parser.parse_args()
    chosen = "quick" if given.quick else "full" if given.full else "usual"
    asked = Asked(chosen, given.entries, tuple(given.on.split(",")))
    machine = Machine()
    tables: list[Table] = []
    if not given.json:
        print(machine, end="\n\n")
    for name in [given.only] if given.only else BENCHMARKS:
        before = Machine()
        tables.append(BENCHMARKS[name](asked))
        if given.save:
            save(name, table_json(tables[-1]), before)
        if not given.json:
            print(tables[-1], flush=True)
    if given.json:
        print(orjson.dumps(as_json(machine, tables), option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
