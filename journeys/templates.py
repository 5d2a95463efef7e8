"""Message texts: Jinja in a sandbox, checked when a journey is published, rendered when a message goes. Never raises.

What a template may do is little, on purpose: print variables through a few filters, `if`, `set`, and `for` over a list
it was given. It cannot call anything, define macros, include or import. A variable that is missing or null where it
is printed, and has no `default`, makes the rendering `Missing`: never a gap in a sentence or the word *None*.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn, cast

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_SOURCE = 20_000
"""The longest template, in characters."""

LONGEST_TEXT = 100_000
"""The longest text that may come of one, in characters."""

MOST_ROUNDS = 1_000
"""The longest list a template may go through."""


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


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link as templates see it: `{{ link }}` is its address, `link.url` too, `link.label` its words."""

    label: str
    url: str

    def __str__(self) -> str:
        return self.url


def check(source: str) -> CheckedTemplate:
    """The variables that a template reads, or what is wrong with it."""
    if len(source) > LONGEST_SOURCE:
        return _refused("template_too_long", f"the text has {len(source)} characters, at most {LONGEST_SOURCE} go")
    try:
        tree = _ENVIRONMENT.parse(source)
        problems = tuple(_forbidden(tree))
        if not problems:
            _compile(source)
    except TemplateSyntaxError as error:
        return _refused("template_syntax", str(error.message), error.lineno)
    except (TemplateError, RecursionError, ValueError, SyntaxError, MemoryError, OverflowError) as error:
        return _refused("template_syntax", f"the template cannot be read ({type(error).__name__})")
    return CheckedTemplate(tuple(_variables(tree)), problems)


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
    except _MissingError as error:
        return Missing(error.name)
    except UndefinedError as error:
        return Missing(_name_in(str(error.message)))
    except SecurityError:
        return Failed("the template does something that is not allowed")
    except RecursionError:
        return Failed("the template is nested too deep")
    except Exception as error:  # noqa: BLE001 - filters meet values of any kind; the message may hold one
        return Failed(f"the template failed ({type(error).__name__})")
    return Rendered("".join(parts))


# --- the sandbox --------------------------------------------------------------------------------------------------


class _MissingError(UndefinedError):
    """A variable without a value was used; `name` is its path as far as it is known."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Nothing(Undefined):
    """A missing or null value: it may be tested and given a default, and everything else names it."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_: Any, **__: Any) -> NoReturn:
        raise _MissingError(str(self._undefined_name))

    __str__ = __iter__ = __len__ = __eq__ = __ne__ = __hash__ = _fail_with_undefined_error  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __call__ = _fail_with_undefined_error  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __getattr__(self, name: str) -> "_Nothing":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name=f"{self._undefined_name}.{name}")

    def __getitem__(self, name: object) -> "_Nothing":
        return _Nothing(name=f"{self._undefined_name}.{name}")

    def __bool__(self) -> bool:
        return False


class _Sandbox(ImmutableSandboxedEnvironment):
    """Reads maps by key alone, calls nothing, and lets no operator make a big text out of a small one."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "-", "/", "//"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: object) -> Any:
        if isinstance(obj, _Nothing):
            return obj[argument]
        if isinstance(obj, LinkFacts) and argument in ("label", "url"):
            return obj.label if argument == "label" else obj.url
        found: Any = None
        if isinstance(obj, _Known):
            found = obj.value.get(str(argument))
            return _known(found, f"{obj.path}.{argument}")
        name = str(argument)
        if isinstance(obj, (list, str)) and isinstance(argument, (int, slice)):
            try:
                return _known(cast("Any", obj)[argument], name)
            except IndexError:
                return _Nothing(name=name)
        return _Nothing(name=name)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for operand in (left, right):
            if isinstance(operand, _Nothing):
                return str(operand)
        is_text = operator == "+" and isinstance(left, str) and isinstance(right, str)
        if operator == "**" or not (is_text or (_is_small(left) and _is_small(right))):
            raise SecurityError(f"{operator} is not for these values")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002 - nothing may be called
        return False


def _is_small(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= 1e15


@dataclass(frozen=True, slots=True)
class _Known:
    """A map of the context with its path, so that what is missing in it can be named."""

    value: Mapping[str, Any]
    path: str

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __str__(self) -> str:
        raise SecurityError("a map is not a text")


def _known(found: Any, path: str) -> Any:
    """A value as templates meet it: null is nothing, a map knows its path, a list may not be too long."""
    if found is None:
        return _Nothing(name=path)
    if isinstance(found, Mapping):
        return _Known(cast("Mapping[str, Any]", found), path)
    if isinstance(found, list):
        items = cast("list[Any]", found)
        if len(items) > MOST_ROUNDS:
            raise SecurityError("the list is too long")
        return [_known(item, f"{path}.{place}") for place, item in enumerate(items)]
    return found


class _Roots(Context):
    """The variables at the top, each known by its name."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        return _known(found, key) if isinstance(found, Mapping) or found is None or isinstance(found, list) else found


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


