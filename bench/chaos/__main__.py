"""`python -m bench.chaos`: whether anything is lost, stuck or said twice while everything fails.

    python -m bench.chaos [run] [--seed 1] [--learners 1500] [--minutes 5] [--on sqlite|postgresql|both]
                          [--in-doubt leave|resend|both] [--plan FILE] [--calm] [--quick] [--json] [--save]
    python -m bench.chaos poison [--records 10000] [--on ...]
    python -m bench.chaos soak [--minutes 30] [--on ...]

Several of them in one go, `run poison` say, take place one after the other. `--save` keeps the figures of each as soon
as they are there, beside those that other runs have kept: of runs of full size and of code that is committed, and no
others. Where the code is changed meanwhile, nothing that follows would be kept, and nothing follows.

Exit status 0 where nothing was lost, stuck, said twice, told wrongly or in doubt without a cause, poison stood aside,
memory was flat; 2 where what was to be kept was not; 1 otherwise.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import orjson

from bench.chaos import poison, soak
from bench.chaos.judge import InDoubt, Verdict
from bench.chaos.plan import Planned, read
from bench.chaos.run import Asked, Outcome, Say, run, table_of
from bench.figures import Machine, Table, as_json
from bench.processes import on_two_cores
from bench.results import not_committed, not_saved

KINDS = ("run", "poison", "soak")
LEARNERS, MINUTES, RECORDS, SOAK_MINUTES = 1_500, 5.0, 10_000, 30.0
"""The full sizes: what is kept has at least these."""

Taken = tuple[Table, bool]
"""A table, and whether all was as it should be."""


class _Aloud(Say):
    """On standard error, so that `--json` stands alone."""

    def plan(self, plan: Sequence[Planned]) -> None:
        print("# the plan: at seconds, what, to whom, for how long", *plan, sep="\n", file=sys.stderr, flush=True)

    def judged(self, verdict: Verdict) -> None:
        print(f"found, before all is brought in once more: {verdict}", file=sys.stderr, flush=True)

    def kept(self, folder: Path) -> None:
        print(f"the logs of this run are in {folder}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the arguments, run, print, and tell by the exit status."""
    given = arguments()
    if given.save and (why := not_committed()):
        print(why, file=sys.stderr)
        sys.exit(2)
    began, tables, is_good, why = Machine(), list[Table](), True, None
    if not given.json:
        print(began, flush=True)
    for take in _takings(given):
        machine = Machine(commit=began.commit)
        table, was_good = take()
        tables.append(table)
        is_good = is_good and was_good
        if not given.json:
            print("", table, sep="\n", flush=True)
        if given.save and (why := not_saved(table, machine)):
            break
    if given.json:
        print(orjson.dumps(as_json(began, joined(tables)), option=orjson.OPT_INDENT_2).decode())
    if why:
        print(why, file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if is_good else 1)


def _takings(given: argparse.Namespace) -> Iterator[Callable[[], Taken]]:
    """All that was asked for, each to be taken by itself."""
    records = given.records or (200 if given.quick else RECORDS)
    for kind in given.what:
        for on in databases(given.on):
            if kind == "run":
                yield from (partial(_taken_in_chaos, given, on, rule) for rule in rules(given.in_doubt))
            elif kind == "poison":
                yield lambda on=on: asyncio.run(poison.run(records=records, on=on, seed=given.seed))
            else:
                yield lambda on=on: asyncio.run(soak.run(on=on, minutes=given.minutes or SOAK_MINUTES))


def joined(tables: Sequence[Table]) -> Sequence[Table]:
    """One table of all with the same name."""
    found: dict[str, Table] = {}
    for table in tables:
        one = found.setdefault(table.name, table)
        if one is not table:
            found[table.name] = Table(
                one.name, one.title, one.columns, [*one.rows, *table.rows],
                list(dict.fromkeys([*one.remarks, *table.remarks])), [*one.targets, *table.targets],
            )  # fmt: skip
    return list(found.values())


def not_kept(given: argparse.Namespace) -> str | None:
    """Why this is not to be kept, and what to do; None where it is."""
    small = {
        "--quick": given.quick,
        "--calm": given.calm,
        "--plan": given.plan is not None,
        f"--learners below {LEARNERS}": (given.learners or LEARNERS) < LEARNERS,
        f"--minutes below {MINUTES:g}": "run" in given.what and (given.minutes or MINUTES) < MINUTES,
        f"--records below {RECORDS}": (given.records or RECORDS) < RECORDS,
        f"--minutes below {SOAK_MINUTES:g}": "soak" in given.what and (given.minutes or SOAK_MINUTES) < SOAK_MINUTES,
    }
    why = [option for option, is_there in small.items() if is_there]
    return f"--save keeps runs of full size alone: leave out {', '.join(why)}, or --save" if why else None


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for by these words, else by the command line; ends the process where it cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Whether anything is lost.")
    parser.add_argument(
        "what", nargs="*", metavar="|".join(KINDS), help="run (unless told otherwise): everything fails; poison: bad "
        "records; soak: memory",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="from which the plan and the feed are drawn")
    parser.add_argument("--learners", type=int, help=f"how many enter ({LEARNERS}; quick: 60)")
    parser.add_argument("--records", type=int, help=f"poison: how many of each sort ({RECORDS}; quick: 200)")
    parser.add_argument("--minutes", type=float, help="how long events come (5; quick: half a minute; soak: 30)")
    parser.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="sqlite", help="the database")
    parser.add_argument("--in-doubt", choices=("leave", "resend", "both"), default="leave", help="WAYMARK_IN_DOUBT")
    parser.add_argument("--plan", type=Path, help="a plan as it was printed, in place of one from the seed")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--quick", action="store_true", help="a minute: one fault of each kind")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures in docs/reference/figures (full size only)"
    )
    given = parser.parse_args(words)
    given.what = given.what or ["run"]
    if unknown := set(given.what) - set(KINDS):
        parser.error(f"{', '.join(sorted(unknown))}: there are only {', '.join(KINDS)}")
    if given.save and (why := not_kept(given)):
        parser.error(why)
    return given


def databases(on: str) -> Sequence[str]:
    """A run on each."""
    return ("sqlite", "postgresql") if on == "both" else (on,)


def rules(in_doubt: str) -> Sequence[InDoubt]:
    """A run by each."""
    return [rule for rule in get_args(InDoubt) if in_doubt in (rule, "both")]


def _taken_in_chaos(given: argparse.Namespace, on: str, in_doubt: InDoubt) -> Taken:
    outcome = asyncio.run(_run(given, on, in_doubt))
    return table_of([outcome]), outcome.is_good


async def _run(given: argparse.Namespace, on: str, in_doubt: InDoubt) -> Outcome:
    asked = Asked(
        given.seed,
        given.learners or (60 if given.quick else LEARNERS),
        60 * (given.minutes or (0.5 if given.quick else MINUTES)),
        on,
        in_doubt,
        given.calm,
        given.quick,
        read(given.plan.read_text()) if given.plan else None,
    )
    outcome = await run(asked, say=_Aloud())
    print(*outcome.stories, *outcome.happened, sep="\n", file=sys.stderr, flush=True)
    return outcome


if __name__ == "__main__":
    on_two_cores()
    main()
