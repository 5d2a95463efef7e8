"""`call`: posts to a named webhook and keeps fields of the answer.

    - call: crm                        # WAYMARK_CALL_CRM_URL and _SECRET
      body: {learner: learner.id, tip: vars.tip}
      keep: {account: account.id}      # vars.account, by a path in the JSON answer; a number counts in a list, from 0
      within: 1h

The values of `body` are expressions, as in `set`; one that cannot be told is left out, and the journal says so. Nothing
else of the learner is sent: what the other system is to know of her, `body` names. It is tried again for `within` (1h
where nothing is said) while the other system refuses for now or does not answer; then, or when it refuses for good, the
journal says so and the journey goes on. A call may arrive more than once: its `webhook-id` is then the same. What a
path does not lead to leaves its variable as it was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import orjson

from journeys.definition import Cursor, clip
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
from journeys.durations import format_duration
from journeys.effects import Answered, Evaluate, Evaluated, Note, Request
from journeys.events import Json
from journeys.plain_words import Label, spaced
from journeys.program import Node, Program, Term
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type
from journeys.steps.set_ import look_at_variable
from journeys.terms import terms_of

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
PATH = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
LARGEST_KEPT = 16_000
"""How long a kept value may be, as JSON: a run is read and written at every turn."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Which webhook, what is posted, which variables are kept by which path, and how long it is tried."""

    name: str
    body: tuple[Term, ...] = ()
    keep: Mapping[str, str] = field(default_factory=dict[str, str])
    within: timedelta = timedelta(hours=1)


@step_type("call")
class Call:
    """Posts to a named webhook."""

    options = CallOptions
    keys: frozenset[str] = frozenset({"body", "keep", "within"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("call", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.fields
        name = step.value.word(NAME, "a-z 0-9 -, at most 50: the name of a webhook")
        if name is not None:
            _look_at_setting(step.value, name)
        body = terms_of(fields["body"], wanted="a map of values: {learner: learner.id}") if "body" in fields else ()
        keep = _keep(fields["keep"]) if "keep" in fields else {}
        within = fields["within"].duration() if "within" in fields else None
        if name is None:
            return StepDraft(None, ONWARD)
        kept = tuple(f"vars.{variable}" for variable in keep)
        options = CallOptions(name, body, keep, within or timedelta(hours=1))
        return StepDraft(options, ONWARD, gives={"next": kept}, may_fail=frozenset(kept))

    @staticmethod
    def enter(stand: Stand) -> Move:
        body = _options(stand).body
        return Ask(Evaluate(stand.node.id, body)) if body else Ask(_request(stand, {}))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Evaluated():
                return Ask(_request(stand, given.values), _left_out(stand, given))
            case Answered(status="done"):
                return _done(stand, given)
            case Answered():
                return Go(note=_failed(stand, given))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return f"the answer of {_options(stand).name}"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, CallOptions)
        told = ", ".join(spaced(term.name) for term in options.body)
        lines = (f"says {told}",) if told else ()
        kept = ", ".join(spaced(name) for name in options.keep)
        return Label("Tell another system", options.name, (*lines, f"keeps {kept}") if kept else lines)


def _look_at_setting(given: Cursor, name: str) -> None:
    set_up = given.judging.vocabulary.calls_set_up
    if set_up is not None and name not in set_up:
        setting = f"WAYMARK_CALL_{name.replace('-', '_').upper()}"
        detail = f"the webhook {name!r} is not set up here: set {setting}_URL and {setting}_SECRET"
        given.report("call_not_set_up", detail, allowed=sorted(set_up), severity="warning")


def _keep(given: Cursor) -> dict[str, str]:
    """The variables and their paths."""
    keep: dict[str, str] = {}
    entries = given.entries()
    if not entries:
        given.wrong("a map of variables and paths: {account: account.id}")
    for name, value in entries.items():
        look_at_variable(value, name)
        path = value.word(PATH, "a path in the answer, as account.id or items.0.name")
        if path is not None:
            keep[name] = path
    return keep


def _request(stand: Stand, body: Mapping[str, Json]) -> Request:
    options = _options(stand)
    until = stand.at + options.within
    return Request(stand.node.id, stand.visit, "call", options.name, body, stand.at, until)


def _left_out(stand: Stand, given: Evaluated) -> Note | None:
    missing = [term.name for term in _options(stand).body if term.name not in given.values]
    if not missing:
        return None
    text = f"Calling {_options(stand).name} without {', '.join(missing)}."
    return Note(stand.at, "called", stand.node.id, text, {"findings": [*given.findings]})


def _done(stand: Stand, given: Answered) -> Move:
    options = _options(stand)
    kept, findings = _kept(options, given)
    done = f", kept {', '.join(kept)}" if kept else ""
    data: dict[str, Json] = {"call": options.name, "kept": [*kept], "findings": [*findings]}
    note = Note(stand.at, "called", stand.node.id, f"Called {options.name}{done}.", data)
    return Go(note=note, run=stand.run.but(vars={**stand.run.vars, **kept}))


def _failed(stand: Stand, given: Answered) -> Note:
    options = _options(stand)
    because = f": {given.reason}" if given.reason else ""
    text = f"The call to {options.name} came to nothing{because}. It is tried for {format_duration(options.within)}."
    data: dict[str, Json] = {"call": options.name, "status": given.status, "reason": given.reason}
    return Note(stand.at, "called", stand.node.id, text, data)


def _kept(options: CallOptions, given: Answered) -> tuple[dict[str, Json], list[str]]:
    """The variables that the answer gives a value, and why others keep theirs."""
    if options.keep and given.reason is not None:
        return {}, [given.reason]
    kept: dict[str, Json] = {}
    findings: list[str] = []
    for name, path in options.keep.items():
        found = _find(given.values, path)
        if found is None:
            findings.append(f"{name}: the answer has nothing at {clip(path)}")
        elif len(orjson.dumps(found)) > LARGEST_KEPT:
            findings.append(f"{name}: what the answer has at {clip(path)} is longer than {LARGEST_KEPT} characters")
        else:
            kept[name] = found
    return kept, findings


def _find(values: Json, path: str) -> Json:
    """What a dotted path leads to; None where it leads nowhere, or to null."""
    found = values
    for part in path.split("."):
        match found:
            case dict():
                found = found.get(part)
            case list() if part.isascii() and part.isdigit() and int(part[:9]) < len(found):
                found = found[int(part[:9])]
            case _:
                return None
    return found


def _options(stand: Stand) -> CallOptions:
    assert isinstance(stand.node.options, CallOptions)
    return stand.node.options
