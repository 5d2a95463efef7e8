"""Expressions (CEL): checked when a journey is published, judged whenever something happens. Never raises.

The only module that knows the CEL library. What an author may rely on:

- A missing field, a null and a comparison of different types are no errors at run time: the condition does not hold,
  and the finding names the field. `&&`, `||` and `has()` are CEL's.
- Numbers are compared by their value: `1 == 1.0`, and `score < 70.5` whatever kind of number `score` is. Arithmetic
  does not mix whole numbers and fractions, as in CEL: write `event.data.score * 100.0`, or `double(...)`.
- A date (`learner.starts_on`) and an instant (`event.time`) are texts in ISO 8601, which sort as time does:
  `learner.starts_on < "2026-09-01"`; for calculation, `timestamp(event.time)`.

The check knows the fields of `learner` (a message made for it); evaluation runs over plain maps, where a missing key is
an error and not an empty text. Only what an expression reads is bound.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Literal, cast

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2

from journeys.checked_expr import Kind, Path, Reading, Tree, read, read_with_tree
from journeys.events import Json
from journeys.profile import PROFILE_FIELDS
from journeys.program import Expression

LONGEST = 2_048
"""The longest expression, in bytes of UTF-8."""

FIELD_HABITS: Mapping[str, str] = {
    **dict.fromkeys(("first_name", "firstname", "forename", "name"), "given_name"),
    **dict.fromkeys(("last_name", "lastname", "surname"), "family_name"),
    **dict.fromkeys(("timezone", "time_zone", "tz"), "zone"),
    **dict.fromkeys(("job", "job_title", "position", "title"), "role"),
    **dict.fromkeys(("mail", "email_address"), "email"),
    **dict.fromkeys(("start_date", "starts_at", "joined_on"), "starts_on"),
    **dict.fromkeys(("location", "office"), "site"),
    **dict.fromkeys(("boss", "supervisor", "line_manager"), "manager"),
    **dict.fromkeys(("locale", "lang"), "language"),
    **dict.fromkeys(("mobile", "telephone", "phone_number"), "phone"),
}
"""What other systems call the fields of a profile."""

LEARNER_FIELDS = ("id", *PROFILE_FIELDS)
"""What stands behind `learner.` in expressions and templates."""

_NOTHING: Mapping[str, Json] = {}


class Scope(Enum):
    """Where an expression stands, and so which names it sees."""

    EVENT = ("event", "learner", "entry")
    STEP = ("learner", "entry", "vars", "answers", "sent")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when an expression is judged, as plain maps; `event` only where one is at hand."""

    learner: Mapping[str, Json] = field(default_factory=dict[str, Json])
    entry: Mapping[str, Json] = field(default_factory=dict[str, Json])
    vars: Mapping[str, Json] = field(default_factory=dict[str, Json])
    answers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    sent: Mapping[str, Json] = field(default_factory=dict[str, Json])
    event: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an expression, and where in its text (line and column from 1)."""

    code: str
    detail: str
    line: int = 1
    column: int = 1
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The expression, where it is sound, with its tree; and everything that is wrong with it, where it is not."""

    expression: Expression | None
    findings: tuple[Finding, ...] = ()
    tree: Tree | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds; `finding` says why it could not be judged, without personal values."""

    holds: bool
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression yields; where there is a `finding` it yields nothing, and `value` is None."""

    value: Json
    finding: str | None = None


@lru_cache(maxsize=4_096)
def check(text: str, *, scope: Scope, wants: Literal["condition", "value"] = "condition") -> Checked:
    """Check an expression against what can be known where it stands."""
    if not text.strip():
        return _refused("empty_expression", "the expression is empty")
    if len(text.encode("utf-8", "replace")) > LONGEST:
        return _refused("expression_too_long", f"the expression is longer than {LONGEST} bytes")
    try:
        compiled = _checking_env(scope).compile(text)
        serialized = compiled.serialize()
        yields = compiled.return_type().name()
    except Exception as error:  # noqa: BLE001 - the library raises RuntimeError, UnicodeError and others
        return Checked(None, _said_once(text, tuple(_findings_of(text, str(error), scope))))
    if wants == "condition" and yields not in ("BOOL", "DYN"):
        return _refused("not_a_condition", f"the expression yields {_type_word(yields)}, not true or false")
    if wants == "value" and yields not in _VALUES:
        return _refused("not_a_value", f"the expression yields {_type_word(yields)}: not a value to keep")
    reading, tree = read_with_tree(serialized, frozenset(scope.value))
    return Checked(Expression(text, tuple(".".join(path) for path in reading.paths)), tree=tree)


