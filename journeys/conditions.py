"""What can be told of an expression before anything happens: fields that nothing carries, comparisons that cannot
match, conditions that can never hold. Pure; judges no value of a learner.

What is known where an expression stands is a `World`: kinds of fields, the values a field may have, and which places
are open (`learner.attributes`, `event.data`, `entry.data`, `vars`). Of what is open everything is a warning: an event
may carry more than the catalogue says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import inf
from typing import Literal

from journeys.checked_expr import Call, Constant, Field, Kind, Listed, Path, Tree
from journeys.problems import did_you_mean


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one field: its kind, the only values it may have, whether it is a date, and its bounds.

    `needless` says why there is no point in comparing it with a constant.
    """

    kind: Kind | None = None
    values: tuple[str, ...] = ()
    is_date: bool = False
    bounds: tuple[float, float] | None = None
    needless: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What is known where an expression stands.

    `fields` are those of which something is known, by path. `closed` are places that have these names and no others
    (`event`; `*` in a path is any name): a wrong one is an error. `carried` are places that are open, but of which the
    usual fields are known (`event.data`): another name is a warning.
    """

    fields: Mapping[Path, Known] = field(default_factory=dict[Path, Known])
    closed: Mapping[Path, tuple[str, ...]] = field(default_factory=dict[Path, tuple[str, ...]])
    carried: Mapping[Path, "Carried"] = field(default_factory=dict[Path, "Carried"])

    def known(self, path: Path) -> Known:
        """What is known of the field at this path."""
        return self.fields.get(path, _NOTHING)


@dataclass(frozen=True, slots=True)
class Carried:
    """The usual fields of an open place; `by` says of what. `is_strict`: a name that is not among them warns even where
    it does not look like one of them.
    """

    names: tuple[str, ...]
    by: str
    is_strict: bool = True


@dataclass(frozen=True, slots=True)
class Remark:
    """Something odd or wrong in an expression, `at` so many characters in its text."""

    severity: Literal["error", "warning"]
    code: str
    detail: str
    at: int
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None


_NOTHING = Known()


def remarks_on(tree: Tree, world: World, *, text: str) -> Iterator[Remark]:
    """Everything odd in the expression, fields first."""
    for read in dict.fromkeys(fields_of(tree)):
        yield from _look_at_field(read, world, text)
    for call in _calls(tree):
        yield from _look_at_comparison(call, world)


def can_hold(tree: Tree, world: World) -> bool:
    """Whether there can be a learner and an event for which the condition holds; True where that cannot be told."""
    return any(_is_possible(literals, world) for literals in _alternatives(tree))


def always_holds(tree: Tree) -> bool:
    """Whether the condition holds whatever is known, by itself: `true`, `1 == 1`."""
    return _constant_truth(tree) is True


def fields_of(tree: Tree) -> Iterator[Field]:
    """Every field that is read, in the order of the text."""
    if isinstance(tree, Field):
        yield tree
    for part in _parts(tree):
        yield from fields_of(part)


def _parts(tree: Tree) -> Sequence[Tree]:
    match tree:
        case Call():
            return tree.arguments
        case Listed():
            return tree.items
        case Field() | Constant():
            return ()
        case _:
            return tree.parts


def _calls(tree: Tree) -> Iterator[Call]:
    if isinstance(tree, Call):
        yield tree
    for part in _parts(tree):
        yield from _calls(part)


# --- fields -------------------------------------------------------------------------------------------------------


def _look_at_field(read: Field, world: World, text: str) -> Iterator[Remark]:
    for place, allowed in world.closed.items():
        name = _name_under(read.path, place)
        if name is not None and name not in allowed:
            detail = f"`{_written(place)}` has no field {name[:80]!r}"
            suggestion = did_you_mean(name, allowed)
            yield Remark("error", "unknown_field", detail, _begins(text, read, name), allowed, suggestion)
    for place, carried in world.carried.items():
        name = _name_under(read.path, place)
        if name is not None and name not in carried.names:
            suggestion = did_you_mean(name, carried.names)
            if suggestion is not None or carried.is_strict:
                detail = f"{carried.by} has no field {name[:80]!r} that is known here"
                at = _begins(text, read, name)
                yield Remark("warning", "unknown_event_field", detail, at, carried.names, suggestion)


def _name_under(path: Path, place: Path) -> str | None:
    """The name right under a place (`*` stands for any name), where the path leads through it."""
    if len(path) <= len(place) or any(p not in ("*", name) for p, name in zip(place, path, strict=False)):
        return None
    return path[len(place)]


def _begins(text: str, read: Field, name: str) -> int:
    """Where the name stands: CEL tells where the last part of the path begins."""
    start = 0 if read.is_asked else max(0, read.at - sum(len(part) + 4 for part in read.path))
    found = text.find(name, max(start, read.at if read.is_asked else start))
    return read.at if found < 0 else found


def _written(place: Path) -> str:
    return ".".join(part if part != "*" else "..." for part in place)


# --- comparisons --------------------------------------------------------------------------------------------------

_EQUAL = ("_==_", "_!=_")
_ORDER = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A field beside constants: `sign` is of ==, !=, <, <=, >, >= and in."""

    field: Field
    sign: str
    constants: tuple[Constant, ...]


