"""A program in words for people who have never programmed: its conditions, its triggers, its lengths of time. Pure;
what a step says of itself is its own business (`journeys.labels`).

    learner.department in ["Sales", "Service"]                        department is Sales or Service
    on: lms.course.started, when: event.data.course == "MGR-101"      starts MGR-101

What it cannot say is left as it was written: words never pretend.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from journeys.checked_expr import Call, Constant, Field, Listed, Tree
from journeys.events import Json
from journeys.expressions import Scope, check
from journeys.program import Expression, Program, Span, Term, Trigger


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on the card of a step: its kind in a word, what it is about, more about it, and its arms by name."""

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    arms: Mapping[str, str] = field(default_factory=dict[str, str])


# -- conditions --------------------------------------------------------------------------------------------------------

_SIGNS = {"_==_": "is", "_!=_": "is not", "_<_": "is below", "_<=_": "is at most", "_>_": "is above",
          "_>=_": "is at least"}  # fmt: skip
_MIRRORED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}


def tree_of(expression: Expression | None) -> Tree | None:
    """The expression as a tree; None where there is none that can be read."""
    if expression is None:
        return None
    scope = Scope.EVENT if any(path.split(".")[0] == "event" for path in expression.reads) else Scope.STEP
    return check(expression.text, scope=scope, wants="value").tree or check(expression.text, scope=scope).tree


def condition_words(expression: Expression) -> str:
    """The condition in words; as it was written where there are none for it."""
    tree = tree_of(expression)
    return (None if tree is None else _said(tree)) or expression.text


def field_words(path: Sequence[str]) -> str:
    """A field as people call it: `learner.given_name` is the given name."""
    match list(path):
        case ["learner", "id"]:
            return "id"
        case ["learner", "attributes", *rest] if rest:
            return spaced(".".join(rest))
        case ["learner" | "event" | "entry" | "vars", *rest] if rest:
            return spaced(".".join(rest[1:] if rest[0] == "data" and len(rest) > 1 else rest))
        case ["answers", _, question]:
            return f"the answer to {question}"
        case ["sent", message, "status"]:
            return f"what became of {message}"
        case _:
            return ".".join(path)


def _said(tree: Tree) -> str | None:
    match tree:
        case Field(is_asked=True):
            return f"{field_words(tree.path)} is known"
        case Field():
            return f"{field_words(tree.path)} is true"
        case Constant(value=bool() as value):
            return "always" if value else "never"
        case Call(function="!_", arguments=(inner,)):
            return _denied(inner)
        case Call(function="_&&_" | "_||_" as function):
            return _joined(function, tree.arguments)
        case Call(function="@in", arguments=(Field() as read, Listed() as listed)):
            values = _values(listed)
            return None if values is None else f"{field_words(read.path)} is {either(values)}"
        case Call(function="@in", arguments=(Constant() as constant, Field() as read)):
            return f"{field_words(read.path)} has {constant_words(constant)}"
        case Call(function=function, arguments=(left, right)) if function in _SIGNS:
            return _compared(function, left, right)
        case _:
            return None


def _compared(function: str, left: Tree, right: Tree) -> str | None:
    if isinstance(right, Field) and not isinstance(left, Field):
        function, left, right = _MIRRORED.get(function, function), right, left
    if not isinstance(left, Field):
        return None
    if left.path[0] == "sent" and left.path[-1] == "status" and isinstance(right, Constant):
        was = {"_==_": "was", "_!=_": "was not"}.get(function)
        return None if was is None else f"{'.'.join(left.path[1:-1])} {was} {str(right.value).replace('_', ' ')}"
    if isinstance(right, Field) and right.path[-1] == left.path[-1] and function in ("_==_", "_!=_"):
        return f"{'the same' if function == '_==_' else 'another'} {spaced(left.path[-1])}"
    other = field_words(right.path) if isinstance(right, Field) else constant_words(right)
    return None if other is None else f"{field_words(left.path)} {_SIGNS[function]} {other}"