def holds(expression: Expression, facts: Facts) -> Verdict:
    """Whether the condition holds; what cannot be judged does not hold."""
    kind, found, finding = _evaluate(expression.text, facts)
    if finding is not None:
        return Verdict(False, finding)
    if kind != "BOOL":
        return Verdict(False, f"{_named(expression.text)} yields {_type_word(kind)}, not true or false")
    return Verdict(bool(found))


def value(expression: Expression, facts: Facts) -> Value:
    """What the expression yields, as JSON."""
    kind, found, finding = _evaluate(expression.text, facts)
    if finding is not None:
        return Value(None, finding)
    if kind not in _JSON_KINDS and not kind.startswith(("LIST", "MAP")):
        return Value(None, f"the expression yields {_type_word(kind)}: not a value to keep")
    return Value(cast("Json", found))


def learner_facts(profile: Mapping[str, Json], *, source_id: str | None) -> Mapping[str, Json]:
    """The learner as expressions see her: the profile's fields that have a value, and `id`, the source's id."""
    facts = {name: value for name, value in profile.items() if name in PROFILE_FIELDS and value is not None}
    if source_id is not None:
        facts["id"] = source_id
    return facts


# --- checking -----------------------------------------------------------------------------------------------------

_VALUES = frozenset({"BOOL", "INT", "UINT", "DOUBLE", "STRING", "DYN", "NULL"})
_JSON_KINDS = frozenset({"BOOL", "INT", "UINT", "DOUBLE", "STRING", "NULL"})
_TYPE_WORDS = {
    "BOOL": "true or false",
    "INT": "a number",
    "UINT": "a number",
    "DOUBLE": "a number",
    "STRING": "a text",
    "NULL": "null",
    "TIMESTAMP": "an instant",
    "DURATION": "a duration",
    "BYTES": "bytes",
    "waymark.Learner": "the whole learner",
}
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): ((?:.|\n(?! \||ERROR:))*)")
_OVERLOAD = re.compile(r"found no matching overload for '(.+?)' applied to '(.*?)'", re.DOTALL)
_SIGNS = re.compile(r"_?(==|!=|<=|>=|<|>|\+|-|\*|/|%|&&|\|\||in|\[)_?\]?|@(in)")


def _refused(code: str, detail: str) -> Checked:
    return Checked(None, (Finding(code, detail),))


_HABITS = (
    (re.compile(r"(?<![=!<>])=(?!=)"), "two values are compared by =="),
    (re.compile(r"\b(and|or|not)\b", re.IGNORECASE), "write && for and, || for or, ! for not"),
    (re.compile("[\u201c\u201d\u2018\u2019]"), 'write straight quotes: "..."'),
)
"""What people write who know other languages."""


def _said_once(text: str, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Of several complaints about syntax the first, with what was probably meant."""
    syntax = [finding for finding in findings if finding.code == "expression_syntax"]
    if not syntax:
        return findings
    bare = re.sub(r""""[^"]*"|'[^']*'""", "", text)
    suggestion = next((meant for habit, meant in _HABITS if habit.search(bare)), None)
    return (replace(syntax[0], suggestion=suggestion),)


def _findings_of(text: str, error: str, scope: Scope) -> Iterable[Finding]:
    found = [m for m in _ERROR.finditer(error) if "parsetree" not in m[3]]
    if not found:
        is_deep = "recursion limit" in error
        detail = "the expression is nested too deep (at most 32 levels)" if is_deep else "the expression cannot be read"
        yield Finding("bad_expression", detail)
    for match in found:
        yield _finding(text, match[3].strip(), int(match[1]), int(match[2]), scope)


