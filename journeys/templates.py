"""Message texts: Jinja in a sandbox, checked when a journey is published, rendered when a message goes. Never raises.

What a template may do is little, on purpose: print variables through a few filters, `if`, `set`, and `for` over a list
it was given. It cannot call anything, define macros, include or import. A variable that is missing or null where it
is printed, and has no `default`, makes the rendering `Missing`: never a gap in a sentence or the word *None*.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, UndefinedError

from journeys.sandbox import FILTERS, FLAT, LONGEST_TEXT, TESTS, LinkFacts, MissingError, environment

__all__ = ["LONGEST_TEXT", "CheckedTemplate", "Failed", "LinkFacts", "Missing", "Rendered", "check", "render"]

LONGEST_SOURCE = 20_000
"""The longest template, in characters."""

_MARKS = re.compile(r"\{[{%#]|[}%#]\}")
"""What begins or ends anything but text: what has none of them says itself."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a template reads: its path, and the line where it does (from 1).

    `is_required`: there is no `default` and no `is defined` around it.
    """

    path: tuple[str, ...]
    line: int
    is_required: bool = True

    @property
    def name(self) -> str:
        """The path as the template writes it."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """What is wrong with a template, and in which of its lines."""

    code: str
    detail: str
    line: int = 1
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedTemplate:
    """What a template reads, and what is wrong with it."""

    variables: tuple[Variable, ...] = ()
    problems: tuple[TemplateProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text."""

    text: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that had no value, by its name."""

    variable: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The template could not be rendered; `detail` names no personal value."""

    detail: str


def check(source: str) -> CheckedTemplate:
    """The variables that a template reads, or what is wrong with it."""
    if len(source) > LONGEST_SOURCE:
        return _refused("template_too_long", f"the text has {len(source)} characters, at most {LONGEST_SOURCE} go")
    if not _MARKS.search(source):
        return CheckedTemplate()
    try:
        tree = _ENVIRONMENT.parse(source)
        problems, variables = tuple(_forbidden(tree)), tuple(_variables(tree))
        if not problems:
            _ENVIRONMENT.compile(tree)
    except TemplateSyntaxError as error:
        return _refused("template_syntax", str(error.message), error.lineno)
    except (TemplateError, RecursionError, ValueError, SyntaxError, MemoryError, OverflowError) as error:
        return _refused("template_syntax", f"the template cannot be read ({type(error).__name__})")
    return CheckedTemplate(variables, problems)


def render(source: str, context: Mapping[str, object]) -> Rendered | Missing | Failed:
    """The template's text over `context`: plain JSON by name, and `link` as `LinkFacts` where there is one."""
    if len(source) > LONGEST_SOURCE:
        return Failed("the template is too long")
    try:
        parts: list[str] = []
        size = 0
        for part in _compile(source).generate(dict(context)):
            parts.append(part)
            size += len(part)
            if size > LONGEST_TEXT:
                return Failed(f"the text is longer than {LONGEST_TEXT} characters")
    except MissingError as error:
        return Missing(_in_full(source, error.name))
    except UndefinedError as error:
        return Missing(_name_in(str(error.message)))
    except SecurityError:
        return Failed("the template does something that is not allowed")
    except RecursionError:
        return Failed("the template is nested too deep")
    except Exception as error:  # noqa: BLE001 - filters meet values of any kind; the message may hold one
        return Failed(f"the template failed ({type(error).__name__})")
    return Rendered("".join(parts))


_ENVIRONMENT = environment()


@lru_cache(maxsize=2_048)
def _compile(source: str) -> Any:
    return _ENVIRONMENT.from_string(source)


# --- what is looked at before -------------------------------------------------------------------------------------

_FORBIDDEN: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call block",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "a block",
    nodes.FilterBlock: "a filter block",
    nodes.With: "with",
    nodes.AssignBlock: "a set block",
    nodes.Pow: "**",
    nodes.Dict: "a map",
}


def _forbidden(tree: nodes.Template) -> Iterator[TemplateProblem]:
    for node in tree.find_all(nodes.Node):
        word = next((word for kind, word in _FORBIDDEN.items() if isinstance(node, kind)), None)
        if word is not None:
            yield TemplateProblem("template_forbidden", f"{word} is not allowed in a message", node.lineno)
        if isinstance(node, nodes.For) and node.recursive:
            yield TemplateProblem("template_forbidden", "a recursive loop is not allowed in a message", node.lineno)
        if isinstance(node, nodes.For) and node.find(nodes.For) is not None:
            yield TemplateProblem("template_forbidden", "a loop in a loop is not allowed in a message", node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in (*FILTERS, FLAT):
            detail = f"there is no filter {node.name!r}"
            yield TemplateProblem("unknown_filter", detail, node.lineno, tuple(sorted(FILTERS)))
        if isinstance(node, nodes.Test) and node.name not in TESTS:
            yield TemplateProblem("unknown_test", f"there is no test {node.name!r}", node.lineno, TESTS)


def _variables(tree: nodes.Template) -> Iterator[Variable]:
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    yield from _read(tree, own | {"loop"}, is_required=True)


def _read(node: nodes.Node, own: set[str], *, is_required: bool) -> Iterator[Variable]:
    path = _path(node)
    if path is not None:
        if path[0] not in own:
            yield Variable(path, node.lineno, is_required)
        return
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.node is not None:
        yield from _read(node.node, own, is_required=False)
        for argument in node.args:
            yield from _read(argument, own, is_required=is_required)
        return
    if isinstance(node, nodes.Test) and node.name in ("defined", "undefined", "none"):
        yield from _read(node.node, own, is_required=False)
        return
    for child in node.iter_child_nodes():
        yield from _read(child, own, is_required=is_required)


def _path(node: nodes.Node) -> tuple[str, ...] | None:
    if isinstance(node, nodes.Name):
        return (node.name,) if node.ctx == "load" else None
    if isinstance(node, nodes.Getattr):
        before = _path(node.node)
        return None if before is None else (*before, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        before = _path(node.node)
        return None if before is None else (*before, node.arg.value)
    return None


def _refused(code: str, detail: str, line: int = 1) -> CheckedTemplate:
    return CheckedTemplate((), (TemplateProblem(code, detail, line),))


def _name_in(message: str) -> str:
    quoted = re.search(r"'([\w.\-]+)'", message)
    return quoted[1] if quoted else "a variable"


def _in_full(source: str, name: str) -> str:
    """The variable that was meant: of what a text or a number has not, only the last part of the name is known."""
    names = [variable.name for variable in _variables(_ENVIRONMENT.parse(source))]
    return name if name in names else next((full for full in names if full.endswith(f".{name}")), name)
