"""A last look at a definition as a whole: what each part alone cannot show. Pure; reports at cursors, changes nothing.

    of expressions   fields that no such event has, comparisons that cannot match, conditions that never hold
    of rules         exits and entries that others forestall, events that nothing here brings about
    of paths         variables that no step sets, or only a later one, or only on another path; what the limit cuts off
    of messages      languages that only some of it is written in

Nearly all of it is a warning: the journey can be published, and is hardly what its author meant. What the journey's
events may carry is open, so a field that the catalogue does not know is never more than that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from journeys.catalogue import EVENT_TYPES, SHARES, DataFields, DataKind, is_our_own
from journeys.checked_expr import Kind, Path
from journeys.conditions import Carried, Known, Remark, World, can_hold, remarks_on
from journeys.definition import Cursor, Judging, Standing, Vocabulary, clip, place_in
from journeys.drafts import StepDraft
from journeys.durations import format_duration
from journeys.problems import did_you_mean
from journeys.profile import PROFILE_FIELDS
from journeys.program import Message, Program, Trigger
from journeys.source import Map, Scalar
from journeys.surveys import asks_survey
from journeys.ways import Graph


class Placed(Protocol):
    """A step as the compiler knows it."""

    @property
    def id(self) -> str:
        """The step's id."""
        ...

    @property
    def at(self) -> Cursor:
        """Where it stands."""
        ...

    @property
    def draft(self) -> StepDraft:
        """What its step type made of it."""
        ...


def scrutinise(root: Cursor, program: Program, steps: Sequence[Placed], *, is_whole: bool) -> None:
    """Report what is odd about the journey. `is_whole`: its steps are sound and linked."""
    _look_at_expressions(root.judging, program)
    _look_at_entries(root, program)
    _look_at_exits(root, program)
    _look_at_holdout(root, program)
    _look_at_languages(root, program)
    if is_whole:
        _look_at_own_events(root, program, steps)
        _look_at_facts(root.judging, program, steps)
        _look_at_limit(program, steps)


# --- expressions --------------------------------------------------------------------------------------------------


def _look_at_expressions(judging: Judging, program: Program) -> None:
    base = _standing_world(judging, program)
    worlds: dict[tuple[str, ...], World] = {}
    for standing in judging.standing:
        if standing.types not in worlds:
            worlds[standing.types] = _with_event(base, standing.types, judging)
        _look_at(standing, worlds[standing.types])


def _look_at(standing: Standing, world: World) -> None:
    found = list(remarks_on(standing.tree, world, text=standing.expression.text))
    for remark in found:
        _report(standing, remark)
    is_told = any(remark.code in ("cannot_match", "unknown_field") for remark in found)
    if standing.is_condition and not is_told and not can_hold(standing.tree, world):
        part = standing.cursor.path.partition("[")[0]
        detail = f"no event and no learner can meet this condition: {_MEANS.get(part, 'it never holds')}"
        standing.cursor.report(_NEVER_CODES.get(part) or _NEVER_CODES["steps"], detail, severity="warning")


_NEVER_CODES = {
    "exit": "exit_never_fires",
    "enter": "never_enters",
    "audience": "never_enters",
    "steps": "never_holds",
}
_MEANS = {
    "exit": "this exit never fires",
    "enter": "nobody enters by this rule",
    "audience": "nobody is in the audience",
}


def _report(standing: Standing, remark: Remark) -> None:
    cursor = standing.cursor
    before = standing.expression.text[: remark.at]
    line, column = before.count("\n") + 1, remark.at - (before.rfind("\n") + 1) + 1
    at = place_in(cursor.node, line, column) if isinstance(cursor.node, Scalar) else None
    cursor.report(
        remark.code,
        remark.detail,
        allowed=remark.allowed,
        suggestion=remark.suggestion,
        severity=remark.severity,
        at=at,
    )


_STATUSES = (
    *("queued", "deferred", "sent", "skipped", "failed", "may_have_gone"),
    *("delivered", "bounced", "clicked", "replied"),
)
_TEXT = Known("text")
_DATE = Known("text", is_date=True)


