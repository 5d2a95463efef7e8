"""`waymark check`: compile definitions on this machine, and print everything that is wrong with them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from journeys.compiler import Compiled
from journeys.problems import Problem, report_of
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.printable import printable

Files = Annotated[
    list[Path], typer.Argument(help="Definitions, YAML or JSON; - is standard input.", show_default=False)
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print {ok, problems} as JSON, for several files a list of {file, ok, problems}."),
]
MOST_SHOWN = 12
"""So many allowed values are listed; a longer list is cut."""


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: waymark check examples/first-time-manager/journey.yaml")(check)


def check(files: Files, as_json: Json = False) -> None:
    """Compile definitions and print every problem, with what is allowed. Exit status 1 where there is an error."""
    texts = {file: _read(file) for file in files}
    results = {file: _compile(text) for file, text in texts.items()}
    if as_json:
        _print_json(results)
    else:
        for file, compiled in results.items():
            _print(file, compiled)
    if not all(compiled.is_ok for compiled in results.values()):
        raise typer.Exit(NotSo.status)


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}. Give the path of a definition.") from error


def _compile(text: bytes) -> Compiled:
    from journeys.compiler import compile_definition
    from waymark.vocabulary import vocabulary

    return compile_definition(text, vocabulary=vocabulary())


def _print_json(results: dict[Path, Compiled]) -> None:
    reports = [{"file": str(file), **report_of(compiled.problems)} for file, compiled in results.items()]
    plain = reports if len(reports) > 1 else report_of(next(iter(results.values())).problems)
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def _print(file: Path, compiled: Compiled) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for problem in compiled.problems:
        colour = "red" if problem.severity == "error" else "yellow"
        place = f"{file}:{problem.line}:{problem.column}: "
        at = printable(_at(problem))
        head = Text.assemble((place, "bold"), (problem.severity, colour), f" {problem.code}", (at, "cyan"))
        console.print(head)
        for line in _explained(problem):
            console.print(Text(f"    {printable(line)}"))
    console.print(Text(_summary(file, compiled)), style="green" if compiled.is_ok else "red")


def _at(problem: Problem) -> str:
    return f" at {problem.path}" if problem.path else ""


def _explained(problem: Problem) -> list[str]:
    lines = [problem.detail]
    if problem.allowed:
        more = len(problem.allowed) - MOST_SHOWN
        tail = f" ... and {more} more" if more > 0 else ""
        lines.append(f"allowed: {', '.join(problem.allowed[:MOST_SHOWN])}{tail}")
    if problem.suggestion:
        lines.append(problem.suggestion)
    return lines


def _summary(file: Path, compiled: Compiled) -> str:
    errors = sum(problem.severity == "error" for problem in compiled.problems)
    warnings = len(compiled.problems) - errors
    if compiled.program is None:
        return f"{file}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    steps, journey = len(compiled.program.nodes), compiled.program.journey
    told = f", {_counted(warnings, 'warning')}" if warnings else ""
    return f"{file}: good. Journey {journey}, {_counted(steps, 'step')}, hash {compiled.program.hash[:12]}{told}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