def _comparison(call: Call) -> _Comparison | None:
    if len(call.arguments) != 2:
        return None
    left, right = call.arguments
    if call.function == "@in" and isinstance(left, Field) and isinstance(right, Listed):
        constants = tuple(item for item in right.items if isinstance(item, Constant))
        return _Comparison(left, "in", constants) if len(constants) == len(right.items) else None
    sign = _ORDER.get(call.function) or {"_==_": "==", "_!=_": "!="}.get(call.function)
    if sign is None:
        return None
    if isinstance(left, Field) and isinstance(right, Constant):
        return _Comparison(left, sign, (right,))
    if isinstance(left, Constant) and isinstance(right, Field):
        return _Comparison(right, _MIRRORED[sign], (left,))
    return None


def _look_at_comparison(call: Call, world: World) -> Iterator[Remark]:
    comparison = _comparison(call)
    if comparison is not None:
        known = world.known(comparison.field.path)
        for constant in comparison.constants:
            yield from _look_at_constant(comparison, constant, known)
    elif call.function in (*_EQUAL, *_ORDER):
        yield from _look_at_two(call, world)


def _look_at_constant(comparison: _Comparison, constant: Constant, known: Known) -> Iterator[Remark]:
    name = ".".join(comparison.field.path)
    if constant.kind == "null":
        return
    if known.needless is not None:
        yield Remark("warning", "cannot_match", known.needless, constant.at)
        return
    if known.kind is not None and constant.kind != known.kind:
        detail = f"{name} is {_a(known.kind)}, compared with {_a(constant.kind)}: they never match"
        yield Remark("warning", "cannot_match", detail, constant.at, (_a(known.kind),), _as_kind(constant, known))
    elif known.values and constant.kind == "text" and constant.value not in known.values:
        detail = f"{name} is never {str(constant.value)[:80]!r}"
        suggestion = did_you_mean(str(constant.value), known.values)
        yield Remark("warning", "cannot_match", detail, constant.at, known.values, suggestion)
    elif known.is_date and not _DATE.fullmatch(str(constant.value)):
        detail = f"{name} is a date, {str(constant.value)[:80]!r} is none"
        yield Remark("warning", "cannot_match", detail, constant.at, ("2026-05-01",))
    elif known.bounds is not None and _is_outside(constant, known.bounds):
        lowest, highest = known.bounds
        detail = f"{name} is from {lowest:g} to {highest:g}, compared with {constant.value:g}"
        suggestion = f"did you mean {float(constant.value or 0) / 100:g}?" if _is_percent(constant) else None
        allowed = (f"{lowest:g} to {highest:g}",)
        yield Remark("warning", "out_of_range", detail, constant.at, allowed, suggestion)


