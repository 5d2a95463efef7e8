"""From an admin's text to a program, or to everything that is wrong with it. Pure; never raises for bad input.

    text ─ source ─> tree with places ─ definition ─> typed values ─ steps ─> drafts ─ here ─> linked nodes, hashed

The nested lists of steps become a flat graph: each step leads to the one after it, the last of a nested list to the
step after the step that holds the list. What the steps themselves mean is their step type's business.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, cast

from journeys.catalogue import is_our_own
from journeys.codec import program_to_json
from journeys.definition import Cursor, Judging, Vocabulary, clip, shown, trigger_of
from journeys.drafts import HearsLater, StepDraft, StepSource
from journeys.expressions import Scope
from journeys.messages import look_at_texts, messages_of
from journeys.problems import Problem, did_you_mean, is_ok
from journeys.program import Again, EntryRule, Expression, Message, Node, Objective, Program, Trigger
from journeys.scrutiny import scrutinise
from journeys.source import Map, Scalar, read_source
from journeys.source import Node as SourceNode
from journeys.steps import STEP_TYPES

__all__ = ["Compiled", "Vocabulary", "compile_definition"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The program, where there is no error, and every problem in the order of the text."""

    program: Program | None
    problems: tuple[Problem, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether it may be published; warnings do not stop that."""
        return self.program is not None


def compile_definition(text: str | bytes, *, vocabulary: Vocabulary = Vocabulary()) -> Compiled:
    """Compile a definition, YAML or JSON."""
    read = read_source(text)
    if read.root is None:
        nothing = Problem("error", "empty", "", 1, 1, "the definition is empty", _REQUIRED)
        return Compiled(None, read.problems or (nothing,))
    judging = Judging(vocabulary)
    judging.problems.extend(read.problems)
    root = Cursor(judging, read.root, "", (read.root.line, read.root.column))
    program = _journey(root)
    found = dict.fromkeys(judging.problems)
    problems = tuple(sorted(found, key=lambda p: (p.line, p.column, p.severity)))
    return Compiled(program if is_ok(problems) else None, problems)


# --- the journey --------------------------------------------------------------------------------------------------

_REQUIRED = ("waymark", "journey", "title", "enter", "steps")
_KNOWN = (
    *("waymark", "journey", "title", "objective", "audience", "enter", "again", "exit", "limit", "holdout"),
    *("priority", "mandatory", "steps", "messages"),
)
_JOURNEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def _journey(root: Cursor) -> Program | None:
    fields = root.fields(_KNOWN, required=_REQUIRED)
    if fields is None:
        return None
    _look_at_version(fields)
    judging = root.judging
    if "messages" in fields:
        judging.messages = frozenset(fields["messages"].entries())
    journey = fields["journey"].word(_JOURNEY, "an id: a-z 0-9 -, at most 64") if "journey" in fields else None
    title = fields["title"].text() if "title" in fields else None
    enter = tuple(_entry_rules(fields["enter"])) if "enter" in fields else ()
    exits = tuple(_exits(fields["exit"])) if "exit" in fields else ()
    audience = fields["audience"].expression(Scope.STEP) if "audience" in fields else None
    steps = _Steps(judging)
    start = steps.compile(fields["steps"]) if "steps" in fields else None
    messages = messages_of(fields["messages"]) if "messages" in fields else {}
    _look_at_uses(root, fields, judging, messages, steps)
    draft = Program(
        journey=journey or "",
        title=title or "",
        enter=enter,
        nodes=steps.nodes,
        start=start,
        messages={**messages, **steps.messages},
        exits=exits,
        triggers={trigger.id: trigger for trigger in (*exits, *steps.triggers)},
        audience=audience,
        again=_again(fields["again"]) if "again" in fields else Again(),
        limit=(fields["limit"].duration() if "limit" in fields else None) or timedelta(days=365),
        priority=(fields["priority"].integer(1, 100) if "priority" in fields else None) or 50,
        is_mandatory=bool(fields["mandatory"].truth()) if "mandatory" in fields else False,
        holdout=_holdout(fields["holdout"]) if "holdout" in fields else 0.0,
        objective=_objective(fields["objective"]) if "objective" in fields else None,
    )
    scrutinise(root, draft, steps.steps, is_whole=steps.is_whole)
    return _hashed(draft) if is_ok(judging.problems) else None


def _hashed(program: Program) -> Program:
    return replace(program, hash=hashlib.sha256(program_to_json(program).encode()).hexdigest())


def _look_at_version(fields: Mapping[str, Cursor]) -> None:
    version = fields.get("waymark")
    if version is None or not version.is_given:
        return
    node = version.node
    if not isinstance(node, Scalar) or (node.value is not cast("object", 1) and node.value != 1) or node.value is True:
        version.report("bad_version", f"found {shown(node)}: this is version 1 of the language", allowed=("1",))


def _holdout(given: Cursor) -> float:
    """The share of entries that get nothing, 0 to 1; a number without the sign is a percentage too."""
    if not given.is_given:
        return 0.0
    text = given.node.text if isinstance(given.node, Scalar) else ""
    share = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%?", text)
    if share is None or float(share[1]) > 100:
        given.report("bad_value", f"found {shown(given.node)}, a share is wanted", allowed=("0% to 100%",))
        return 0.0
    if "%" not in text and 0 < float(share[1]) < 1:
        detail = f"{text} is read as {text}%: a share is written as a percentage"
        given.report("small_share", detail, suggestion=f"did you mean {float(share[1]) * 100:g}%?", severity="warning")
    return float(share[1]) / 100


def _entry_rules(given: Cursor) -> Iterator[EntryRule]:
    for place, item in enumerate(given.items("a list of rules, each {on, when, key}") or (), start=1):
        fields = item.fields(("on", "when", "key"), required=("on",)) or {}
        trigger = trigger_of(fields, f"enter-{place}")
        on = () if trigger is None else trigger.on
        key = fields["key"].expression(Scope.EVENT, "value", types=on) if "key" in fields else None
        if trigger is not None:
            if all(is_our_own(type_) for type_ in trigger.on):
                detail = f"{', '.join(trigger.on)} reaches only an enrolment that runs: it starts none"
                fields["on"].report("never_enters", detail, severity="warning")
            yield EntryRule(trigger, key)


def _exits(given: Cursor) -> Iterator[Trigger]:
    for place, item in enumerate(given.items("a list of rules, each {on, when, as}") or (), start=1):
        fields = item.fields(("on", "when", "as"), required=("on",)) or {}
        outcome = fields["as"].outcome("a word: a-z 0-9 - _") if "as" in fields else "goal"
        trigger = trigger_of(fields, f"exit-{place}", outcome)
        if trigger is not None:
            yield trigger


def _again(given: Cursor) -> Again:
    node = given.node
    if isinstance(node, Scalar) and node.value in ("never", "always"):
        return Again(node.value)
    if isinstance(node, Scalar) and isinstance(node.value, str) and not re.match(r"\s*[0-9]", node.text):
        suggestion = did_you_mean(node.text, ("never", "always"))
        allowed = ("never", "always", "a duration")
        given.report("bad_value", f"{clip(node.text)!r} cannot stand here", allowed=allowed, suggestion=suggestion)
        return Again()
    after = given.duration()
    return Again() if after is None else Again("after", after)


def _objective(given: Cursor) -> Objective | None:
    required = ("behaviour", "metric", "direction")
    fields = given.fields((*required, "window"), required=required) or {}
    behaviour = fields["behaviour"].text() if "behaviour" in fields else None
    metric = fields["metric"].text() if "metric" in fields else None
    direction = fields["direction"].choice(("increase", "decrease")) if "direction" in fields else None
    window = fields["window"].duration() if "window" in fields else timedelta(days=90)
    if behaviour is None or metric is None or direction is None or window is None:
        return None
    return Objective(behaviour, metric, cast("Literal['increase', 'decrease']", direction), window)


def _look_at_uses(
    root: Cursor, fields: Mapping[str, Cursor], judging: Judging, messages: Mapping[str, Message], steps: "_Steps"
) -> None:
    """What only the whole shows: messages that lack a text, or that nobody sends, and a journey that says nothing."""
    entries = fields["messages"].entries() if "messages" in fields else {}
    needs: dict[str, dict[str, None]] = {}
    for name, via in judging.uses:
        needs.setdefault(name, {}).update(dict.fromkeys(via))
    for name, channels in needs.items():
        if name in messages and isinstance(entries[name].node, Map):
            look_at_texts(entries[name], tuple(channels))
    for name, entry in entries.items():
        if name not in needs and steps.is_whole:
            detail = f"no step sends the message {clip(name)!r}"
            entry.report("unsent_message", detail, at=entry.key_at, severity="warning")
    if steps.is_whole and not steps.can_send:
        root.report("sends_nothing", "this journey can send nothing", severity="warning")


# --- steps --------------------------------------------------------------------------------------------------------

_LATER_STEPS = ("practise",)
_STEP_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def _no_lists() -> "dict[str, list[_Step]]":
    return {}


@dataclass(slots=True)
class _Step:
    """A step with its nested lists, before it is linked."""

    id: str
    kind: str
    at: Cursor
    draft: StepDraft
    guard: Expression | None
    nested: dict[str, "list[_Step]"] = field(default_factory=_no_lists)


class _Steps:
    """Compiles the steps of one definition: drafts and ids in document order, then links."""

    def __init__(self, judging: Judging) -> None:
        self.judging = judging
        self.nodes: dict[str, Node] = {}
        self.triggers: list[Trigger] = []
        self.steps: list[_Step] = []
        self.taken: dict[str, tuple[int, int]] = {}
        self.messages: dict[str, Message] = {}
        self.is_whole = False
        self.can_send = False

    def compile(self, given: Cursor) -> str | None:
        """The first node; everything else is left in the attributes."""
        before = len(self.judging.problems)
        self._reserve_ids(given.node)
        tree = self._list(given)
        self.is_whole = is_ok(self.judging.problems[before:]) and bool(tree)
        if not self.is_whole:
            return None
        self._let_hear()
        start = self._link(tree, None)
        self.nodes = {step.id: self.nodes[step.id] for step in self.steps}
        self._look_at_reach(start)
        return start

    def _reserve_ids(self, node: SourceNode) -> None:
        """Ids that were written stand before those that are made."""
        if isinstance(node, Map):
            own = node.entries.get("id")
            if isinstance(own, Scalar):
                self.taken.setdefault(own.text, (own.line, own.column))
        if not isinstance(node, Scalar):
            for child in node.entries.values() if isinstance(node, Map) else node.items:
                self._reserve_ids(child)

    def _list(self, given: Cursor, repeat: str | None = None) -> list[_Step]:
        items = given.items("a list of steps") or []
        return [step for item in items if (step := self._step(item, repeat)) is not None]

    def _step(self, item: Cursor, repeat: str | None) -> _Step | None:
        word = self._word(item)
        if word is None:
            return None
        kind = STEP_TYPES[word]
        known = (word, "id", "when", *sorted(kind.keys))
        fields = item.fields(known, later=kind.later) or {}
        value = fields.pop(word)
        id_ = self._id(fields, kind.name(value) or word)
        guard = fields["when"].expression(Scope.STEP) if "when" in fields else None
        draft = kind.compile(StepSource(id_, value, fields, repeat))
        self.triggers.extend(draft.triggers)
        for message in draft.messages:
            if message.name in self.messages or message.name in self.judging.messages:
                detail = f"there are two messages called {clip(message.name)!r}"
                value.report("duplicate_name", detail, suggestion="take another name")
            self.messages[message.name] = message
        step = _Step(id_, word, item, draft, guard)
        self.steps.append(step)
        for name, arm in draft.arms.items():
            if arm is not None:
                step.nested[name] = self._list(arm, id_ if name in draft.loops else repeat)
        return step

    def _let_hear(self) -> None:
        """Tell a step that is ended by what later steps wait for too, what that is."""
        later: tuple[str, ...] = ()
        for step in reversed(self.steps):
            if isinstance(step.draft.options, HearsLater):
                step.draft = replace(step.draft, options=step.draft.options.hearing(later))
            later = (*(trigger.id for trigger in step.draft.triggers), *later)

    def _word(self, item: Cursor) -> str | None:
        """The word that makes it a step; what is none, or not yet one, is reported."""
        entries = item.entries()
        if not entries:
            item.wrong("a step: a map that begins with its word", allowed=sorted(STEP_TYPES))
            return None
        words = [name for name in entries if name in STEP_TYPES]
        later = [name for name in entries if name in _LATER_STEPS]
        if not words and later:
            entries[later[0]].not_supported(f"the step `{later[0]}`")
            return None
        if not words:
            name, entry = next(
                ((n, e) for n, e in entries.items() if n not in ("id", "when")), next(iter(entries.items()))
            )
            allowed = sorted(STEP_TYPES)
            suggestion = did_you_mean(name, allowed)
            detail = f"unknown step {clip(name)!r}"
            entry.report("unknown_step", detail, allowed=allowed, suggestion=suggestion, at=entry.key_at)
            return None
        if len(words) > 1:
            entry = entries[words[1]]
            detail = f"{words[0]!r} and {words[1]!r} are two steps in one: begin each with its own `-`"
            entry.report("two_steps", detail, at=entry.key_at)
            return None
        return words[0]

    def _id(self, fields: Mapping[str, Cursor], name: str) -> str:
        own = fields.get("id")
        found = own.word(_STEP_ID, "an id: a-z 0-9 -, at most 64") if own is not None else None
        if own is not None and found is not None:
            first = self.taken.get(found)
            if first != (own.node.line, own.node.column) and first is not None:
                own.report(
                    "duplicate_id", f"the id {found!r} stands in line {first[0]} too", suggestion="take another one"
                )
            return found
        number = 1
        while (made := name if number == 1 else f"{name}-{number}") in self.taken:
            number += 1
        self.taken[made] = (0, 0)
        return made

    def _link(self, steps: list[_Step], after: str | None) -> str | None:
        """Make the nodes of a list that goes on at `after`; the id of its first step."""
        for place, step in enumerate(steps):
            following = steps[place + 1].id if place + 1 < len(steps) else after
            successors: dict[str, str | None] = {}
            for name in step.draft.arms:
                nested = step.nested.get(name)
                onward = step.id if name in step.draft.loops else following
                successors[name] = following if nested is None else self._link(nested, onward)
            if step.guard is not None:
                successors.setdefault("next", following)
            self.nodes[step.id] = Node(step.id, step.kind, step.draft.options, successors, step.guard)
        return steps[0].id if steps else after

    def _look_at_reach(self, start: str | None) -> None:
        """Warn of steps that no run comes to: the first of each stretch."""
        never = {step.id: step.draft.never for step in self.steps}
        reached: set[str] = set()
        ahead = [start]
        while ahead:
            id_ = ahead.pop()
            if id_ is None or id_ in reached:
                continue
            reached.add(id_)
            ahead.extend(to for name, to in self.nodes[id_].successors.items() if name not in never[id_])
        led_to = {to for id_, node in self.nodes.items() if id_ not in reached for to in node.successors.values()}
        for step in self.steps:
            if step.id not in reached and step.id not in led_to:
                step.at.report("unreachable", f"no run comes to the step {step.id!r}", severity="warning")
        self.can_send = any(step.draft.says for step in self.steps if step.id in reached)
