"""Reading a definition's tree: typed values, each wrong one reported with its path and place. Never raises.

A `Cursor` stands at one value of the tree. Its methods answer the value, or None after they have reported why not, so
that whoever compiles goes on and every problem comes out at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from journeys import expressions, templates
from journeys.catalogue import EVENT_TYPES, DataFields
from journeys.checked_expr import Tree
from journeys.durations import parse_duration, parse_span
from journeys.expressions import LEARNER_FIELDS, Scope
from journeys.problems import Problem, did_you_mean
from journeys.profile import PROFILE_FIELDS
from journeys.program import Expression, Span, Trigger, Until
from journeys.source import List, Map, Node, Scalar, joined
from journeys.wallclock import LOCAL_TIMES, parse_local

NAMED_CHANNELS = frozenset({"email", "slack", "teams", "sms", "webhook"})
"""Channels that the language names: known, even where they are not set up."""

NAMED_LMS = frozenset({"moodle"})
"""LMSs that the language names: known, even where they are not set up."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that live higher up: what channels and event types there are.

    `channels` are those the registry knows, beside the ones the language names; `set_up` those that are configured here
    (None: nobody knows, nothing is said of it); `event_types` the sources' own, beside the canonical ones. `lms` are
    LMSs that a setting names, beside the ones the language names; `calls_set_up` and `lms_set_up` are the webhooks and
    LMSs that are configured here (None: nobody knows).
    """

    channels: frozenset[str] = frozenset()
    set_up: frozenset[str] | None = None
    event_types: Mapping[str, DataFields] = field(default_factory=dict[str, DataFields])
    lms: frozenset[str] = frozenset()
    lms_set_up: frozenset[str] | None = None
    calls_set_up: frozenset[str] | None = None

    @property
    def known_lms(self) -> frozenset[str]:
        """Every LMS that a definition may name."""
        return self.lms | NAMED_LMS

    @property
    def known_channels(self) -> frozenset[str]:
        """Every channel that a definition may name."""
        return self.channels | NAMED_CHANNELS

    @property
    def known_event_types(self) -> frozenset[str]:
        """Every event type that a definition may name."""
        return frozenset(EVENT_TYPES) | frozenset(self.event_types)


@dataclass(frozen=True, slots=True)
class Standing:
    """A sound expression where it stands: where its value is found, its tree, and of what `types` its `event` is."""

    cursor: "Cursor"
    expression: Expression
    tree: Tree
    is_condition: bool
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Printed:
    """A variable that a template reads, and the place in the source."""

    cursor: "Cursor"
    variable: templates.Variable
    at: tuple[int, int]


@dataclass(slots=True)
class Judging:
    """What is shared while one definition is judged: its vocabulary, its messages, what has been found so far.

    `uses` are the messages that steps send, each with the channels of that step. `standing` and `printed` are for the
    look at the whole (`journeys.scrutiny`).
    """

    vocabulary: Vocabulary
    messages: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list[Problem])
    uses: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[tuple[str, tuple[str, ...]]])
    standing: list[Standing] = field(default_factory=list[Standing])
    printed: list[Printed] = field(default_factory=list[Printed])


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value of the definition, its path, and where its key stands (or it itself, in a list)."""

    judging: Judging
    node: Node
    path: str
    key_at: tuple[int, int]

    @property
    def is_given(self) -> bool:
        """Whether anything stands here that has not been reported."""
        return not (isinstance(self.node, Scalar) and self.node.is_spoiled)

    # --- reporting

    def report(
        self,
        code: str,
        detail: str,
        *,
        allowed: Iterable[str] = (),
        suggestion: str | None = None,
        severity: Literal["error", "warning"] = "error",
        at: tuple[int, int] | None = None,
        path: str | None = None,
    ) -> None:
        """Add a problem of this value; `at` and `path` where it stands elsewhere."""
        line, column = at or (self.node.line, self.node.column)
        where = self.path if path is None else path
        self.judging.problems.append(Problem(severity, code, where, line, column, detail, tuple(allowed), suggestion))

    def not_supported(self, what: str) -> None:
        """Refuse what the language has and this version does not, by name."""
        self.report("not_supported_yet", f"{what} is not supported yet", at=self.key_at)

    def wrong(self, wanted: str, *, allowed: Iterable[str] = (), suggestion: str | None = None) -> None:
        """Report that something else is wanted here."""
        if self.is_given:
            if wanted.startswith("a text") and _is_bare(self.node):
                suggestion = suggestion or 'put it in quotes: "..."'
            self.report(
                "wrong_type", f"found {shown(self.node)}, {wanted} is wanted", allowed=allowed, suggestion=suggestion
            )

    # --- maps and lists

    def fields(
        self, known: Iterable[str], *, required: Iterable[str] = (), later: Mapping[str, str] | None = None
    ) -> dict[str, "Cursor"] | None:
        """The map's entries under known keys; unknown, missing and not yet supported keys are reported."""
        if not isinstance(self.node, Map):
            self.wrong("a map", allowed=known)
            return None
        later = later or {}
        names = list(known)
        entries = self.entries()
        for name in list(entries):
            if name in later:
                entries.pop(name).not_supported(later[name])
            elif name not in names:
                self.unknown_key(entries.pop(name), name, names)
        for name in required:
            if name not in self.node.entries:
                self.report("missing_key", f"the key {name!r} is missing", allowed=[name])
        return entries

    def entries(self) -> dict[str, "Cursor"]:
        """The map's entries, whatever their keys; none where this is no map."""
        if not isinstance(self.node, Map):
            return {}
        return {
            name: Cursor(self.judging, node, joined(self.path, name), self.node.keys[name])
            for name, node in self.node.entries.items()
        }

    def unknown_key(self, entry: "Cursor", name: str, names: list[str]) -> None:
        """Report a key that has no place here."""
        detail = f"unknown key {clip(name)!r}"
        suggestion = did_you_mean(name, names)
        entry.report("unknown_key", detail, allowed=names, suggestion=suggestion, at=entry.key_at)

    def items(self, wanted: str = "a list") -> "list[Cursor] | None":
        """The list's items; an empty list is reported."""
        if not isinstance(self.node, List):
            self.wrong(wanted, suggestion=_as_list(self.node))
            return None
        if not self.node.items:
            self.report("empty_list", "the list is empty: put something in it or leave it out")
            return None
        return [
            Cursor(self.judging, node, f"{self.path}[{place}]", (node.line, node.column))
            for place, node in enumerate(self.node.items)
        ]

    # --- values

    def text(self, *, wanted: str = "a text") -> str | None:
        """A text that is not blank."""
        if not isinstance(self.node, Scalar) or not isinstance(self.node.value, str) or not self.is_given:
            self.wrong(wanted)
            return None
        if not self.node.value.strip():
            self.report("empty", f"the text is empty, {wanted} is wanted")
            return None
        return self.node.value

    def word(self, pattern: re.Pattern[str], allowed: str) -> str | None:
        """A text of a certain form."""
        found = self.text(wanted=f"a text ({allowed})")
        if found is None or pattern.fullmatch(found):
            return found
        self.report("bad_value", f"{clip(found)!r} cannot stand here", allowed=[allowed])
        return None

    def outcome(self, allowed: str) -> str | None:
        """The word for how an enrolment ends; one that Waymark itself uses warns."""
        found = self.word(_OUTCOME, allowed)
        if found in _OUR_OUTCOMES:
            detail = f"{found!r} is what Waymark itself calls an end: reports will not tell yours from its own"
            self.report("reserved_outcome", detail, suggestion="take another word", severity="warning")
        return found

    def choice(self, allowed: Iterable[str], *, code: str = "bad_value", what: str = "") -> str | None:
        """One of these texts."""
        names = sorted(allowed)
        found = self.text(wanted=f"a text, one of {', '.join(names)}" if len(names) < 12 else "a text")
        if found is None or found in names:
            return found
        detail = f"unknown {what} {clip(found)!r}" if what else f"{clip(found)!r} is not one of {', '.join(names)}"
        self.report(code, detail, allowed=names, suggestion=did_you_mean(found, names))
        return None

    def duration(self, *, may_be_nothing: bool = False) -> timedelta | None:
        """A duration, longer than nothing unless that may be."""
        if isinstance(self.node, Scalar) and type(self.node.value) is int:
            wanted = "a duration, a number with its unit,"
            self.wrong(wanted, allowed=_DURATIONS, suggestion=f"did you mean {shown(self.node)}d?")
            return None
        found = self.text(wanted="a text with a duration (30s 15m 4h 3d 2w, joined as 1w 2d)")
        if found is None:
            return None
        if re.fullmatch(r"(?:[0-9]+(?:[smhdw]|wd) +)*[0-9]+wd(?: +[0-9]+(?:[smhdw]|wd))*", found):
            detail = f"working days ({clip(found)}) cannot stand here: they depend on where a learner works"
            self.report("bad_duration", detail, allowed=_DURATIONS)
            return None
        try:
            duration = parse_duration(found)
        except ValueError as error:
            self.report("bad_duration", clip(str(error), 300), allowed=_DURATIONS)
            return None
        if not duration and not may_be_nothing:
            self.report("bad_duration", f"{clip(found)!r} is no time at all", allowed=_DURATIONS)
            return None
        return duration

    def span(self, *, may_be_nothing: bool = False) -> Span | None:
        """A duration that may count working days, longer than nothing unless that may be."""
        text = self.node.value if isinstance(self.node, Scalar) else None
        if not isinstance(text, str) or "wd" not in text:
            duration = self.duration(may_be_nothing=may_be_nothing)
            return None if duration is None else Span(duration)
        try:
            span = parse_span(text)
        except ValueError as error:
            self.report("bad_duration", clip(str(error), 300), allowed=(*_DURATIONS, "5wd"))
            return None
        if not span.elapsed and not span.working_days and not may_be_nothing:
            self.report("bad_duration", f"{clip(text)!r} is no time at all", allowed=(*_DURATIONS, "5wd"))
            return None
        return span

    def instant(self) -> Until | None:
        """A local time (`monday 09:00`), an instant, or an expression that yields one."""
        found = self.text(wanted="a text with a local time or an expression")
        if found is None:
            return None
        try:
            local = parse_local(found)
        except ValueError as error:
            self.report("bad_time", clip(str(error), 300), allowed=LOCAL_TIMES)
            return None
        if local is not None:
            return Until(local=found)
        expression = self.expression(Scope.STEP, "value")
        return None if expression is None else Until(expression=expression)

    def named(self, name: str, what: str) -> None:
        """Report a key that cannot be the name of something."""
        if not _NAME.fullmatch(name):
            allowed = ("a-z 0-9 - _, at most 64",)
            self.report("bad_name", f"{clip(name)!r} is no name for {what}", allowed=allowed, at=self.key_at)

    def integer(self, lowest: int, highest: int) -> int | None:
        """A whole number within these bounds."""
        value = self.node.value if isinstance(self.node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(f"a whole number from {lowest} to {highest}", allowed=[f"{lowest} to {highest}"])
            return None
        if not lowest <= value <= highest:
            self.report("bad_value", f"{value} is not from {lowest} to {highest}", allowed=[f"{lowest} to {highest}"])
            return None
        return value

    def truth(self) -> bool | None:
        """True or false."""
        value = self.node.value if isinstance(self.node, Scalar) else None
        if isinstance(value, bool):
            return value
        self.wrong("true or false", allowed=("true", "false"))
        return None

    def expression(
        self, scope: Scope, wants: Literal["condition", "value"] = "condition", *, types: tuple[str, ...] = ()
    ) -> Expression | None:
        """A sound expression; `true` and `false` may stand as they are. `types` are those of the event it judges."""
        node = self.node
        if not isinstance(node, Scalar) or not self.is_given or not isinstance(node.value, (str, bool)):
            self.wrong("a text with an expression")
            return None
        checked = expressions.check(node.text, scope=scope, wants=wants)
        for finding in checked.findings:
            at = place_in(node, finding.line, finding.column)
            self.report(finding.code, finding.detail, allowed=finding.allowed, suggestion=finding.suggestion, at=at)
        if checked.expression is not None and checked.tree is not None:
            self._look_at_sent(checked.expression)
            standing = Standing(self, checked.expression, checked.tree, wants == "condition", types)
            self.judging.standing.append(standing)
        return checked.expression

    def _look_at_sent(self, expression: Expression) -> None:
        for name in sorted({path.split(".")[1] for path in expression.reads if path.startswith("sent.")}):
            if name not in self.judging.messages:
                names = sorted(self.judging.messages)
                detail = f"`sent` names a message that is not there: {clip(name)!r}"
                self.report("unknown_message", detail, allowed=names, suggestion=did_you_mean(name, names))

    def template(self, *, has_link: bool) -> str | None:
        """A sound template, its variables among what can be known."""
        found = self.text()
        node = self.node
        if found is None or not isinstance(node, Scalar):
            return None
        checked = templates.check(found)
        for problem in checked.problems:
            self.report(problem.code, problem.detail, allowed=problem.allowed, at=_line_in(node, problem.line))
        for variable in dict.fromkeys(checked.variables):
            self._look_at_variable(variable, node, has_link=has_link)
        return found

    def _look_at_variable(self, variable: templates.Variable, node: Scalar, *, has_link: bool) -> None:
        found = judge_variable(variable.path, has_link=has_link)
        at = _line_in(node, variable.line)
        self.judging.printed.append(Printed(self, variable, at))
        if found is not None:
            allowed, suggestion = found
            detail = f"nothing is known as {clip(variable.name)!r}"
            self.report("unknown_variable", detail, allowed=allowed, suggestion=suggestion, at=at)

    def message(self, via: tuple[str, ...]) -> str | None:
        """The name of a message of this definition, which a step sends through these channels."""
        found = self.choice(self.judging.messages, code="unknown_message", what="message")
        if found is not None:
            self.judging.uses.append((found, via))
        return found

    def event_types(self) -> tuple[str, ...]:
        """A type, a list of types, or `prefix.*`, all of them known."""
        entries = [self] if isinstance(self.node, Scalar) else self.items("an event type or a list of them")
        found = [entry.event_type() for entry in entries or ()]
        return tuple(dict.fromkeys(type_ for type_ in found if type_ is not None))

    def event_type(self) -> str | None:
        """One type or `prefix.*`."""
        found = self.text(wanted="a text with an event type")
        known = self.judging.vocabulary.known_event_types
        if found is None or found in known:
            return found
        if found.endswith(".*") and any(type_.startswith(found[:-1]) for type_ in known):
            return found
        suggestion = did_you_mean(found, known)
        self.report(
            "unknown_event_type", f"unknown event type {clip(found)!r}", allowed=sorted(known), suggestion=suggestion
        )
        return None


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_OUTCOME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_OUR_OUTCOMES = ("withdrawn", "expired", "holdout", "erased", "failed")
"""Outcomes that Waymark itself gives; an author's own of the same name would be counted among them."""

_DURATIONS = ("30s", "15m", "4h", "3d", "2w", "1w 2d")


def trigger_of(fields: Mapping[str, Cursor], id_: str, outcome: str | None = None) -> Trigger | None:
    """The trigger that `on` and `when` make; None where `on` is wrong."""
    on = fields["on"].event_types() if "on" in fields else ()
    when = fields["when"].expression(Scope.EVENT, types=on) if "when" in fields else None
    return Trigger(id_, on, when, outcome) if on else None


def judge_variable(path: tuple[str, ...], *, has_link: bool) -> tuple[tuple[str, ...], str | None] | None:
    """None where a template variable can be known; else what is allowed there, and what may have been meant."""
    root, rest = path[0], path[1:]
    match root:
        case "learner" | "recipient":
            return _judge_person(root, rest)
        case "entry" if not rest or rest[0] in ("at", "key", "data"):
            return None if len(rest) < 2 or rest[0] == "data" else (("entry.at", "entry.key", "entry.data"), None)
        case "entry":
            return ("entry.at", "entry.key", "entry.data"), f"did you mean entry.data.{clip(rest[0])}?"
        case "vars" | "answers":
            return None
        case "link" if not has_link:
            return (), "give the message a link: {label: ..., url: ...}"
        case "link":
            return None if rest in ((), ("label",), ("url",)) else (("link", "link.label", "link.url"), None)
        case _:
            return _ROOTS, did_you_mean(root, _ROOTS)


_ROOTS = ("learner", "recipient", "entry", "vars", "answers", "link")


def _judge_person(root: str, rest: tuple[str, ...]) -> tuple[tuple[str, ...], str | None] | None:
    allowed = tuple(f"{root}.{name}" for name in LEARNER_FIELDS)
    if not rest:
        return allowed, None
    kind = PROFILE_FIELDS.get(rest[0], "text" if rest[0] == "id" else None)
    if kind is None:
        habit = expressions.FIELD_HABITS.get(rest[0].lower())
        if habit is not None:
            return allowed, f"did you mean {root}.{habit}?"
        return allowed, did_you_mean(f"{root}.{rest[0]}", allowed) or f"did you mean {root}.attributes.{clip(rest[0])}?"
    if len(rest) > 1 and kind in ("text", "date"):
        return (f"{root}.{rest[0]}",), None
    return None


def place_in(node: Scalar, line: int, column: int) -> tuple[int, int]:
    """Where a place in a scalar's text stands in the source; the scalar's own place where that cannot be told."""
    if not node.is_inline or line != 1 or node.text.strip() != node.text:
        return node.line, node.column
    return node.line, node.column + column - 1 + node.is_quoted


def _line_in(node: Scalar, line: int) -> tuple[int, int]:
    """Where a line of a block text stands: it begins in the line after the bar."""
    return (node.line, node.column) if node.is_inline or line < 1 else (node.line + line, 1)


def shown(node: Node) -> str:
    """What stands there, short."""
    match node:
        case List():
            return "a list"
        case Map():
            return "a map"
        case Scalar(value=None):
            return "nothing"
        case Scalar():
            return repr(clip(node.text)) if isinstance(node.value, str) else clip(node.text)


def clip(text: str, longest: int = 80) -> str:
    """The beginning of a text, so that a problem stays readable."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _as_list(node: Node) -> str | None:
    """What it would be as a list of one."""
    if isinstance(node, Map):
        return "begin it with `- `: a list of one"
    return f"write [{clip(node.text)}]" if isinstance(node, Scalar) and node.text else None


def _is_bare(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is not None and not isinstance(node.value, str)