def _finding(text: str, detail: str, line: int, column: int, scope: Scope) -> Finding:
    if match := re.match(r"undefined field '(.*?)'", detail):
        habit = FIELD_HABITS.get(match[1].lower())
        close = [habit] if habit else get_close_matches(match[1], LEARNER_FIELDS, 1)
        suggestion = f"did you mean learner.{close[0]}?" if close else f"did you mean learner.attributes.{match[1]}?"
        return Finding(
            "unknown_field", f"learner has no field {match[1]!r}", line, column + 1, LEARNER_FIELDS, suggestion
        )
    if match := re.match(r"undeclared reference to '(.*?)'", detail):
        root = match[1].split(".", maxsplit=1)[0]
        return _unknown_name(root, line, _begins(text, root, line, column), scope)
    if match := _OVERLOAD.match(detail):
        return _wrong_types(match[1], match[2], line, column)
    return Finding("expression_syntax", _clean(detail), line, column)


def _begins(text: str, name: str, line: int, column: int) -> int:
    """Where an unknown name begins: of a name with something behind it CEL tells where that begins."""
    written = text.split("\n")[line - 1][: column + len(name)]
    return max((m.start() + 1 for m in re.finditer(rf"\b{re.escape(name)}\b", written)), default=column)


def _unknown_name(root: str, line: int, column: int, scope: Scope) -> Finding:
    every = {n for s in Scope for n in s.value}
    if root in every:
        where = "the `when` and `key` of enter, and the `when` of exit and await" if root == "event" else "steps"
        return Finding("unknown_name", f"{root!r} is known only in {where}", line, column, scope.value)
    close = get_close_matches(root, scope.value, 1)
    suggestion = f"did you mean {close[0]}?" if close else f'a text is written in quotes: "{root}"'
    return Finding("unknown_name", f"nothing here is called {root!r}", line, column, scope.value, suggestion)


def _wrong_types(function: str, types: str, line: int, column: int) -> Finding:
    sign = _SIGNS.fullmatch(function)
    shown = (sign[1] or sign[2]) if sign else function
    suggestion = None
    if "null" in types:
        suggestion = "ask with has(...) whether a field has a value"
    elif {t.strip() for t in types.strip("()").split(",")} == {"int", "double"}:
        suggestion = "write both as fractions, such as 1.0, or use double(...)"
    if suggestion is None:
        suggestion = _MEANT.get(frozenset(_type_names(types)))
    detail = f"`{shown}` does not go with {_several_types(types)}"
    return Finding("wrong_types", detail, line, column, suggestion=suggestion)


_CEL_TYPES: Mapping[str, str] = {
    "string": "a text",
    **dict.fromkeys(("int", "uint", "double"), "a number"),
    "bool": "true or false",
    "null": "null",
    "null_type": "null",
    "list": "a list",
    "map": "a map",
    "waymark.Learner": "the whole learner",
    "google.protobuf.Timestamp": "an instant",
    "google.protobuf.Duration": "a duration",
    "google.protobuf.Struct": "a map",
    "dyn": "anything",
}


_MEANT: Mapping[frozenset[str], str] = {
    frozenset({"string", "int"}): 'a text is written in quotes ("3"), a number is not (3)',
    frozenset({"string", "double"}): 'a text is written in quotes ("0.5"), a number is not (0.5)',
    frozenset({"string", "list"}): 'whether a list holds a text is asked by in: "mon" in learner.working_days',
}
"""What was probably meant where two such types met."""


def _type_names(types: str) -> list[str]:
    """`(string, list(int))` as its names, without what is inside them."""
    bare = types.strip()[1:-1]
    while "(" in bare:
        bare = re.sub(r"\([^()]*\)", "", bare)
    return [name.strip() for name in bare.split(",") if name.strip()]


def _several_types(types: str) -> str:
    """The types in plain words."""
    names = _type_names(types)
    if set(names) == {"int", "double"}:
        return "a whole number and a fraction"
    return " and ".join(_CEL_TYPES.get(name, name) for name in names)


