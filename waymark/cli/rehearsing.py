"""`waymark rehearse`: a journey on a virtual timeline. Sends nothing, and changes nothing anywhere."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.channels import CHANNELS
from connectors.sources import Raw, Refused
from connectors.sources.cloudevents import CloudEvents
from journeys.composing import Reach
from journeys.durations import parse_duration
from journeys.events import Event, Json
from journeys.policy import Policy
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.source import plain
from journeys.timeline import Rehearsal
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.files import compile_file, read_bytes, read_learners_file, read_policy, read_tree, refuse
from waymark.cli.printable import printable

LINES = 20
"""As many learners are told one by one, where nothing is said."""

AGAIN = "rehearse again"


def add(app: typer.Typer) -> None:
    """Add the command of this module."""
    example = "Example: waymark rehearse journey.yaml --events events.jsonl --learners learners.yaml --until 60d"
    app.command("rehearse", epilog=example)(rehearse_command)


def rehearse_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The journey's definition, YAML or JSON.")],
    events: Annotated[
        Path | None, typer.Option("--events", help="What happens: one JSON CloudEvent a line.", show_default=False)
    ] = None,
    learners: Annotated[
        Path | None, typer.Option("--learners", help="Who is known before: a map of id to profile, YAML or JSON.")
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="What webhooks answer to a `call`: a map of name to answer, YAML or JSON."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Stop so long after the first event, such as 60d (default: the end).")
    ] = None,
    cases: Annotated[
        bool, typer.Option("--cases", help="Make cases from the journey itself: what if she never starts the course?")
    ] = False,
    against: Annotated[
        bool, typer.Option("--against", help="Rehearse the learners of the configured database and their events.")
    ] = False,
    wanted: Annotated[
        str | None,
        typer.Option("--filter", help='With --against: who, as an expression: learner.country == "IE".'),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="With --against: as many learners at most.")] = 1_000,
    since: Annotated[str, typer.Option("--since", help="With --against: events of so long a time.")] = "90d",
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            help="When and how much may be sent, JSON or YAML, as `waymark policy show --json` prints it "
            "(default: the one of a new installation; with --against: the installation's).",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Draw it: write one page that needs nothing else to this file.")
    ] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", min=0, help="Tell so many learners one by one.", show_default=str(LINES))
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the timelines as JSON.")] = False,
) -> None:
    """Run a journey on a virtual timeline: what each learner would get, when, through what, and why or why not.

    What happens comes from a file (--events), from the database (--against), or is made from the journey (--cases).
    """
    if [events is not None, cases, against].count(True) != 1:
        raise WrongUsage("say what happens: one of --events FILE, --cases and --against")
    program = compile_file(file, then=AGAIN)
    if cases:
        return _tell_cases(program, policy=read_policy(policy, then=AGAIN), html=html, lines=lines, as_json=as_json)
    if against:
        rehearsal = _rehearse_real(program, wanted, limit=limit, since=since, policy=policy)
    else:
        assert events is not None, "counted above"
        rehearsal = rehearse(
            program,
            read_learners_file(learners, then=AGAIN),
            _read_events(events),
            reach=_reach(),
            until=_duration(until),
            policy=read_policy(policy, then=AGAIN),
            answers=_read_answers(answers),
        )
    return _tell(program, rehearsal, html=html, lines=lines, as_json=as_json, kicker=_kicker(against))


def _kicker(against: bool) -> str:
    return "Rehearsal with the learners there are" if against else "Rehearsal"


def _tell(
    program: Program, rehearsal: Rehearsal, *, html: Path | None, lines: int | None, as_json: bool, kicker: str
) -> None:
    from api.pictures.rehearsal import Told, page_of
    from waymark.cli import rehearsed

    if html is not None:
        _write(html, page_of(program, rehearsal, told=Told(kicker)), as_json=as_json)
    if as_json:
        typer.echo(orjson.dumps(rehearsal.to_json(), option=orjson.OPT_INDENT_2).decode())
    elif html is None or lines is not None:
        shown = LINES if lines is None else lines
        typer.echo("\n".join(map(printable, rehearsed.told(program, rehearsal, lines=shown))))


def _tell_cases(program: Program, *, policy: Policy, html: Path | None, lines: int | None, as_json: bool) -> None:
    from api.pictures.rehearsal import Told, page_of
    from journeys.cases import cases_for
    from waymark.cli import rehearsed

    found = cases_for(program, reach=_reach(), policy=policy)
    if html is not None:
        names = {case.learner: case.name for case in found.cases}
        left = tuple((one.what, one.why) for one in found.unreached)
        told = Told("Cases", names, left, rehearsed.covered(found))
        _write(html, page_of(program, found.rehearsal, told=told), as_json=as_json)
    if as_json:
        typer.echo(orjson.dumps(rehearsed.cases_json(found), option=orjson.OPT_INDENT_2).decode())
    elif html is None or lines is not None:
        typer.echo("\n".join(map(printable, rehearsed.cases_told(program, found, lines=lines or 0))))


def _write(file: Path, page: str, *, as_json: bool) -> None:
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        raise WrongUsage(f"{file} cannot be written: {error.strerror or error}") from error
    typer.echo(f"drawn: {file}", err=as_json)


def _rehearse_real(program: Program, wanted: str | None, *, limit: int, since: str, policy: Path | None) -> Rehearsal:
    """What would have happened, had the journey run since then. Reads the database in one transaction."""
    from waymark.cli.real_learners import filter_of
    from waymark.cli.real_learners import read_learners as read_real_learners
    from waymark.settings import load_settings

    now = datetime.now(UTC)
    begin = now - _said_duration(since, "--since")
    reading = read_real_learners(
        load_settings(), wanted=filter_of(wanted), limit=limit, since=begin, journey=program.journey
    )
    found = asyncio.run(reading)
    chosen = found.policy if policy is None else read_policy(policy, then=AGAIN)
    first = min((event.time for event in found.events), default=now)
    rehearsal = rehearse(
        program,
        found.profiles,
        found.events,
        reach=_reach(),
        until=now - first,
        policy=chosen,
        identify=lambda source_id: found.ids.get(source_id, source_id),
        drafts=found.drafts,
    )
    return Rehearsal(tuple(learner for learner in rehearsal.learners if learner.learner in found.matched))


# -- what is given -----------------------------------------------------------------------------------------------------


def _read_events(file: Path) -> Sequence[Event]:
    events: list[Event] = []
    refused: list[str] = []
    for number, line in enumerate(read_bytes(file).removeprefix(BOM_UTF8).splitlines(), start=1):
        for found in CloudEvents.translate(Raw(line)) if line.strip() else ():
            if isinstance(found, Refused):
                refused.append(f"{file}:{number}: {found.code}: {found.detail}")
            else:
                events.append(found.event)
    refuse(refused, "event that cannot be used", file, then=AGAIN)
    return events


def _read_answers(file: Path | None) -> Mapping[str, Json]:
    if file is None:
        return {}
    answers = plain(read_tree(file, then=AGAIN))
    if not isinstance(answers, dict):
        raise NotSo(f"{file} is no map of names to answers: write it as crm: {{account: {{id: A-7}}}}")
    return answers


def _duration(text: str | None) -> timedelta | None:
    return None if text is None else _said_duration(text, "--until")


def _said_duration(text: str, option: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise WrongUsage(f"{option}: {error}") from error


def _reach() -> Mapping[str, Reach]:
    """Every channel, as if it were set up: a rehearsal says what the journey does, not what a machine lacks."""
    return {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}
