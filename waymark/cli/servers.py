"""`waymark up`, `down`, `status`, `doctor`, `settings`: the servers on a laptop, and what they are told."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from waymark import settings as configuration
from waymark.cli.errors import NotSo, Unreachable, WrongUsage
from waymark.stack import process
from waymark.stack.home import Home, PartRecord, StackRecord
from waymark.stack.telling import Teller

STOP_SECONDS = 240.0
"""A worker, a row before the servers, may take one minute of it."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: waymark up --detach")(up)
    app.command(epilog="Example: waymark down")(down)
    app.command(epilog="Example: waymark status --json")(status)
    app.command(epilog="Example: waymark doctor")(doctor)
    app.command("settings", epilog="Example: waymark settings --json")(show_settings)


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready, and leave it running.")] = False,
    only: Annotated[
        str | None,
        typer.Option(help="Start only these parts, as temporal,kafka,mailbox (then database,api,worker,bridge)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start every server that is not configured elsewhere, migrate the database, run API, worker and bridge."""
    loaded = configuration.load(with_home=False)
    home = Home(loaded.settings.home.absolute())
    parts = _parts(only)
    teller = Teller(sys.stderr if as_json else sys.stdout)
    if detach:
        _detach(home, only=only, teller=teller)
    else:
        asyncio.run(_up(loaded.settings, home, parts, teller, as_json=as_json))
    if detach and as_json:
        _print_json(asyncio.run(_describe(home, loaded.settings)))


def _parts(only: str | None) -> frozenset[str]:
    from waymark.stack import plan

    wanted = plan.EVERYTHING if only is None else frozenset(name.strip() for name in only.split(","))
    if unknown := sorted(wanted - plan.EVERYTHING):
        raise WrongUsage(
            f"there is no part {', '.join(unknown)}: --only takes {', '.join((*plan.SERVERS, *plan.OURS))}"
        )
    return wanted


async def _up(
    settings: configuration.Settings, home: Home, parts: frozenset[str], teller: Teller, *, as_json: bool
) -> None:
    from waymark.stack import plan
    from waymark.stack.supervisor import Supervisor, stop_on_signals

    home.make()
    with home.locked():
        laid_out = await plan.make(settings, home, say=teller.progress, only=parts)
        for one in laid_out.elsewhere:
            teller.line(f"{one.name:<10} elsewhere  {one.address}")
        supervisor = Supervisor(home, laid_out.rows, settings=laid_out.settings, tell=teller.line)
        stop_on_signals(supervisor)
        saying = asyncio.create_task(_say_when_ready(home, settings)) if as_json else None
        try:
            await supervisor.run()
        finally:
            if saying is not None:
                saying.cancel()
        teller.line("stopped")


async def _say_when_ready(home: Home, settings: configuration.Settings) -> None:
    while home.record().state != "ready" or home.record().pid != os.getpid():
        await asyncio.sleep(0.1)
    _print_json(await _describe(home, settings))


def _detach(home: Home, *, only: str | None, teller: Teller) -> None:
    """Start another `up` that has nothing of ours, and pass on what it says until it is ready."""
    home.make()
    if home.is_locked():
        with home.locked():  # says by whom
            pass
    log = home.logs / "up.log"
    command = [sys.executable, "-m", "waymark", "up", *([] if only is None else ["--only", only])]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _follow(home, child, log, teller)
    except BaseException:
        child.terminate()
        raise


def _follow(home: Home, child: "subprocess.Popen[bytes]", log: Path, teller: Teller) -> None:
    has_failed = False
    with log.open(errors="replace") as said:
        while True:
            ended = child.poll()
            is_ready = _is_ready(home, child.pid)
            for line in said:
                has_failed = has_failed or line.startswith("waymark: ")  # what follows is its error, see _pass_on
                if not has_failed:
                    teller.line(line.rstrip("\n"))
            if ended is not None:
                _pass_on(ended, log)
            if is_ready:
                return
            time.sleep(0.1)


def _is_ready(home: Home, pid: int) -> bool:
    record = home.record()
    return record.state == "ready" and record.pid == pid


def _pass_on(ended: int, log: Path) -> None:
    """Fail as the other `up` did, in its words."""
    said = log.read_text(errors="replace")
    text = said[said.find("waymark: ") + len("waymark: ") :].strip() if "waymark: " in said else f"see {log}"
    raise {1: NotSo, 2: WrongUsage}.get(ended, Unreachable)(text)


def down(as_json: Json = False) -> None:
    """Stop what `up` started in this home; nothing is lost."""
    home = _home()
    was_up = home.is_locked()
    supervisor = home.record().supervisor()
    if was_up and supervisor is None:
        raise NotSo(f"{home.path} is locked by an `up` that is only beginning: try again in a moment")
    if was_up and supervisor is not None:
        process.stop(supervisor, grace_seconds=STOP_SECONDS)
    if home.path.exists():
        _stop_what_is_left(home)
    if as_json:
        _print_json({"home": str(home.path), "was_up": was_up})
    else:
        typer.echo(f"{home.path} is down" if was_up else f"nothing was up in {home.path}")


def _stop_what_is_left(home: Home) -> None:
    from waymark.stack.supervisor import stop_leftovers

    with contextlib.suppress(NotSo), home.locked():
        asyncio.run(stop_leftovers(home))
        record = home.record()
        if record.state != "down":
            stopped = [
                part.model_copy(update={"state": "stopped", "pid": None, "identity": None}) for part in record.parts
            ]
            home.write(StackRecord(parts=stopped, since=record.since))


def status(as_json: Json = False) -> None:
    """Say what runs, where, since when, and whether it is well; exit status 1 where it is not."""
    loaded = configuration.load(with_home=False)
    described = asyncio.run(_describe(Home(loaded.settings.home.absolute()), loaded.settings))
    if as_json:
        _print_json(described)
    else:
        _print_status(described)
    if not described["well"]:
        raise typer.Exit(1)


async def _describe(home: Home, settings: configuration.Settings) -> dict[str, Any]:
    record = home.record()
    is_up = home.is_locked() and record.supervisor() is not None
    parts = list(await asyncio.gather(*(_describe_part(part, is_up=is_up) for part in record.parts)))
    away = await asyncio.gather(*(_describe_elsewhere(settings, name) for name in _names_elsewhere(settings)))
    parts.extend(away)
    return {
        "home": str(home.path),
        "state": record.state if is_up else "down",
        "since": record.since.isoformat() if is_up and record.since else None,
        "pid": record.pid if is_up else None,
        "well": is_up and record.state == "ready" and all(part["well"] for part in parts),
        "parts": parts,
    }


async def _describe_part(part: PartRecord, *, is_up: bool) -> dict[str, Any]:
    from waymark.stack.health import is_part_well

    reason = await is_part_well(part) if is_up else "it is not up"
    described = part.model_dump(mode="json", exclude={"identity"})
    return {**described, "state": part.state if is_up else "stopped", "well": reason is None, "reason": reason}


def _names_elsewhere(settings: configuration.Settings) -> list[tuple[str, str]]:
    from waymark.stack import plan

    return [(one.name, one.address) for one in plan.elsewhere(settings) if one.address != "off"]


async def _describe_elsewhere(settings: configuration.Settings, one: tuple[str, str]) -> dict[str, Any]:
    from waymark.stack import plan
    from waymark.stack.parts import NotReady

    reason = None
    try:
        await plan.look_at(plan.Elsewhere(*one), settings)
    except NotReady as no:
        reason = str(no)
    return {"name": one[0], "address": one[1], "state": "elsewhere", "well": reason is None, "reason": reason}


def _print_status(described: dict[str, Any]) -> None:
    since = f" since {described['since'][:19]}Z" if described["since"] else ""
    typer.echo(f"{described['home']} is {described['state']}{since}")
    for part in described["parts"]:
        word = "well" if part["well"] else "NOT WELL"
        began = f"  since {part['since'][:19]}Z" if part.get("since") else ""
        again = f"  started again {part['restarts']} times" if part.get("restarts") else ""
        why = "" if part["well"] else f"\n           {part['reason']}; log: {part.get('log', 'not ours')}"
        typer.echo(f"  {part['name']:<10} {part['state']:<10} {word:<8} {part['address']}{began}{again}{why}")
    if described["state"] == "down":
        typer.echo("  `waymark up` starts it")


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what disagrees between the database and Temporal.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --repair: also where most workflows are unknown to the database.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the set-up, each dependency by name, and whether the database and Temporal agree; say what to do.

    Exit status 1 where something must be done. After a backup was restored: `waymark doctor --repair`.
    """
    from waymark.cli import repairing
    from waymark.stack import health

    loaded = configuration.load()
    findings = asyncio.run(health.examine(loaded, os.environ))
    told = asyncio.run(repairing.examine(loaded, findings, repair=repair, yes=yes))
    is_well = all(finding.verdict != "problem" for finding in findings) and told.is_well
    if as_json:
        _print_json({"well": is_well, "findings": [asdict(finding) for finding in findings], **told.as_json()})
    else:
        for finding in (*findings, *told.findings()):
            advice = f"\n{'':<19}-> {finding.advice}" if finding.advice and finding.verdict != "well" else ""
            typer.echo(f"{finding.verdict:<8} {finding.name:<9} {finding.text}{advice}")
    if not is_well:
        raise typer.Exit(1)


def show_settings(as_json: Json = False) -> None:
    """Print every setting, its value (secrets hidden), and where it came from."""
    described = configuration.load().describe()
    if as_json:
        _print_json({one.name: {"value": one.value, "origin": one.origin, "help": one.help} for one in described})
        return
    for one in described:
        typer.echo(f"{one.name} = {'(none)' if one.value is None else one.value}  ({one.origin})\n    {one.help}")


def _home() -> Home:
    return Home(configuration.load(with_home=False).settings.home.absolute())


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