def _denied(inner: Tree) -> str | None:
    match inner:
        case Field(is_asked=True):
            return f"{field_words(inner.path)} is not known"
        case Field():
            return f"{field_words(inner.path)} is not true"
        case Call(function="@in", arguments=(Field() as read, Listed() as listed)):
            values = _values(listed)
            return None if values is None else f"{field_words(read.path)} is none of {', '.join(values)}"
        case Call(function="_==_", arguments=(left, right)):
            return _compared("_!=_", left, right)
        case _:
            said = _said(inner)
            return None if said is None else f"not ({said})"


def _joined(function: str, arguments: Sequence[Tree]) -> str | None:
    parts: list[str] = []
    for argument in arguments:
        said = _said(argument)
        if said is None:
            return None
        inner = argument.function if isinstance(argument, Call) else ""
        parts.append(f"({said})" if inner in ("_&&_", "_||_") and inner != function else said)
    return (" and " if function == "_&&_" else " or ").join(parts)


def _values(listed: Listed) -> list[str] | None:
    """The values of a list; None where one is none that stands there."""
    values = [constant_words(item) for item in listed.items]
    return None if None in values else [value for value in values if value is not None]


def constant_words(tree: Tree) -> str | None:
    match tree:
        case Constant(value=bool() as value):
            return "true" if value else "false"
        case Constant(value=int() | float() as value):
            return f"{value:g}"
        case Constant(value=str() as value):
            return value or "empty"
        case Constant(kind="null"):
            return "empty"
        case Call(function="_+_", arguments=(left, right)):
            parts = [_part(left), _part(right)]
            return None if None in parts else "".join(part for part in parts if part)
        case _:
            return None


def _part(tree: Tree) -> str | None:
    """A part of a text that is put together."""
    return f"‹{field_words(tree.path)}›" if isinstance(tree, Field) else constant_words(tree)


def spaced(name: str) -> str:
    return name.replace("_", " ")


def either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "none"


# -- triggers ----------------------------------------------------------------------------------------------------------

_HAPPENS: Mapping[str, tuple[str, str, str]] = {
    "hr.learner.hired": ("is hired", "", ""),
    "hr.learner.changed": ("has something changed in the profile", "", ""),
    "hr.learner.promoted": ("is promoted", "to_level", " to {}"),
    "hr.learner.moved": ("moves", "", ""),
    "hr.learner.manager_changed": ("gets another manager", "", ""),
    "hr.learner.leave_started": ("goes on leave", "", ""),
    "hr.learner.leave_ended": ("comes back from leave", "", ""),
    "hr.learner.left": ("leaves the company", "", ""),
    "lms.course.assigned": ("is assigned", "course", " {}"),
    "lms.course.started": ("starts", "course", " {}"),
    "lms.course.progressed": ("gets on with", "course", " {}"),
    "lms.course.completed": ("completes", "course", " {}"),
    "lms.course.failed": ("fails", "course", " {}"),
    "lms.course.overdue": ("is late with", "course", " {}"),
    "lms.assessment.scored": ("takes the assessment", "assessment", " {}"),
    "lms.certificate.expiring": ("has a certificate running out:", "certificate", " {}"),
    "performance.measured": ("is measured:", "metric", " {}"),
    "message.delivered": ("is reached by the message", "message", " {}"),
    "message.clicked": ("clicks in the message", "message", " {}"),
    "message.replied": ("replies to the message", "message", " {}"),
    "message.bounced": ("is not reached by the message", "message", " {}"),
    "practice.answered": ("answers a question", "item", " of {}"),
    "survey.answered": ("answers the survey", "item", " {}"),
}
"""What she does, by the type of the event; the field that says what to, and how it is said."""

_SOMETHING = {"course": "a course", "assessment": "", "certificate": "", "metric": "", "message": ""}


