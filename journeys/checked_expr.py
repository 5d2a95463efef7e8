"""Reads the checked form of a CEL expression: which fields it reads, what it compares them with, and its tree.

`serialize()` of the CEL library gives a `cel.expr.CheckedExpr` in an `Any`, and the wheel brings no descriptors for it;
the few messages that a walk needs are declared here, by their published field numbers. Nothing here evaluates anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

Path = tuple[str, ...]
Kind = Literal["text", "number", "true or false", "list", "map", "null", "other"]

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: Mapping[str, Any] = {
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "double": _FIELD.TYPE_DOUBLE,
    "bytes": _FIELD.TYPE_BYTES,
    "enum": _FIELD.TYPE_INT32,
}
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "CheckedExpr": {"expr": (4, "Expr"), "source_info": (5, "SourceInfo")},
    "SourceInfo": {"positions": (4, "*Position")},
    "Position": {"key": (1, "int64"), "value": (2, "enum")},
    "Expr": {
        "id": (2, "int64"),
        "const_expr": (3, "Constant"),
        "ident_expr": (4, "Ident"),
        "select_expr": (5, "Select"),
        "call_expr": (6, "Call"),
        "list_expr": (7, "CreateList"),
        "struct_expr": (8, "CreateStruct"),
        "comprehension_expr": (9, "Comprehension"),
    },
    "Constant": {
        "null_value": (1, "enum"),
        "bool_value": (2, "bool"),
        "int64_value": (3, "int64"),
        "uint64_value": (4, "uint64"),
        "double_value": (5, "double"),
        "string_value": (6, "string"),
        "bytes_value": (7, "bytes"),
    },
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "*Expr")},
    "CreateList": {"elements": (1, "*Expr")},
    "CreateStruct": {"entries": (2, "*Entry")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
        "iter_var2": (8, "string"),
    },
}
_CONSTANT_KINDS: Mapping[str, Kind] = {
    "null_value": "null",
    "bool_value": "true or false",
    "int64_value": "number",
    "uint64_value": "number",
    "double_value": "number",
    "string_value": "text",
}


@dataclass(slots=True)
class Reading:
    """The fields an expression reads, in the order it names them, and what kinds it compares each with."""

    paths: list[Path] = field(default_factory=list[Path])
    compared: dict[Path, set[Kind]] = field(default_factory=dict[Path, set[Kind]])
    pairs: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as it stands. `at` is the place in the text, in characters from 0, here and below."""

    value: bool | int | float | str | None
    kind: Kind
    at: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is read; `is_asked`: only whether it is there (`has(...)`)."""

    path: Path
    at: int = 0
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function over these, by CEL's own name for it (`_==_`, `@in`, `size`)."""

    function: str
    arguments: tuple["Tree", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A list written out."""

    items: tuple["Tree", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, with what it is made of."""

    parts: tuple["Tree", ...] = ()
    at: int = 0


Tree = Constant | Field | Call | Listed | Other


def read(serialized: bytes, roots: frozenset[str]) -> Reading:
    """What the checked expression reads of the variables `roots`."""
    return _read(_parsed(serialized), roots)


def read_with_tree(serialized: bytes, roots: frozenset[str]) -> tuple[Reading, Tree]:
    """The same, and the expression as a tree."""
    checked = _parsed(serialized)
    places = {place.key: place.value for place in checked.source_info.positions}
    return _read(checked, roots), _tree(checked.expr, roots, places)


def _parsed(serialized: bytes) -> Any:
    wrapped = any_pb2.Any.FromString(serialized)
    return _checked_expr().FromString(wrapped.value)


def _read(checked: Any, roots: frozenset[str]) -> Reading:
    reading = Reading()
    _walk(checked.expr, roots, reading)
    return reading


def _tree(expr: Any, roots: frozenset[str], places: Mapping[int, int]) -> Tree:
    at = places.get(expr.id, 0)
    path = _path(expr, roots)
    if path is not None:
        return Field(path, at, expr.HasField("select_expr") and expr.select_expr.test_only)
    if expr.HasField("const_expr"):
        return _constant(expr.const_expr, at)
    if expr.HasField("comprehension_expr"):
        loop = expr.comprehension_expr
        inner = roots - {loop.iter_var, loop.iter_var2, loop.accu_var}
        parts = (_tree(part, inner, places) for part in (loop.loop_condition, loop.loop_step, loop.result))
        return Other((_tree(loop.iter_range, roots, places), *parts), at)
    children = tuple(_tree(child, roots, places) for child in _children(expr))
    if expr.HasField("call_expr"):
        return Call(expr.call_expr.function, children, at)
    return Listed(children, at) if expr.HasField("list_expr") else Other(children, at)


def _constant(constant: Any, at: int) -> Tree:
    name = next((name for name in _CONSTANT_KINDS if constant.HasField(name)), None)
    if name is None:
        return Other((), at)
    value = None if name == "null_value" else getattr(constant, name)
    return Constant(value, _CONSTANT_KINDS[name], at)


def _walk(expr: Any, roots: frozenset[str], reading: Reading) -> None:
    path = _path(expr, roots)
    if path is not None:
        if path not in reading.paths:
            reading.paths.append(path)
        return
    if expr.HasField("comprehension_expr"):
        loop = expr.comprehension_expr
        _walk(loop.iter_range, roots, reading)
        _walk(loop.accu_init, roots, reading)
        inner = roots - {loop.iter_var, loop.iter_var2, loop.accu_var}
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            _walk(part, inner, reading)
        return
    if expr.HasField("call_expr"):
        _compare(expr.call_expr, roots, reading)
    for child in _children(expr):
        _walk(child, roots, reading)


def _children(expr: Any) -> Iterator[Any]:
    if expr.HasField("select_expr"):
        yield expr.select_expr.operand
    elif expr.HasField("call_expr"):
        if expr.call_expr.HasField("target"):
            yield expr.call_expr.target
        yield from expr.call_expr.args
    elif expr.HasField("list_expr"):
        yield from expr.list_expr.elements
    elif expr.HasField("struct_expr"):
        for entry in expr.struct_expr.entries:
            if entry.HasField("map_key"):
                yield entry.map_key
            yield entry.value


def _path(expr: Any, roots: frozenset[str]) -> Path | None:
    """`learner.country`, `sent["well-begun"].status` and `has(...)` of such as a path; None for anything else."""
    if expr.HasField("ident_expr"):
        name = expr.ident_expr.name
        return (name,) if name in roots else None
    if expr.HasField("select_expr"):
        before = _path(expr.select_expr.operand, roots)
        return None if before is None else (*before, expr.select_expr.field)
    if expr.HasField("call_expr") and expr.call_expr.function == "_[_]":
        target, index = expr.call_expr.args
        before = _path(target, roots)
        if before is not None and index.HasField("const_expr") and index.const_expr.HasField("string_value"):
            return (*before, index.const_expr.string_value)
    return None


def _compare(call: Any, roots: frozenset[str], reading: Reading) -> None:
    if call.function not in ("_==_", "_!=_", "@in") or len(call.args) != 2:
        return
    left, right = call.args
    if call.function == "@in":
        path = _path(left, roots)
        if path is not None and right.HasField("list_expr"):
            kinds: set[Kind | None] = {_constant_kind(element) for element in right.list_expr.elements}
            _expect(reading, path, kinds)
        return
    paths = (_path(left, roots), _path(right, roots))
    match paths:
        case (None, None):
            return
        case (tuple() as a, tuple() as b):
            reading.pairs.append((a, b))
        case (tuple() as path, None):
            _expect(reading, path, {_constant_kind(right)})
        case (None, tuple() as path):
            _expect(reading, path, {_constant_kind(left)})


def _expect(reading: Reading, path: Path, kinds: set[Kind | None]) -> None:
    known: set[Kind] = {kind if kind is not None else "other" for kind in kinds}
    reading.compared.setdefault(path, set()).update(known)


def _constant_kind(expr: Any) -> Kind | None:
    if not expr.HasField("const_expr"):
        return None
    constant = expr.const_expr
    return next((kind for name, kind in _CONSTANT_KINDS.items() if constant.HasField(name)), None)


@cache
def _checked_expr() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="waymark/checked.proto", package="waymark.cel", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
            scalar = _SCALARS.get(kind)
            added = message.field.add(name=field_name, number=number, label=label)
            if scalar is None:
                added.type = _FIELD.TYPE_MESSAGE
                added.type_name = f".waymark.cel.{kind.lstrip('*')}"
            else:
                added.type = scalar
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("waymark.cel.CheckedExpr"))