def _standing_world(judging: Judging, program: Program) -> World:
    """What is known wherever an expression of this journey stands."""
    entering = tuple(type_ for rule in program.enter for type_ in rule.trigger.on)
    fields: dict[Path, Known] = {("entry", "at"): _DATE, ("entry", "key"): _TEXT}
    fields |= {("learner", name): _known(name, kind, is_ours=False) for name, kind in PROFILE_FIELDS.items()}
    fields["learner", "id"] = _TEXT
    carried: dict[Path, Carried] = {}
    usual = _usual_fields(entering, judging.vocabulary)
    if usual is not None:
        fields |= {("entry", "data", name): known for name, known in usual.items()}
        what = f"`entry.data` of {_several(entering)}"
        carried["entry", "data"] = Carried(tuple(sorted(usual)), what, is_strict=False)
    for name in judging.messages:
        fields["sent", name, "status"] = Known("text", _STATUSES)
        fields["sent", name, "channel"] = Known("text", tuple(sorted(judging.vocabulary.known_channels)))
        fields["sent", name, "at"] = _DATE
    for asks in filter(None, map(asks_survey, program.nodes.values())):
        questions = program.messages[asks.message].questions
        fields |= {("answers", asks.survey, q.id): _answer(q.scale, q.choices) for q in questions}
    closed: dict[Path, tuple[str, ...]] = {
        ("entry",): ("at", "key", "data"),
        ("sent", "*"): ("status", "channel", "at"),
    }
    return World(fields, closed, carried)


def _answer(scale: tuple[int, int] | None, choices: tuple[str, ...]) -> Known:
    return Known("number", bounds=scale) if scale is not None else Known("text", choices)


def _with_event(base: World, types: tuple[str, ...], judging: Judging) -> World:
    """The same where an event of one of these types is judged."""
    if not types:
        return base
    fields: dict[Path, Known] = {("event", name): _TEXT for name in ("id", "source", "subject")}
    fields |= {("event", name): _DATE for name in ("time", "effective")}
    fields["event", "type"] = Known("text", _expanded(types, judging.vocabulary))
    carried: dict[Path, Carried] = {}
    usual = _usual_fields(types, judging.vocabulary)
    if usual is not None:
        fields |= {("event", "data", name): known for name, known in usual.items()}
        carried["event", "data"] = Carried(tuple(sorted(usual)), f"an event of {_several(types)}")
    if all(type_.startswith("message.") for type_ in types):
        fields["event", "data", "message"] = Known("text", tuple(sorted(judging.messages)))
    if all(is_our_own(type_) for type_ in types):
        needless = "an event of our own reaches only the enrolment it names: leave this out"
        fields["event", "data", "enrolment"] = Known("text", needless=needless)
    closed = {("event",): ("id", "source", "type", "subject", "time", "effective", "data")}
    return World({**base.fields, **fields}, {**base.closed, **closed}, {**base.carried, **carried})


def _several(types: Sequence[str]) -> str:
    """The types as a sentence names them."""
    return " or ".join(types[:3]) + (" ..." if len(types) > 3 else "")