def _a(kind: Kind) -> str:
    """The kind with its article."""
    return kind if kind in ("true or false", "null", "other") else f"a {kind}"


def _is_outside(constant: Constant, bounds: tuple[float, float]) -> bool:
    value = constant.value
    return isinstance(value, (int, float)) and not bounds[0] <= value <= bounds[1]


def _is_percent(constant: Constant) -> bool:
    return isinstance(constant.value, (int, float)) and 1 < constant.value <= 100


def _as_kind(constant: Constant, known: Known) -> str | None:
    """The constant as the field's kind would have it."""
    value = constant.value
    if known.kind == "text" and not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else f"{value}"
        return f'write it in quotes: "{shown}"'
    if known.kind == "number" and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", value):
        return f"write it without quotes: {value}"
    if known.kind == "true or false" and str(value).lower() in ("true", "false", "yes", "no"):
        return f"write {'true' if str(value).lower() in ('true', 'yes') else 'false'}"
    return None


def _look_at_two(call: Call, world: World) -> Iterator[Remark]:
    left, right = call.arguments if len(call.arguments) == 2 else (None, None)
    if not isinstance(left, Field) or not isinstance(right, Field):
        return
    kinds = world.known(left.path).kind, world.known(right.path).kind
    if kinds[0] is not None and kinds[1] is not None and kinds[0] != kinds[1]:
        names = ".".join(left.path), ".".join(right.path)
        detail = f"{names[0]} is {_a(kinds[0])}, {names[1]} is {_a(kinds[1])}: they never match"
        yield Remark("warning", "cannot_match", detail, call.at)


# --- whether it can hold ------------------------------------------------------------------------------------------

_Literal = tuple[Tree, bool]
"""A condition without && and ||, and whether it must hold or must not."""

_MOST = 64
"""As many alternatives are looked at; an expression with more is not judged."""


def _alternatives(tree: Tree) -> Iterable[tuple[_Literal, ...]]:
    """The ways in which it could hold, each a list of literals that must all be so (a disjunctive normal form)."""
    found = list(islice(_ways(tree, True), _MOST + 1))
    return found if len(found) <= _MOST else [()]


def _ways(tree: Tree, wanted: bool) -> Iterator[tuple[_Literal, ...]]:
    if isinstance(tree, Call) and tree.function == "!_":
        yield from _ways(tree.arguments[0], not wanted)
    elif isinstance(tree, Call) and tree.function in ("_&&_", "_||_"):
        if (tree.function == "_||_") == wanted:
            for argument in tree.arguments:
                yield from _ways(argument, wanted)
        else:
            each = [list(islice(_ways(argument, wanted), _MOST + 1)) for argument in tree.arguments]
            yield from (tuple(literal for way in ways for literal in way) for ways in product(*each))
    else:
        yield ((tree, wanted),)


def _constant_truth(tree: Tree) -> bool | None:
    match tree:
        case Constant(value=bool() as value):
            return value
        case Call(function="!_"):
            inner = _constant_truth(tree.arguments[0])
            return None if inner is None else not inner
        case Call(function="_&&_" | "_||_"):
            truths = [_constant_truth(argument) for argument in tree.arguments]
            decisive = tree.function == "_||_"
            return decisive if decisive in truths else None if None in truths else not decisive
        case Call(arguments=(Constant() as left, Constant() as right)):
            return _compared(tree.function, left, right)
        case _:
            return None


