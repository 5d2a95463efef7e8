"""`waymark rehearse`: a journey on a virtual timeline. Needs no server and touches none."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.channels import CHANNELS
from connectors.sources import Raw, Refused
from connectors.sources.cloudevents import CloudEvents
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.durations import parse_duration
from journeys.events import Event, Json
from journeys.learners import read_learners
from journeys.problems import Problem
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.source import Map, Node, plain, read_source
from journeys.timeline import Rehearsal, RehearsedLearner, TimelineEntry
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.output import problem_line
from waymark.cli.printable import printable
from waymark.vocabulary import vocabulary

SHOWN_PROBLEMS = 20
"""How many refused lines or fields are told at once."""


def add(app: typer.Typer) -> None:
    """Add the command of this module."""
    example = "Example: waymark rehearse journey.yaml --events events.jsonl --learners learners.yaml --until 60d"
    app.command("rehearse", epilog=example)(rehearse_command)


def rehearse_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The journey's definition, YAML or JSON.")],
    events: Annotated[Path, typer.Option("--events", help="What happens: one JSON CloudEvent a line.")],
    learners: Annotated[
        Path | None, typer.Option("--learners", help="Who is known before: a map of id to profile, YAML or JSON.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Stop so long after the first event, such as 60d (default: the end).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the timelines as JSON.")] = False,
) -> None:
    """Run a journey on a virtual timeline: what each learner would get, when, through what, and why or why not."""
    program = _compile(file)
    profiles = _read_learners(learners)
    rehearsal = rehearse(program, profiles, _read_events(events), reach=_reach(), until=_duration(until))
    if as_json:
        typer.echo(orjson.dumps(rehearsal.to_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(map(printable, _told(program, rehearsal))))


# -- what is given -----------------------------------------------------------------------------------------------------


def _compile(file: Path) -> Program:
    compiled = compile_definition(_read(file), vocabulary=vocabulary())
    for problem in compiled.problems:
        typer.echo(printable(_line_of(file, problem)), err=True)
    if compiled.program is None:
        errors = sum(problem.severity == "error" for problem in compiled.problems)
        raise NotSo(f"{file} has {_counted(errors, 'problem')}: mend what is listed above, then rehearse again")
    return compiled.program


def _read_events(file: Path) -> Sequence[Event]:
    events: list[Event] = []
    refused: list[str] = []
    for number, line in enumerate(_read(file).removeprefix(BOM_UTF8).splitlines(), start=1):
        for found in CloudEvents.translate(Raw(line)) if line.strip() else ():
            if isinstance(found, Refused):
                refused.append(f"{file}:{number}: {found.code}: {found.detail}")
            else:
                events.append(found.event)
    _refuse(refused, "event that cannot be used", file)
    return events


def _read_learners(file: Path | None) -> Mapping[str, Mapping[str, Json]]:
    if file is None:
        return {}
    read = read_source(_read(file))
    _refuse([_line_of(file, problem) for problem in read.problems], "problem", file)
    learners = read_learners(plain(read.root))
    places = [(*_place(read.root, problem.path), problem.text) for problem in learners.problems]
    _refuse([f"{file}:{line}:{column}: {text}" for line, column, text in places], "problem", file)
    return learners.profiles


def _place(node: Node | None, path: Sequence[str]) -> tuple[int, int]:
    """Line and column of what the path names: its last key's, or the whole's where the path is empty."""
    at = (1, 1) if node is None else (node.line, node.column)
    for name in path:
        if isinstance(node, Map):
            at, node = node.keys[name], node.entries[name]
    return at


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise WrongUsage(f"--until: {error}") from error


def _reach() -> Mapping[str, Reach]:
    """Every channel, as if it were set up: a rehearsal says what the journey does, not what a machine lacks."""
    return {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror or error}") from error


def _refuse(lines: Sequence[str], what: str, file: Path) -> None:
    if not lines:
        return
    for line in lines[:SHOWN_PROBLEMS]:
        typer.echo(printable(line), err=True)
    if len(lines) > SHOWN_PROBLEMS:
        typer.echo(f"... and {len(lines) - SHOWN_PROBLEMS} more", err=True)
    raise NotSo(f"{file} has {_counted(len(lines), what)}: mend what is listed above, then rehearse again")


def _line_of(file: Path, problem: Problem) -> str:
    return problem_line(str(file), problem.to_json())


def _counted(number: int, what: str) -> str:
    head, _, tail = what.partition(" ")
    plural = head if number == 1 else f"{head}s"
    return f"{number} {plural}{' ' + tail if tail else ''}"


# -- what is told ------------------------------------------------------------------------------------------------------


def _told(program: Program, rehearsal: Rehearsal) -> Iterator[str]:
    learners = _counted(len(rehearsal.learners), "learner")
    yield f"{program.title} ({program.journey}), rehearsed for {learners}; times are UTC"
    for learner in rehearsal.learners:
        yield ""
        yield _headline(learner)
        width = max((len(_what(entry)) for entry in learner.timeline), default=0)
        subjects = {(m.at, m.step): m.subject for each in learner.enrolments for m in each.messages}
        for entry in learner.timeline:
            why = _why(entry, subjects.get((entry.at, entry.step or "")) if entry.status == "sent" else None)
            yield f"  {entry.at:%a %d %b %Y %H:%M}  {_what(entry):<{width}}  {why}".rstrip()
    sent = sum(len(each.messages) for learner in rehearsal.learners for each in learner.enrolments)
    enrolled = sum(bool(learner.enrolments) for learner in rehearsal.learners)
    yield ""
    yield f"{_counted(enrolled, 'learner')} enrolled, {_counted(sent, 'message')} sent"


def _headline(learner: RehearsedLearner) -> str:
    if not learner.enrolments:
        return f"{learner.learner}: not enrolled. {learner.reason}"
    last = learner.enrolments[-1]
    ending = f"ends as {last.outcome}" if last.outcome else f"still waits for {last.waiting_for}"
    times = "" if len(learner.enrolments) == 1 else f", enrolled {len(learner.enrolments)} times"
    return f"{learner.learner}: {ending}{times}"


def _what(entry: TimelineEntry) -> str:
    if entry.message is None:
        return entry.kind.replace("_", " ")
    through = f" through {entry.channel}" if entry.channel else ""
    return f"{entry.status or entry.kind} {entry.message}{through}"


def _why(entry: TimelineEntry, subject: str | None) -> str:
    said = f'"{subject}"' if subject else entry.reason or ""
    return f"{said} [{entry.step}]" if entry.step else said