def _clean(detail: str) -> str:
    first = detail.replace("[INVALID_ARGUMENT]", "").replace("INVALID_ARGUMENT:", "").strip().split("\n")[0]
    first = first.removeprefix("Syntax error: ").replace("\\u003F", "?")
    unfit = _UNFIT.match(first)
    if unfit is None:
        return first
    found = unfit[1].strip()
    return "the expression stops too early" if found in ("<EOF>", "") else f"`{found[:60]}` cannot stand here"


_UNFIT = re.compile(
    r"(?:token recognition error at: |mismatched input |extraneous input |no viable alternative at input )"
    r"'(.*?)'(?: expecting .*)?$"
)


def _type_word(name: str) -> str:
    base = name.split("<", maxsplit=1)[0]
    return _TYPE_WORDS.get(base, "a list" if base == "LIST" else "a map" if base == "MAP" else base.lower())


@cache
def _checking_env(scope: Scope) -> cel.Env:
    open_map = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {name: cel.Type("waymark.Learner") if name == "learner" else open_map for name in scope.value}
    return cel.NewEnv(descriptor_pool=_learner_pool(), variables=variables)


@cache
def _learner_pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own with the message `waymark.Learner`: the fields of a profile, and `id`."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="waymark/learner.proto", package="waymark", syntax="proto3")
    file.dependency.append("google/protobuf/struct.proto")
    message = file.message_type.add(name="Learner")
    for number, name in enumerate(LEARNER_FIELDS, start=1):
        kind = PROFILE_FIELDS.get(name, "text")
        added = message.field.add(name=name, number=number, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
        if kind == "list":
            added.label = kinds.LABEL_REPEATED
        elif kind == "map":
            added.type = kinds.TYPE_MESSAGE
            added.type_name = ".google.protobuf.Struct"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


# --- evaluation ---------------------------------------------------------------------------------------------------

_ROOTS = frozenset({"event", "learner", "entry", "vars", "answers", "sent"})


@dataclass(frozen=True, slots=True)
class _Plan:
    """A compiled expression with what must be bound for it; None where it does not compile."""

    compiled: cel.Expression | None
    paths: tuple[Path, ...] = ()
    compared: Mapping[Path, frozenset[Kind]] = field(default_factory=dict[Path, frozenset[Kind]])
    pairs: tuple[tuple[Path, Path], ...] = ()


@cache
def _evaluating_env() -> cel.Env:
    open_map = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables=dict.fromkeys(sorted(_ROOTS), open_map))


@lru_cache(maxsize=16_384)
def _plan(text: str) -> _Plan:
    try:
        compiled = _evaluating_env().compile(text)
        reading = read(compiled.serialize(), _ROOTS)
    except Exception:  # noqa: BLE001 - see `check`: an unchecked expression never raises here
        return _Plan(None)
    return _Plan(compiled, _outermost(reading), _expected(reading), tuple(reading.pairs))


def _outermost(reading: Reading) -> tuple[Path, ...]:
    """The paths of which no beginning is read as a whole too."""
    paths = reading.paths
    return tuple(p for p in paths if not any(p != other and p[: len(other)] == other for other in paths))


def _expected(reading: Reading) -> Mapping[Path, frozenset[Kind]]:
    """What a field is compared with; a comparison with null or with something computed says nothing."""
    return {p: frozenset(kinds) for p, kinds in reading.compared.items() if not kinds & {"null", "other"}}


def _evaluate(text: str, facts: Facts) -> tuple[str, object, str | None]:
    """The type's name, the value, and why there is none."""
    plan = _plan(text)
    if plan.compiled is None:
        return "ERROR", None, "the expression cannot be compiled"
    try:
        found = plan.compiled.eval(data=_bind(plan, facts))
        kind = found.type().name()
        if kind != "ERROR":
            return kind, found.plain_value(), None
        reason = str(found.value())
    except Exception as error:  # noqa: BLE001 - over budget and lone surrogates raise instead of answering an error
        reason = str(error)
    return "ERROR", None, _explain(plan, facts, reason)


def _bind(plan: _Plan, facts: Facts) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    for path in plan.paths:
        _bind_path(bound, path, facts, plan.compared.get(path))
    for left, right in plan.pairs:
        a, b = _look_up(facts, left), _look_up(facts, right)
        if a is _ABSENT or b is _ABSENT or a is None or b is None or kind_of(a) != kind_of(b):
            _unbind(bound, left)
    return bound


