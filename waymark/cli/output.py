"""What commands print: JSON as it came, tables on a terminal, plain columns elsewhere, times in words."""

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from waymark.cli.client import Refused

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def print_json(value: object) -> None:
    """One JSON value on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def refusals(*, as_json: bool) -> Generator[None]:
    """Where JSON is wanted, what the API refuses with is printed as JSON too; the exit status stays."""
    try:
        yield
    except Refused as refused:
        if as_json:
            print_json(refused.body)
        raise


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Rows, in these columns."""
    if not rows:
        typer.echo(empty)
    elif sys.stdout.isatty():
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(cell(row.get(column)) for column in columns))
        Console().print(table, markup=False)
    else:
        _print_plain([[cell(row.get(column)) or "-" for column in columns] for row in rows], columns)


def _print_plain(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    widths = [max(len(name), *(len(row[i]) for row in rows)) for i, name in enumerate(columns)]
    for line in (columns, *rows):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Mapping[str, Any], *, indent: int = 0) -> None:
    """One thing, a line for each of its fields; fields without a value are left out."""
    for name, value in facts.items():
        if value is None or value == {} or value == []:
            continue
        shown = name.replace("_", " ")
        if isinstance(value, dict):
            typer.echo(f"{' ' * indent}{shown}:")
            print_facts(value, indent=indent + 2)  # pyright: ignore[reportUnknownArgumentType]  # JSON of the API
        else:
            typer.echo(f"{' ' * indent}{shown}: {cell(value)}")


def cell(value: object) -> str:
    """A value as people read it; an instant without its fraction."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        at = instant(value)
        return value if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"
    return str(value) if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False)


def instant(text: str) -> datetime | None:
    """The instant that a text is, if it is one."""
    if len(text) < 20 or text[4:5] != "-" or "T" not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def in_words(at: datetime) -> str:
    """An instant in words: `Monday 2 March 2026, 09:00 UTC`."""
    return f"{at:%A} {at.day} {at:%B %Y, %H:%M} UTC"


def from_now(at: datetime, *, now: datetime) -> str:
    """How far away an instant is, in words: `in 3 days`, `2 hours ago`."""
    distance = at - now
    words = roughly(abs(distance))
    return f"in {words}" if distance > timedelta() else f"{words} ago"


def roughly(duration: timedelta) -> str:
    """A duration in its largest unit."""
    seconds = int(duration.total_seconds())
    for unit, length in (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length or (seconds >= length and seconds % length < length // 10):
            number = round(seconds / length)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def counted_words(number: int, what: str) -> str:
    """`3 learners`, `1 event that cannot be used`: of two words or more the first one counts."""
    head, _, tail = what.partition(" that ")
    plural = head if number == 1 else f"{head}s"
    return f"{number:,} {plural}{' that ' + tail if tail else ''}"


def are(number: int) -> str:
    """`1 of 3 drafts is approved`, `2 of 3 drafts are approved`."""
    return "is" if number == 1 else "are"


def problem_line(file: str, problem: Mapping[str, Any]) -> str:
    """A problem of a definition on one line, as editors and compilers write it."""
    place = f"{file}:{problem['line']}:{problem['column']}"
    path = f" {problem['path']}:" if problem["path"] else ""
    allowed = f"; allowed: {', '.join(problem['allowed'])}" if problem.get("allowed") else ""
    suggestion = f"; {problem['suggestion']}" if problem.get("suggestion") else ""
    return f"{place}: {problem['severity']}:{path} {problem['detail']}{allowed}{suggestion} [{problem['code']}]"


@contextmanager
def progress(what: str, total: int) -> Generator[Callable[[int], None]]:
    """A bar on a terminal, on standard error; elsewhere a line now and then. The body says how many more are done."""
    if sys.stderr.isatty():
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True),
            transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda more: bar.advance(task, more)
        return
    done, said = 0, 0

    def advance(more: int) -> None:
        nonlocal done, said
        done += more
        if done - said >= max(1_000, total // 10) and done < total:
            said = done
            typer.echo(f"{what}: {done} of {total}", err=True)

    yield advance