def _expanded(types: Iterable[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The types themselves; of a prefix all that begin with it."""
    known = vocabulary.known_event_types
    found = (
        [name for name in sorted(known) if name.startswith(type_[:-1])] if type_.endswith(".*") else [type_]
        for type_ in types
    )
    return tuple(dict.fromkeys(name for names in found for name in names))


_KINDS: Mapping[DataKind, Kind] = {
    "text": "text",
    "date": "text",
    "number": "number",
    "true or false": "true or false",
    "list": "list",
    "map": "map",
}


def _usual_fields(types: Iterable[str], vocabulary: Vocabulary) -> dict[str, Known] | None:
    """The fields that events of these types have; None where of one of them nothing is known."""
    found: dict[str, Known] = {}
    for type_ in _expanded(types, vocabulary):
        fields = _fields_of(type_, vocabulary)
        if not fields:
            return None
        for name, kind in fields.items():
            known = _known(name, kind, is_ours=type_ in EVENT_TYPES)
            found[name] = known if found.get(name, known) == known else Known()
    return found or None


def _fields_of(type_: str, vocabulary: Vocabulary) -> DataFields:
    return vocabulary.event_types.get(type_) or EVENT_TYPES.get(type_, {})


def _known(name: str, kind: DataKind, *, is_ours: bool) -> Known:
    is_share = is_ours and kind == "number" and name in SHARES
    return Known(_KINDS.get(kind), is_date=kind == "date", bounds=(0, 1) if is_share else None)


# --- rules --------------------------------------------------------------------------------------------------------


def _look_at_entries(root: Cursor, program: Program) -> None:
    """Two rules that accept the same event with the same key start one enrolment: the second adds nothing."""
    before = _Before()
    for rule in program.enter:
        key = None if rule.key is None else rule.key.text
        first = before.take(rule.trigger, key)
        if first is not None:
            detail = f"{_rule(first)} takes every event of this rule already, with the same key"
            _rule_at(root, "enter", rule.trigger).report("entry_shadowed", detail, severity="warning")


def _look_at_exits(root: Cursor, program: Program) -> None:
    """At one instant exits act in document order."""
    before = _Before()
    for exit_ in program.exits:
        first = before.take(exit_, None)
        if first is not None:
            detail = f"{_rule(first)} ends the enrolment at every event of this one: this exit never fires"
            suggestion = f"put it before {_rule(first)}" if first.when is None and exit_.when is not None else None
            at = _rule_at(root, "exit", exit_)
            at.report("exit_never_fires", detail, suggestion=suggestion, severity="warning")


class _Before:
    """The rules that stand before one, by what they accept."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str | None, str | None], Trigger] = {}

    def take(self, trigger: Trigger, key: str | None) -> Trigger | None:
        """The first rule before this one that leaves nothing for it; from now on this one is before the others."""
        when = None if trigger.when is None else trigger.when.text
        candidates = (
            self._by.get((pattern, condition, key))
            for pattern in _patterns(trigger.on[0])
            for condition in dict.fromkeys((None, when))
        )
        first = next((c for c in candidates if c is not None and _forestalls(c, trigger)), None)
        for type_ in trigger.on:
            self._by.setdefault((type_, when, key), trigger)
        return first


def _patterns(type_: str) -> Iterator[str]:
    """The type and the prefixes that accept it."""
    yield type_
    parts = type_.removesuffix(".*").split(".")
    yield from (".".join(parts[:end]) + ".*" for end in range(len(parts) - 1, 0, -1))


def _forestalls(first: Trigger, second: Trigger) -> bool:
    """Whether whatever fires the second fires the first too."""
    is_wider = all(first.accepts(type_) or type_ in first.on for type_ in second.on)
    return is_wider and (first.when is None or (second.when is not None and first.when.text == second.when.text))


def _rule(trigger: Trigger) -> str:
    """`exit-2` as an author would find it."""
    name, _, number = trigger.id.partition("-")
    return f"{name}[{int(number) - 1}]"


def _rule_at(root: Cursor, key: str, trigger: Trigger) -> Cursor:
    rules = root.entries()[key].items() or []
    return rules[int(trigger.id.partition("-")[2]) - 1]


def _look_at_own_events(root: Cursor, program: Program, steps: Sequence[Placed]) -> None:
    """Exits and awaits that wait for what only a step of this journey could bring about, and none does."""
    asks = any(fact.startswith("answers.") for step in steps for fact in _given(step))
    for exit_ in program.exits:
        if not asks and _is_of_surveys(exit_):
            detail = "no step asks anything: this exit never fires"
            _rule_at(root, "exit", exit_).report("exit_never_fires", detail, severity="warning")
    for step in steps:
        waits_for = [trigger for trigger in step.draft.triggers if trigger.keeps is None]
        if not asks and any(_is_of_surveys(trigger) for trigger in waits_for):
            step.at.report(
                "await_never_met", "no step asks anything: there is no answer to wait for", severity="warning"
            )


def _is_of_surveys(trigger: Trigger) -> bool:
    return all(type_.startswith("survey.") for type_ in trigger.on)


def _look_at_holdout(root: Cursor, program: Program) -> None:
    if program.holdout >= 1 and "holdout" in root.entries():
        detail = "everybody is held out: nobody gets anything from this journey"
        root.entries()["holdout"].report("holdout_everybody", detail, allowed=("5% to 50%",), severity="warning")


# --- paths --------------------------------------------------------------------------------------------------------


def _given(step: Placed) -> Iterator[str]:
    for facts in step.draft.gives.values():
        yield from facts


def _look_at_facts(judging: Judging, program: Program, steps: Sequence[Placed]) -> None:
    """What expressions and templates read of `vars`, `answers` and `sent`, and whether a step before gives it."""
    reading = _Facts(judging, program, steps)
    for standing in judging.standing:
        reader = reading.step_of(standing.cursor.path)
        for path in standing.expression.reads:
            reading.look_at_expression(standing, tuple(path.split(".")), reader)
    for printed in judging.printed:
        reading.look_at_template(
            printed.cursor, printed.variable.path, printed.at, is_required=printed.variable.is_required
        )


class _Facts:
    """What each step gives, and who reads it where."""

    def __init__(self, judging: Judging, program: Program, steps: Sequence[Placed]) -> None:
        self.judging = judging
        self.by_path = {step.at.path: step.id for step in steps}
        never = {step.id: step.draft.never for step in steps}
        self.graph = Graph(program, never)
        self.sure: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        self.givers: dict[tuple[str, ...], set[str]] = {}
        self.surveys: dict[str, dict[str, None]] = {}
        self.senders: dict[str, set[str]] = {}
        self._after: dict[frozenset[str], set[str]] = {}
        self._unsure: dict[frozenset[tuple[str, str]], set[str]] = {}
        for step in steps:
            self._take(step, is_guarded=program.nodes[step.id].guard is not None)

    def _take(self, step: Placed, *, is_guarded: bool) -> None:
        for arm, facts in step.draft.gives.items():
            for fact in facts:
                path = tuple(fact.split(".", 2))
                self.givers.setdefault(path[:2], set()).add(step.id)
                if not is_guarded and fact not in step.draft.may_fail:
                    self.sure.setdefault(path[:2], set()).add((step.id, arm))
                if path[0] == "answers":
                    self.surveys.setdefault(path[1], {})[path[2]] = None
                elif path[0] == "sent":
                    self.senders.setdefault(path[1], set()).add(step.id)

    def step_of(self, path: str) -> str | None:
        """The step in which a value stands: the innermost."""
        while path:
            if path in self.by_path:
                return self.by_path[path]
            path = path[: max(path.rfind("."), path.rfind("["))] if "." in path or "[" in path else ""
        return None

    def look_at_expression(self, standing: Standing, path: Path, reader: str | None) -> None:
        """One field that an expression reads."""
        if path[0] not in ("vars", "answers", "sent") or len(path) < 2:
            return
        if self._is_unknown_answer(path, standing.cursor, None):
            return
        if path[:2] not in self.givers:
            if path[0] == "vars":
                detail = (
                    f"no step sets {clip('.'.join(path[:2]))!r}: the condition never holds, the value is never there"
                )
                suggestion = did_you_mean(path[1], self._vars())
                standing.cursor.report(
                    "never_set", detail, allowed=self._vars(), suggestion=suggestion, severity="warning"
                )
        elif reader is not None and not self._may_be_known(path[:2], reader):
            self._is_later(path, standing.cursor, None)

    def look_at_template(self, cursor: Cursor, path: Path, at: tuple[int, int], *, is_required: bool) -> None:
        """One variable that a message prints."""
        if path[0] not in ("vars", "answers") or len(path) < 2 or self._is_unknown_answer(path, cursor, at):
            return
        name = ".".join(path)
        inside = self.step_of(cursor.path)
        readers = self.senders.get(_message_of(cursor.path), set()) if inside is None else {inside}
        if path[:2] not in self.givers:
            if is_required:
                detail = f"no step gives {clip(name)!r} a value, and it has no default: the message would be skipped"
                suggestion = did_you_mean(path[1], self._vars()) or "add | default(...)"
                cursor.report(
                    "never_set", detail, allowed=self._vars(), suggestion=suggestion, severity="warning", at=at
                )
        elif is_required and readers:
            if not any(self._may_be_known(path[:2], reader) for reader in readers):
                self._is_later(path, cursor, at)
            elif not readers.isdisjoint(self._without(path[:2])):
                detail = f"on some ways to this message {clip(name)!r} has no value: there the message is skipped"
                cursor.report("not_always_set", detail, suggestion="add | default(...)", severity="warning", at=at)

    def _vars(self) -> tuple[str, ...]:
        return tuple(sorted(path[1] for path in self.givers if path[0] == "vars"))

    def _may_be_known(self, fact: tuple[str, ...], reader: str) -> bool:
        """Whether a step that gives it can lie before the reader, or is the reader itself."""
        givers = frozenset(self.givers[fact])
        if reader in givers or reader not in self.graph.reached:
            return True
        if givers not in self._after:
            self._after[givers] = self.graph.after(givers)
        return reader in self._after[givers]

    def _without(self, fact: tuple[str, ...]) -> set[str]:
        """Where a run can come to which no step has surely given it."""
        sure = frozenset(self.sure.get(fact, ()))
        if sure not in self._unsure:
            self._unsure[sure] = self.graph.reached_without(sure)
        return self._unsure[sure]

    def _is_later(self, path: Path, cursor: Cursor, at: tuple[int, int] | None) -> None:
        detail = f"{clip('.'.join(path[:2]))!r} is not known here yet: no step that gives it comes before"
        cursor.report("known_later", detail, severity="warning", at=at)

    def _is_unknown_answer(self, path: Path, cursor: Cursor, at: tuple[int, int] | None) -> bool:
        if path[0] != "answers":
            return False
        questions = self.surveys.get(path[1])
        if questions is None:
            names = tuple(sorted(self.surveys))
            detail = f"no step asks the survey {clip(path[1])!r}"
            cursor.report("unknown_survey", detail, allowed=names, suggestion=did_you_mean(path[1], names), at=at)
            return True
        if len(path) > 2 and path[2] not in questions:
            detail = f"the survey {clip(path[1])!r} has no question {clip(path[2])!r}"
            suggestion = did_you_mean(path[2], questions)
            cursor.report("unknown_survey", detail, allowed=tuple(questions), suggestion=suggestion, at=at)
            return True
        return False


def _message_of(path: str) -> str:
    """The message in whose texts a template stands: `messages.welcome.body`, `messages["a b"].body`."""
    rest = path.removeprefix("messages")
    if rest.startswith('["'):
        return rest[2:].partition('"]')[0]
    return rest[1:].partition(".")[0] if rest.startswith(".") else ""


def _look_at_limit(program: Program, steps: Sequence[Placed]) -> None:
    """Say where the journey's limit cuts off what follows, on the quickest way there."""
    graph = Graph(program, {step.id: step.draft.never for step in steps})
    takes = {step.id: step.draft.takes for step in steps}
    arrives = graph.earliest(takes)
    for step in steps:
        since = arrives.get(step.id)
        if since is None or since >= program.limit:
            continue
        late = [arm for arm, took in step.draft.takes.items() if took and since + took >= program.limit]
        if late:
            limit = f"{program.limit.days}d" if program.limit.days > 1 else format_duration(program.limit)
            detail = f"the journey's limit ({limit}) is over before this step is: what follows by time-out never comes"
            if late == ["next"]:
                detail = f"the journey's limit ({limit}) is over before this step is: nothing behind it ever happens"
            step.at.report("beyond_limit", detail, suggestion="raise `limit`", severity="warning")


# --- languages ----------------------------------------------------------------------------------------------------


def _look_at_languages(root: Cursor, program: Program) -> None:
    """Of a journey in several languages each message should be in each, and wholly."""
    entries = root.entries()
    if "messages" not in entries or not isinstance(entries["messages"].node, Map):
        return
    written = {tag: None for message in program.messages.values() for tag in message.languages}
    for name, entry in entries["messages"].entries().items():
        message = program.messages.get(name)
        if message is None:
            continue
        lacking = [tag for tag in written if tag not in message.languages]
        if lacking:
            detail = f"other messages are written in {', '.join(lacking)}, this one is not"
            entry.report("missing_language", detail, allowed=lacking, at=entry.key_at, severity="warning")
        _look_at_wordings(entry, message)


def _look_at_wordings(entry: Cursor, message: Message) -> None:
    """What a wording in another language lacks is taken from the first: half of a message would be in each."""
    languages = entry.entries().get("languages")
    for tag, wording in message.languages.items():
        own = [("subject", message.subject, wording.subject), ("body", message.body, wording.body)]
        own += [(channel, text, wording.channels.get(channel)) for channel, text in message.channels.items()]
        lacking = [name for name, text, other in own if text is not None and other is None]
        if lacking and languages is not None and tag in languages.entries():
            at = languages.entries()[tag]
            detail = f"{tag} has no {', '.join(lacking)}: these go out in the first language"
            at.report("half_translated", detail, allowed=lacking, at=at.key_at, severity="warning")