def trigger_words(trigger: Trigger) -> str:
    """What she does, or what happens to her, without saying *she*: `starts MGR-101`."""
    tree = tree_of(trigger.when)
    conditions = _conjunction(tree)
    named: set[int] = set()
    says: list[str] = []
    for type_ in trigger.on:
        said, used = _happens(type_, conditions)
        says.append(said)
        named |= used
    what = either(says)
    if trigger.when is None:
        return what
    left = [part for place, part in enumerate(conditions) if place not in named]
    said_parts = [_said(part) for part in left]
    if tree is None or None in said_parts:
        return f"{what} ({trigger.when.text})"
    return f"{what} ({' and '.join(s for s in said_parts if s)})" if said_parts else what


def _happens(type_: str, conditions: Sequence[Tree]) -> tuple[str, set[int]]:
    verb, about, how = _HAPPENS.get(type_, ("", "", ""))
    if not verb:
        return f"{type_.removesuffix('.*')}: anything" if type_.endswith(".*") else type_, set()
    for place, part in enumerate(conditions):
        match part:
            case Call(function="_==_", arguments=(Field(path=("event", "data", name)), Constant(value=str() as value))):
                if name == about:
                    return verb + how.format(value), {place}
            case _:
                pass
    return f"{verb} {_SOMETHING.get(about, '')}".strip().rstrip(":"), set()


def _conjunction(tree: Tree | None) -> list[Tree]:
    match tree:
        case None:
            return []
        case Call(function="_&&_"):
            return [part for argument in tree.arguments for part in _conjunction(argument)]
        case _:
            return [tree]


# -- lengths of time ---------------------------------------------------------------------------------------------------

_UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def duration_words(duration: timedelta) -> str:
    """`2 days`, `1 week`, `1 day 4 hours`."""
    rest = int(duration.total_seconds())
    units = _UNITS[1:] if rest % 604_800 else _UNITS
    parts: list[str] = []
    for seconds, unit in units:
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(f"{number} {unit}{'' if number == 1 else 's'}")
    return " ".join(parts) or "no time"


def span_words(span: Span | timedelta) -> str:
    """The same, with working days."""
    if isinstance(span, timedelta):
        return duration_words(span)
    days = f"{span.working_days} working day{'' if span.working_days == 1 else 's'}" if span.working_days else ""
    return f"{days} {duration_words(span.elapsed) if span.elapsed or not days else ''}".strip()


# -- steps -------------------------------------------------------------------------------------------------------------


def text_words(template: str) -> str:
    """A template as people read it: variables in guillemets, no marks of the template language."""
    without = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", template, flags=re.DOTALL)
    return re.sub(r"\{\{(.*?)\}\}", lambda m: f"‹{_variable(m[1])}›", without, flags=re.DOTALL)


def _variable(inner: str) -> str:
    path = re.split(r"[|\s]", inner.strip(), maxsplit=1)[0].split(".")
    return field_words(path) if len(path) > 1 else " ".join(path)


def value_words(expression: Expression) -> str:
    tree = tree_of(expression)
    return field_words(tree.path) if isinstance(tree, Field) else expression.text


def subject_words(program: Program, name: str) -> str:
    """The subject of a message, as people read it."""
    message = program.messages.get(name)
    return "" if message is None or message.subject is None else text_words(message.subject)


def to_words(to: Expression | str) -> str:
    """To whom, where that is not the learner."""
    if isinstance(to, Expression):
        return f" to {to.text}"
    return "" if to == "learner" else " to her manager"


def every_words(span: Span) -> str:
    """How often: `week`, `2 days`."""
    return span_words(span).removeprefix("1 ") if " " not in span_words(span).removeprefix("1 ") else span_words(span)


def term_words(term: Term) -> str:
    """What a named value is."""
    if term.expression is None:
        return plain_constant(term.constant)
    tree = tree_of(term.expression)
    return constant_words(tree) or term.expression.text if isinstance(tree, Constant) else value_words(term.expression)


def plain_constant(value: Json) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def timing_words(*, is_anytime: bool, local_time: str | None) -> tuple[str, ...]:
    """When a message may go, where that is not the policy's."""
    if local_time is not None:
        return (f"at {local_time}",)
    return ("at any hour",) if is_anytime else ()
