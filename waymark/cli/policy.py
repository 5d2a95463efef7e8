"""`policy show|set`: when and how much may be sent."""

import json
from pathlib import Path
from typing import Annotated

import typer

from journeys.events import Json
from journeys.source import plain, read_source
from waymark.cli.client import Body, Refused, connect
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.output import AsJson, print_json, refusals
from waymark.settings import load_settings


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        no_args_is_help=True,
        help="When and how much may be sent: sending hours, holidays, budget. Example: waymark policy show",
    )
    group.command("show", epilog="Example: waymark policy show --json > policy.json")(show)
    group.command("set", epilog="Example: waymark policy set policy.json")(set_policy)
    app.add_typer(group, name="policy")


def show(as_json: AsJson = False) -> None:
    """Say when and how much may be sent."""
    _tell(connect(load_settings()).get("/v1/policy"), as_json=as_json)


def set_policy(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The whole policy, JSON or YAML; what it leaves out is as in the default.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Give another policy; what waits by the old one is judged again within seconds."""
    content = json.dumps(_read(file)).encode()
    api = connect(load_settings())
    try:
        with refusals(as_json=as_json):
            answer = api.put("/v1/policy", content, media_type="application/json")
    except Refused as refused:
        raise _told(file, refused) from None
    _tell(answer, as_json=as_json)


def _read(file: Path) -> Json:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from None
    read = read_source(content)
    if read.problems:
        lines = [f"{file}:{one.line}:{one.column}: {one.detail}" for one in read.problems]
        raise NotSo("\n".join(["the file cannot be read:", *lines]))
    return plain(read.root)


def _told(file: Path, refused: Refused) -> NotSo:
    """What the API found, a line for each problem."""
    lines = [_line(problem) for problem in refused.body.get("problems", [])]
    return NotSo("\n".join([f"{file}: {refused.body['detail']}", *lines]))


def _line(problem: Body) -> str:
    path = f"{problem['path']}: " if problem["path"] else ""
    allowed: list[str] = problem.get("allowed", [])
    # where the detail says what is wanted already, it is not said twice
    more = "" if all(one in problem["detail"] for one in allowed) else f"; allowed: {', '.join(allowed)}"
    suggestion = f"; {problem['suggestion']}" if problem.get("suggestion") else ""
    return f"  {path}{problem['detail']}{more}{suggestion} [{problem['code']}]"


def _tell(policy: Body, *, as_json: bool) -> None:
    if as_json:
        print_json(policy)
        return
    typer.echo(f"sending: {_sending(policy['sending'])}")
    closed_days: list[Body] = [] if policy["sending"] is None else policy["sending"]["closed"]
    for closed in closed_days:
        typer.echo(f"closed:  {_closed(closed)}")
    typer.echo(
        f"budget:  {_budget(policy['budget'])}; {'what falls together is' if policy['digest'] else 'not'} merged"
    )
    typer.echo(f"zone:    {policy['zone']}, where a learner's own is not known")
    typer.echo(f"drafts:  {_drafts(policy['drafts'])}")


def _sending(sending: Body | None) -> str:
    if sending is None:
        return "at any time"
    holidays = "not on public holidays" if sending["holidays"] else "on public holidays too"
    return f"{', '.join(sending['days'])} from {sending['from']} to {sending['to']} where she is, {holidays}"


def _closed(closed: Body) -> str:
    where = ", ".join(closed[key] for key in ("country", "site") if closed[key]) or "everywhere"
    days = closed["from"] if closed["from"] == closed["to"] else f"{closed['from']} to {closed['to']}"
    return f"{days}, {where}" + (f" ({closed['name']})" if closed["name"] else "")


def _budget(budget: Body | None) -> str:
    told = [f"{number} a {unit}" for unit in ("day", "week") if (number := (budget or {}).get(f"per_{unit}"))]
    return " and ".join(told) or "any number of optional messages"


def _drafts(drafts: Body) -> str:
    alone = "for each learner too, where a journey says so" if drafts["per_learner"] else "none for one learner alone"
    return alone + (f"; never with: {', '.join(drafts['forbidden'])}" if drafts["forbidden"] else "")
