"""Learners in a CSV file, who are to enter a journey."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from waymark.cli.client import Body
from waymark.cli.errors import WrongUsage

LARGEST_PART = 700 * 1024
"""Bytes of JSON in one request."""
MOST = 10_000
"""Learners in one request."""


def read_entrants(file: Path) -> Sequence[Body]:
    """Each line as `learner`, `key` where there is such a column, and `data` of all others that are not empty.

    Raises WrongUsage with the line where it is not so.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            entrants = list(_read(file, csv.DictReader(lines, strict=True)))
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} is no CSV in UTF-8: {error}") from None
    if not entrants:
        raise WrongUsage(f"{file} has no lines below its heading")
    return entrants


def in_parts(entrants: Sequence[Body]) -> Iterator[list[Body]]:
    """Parts that fit into a request each, in order."""
    part: list[Body] = []
    size = 0
    for entrant in entrants:
        bytes_ = len(orjson.dumps(entrant)) + 1
        if part and (size + bytes_ > LARGEST_PART or len(part) == MOST):
            yield part
            part, size = [], 0
        part.append(entrant)
        size += bytes_
    if part:
        yield part


def _read(file: Path, reader: "csv.DictReader[str]") -> Iterator[Body]:
    columns = reader.fieldnames or []
    if "learner" not in columns or len(set(columns)) < len(columns):
        found = ", ".join(columns) or "nothing"
        raise WrongUsage(
            f"{file}: its first line must name the columns, each once, `learner` among them; found {found}"
        )
    for row in reader:
        extra: object = row.get(None)  # type: ignore[call-overload]  # what DictReader calls fields without a column
        if extra is not None or None in row.values() or not row["learner"].strip():
            raise WrongUsage(f"{file}:{reader.line_num}: a field for each column is needed, and `learner` not empty")
        others = {name: text for name, text in row.items() if name not in {"learner", "key"} and text}
        entrant: Body = {"learner": row["learner"].strip()}
        if "key" in row:
            entrant["key"] = row["key"]
        yield {**entrant, "data": others} if others else entrant