_FORM = re.compile(r"(?:%-?[aAbBdeHIjmMpuVyY%]|[^%]){1,60}")


def _date(value: Any, form: str | None = None) -> str:
    """A date, or the date of an instant in its own zone: `2 March 2026`; or in a form of `strftime`'s."""
    if not isinstance(value, str):
        return _fail_on(value, "a date")
    text = value.strip()
    day = datetime.fromisoformat(text)
    if form is None:
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    if not _FORM.fullmatch(form):
        raise ValueError("not a form of a date")
    return day.strftime(form)


def _fail_on(value: Any, wanted: str) -> NoReturn:
    if isinstance(value, _Nothing):
        str(value)
    raise TypeError(f"not {wanted}")


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Jinja's own names of the arguments; null is as good as missing."""
    return default_value if isinstance(value, _Nothing) or (boolean and not value) else value


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, LinkFacts)):
        _fail_on(value, "a text")
    return str(cast("object", value))


def _title(value: Any) -> str:
    return re.sub(r"\w[\w'’]*", lambda match: match[0][0].upper() + match[0][1:].lower(), _text(value))


def _join(value: Any, between: str = ", ") -> str:
    if not isinstance(value, list):
        _fail_on(value, "a list")
    return between.join(_text(item) for item in cast("list[Any]", value))


def _length(value: Any) -> int:
    if isinstance(value, (str, _Known)):
        return len(value)
    return len(cast("list[Any]", value)) if isinstance(value, list) else _fail_on(value, "a text or a list")


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _fail_on(value, "a number")
    return value


def _round(value: Any, digits: int = 0) -> int | float:
    rounded = round(_number(value), max(0, min(digits, 12)))
    return int(rounded) if digits <= 0 else rounded


def _first(value: Any) -> Any:
    items = cast("Sequence[Any]", value) if isinstance(value, (str, list)) else _fail_on(value, "a list")
    return items[0] if items else _Nothing(name="first")


def _last(value: Any) -> Any:
    items = cast("Sequence[Any]", value) if isinstance(value, (str, list)) else _fail_on(value, "a list")
    return items[-1] if items else _Nothing(name="last")


def _percent(value: Any) -> str:
    return f"{round(_number(value) * 100)}%"


def _capitalize(value: Any) -> str:
    return _text(value).capitalize()


def _lower(value: Any) -> str:
    return _text(value).lower()


def _upper(value: Any) -> str:
    return _text(value).upper()


def _trim(value: Any) -> str:
    return _text(value).strip()


def _int(value: Any) -> int:
    return int(_number(value))


FILTERS: Mapping[str, Any] = {
    "capitalize": _capitalize,
    "d": _default,
    "date": _date,
    "default": _default,
    "first": _first,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": _lower,
    "percent": _percent,
    "round": _round,
    "title": _title,
    "trim": _trim,
    "upper": _upper,
}
"""The filters there are."""

TESTS = (
    "defined",
    "undefined",
    "number",
    "string",
    "odd",
    "even",
    "in",
    "eq",
    "ne",
    "==",
    "!=",
    "lt",
    "le",
    "gt",
    "ge",
)


def _printed(value: Any) -> Any:
    """What a printed expression becomes: a text or a number; true, a list and a map are no words for a reader."""
    return value if isinstance(value, _Nothing) else _text(value)


def _environment() -> _Sandbox:
    made = _Sandbox(autoescape=False, undefined=_Nothing, finalize=_printed, keep_trailing_newline=True, cache_size=0)
    made.context_class = _Roots
    made.globals.clear()
    made.filters.clear()
    made.filters.update(FILTERS)
    made.tests = {name: test for name, test in made.tests.items() if name in TESTS}
    return made


_ENVIRONMENT = _environment()


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
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
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
    if isinstance(node, nodes.Test) and node.name in ("defined", "undefined"):
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