def _compared(function: str, left: Constant, right: Constant) -> bool | None:
    if left.kind != right.kind or left.kind not in ("number", "text"):
        return None
    a, b = left.value, right.value
    if function in _EQUAL:
        return (a == b) == (function == "_==_")
    if isinstance(a, str) and isinstance(b, str):
        return _ordered(function, (a > b) - (a < b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return _ordered(function, (a > b) - (a < b))
    return None


def _ordered(function: str, order: int) -> bool | None:
    match _ORDER.get(function):
        case "<":
            return order < 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case ">=":
            return order >= 0
        case _:
            return None


_Valued = tuple[Kind, object]
"""A value with its kind, because `true` is not 1."""


@dataclass(slots=True)
class _May:
    """What one field may still be after some literals."""

    kind: Kind | None = None
    only: set[_Valued] | None = None
    never: set[_Valued] = field(default_factory=set[_Valued])
    lowest: tuple[float, bool] = (-inf, True)
    highest: tuple[float, bool] = (inf, True)
    is_there: bool | None = None

    def takes(self, comparison: _Comparison, wanted: bool) -> bool:
        """Narrow it down; False where nothing is left."""
        sign = comparison.sign if wanted else _NEGATED.get(comparison.sign, "")
        kinds: set[Kind] = {constant.kind for constant in comparison.constants}
        values: set[_Valued] = {(constant.kind, constant.value) for constant in comparison.constants}
        if "null" in kinds or not sign:
            return True
        if not self._is_there() or (sign != "!=" and not self._is_of(kinds)):
            return False
        match sign:
            case "==" | "in":
                self.only = values if self.only is None else self.only & values
            case "!=" | "not in":
                self.never |= values
            case _:
                self._bound(sign, comparison.constants[0].value)
        return self._has_left()

    def _is_there(self) -> bool:
        """A comparison needs the field."""
        if self.is_there is False:
            return False
        self.is_there = True
        return True

    def _is_of(self, kinds: set[Kind]) -> bool:
        if len(kinds) != 1:
            return True
        (kind,) = kinds
        if self.kind is not None and self.kind != kind:
            return False
        self.kind = kind
        return True

    def _bound(self, sign: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if sign in ("<", "<="):
            self.highest = min(self.highest, (float(value), sign == "<="))
        else:
            lowest, is_included = self.lowest
            if (float(value), sign == ">") > (lowest, not is_included):
                self.lowest = (float(value), sign == ">=")

    def _has_left(self) -> bool:
        if self.only is not None:
            return any(value not in self.never and self._is_within(value[1]) for value in self.only)
        (lowest, with_lowest), (highest, with_highest) = self.lowest, self.highest
        return lowest < highest or (lowest == highest and with_lowest and with_highest)

    def _is_within(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        (lowest, with_lowest), (highest, with_highest) = self.lowest, self.highest
        is_above = value > lowest or (value == lowest and with_lowest)
        return is_above and (value < highest or (value == highest and with_highest))


_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "in": "not in"}


def _is_possible(literals: Sequence[_Literal], world: World) -> bool:
    """Whether all of these can be so at once."""
    may: dict[Path, _May] = {}
    return all(_take(tree, wanted, may, world) for tree, wanted in literals)


def _take(tree: Tree, wanted: bool, may: dict[Path, _May], world: World) -> bool:
    truth = _constant_truth(tree)
    if truth is not None:
        return truth == wanted
    if isinstance(tree, Field):
        return _take_field(tree, wanted, may, world)
    comparison = _comparison(tree) if isinstance(tree, Call) else None
    if comparison is None:
        return True
    path = comparison.field.path
    state = may.setdefault(path, _of(world.known(path)))
    return state.takes(comparison, wanted)


def _take_field(tree: Field, wanted: bool, may: dict[Path, _May], world: World) -> bool:
    state = may.setdefault(tree.path, _of(world.known(tree.path)))
    if tree.is_asked:
        is_contrary = state.is_there is not None and state.is_there != wanted
        state.is_there = wanted
        return not is_contrary
    if state.kind not in (None, "true or false") or state.is_there is False:
        return False
    state.kind, state.is_there = "true or false", True
    truth: _Valued = ("true or false", wanted)
    state.only = {truth} if state.only is None else state.only & {truth}
    return bool(state.only)


def _of(known: Known) -> _May:
    """What a field may be before anything is asked of it. Bounds are the sender's manners, and no proof."""
    return _May(kind=known.kind, only={("text", value) for value in known.values} or None)
