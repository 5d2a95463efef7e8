"""The catalogue of problems: what each code means, and a bad and a good example, both of them run.

    docs/problems/<code>.md    a sentence or two; a fenced block `yaml bad`; a fenced block `yaml good`

An example may be a part of a journey: what it lacks is put behind it, so that lines and columns stay as they are. What
would be too long to print stands as `⟨a × 600000⟩`, what cannot be printed as `⟨U+0007⟩` or `⟨byte FF⟩`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from journeys.compiler import Vocabulary, compile_definition
from journeys.problems import Problem

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "problems"
VOCABULARY = Vocabulary(
    set_up=frozenset({"email"}),
    calls_set_up=frozenset({"crm"}),
    lms=frozenset({"campus"}),
    lms_set_up=frozenset({"campus"}),
)
"""The installation of the examples: one channel, one webhook and one LMS are set up."""

_REST = {
    "waymark": "waymark: 1",
    "journey": "journey: an-example",
    "title": "title: An example",
    "enter": "enter: [{on: hr.learner.promoted}]",
    "steps": "steps: [{send: hello}]",
    "messages": "messages: {hello: {subject: Hello, body: Good to have you here}}",
}
_BLOCK = re.compile(r"^```yaml (bad|good)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Taught:
    """One problem as the catalogue teaches it."""

    code: str
    means: str
    bad: str
    good: str


def taught() -> list[Taught]:
    """Every problem that has a page, by code."""
    return [_taught(file) for file in sorted(FOLDER.glob("*.md"))]


def _taught(file: Path) -> Taught:
    text = file.read_text("utf-8")
    blocks = dict(_BLOCK.findall(text))
    return Taught(file.stem, _BLOCK.sub("", text).strip(), blocks["bad"], blocks["good"])


def problems_in(example: str) -> tuple[Problem, ...]:
    """What the compiler says about an example."""
    return compile_definition(completed(example), vocabulary=VOCABULARY).problems


def completed(example: str) -> bytes:
    """The example as a whole document, what it lacks behind it."""
    there = set(re.findall(r"^([a-z]+):", example, re.MULTILINE))
    rest = [] if "waymark" in there else [text for key, text in _REST.items() if key not in there]
    return _spelt_out(example.rstrip("\n") + "\n" + "".join(f"{line}\n" for line in rest))


def _spelt_out(text: str) -> bytes:
    text = re.sub(r"⟨(.+?) × (\d+)⟩", lambda match: match[1] * int(match[2]), text)
    text = re.sub(r"⟨U\+([0-9A-F]{4})⟩", lambda match: chr(int(match[1], 16)), text)
    parts = re.split(r"⟨byte ([0-9A-F]{2})⟩", text)
    return b"".join(bytes.fromhex(part) if place % 2 else part.encode() for place, part in enumerate(parts))


def page() -> str:
    """The whole catalogue."""
    intro = (
        "# Problems of a definition\n\nWhat `waymark check` finds before a journey is published, by code. An **error** "
        "stops a publish, a *warning* does not: the journey would run, though hardly as it is meant. Each comes with "
        "its path, line and column, what was found, what is allowed, and often with what was probably meant.\n"
    )
    return intro + "".join(_entry(each) for each in taught())


def _entry(each: Taught) -> str:
    said = "".join(f"    {_told(problem)}\n" for problem in problems_in(each.bad))
    severity = "**error**" if any(p.severity == "error" for p in problems_in(each.bad)) else "*warning*"
    return (
        f"\n## `{each.code}`\n\n{severity}: {each.means}\n\n```yaml\n{each.bad}```\n\n{said}\nBetter:\n\n"
        f"```yaml\n{each.good}```\n"
    )


def _told(problem: Problem) -> str:
    """The problem in a line, as the command prints it."""
    path = f"{problem.path[:60]}{'...' if len(problem.path) > 60 else ''}: " if problem.path else ""
    few = ", ".join(problem.allowed[:8]) + (" ..." if len(problem.allowed) > 8 else "")
    allowed = f" (allowed: {few})" if few else ""
    suggestion = f"; {problem.suggestion}" if problem.suggestion else ""
    return f"{problem.line}:{problem.column} {path}{problem.detail}{allowed}{suggestion}"


# --- the codes ----------------------------------------------------------------------------------------------------

_SAYING = frozenset({"report", "problem", "_problem", "Problem", "_refused", "Finding", "TemplateProblem", "Remark"})
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def codes() -> set[str]:
    """Every code that stands anywhere in the code where a problem of a definition is made; what is found in a draft has
    a page of its own.
    """
    found: set[str] = set()
    for file in sorted((ROOT / "journeys").rglob("*.py")):
        if "drafting" not in file.parts:
            found.update(_codes_in(ast.parse(file.read_text("utf-8"))))
    return found


def _codes_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _codes_of(node)
        if isinstance(node, ast.Assign) and _name(node.targets[0]).endswith("_CODES"):
            yield from _texts(node.value)


def _texts(node: ast.expr) -> Iterator[str]:
    """The codes of a table: the values of a map."""
    for value in node.values if isinstance(node, ast.Dict) else ():
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _codes_of(call: ast.Call) -> Iterator[str]:
    """The code a call names: its first text, or what comes behind the severity; or the argument `code`."""
    keyword = [word.value for word in call.keywords if word.arg == "code"]
    first = call.args[:2] if _name(call.func) in _SAYING else []
    for argument in (*keyword, *first):
        for node in ast.walk(argument) if isinstance(argument, ast.IfExp) else (argument,):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text not in ("error", "warning") and _CODE.fullmatch(text):
                yield text
                return


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
