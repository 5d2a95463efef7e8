"""The same for many, as the command line asks for it: how many first, then a bar while it is done, and Ctrl-C stops it.

The work is done by the installation itself (`POST /v1/enrolments/actions`), so a terminal that goes away stops nothing.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import typer

from waymark.cli.client import Api, Body, Refused, path_of
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.output import are, print_json, progress, refusals

PATH = "/v1/enrolments/actions"
POLL_SECONDS = 0.3
IDLE_SECONDS = 20.0
"""After so long without progress it is said what may be wrong."""
TOLD = 50
"""The most of those who could not be that are told one by one."""


def act_on_many(
    api: Api,
    wanted: Sequence[Body],
    *,
    done: str,
    is_dry_run: bool,
    yes: bool,
    as_json: bool,
    path: str = PATH,
) -> None:
    """Do these actions, one after the other; `done` says what becomes of each item (`enrolled`). `path` is where they
    are asked for.

    Raises NotSo where some could not be done, or it was stopped.
    """
    looked_at = [api.post(path, {**body, "dry_run": True}) for body in wanted]
    if is_dry_run:
        _tell_dry_run(looked_at, done=done, as_json=as_json)
        return
    total = sum(told["total"] for told in looked_at)
    may = total - sum(told["failed"] for told in looked_at)
    confirm(f"{may} of {total} would be {done}", number=may, yes=yes)
    finished = (_do(api, wanted, path, done=done, total=total) if may else []) or looked_at
    if as_json:
        print_json(finished[0] if len(finished) == 1 else list(finished))
    _tell_finished(finished, done=done, total=total, as_json=as_json)


def act_on_each(
    names: Sequence[str],
    perform: Callable[[str], Body],
    tell: Callable[[str, Body], str],
    *,
    as_json: bool,
) -> None:
    """Do the same for each. With JSON: the API's answer for one; for several `{"done": [...], "could_not": [...]}`."""
    if len(names) == 1:
        with refusals(as_json=as_json):
            answer = perform(names[0])
        if as_json:
            print_json(answer)
        else:
            typer.echo(tell(names[0], answer))
        return
    done: list[Body] = []
    could_not: list[Body] = []
    with progress("done", len(names)) as advance:
        for name in names:
            try:
                done.append(answer := perform(name))
                if not as_json:
                    typer.echo(tell(name, answer))
            except Refused as refused:
                could_not.append({"name": name, "code": refused.body["code"], "detail": refused.body["detail"]})
            advance(1)
    if as_json:
        print_json({"done": done, "could_not": could_not})
    if could_not:
        told = "\n".join(f"{one['name']}: {one['detail']} [{one['code']}]" for one in could_not)
        raise NotSo(f"{len(could_not)} of {len(names)} could not be done:\n{told}")


def confirm(what: str, *, number: int, yes: bool) -> None:
    """Say how many, and go on only where somebody agrees."""
    typer.echo(what, err=True)
    if yes or not number:
        return
    if not sys.stdin.isatty():
        raise WrongUsage(f"{what}: say --yes to do it")
    if not typer.confirm("Go on?", err=True):
        raise NotSo("nothing was done")


def _tell_dry_run(looked_at: Sequence[Body], *, done: str, as_json: bool) -> None:
    if as_json:
        print_json(looked_at[0] if len(looked_at) == 1 else list(looked_at))
        return
    total, failed = (sum(told[name] for told in looked_at) for name in ("total", "failed"))
    typer.echo(f"{total - failed} of {total} would be {done}")
    for line in _could_not(looked_at):
        typer.echo(line)


def _do(api: Api, wanted: Sequence[Body], path: str, *, done: str, total: int) -> list[Body]:
    finished: list[Body] = []
    with progress(done, total) as advance:
        for body in wanted:
            asked = api.post(path, body)
            try:
                finished.append(_follow(api, asked, advance))
            except KeyboardInterrupt:
                api.delete(path_of("enrolments", "actions", asked["id"]))
                stopped = [*finished, api.get(path_of("enrolments", "actions", asked["id"]))]
                number = sum(action["done"] for action in stopped)
                raise NotSo(f"stopped: {number} of {total} {are(number)} {done}, the others were left") from None
    return finished


def _follow(api: Api, action: Body, advance: Any) -> Body:
    """Until it is over: how it ended."""
    told, idle_since, has_warned = 0, time.monotonic(), False
    while True:
        done = action["done"] + action["failed"]
        if done > told:
            advance(done - told)
            told, idle_since = done, time.monotonic()
        if action["state"] != "running":
            return action
        is_slow = action["rate"] is not None and action["rate"] * IDLE_SECONDS < 1
        if not has_warned and not is_slow and time.monotonic() - idle_since > IDLE_SECONDS:
            has_warned = True
            typer.echo("nothing moves: the bridge does this work; `waymark status` says whether it runs", err=True)
        time.sleep(POLL_SECONDS)
        action = api.get(path_of("enrolments", "actions", action["id"]), {"limit": 500})


def _tell_finished(actions: Sequence[Body], *, done: str, total: int, as_json: bool) -> None:
    number, failed = (sum(action[name] for action in actions) for name in ("done", "failed"))
    stopped = [action["id"] for action in actions if action["state"] == "stopped"]
    if not as_json:
        typer.echo(f"{number} of {total} {are(number)} {done}")
    if stopped:
        raise NotSo(f"somebody stopped it: {', '.join(stopped)}")
    if failed:
        told = "\n".join(_could_not(actions))
        raise NotSo(f"{failed} of {total} could not be:\n{told}")


def _could_not(actions: Sequence[Body]) -> list[str]:
    """A line for each, up to a number; those of one cause and no name together."""
    lines: list[str] = []
    before = 0
    for action in actions:
        for one in action["could_not"]:
            name = one["learner"] or one["enrolment"] or f"number {before + one['number']}"
            lines.append(f"{name}: {one['detail']} [{one['code']}]")
        before += action["total"]
    number = sum(action["failed"] for action in actions)
    more = [f"... and {number - TOLD} more"] if number > TOLD else []
    return [*lines[:TOLD], *more]
