"""The Jinja in which messages are rendered: what a template may touch, and the filters and tests there are. Pure.

Maps are read by key alone, nothing is called, and no operator or filter makes a big text out of a small one. A value
that is missing or null is `_Nothing`: it may be tested, given a default and handed through filters; whatever else is
done with it raises `MissingError` by its name.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from typing import Any, NoReturn, cast

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from jinja2 import Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST_TEXT = 100_000
"""The longest text that may come of a template, in characters."""

MOST_ROUNDS = 1_000
"""The longest list a template may go through."""


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link as templates see it: `{{ link }}` is its address, `link.url` too, `link.label` its words."""

    label: str
    url: str

    def __str__(self) -> str:
        return self.url


class MissingError(UndefinedError):
    """A variable without a value was used; `name` is its path as far as it is known."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Nothing(Undefined):
    """A missing or null value: it may be tested and given a default, and everything else names it."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_: Any, **__: Any) -> NoReturn:
        raise MissingError(str(self._undefined_name))

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


class _Bounded(NodeTransformer):
    """What Jinja does by itself and cannot be watched, as filters that mind the size: `a ~ b`, and lists written out,
    which hold no lists: a few doublings of such would take for ever to compare.
    """

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja's name
        parts = [self.visit(part) for part in node.nodes]
        line = node.lineno
        pieces = nodes.List(parts, lineno=line)
        return nodes.Filter(pieces, "join", [nodes.Const("", lineno=line)], [], None, None, lineno=line)

    def visit_List(self, node: nodes.List) -> nodes.List:  # noqa: N802 - Jinja's name
        return nodes.List([self._flat(item) for item in node.items], lineno=node.lineno)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Tuple:  # noqa: N802 - Jinja's name
        items = node.items if node.ctx == "store" else [self._flat(item) for item in node.items]
        return nodes.Tuple(items, node.ctx, lineno=node.lineno)

    def _flat(self, item: nodes.Expr) -> nodes.Filter:
        return nodes.Filter(self.visit(item), FLAT, [], [], None, None, lineno=item.lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """Reads maps by key alone, calls nothing, and lets no operator make a big text out of a small one."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "-", "/", "//"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return cast("nodes.Template", _Bounded().visit(super()._parse(source, name, filename)))

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: object) -> Any:
        if isinstance(obj, _Nothing):
            return obj[argument]
        if isinstance(obj, LoopContext) and argument in _OF_LOOPS:
            return getattr(obj, str(argument))
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
        if is_text and len(left) + len(right) > LONGEST_TEXT:
            raise SecurityError("the text gets too long")
        if operator == "**" or not (is_text or (_is_small(left) and _is_small(right))):
            raise SecurityError(f"{operator} is not for these values")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002 - nothing may be called
        return False


_OF_LOOPS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


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


LANGUAGE = " language"
"""Under this name the context says in which language (BCP 47) dates are written; no template can name it."""

_OURS = "en-GB"
"""Where nothing is said: `2 March 2026`."""


_FORM = re.compile(r"(?:%-?[aAbBdeHIjmMpuVyY%]|[^%]){1,60}")


@pass_context
def _date(context: Context, value: Any, form: str | None = None) -> Any:
    """A date, or the date of an instant in its own zone, as the message's language writes it: `2 March 2026`,
    `2. März 2026`; or in a form of `strftime`'s.
    """
    if isinstance(value, _Nothing):  # handed on, as by `_through`
        return value
    if not isinstance(value, str):
        return _fail_on(value, "a date")
    text = value.strip()
    day = datetime.fromisoformat(text)
    if form is None:
        language = context.parent.get(LANGUAGE)
        return format_date(day, "long", locale=_locale(language if isinstance(language, str) else _OURS))
    if not _FORM.fullmatch(form):
        raise ValueError("not a form of a date")
    return day.strftime(form)


@cache
def _locale(tag: str) -> Locale:
    """How dates are written in this language, as far as it is known."""
    parts = tag.replace("_", "-").split("-")
    while parts:
        try:
            return Locale.parse("_".join(parts))
        except (ValueError, UnknownLocaleError):
            parts.pop()
    return Locale.parse(_OURS, sep="-")


def _fail_on(value: Any, wanted: str) -> NoReturn:
    if isinstance(value, _Nothing):  # an item of a list, or an argument
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
    texts = [_text(item) for item in cast("list[Any]", value)]
    if sum(map(len, texts)) + len(texts) * len(between) > LONGEST_TEXT:
        raise SecurityError("the text gets too long")
    return between.join(texts)


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


def _float(value: Any) -> float:
    return float(_number(value))


def _abs(value: Any) -> int | float:
    return abs(_number(value))


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old_text, new_text = _text(value), _text(old), _text(new)
    if (text.count(old_text) + 1) * len(new_text) > LONGEST_TEXT:
        raise SecurityError("the text gets too long")
    return text.replace(old_text, new_text)


def _truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """Jinja's own names of the arguments; a text that is hardly longer stays whole."""
    text = _text(value)
    if len(text) <= length + 5:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _sort(value: Any, reverse: bool = False) -> list[Any]:
    items = cast("list[Any]", value) if isinstance(value, list) else _fail_on(value, "a list")
    return sorted(items, reverse=reverse)


def _wordcount(value: Any) -> int:
    return len(_text(value).split())


def _through(made: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which hands on what is missing, so that a `default` behind it is not too late."""

    @wraps(made)
    def filtered(value: Any, *args: Any, **kwargs: Any) -> Any:
        return value if isinstance(value, _Nothing) else made(value, *args, **kwargs)

    return filtered


FILTERS: Mapping[str, Any] = {
    "d": _default,
    "date": _date,
    "default": _default,
    **{
        name: _through(made)
        for name, made in {
            "abs": _abs,
            "capitalize": _capitalize,
            "first": _first,
            "float": _float,
            "int": _int,
            "join": _join,
            "last": _last,
            "length": _length,
            "lower": _lower,
            "percent": _percent,
            "replace": _replace,
            "round": _round,
            "sort": _sort,
            "string": _text,
            "title": _title,
            "trim": _trim,
            "truncate": _truncate,
            "upper": _upper,
            "wordcount": _wordcount,
        }.items()
    },
}
"""The filters there are."""

FLAT = "_flat"
"""The filter around each item of a list that is written out; not for authors."""

TESTS = (
    "defined",
    "undefined",
    "none",
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
    if isinstance(value, _Nothing):
        return value
    return "" if isinstance(value, Undefined) else _text(value)  # `{{ a if b }}`: nothing is wanted where b is not so


def _flat(value: Any) -> Any:
    if isinstance(value, (list, tuple, _Known)):
        raise SecurityError("a list in a list")
    return value


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, _Nothing)


def environment() -> Sandbox:
    """A new one, with nothing in it but the filters and tests of this file."""
    made = Sandbox(autoescape=False, undefined=_Nothing, finalize=_printed, keep_trailing_newline=True, cache_size=0)
    made.context_class = _Roots
    made.globals.clear()
    made.filters.clear()
    made.filters.update({**FILTERS, FLAT: _flat})
    made.tests = {name: test for name, test in made.tests.items() if name in TESTS}
    made.tests["none"] = _is_none
    return made