def _bind_path(bound: dict[str, Any], path: Path, facts: Facts, expected: frozenset[Kind] | None) -> None:
    source: Any = _root(facts, path[0])
    if len(path) == 1:
        bound[path[0]] = dict(source)
        return
    target = bound.setdefault(path[0], {})
    for name in path[1:-1]:
        source = cast("Mapping[str, Any]", source).get(name, _ABSENT)
        if not isinstance(source, Mapping):
            if source is not _ABSENT:
                target.setdefault(name, source)
            return
        target = target.setdefault(name, {})
    name = path[-1]
    found: Any = cast("Mapping[str, Any]", source).get(name, _ABSENT)
    if found is _ABSENT or (expected is not None and kind_of(found) not in expected):
        return
    if found is not None or path[0] != "learner":
        target[name] = found


def _unbind(bound: dict[str, Any], path: Path) -> None:
    target: Any = bound
    for name in path[:-1]:
        target = cast("dict[str, Any]", target).get(name)
        if not isinstance(target, dict):
            return
    cast("dict[str, Any]", target).pop(path[-1], None)


class _Absent(Enum):
    ABSENT = "absent"


_ABSENT = _Absent.ABSENT


def _root(facts: Facts, name: str) -> Mapping[str, Json]:
    match name:
        case "event":
            return _NOTHING if facts.event is None else facts.event
        case "learner":
            return facts.learner
        case "entry":
            return facts.entry
        case "vars":
            return facts.vars
        case "answers":
            return facts.answers
        case _:
            return facts.sent


def _look_up(facts: Facts, path: Path) -> Json | _Absent:
    found: Any = _root(facts, path[0])
    for name in path[1:]:
        if not isinstance(found, Mapping):
            return _ABSENT
        found = cast("Mapping[str, Any]", found).get(name, _ABSENT)
    return cast("Json", found)


def kind_of(value: object) -> Kind:
    """What kind of JSON value this is, in plain words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case Mapping():
            return "map"
        case _:
            return "other"


def _explain(plan: _Plan, facts: Facts, reason: str) -> str:
    """Why it could not be judged, naming the field and no value."""
    for path in plan.paths:
        found = _look_up(facts, path)
        if found is _ABSENT or found is None:
            return f"{'.'.join(path)} is {'missing' if found is _ABSENT else 'null'}"
        expected = plan.compared.get(path)
        if expected is not None and kind_of(found) not in expected:
            return f"{'.'.join(path)} is a {kind_of(found)}, compared with a {' or a '.join(sorted(expected))}"
    for left, right in plan.pairs:
        kinds = kind_of(_look_up(facts, left)), kind_of(_look_up(facts, right))
        if kinds[0] != kinds[1]:
            return f"{'.'.join(left)} is a {kinds[0]}, {'.'.join(right)} a {kinds[1]}"
    kinds_of = {path: kind_of(_look_up(facts, path)) for path in plan.paths}
    went_wrong = _what_went_wrong(reason, is_of_numbers=set(kinds_of.values()) <= {"number"})
    fields = ", ".join(f"{'.'.join(path)} ({kind})" for path, kind in kinds_of.items())
    return f"{went_wrong}: {fields}" if fields else went_wrong


def _what_went_wrong(reason: str, *, is_of_numbers: bool) -> str:
    if "No matching overload" in reason:
        mixed = " (whole numbers and fractions do not mix: write 100.0 or double(...))" if is_of_numbers else ""
        return f"the types do not fit{mixed}"
    if "Iteration budget" in reason:
        return "the expression takes too long"
    if "divide by zero" in reason or "modulus by zero" in reason:
        return "division by zero"
    if "Key not found" in reason or "Index error" in reason:
        return "something read is not there"
    if "regular expression" in reason:
        return "the regular expression is wrong"
    return "it cannot be judged"


def _named(text: str) -> str:
    plan = _plan(text)
    return ".".join(plan.paths[0]) if len(plan.paths) == 1 else "the expression"
