"""`enrol`: starts another journey for this learner, and does not wait for it.

    - enrol: {journey: mentoring, key: entry.data.position_id, data: {from: '"first-time-manager"'}}

`key` and the values of `data` are expressions, as in `set`; the other journey sees the data as `entry.data`. Its
`audience`, `again` and `holdout` are respected, as when somebody is enrolled by hand; where they refuse her, where she
is in it already, or where the key cannot be told, nothing is started and the journal says why. Without `key` there is
one enrolment for each learner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.definition import Cursor
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
from journeys.effects import Enrol, Enrolled, Evaluate, Evaluated, Note
from journeys.events import Json
from journeys.plain_words import Label
from journeys.program import Node, Program, Term
from journeys.routing import key_text
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type
from journeys.steps.call import NAME
from journeys.terms import term_of, terms_of

KEY = "key"
DATA = "data."


@dataclass(frozen=True, slots=True)
class EnrolOptions:
    """Which journey, with which key, and what it is told."""

    journey: str
    key: Term | None = None
    data: tuple[Term, ...] = ()


@step_type("enrol")
class EnrolStep:
    """Starts another journey."""

    options = EnrolOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        journey = value.entries().get("journey")
        return slug("enrol", "" if journey is None else said(journey))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.value.fields(("journey", "key", "data"), required=("journey",)) or {}
        journey = fields["journey"].word(NAME, "a-z 0-9 -: the id of a journey") if "journey" in fields else None
        key = term_of(fields["key"], KEY) if "key" in fields else None
        wanted = "a map of values: {from: '\"first-time-manager\"'}"
        data = terms_of(fields["data"], wanted=wanted, prefix=DATA) if "data" in fields else ()
        return StepDraft(None if journey is None else EnrolOptions(journey, key, data), ONWARD)

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        terms = (*(() if options.key is None else (options.key,)), *options.data)
        return Ask(Evaluate(stand.node.id, terms)) if terms else Ask(_enrol(stand, "", {}))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Evaluated():
                return _evaluated(stand, given)
            case Enrolled():
                return Go(note=_note(stand, given))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return f"the journey {_options(stand).journey} to be started"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, EnrolOptions)
        return Label("Start another journey", options.journey)


def _evaluated(stand: Stand, given: Evaluated) -> Move:
    key, finding = _key(_options(stand), given)
    findings: list[Json] = [*given.findings, *([] if finding is None else [finding])]
    if key is None:
        text = f"Did not start the journey {_options(stand).journey}: its key could not be told."
        return Go(note=Note(stand.at, "enrolled", stand.node.id, text, {"findings": findings}))
    missing = [term.name for term in _options(stand).data if term.name not in given.values]
    text = f"Starting the journey {_options(stand).journey} without {', '.join(missing)}."
    note = Note(stand.at, "enrolled", stand.node.id, text, {"findings": findings}) if missing else None
    data = {name.removeprefix(DATA): value for name, value in given.values.items() if name.startswith(DATA)}
    return Ask(_enrol(stand, key, data), note)


def _key(options: EnrolOptions, given: Evaluated) -> tuple[str | None, str | None]:
    """The key as text; None where it could not be told, and why, where that has not been said."""
    if options.key is None:
        return "", None
    if KEY not in given.values:
        return None, None
    text = "key" if options.key.expression is None else options.key.expression.text
    return key_text(given.values[KEY], said=text)


def _enrol(stand: Stand, key: str, data: Mapping[str, Json]) -> Enrol:
    return Enrol(stand.node.id, stand.visit, _options(stand).journey, key, data)


def _note(stand: Stand, given: Enrolled) -> Note:
    journey = _options(stand).journey
    because = f": {given.reason}" if given.reason else ""
    started = "Started" if given.is_enrolled else "Did not start"
    data: dict[str, Json] = {"journey": journey, "is_enrolled": given.is_enrolled}
    return Note(stand.at, "enrolled", stand.node.id, f"{started} the journey {journey}{because}.", data)


def _options(stand: Stand) -> EnrolOptions:
    assert isinstance(stand.node.options, EnrolOptions)
    return stand.node.options
