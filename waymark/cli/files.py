"""The files that commands are given: definitions, learners, policies. What is wrong with one is told on standard error,
line by line, and ends the command; `then` is what whoever mends it does next.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from journeys.compiler import compile_definition
from journeys.events import Json
from journeys.learners import read_learners
from journeys.policy import DEFAULT_POLICY, Policy, policy_from_json
from journeys.problems import Problem
from journeys.program import Program
from journeys.source import Map, Node, plain, read_source
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.output import counted_words, problem_line
from waymark.cli.printable import printable
from waymark.vocabulary import vocabulary

SHOWN_PROBLEMS = 20
"""How many refused lines or fields are told at once."""


def compile_file(file: Path, *, then: str) -> Program:
    """The journey of a definition; its warnings are told as well."""
    compiled = compile_definition(read_bytes(file), vocabulary=vocabulary())
    for problem in compiled.problems:
        typer.echo(printable(_line_of(file, problem)), err=True)
    if compiled.program is None:
        errors = sum(problem.severity == "error" for problem in compiled.problems)
        raise NotSo(f"{file} has {counted_words(errors, 'problem')}: mend what is listed above, then {then}")
    return compiled.program


def read_learners_file(file: Path | None, *, then: str) -> Mapping[str, Mapping[str, Json]]:
    """The learners of a file, a map of id to profile; without one there are none."""
    if file is None:
        return {}
    root = read_tree(file, then=then)
    learners = read_learners(plain(root))
    places = [(*_place(root, problem.path), problem.text) for problem in learners.problems]
    refuse([f"{file}:{line}:{column}: {text}" for line, column, text in places], "problem", file, then=then)
    return learners.profiles


def read_policy(file: Path | None, *, then: str) -> Policy:
    """The policy of the file; without one that of an installation nobody has changed."""
    if file is None:
        return DEFAULT_POLICY
    found = policy_from_json(plain(read_tree(file, then=then)))
    if isinstance(found, Policy):
        return found
    refuse([f"{file}: {problem.path}: {problem.detail}" for problem in found], "problem", file, then=then)
    raise AssertionError("a policy that is none has problems")


def read_tree(file: Path, *, then: str) -> Node | None:
    """What a YAML or JSON file holds, with its places."""
    read = read_source(read_bytes(file))
    refuse([_line_of(file, problem) for problem in read.problems], "problem", file, then=then)
    return read.root


def read_bytes(file: Path) -> bytes:
    """A file as it is."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror or error}") from error


def refuse(lines: Sequence[str], what: str, file: Path, *, then: str) -> None:
    """Tell what is wrong with a file, if anything is, and end the command."""
    if not lines:
        return
    for line in lines[:SHOWN_PROBLEMS]:
        typer.echo(printable(line), err=True)
    if len(lines) > SHOWN_PROBLEMS:
        typer.echo(f"... and {len(lines) - SHOWN_PROBLEMS} more", err=True)
    raise NotSo(f"{file} has {counted_words(len(lines), what)}: mend what is listed above, then {then}")


def _place(node: Node | None, path: Sequence[str]) -> tuple[int, int]:
    """Line and column of what the path names: its last key's, or the whole's where the path is empty."""
    at = (1, 1) if node is None else (node.line, node.column)
    for name in path:
        if isinstance(node, Map):
            at, node = node.keys[name], node.entries[name]
    return at


def _line_of(file: Path, problem: Problem) -> str:
    return problem_line(str(file), problem.to_json())
