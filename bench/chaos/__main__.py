"""`python -m bench.chaos`: whether anything is lost, stuck or said twice while everything fails.

    python -m bench.chaos [--seed 1] [--learners 1500] [--minutes 5] [--on sqlite|postgresql|both]
                          [--in-doubt leave|resend|both] [--plan FILE] [--calm] [--quick] [--json] [--save]
    python -m bench.chaos soak [--minutes 30] [--on ...]
    python -m bench.chaos poison [--records 10000] [--on ...]

Exit status 0 where nothing was lost, stuck, said twice, told wrongly or in doubt without a cause; 1 otherwise.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import orjson

from bench.chaos import poison, soak
from bench.chaos.judge import InDoubt
from bench.chaos.plan import Planned, read
from bench.chaos.run import Asked, Outcome, Say, run, table_of
from bench.figures import Machine, as_json, table_json
from bench.results import save


class _Aloud(Say):
    """On standard error, so that `--json` stands alone."""

    def plan(self, plan: Sequence[Planned]) -> None:
        print("# the plan: at seconds, what, to whom, for how long", *plan, sep="\n", file=sys.stderr, flush=True)

    def kept(self, folder: Path) -> None:
        print(f"the logs of this run are in {folder}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the arguments, run, print, and tell by the exit status."""
    given = _arguments()
    if given.what != "run" and given.on == "both":
        sys.exit(f"{given.what} runs on one database: give --on sqlite or --on postgresql")
    machine = Machine()
    if given.what == "soak":
        table, is_good = asyncio.run(soak.run(on=given.on, minutes=given.minutes or 30.0))
    elif given.what == "poison":
        table, is_good = asyncio.run(poison.run(records=given.records, on=given.on, seed=given.seed))
    else:
        outcomes = [asyncio.run(_run(given, on, rule)) for on in databases(given.on) for rule in rules(given.in_doubt)]
        table, is_good = table_of(outcomes), all(outcome.is_good for outcome in outcomes)
    if given.json:
        print(orjson.dumps(as_json(machine, [table]), option=orjson.OPT_INDENT_2).decode())
    else:
        print(machine, table, sep="\n\n")
    if given.save:
        save(table.name, table_json(table), machine)
    sys.exit(0 if is_good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Whether anything is lost.")
    parser.add_argument(
        "what", nargs="?", choices=("run", "soak", "poison"), default="run", help="soak: memory; poison: bad records"
    )
    parser.add_argument("--seed", type=int, default=1, help="from which the plan and the feed are drawn")
    parser.add_argument("--learners", type=int, help="how many enter (1500; quick: 60)")
    parser.add_argument("--records", type=int, default=10_000, help="poison: how many of each sort")
    parser.add_argument("--minutes", type=float, help="how long events come (5; quick: half a minute; soak: 30)")
    parser.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="sqlite", help="the database")
    parser.add_argument("--in-doubt", choices=("leave", "resend", "both"), default="leave", help="WAYMARK_IN_DOUBT")
    parser.add_argument("--plan", type=Path, help="a plan as it was printed, in place of one from the seed")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--quick", action="store_true", help="a minute: one fault of each kind")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--save", action="store_true", help="keep the figures in docs/reference/figures")
    return parser.parse_args()


def databases(on: str) -> Sequence[str]:
    """A run on each."""
    return ("sqlite", "postgresql") if on == "both" else (on,)


def rules(in_doubt: str) -> Sequence[InDoubt]:
    """A run by each."""
    return [rule for rule in get_args(InDoubt) if in_doubt in (rule, "both")]


async def _run(given: argparse.Namespace, on: str, in_doubt: InDoubt) -> Outcome:
    asked = Asked(
        given.seed,
        given.learners or (60 if given.quick else 1500),
        60 * (given.minutes or (0.5 if given.quick else 5.0)),
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
    main()
