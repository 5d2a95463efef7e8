"""`split`: an experiment. Each learner is assigned to one arm, by hash, and stays in it.

    - split: opener
      unit: learner.team         # who is assigned together; without it, each learner by herself
      arms:
        question: {weight: 1, do: [{send: open-question}]}
        tip: {weight: 1, do: [{send: tip}]}

The assignment is stored before anything of the arm happens. A `unit` that cannot be told assigns the learner by
herself; the journal says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from journeys.chance import arm_of
from journeys.definition import Cursor
from journeys.drafts import StepDraft, StepSource, said, slug
from journeys.effects import ArmChosen, Evaluate, Evaluated, Note
from journeys.events import Json
from journeys.expressions import Scope
from journeys.plain_words import Label, spaced, value_words
from journeys.program import Expression, Node, Program, Term
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """The arms with their weights, in document order; what is hashed (None: the learner); the split's own name."""

    name: str
    weights: Mapping[str, int]
    unit: Expression | None = None


@step_type("split")
class Split:
    """Assigns an arm."""

    options = SplitOptions
    keys: frozenset[str] = frozenset({"arms", "unit", "choose"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("split", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        name = step.value.text(wanted="a text, the name of the experiment")
        fields = step.fields
        if "choose" in fields:
            _look_at_choice(fields["choose"])
        if "arms" not in fields:
            step.value.report("missing_key", "the key 'arms' is missing", allowed=("arms",))
        leads, weights = _arms(fields["arms"]) if "arms" in fields else ({}, {})
        unit = _unit(fields["unit"]) if "unit" in fields else None
        if name == "holdout":
            detail = "'holdout' is what Waymark itself calls the choice of who gets nothing"
            step.value.report("reserved_name", detail, suggestion="take another name")
        if name is None:
            return StepDraft(None, leads)
        never = frozenset(f"arm-{arm}" for arm, weight in weights.items() if not weight)
        return StepDraft(SplitOptions(name, weights, unit), leads, never=never)

    @staticmethod
    def enter(stand: Stand) -> Move:
        unit = _options(stand).unit
        if unit is None:
            return _assign(stand, stand.run.learner, ())
        return Ask(Evaluate(stand.node.id, (Term("unit", unit),)))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        if not isinstance(given, Evaluated):
            return None
        unit = given.values.get("unit")
        is_told = isinstance(unit, (str, int, float, bool))
        return _assign(stand, f"unit {unit}" if is_told else stand.run.learner, given.findings)

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "a decision"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, SplitOptions)
        whole = sum(options.weights.values()) or 1
        arms = {f"arm-{arm}": f"{spaced(arm)} ({weight / whole:.0%})" for arm, weight in options.weights.items()}
        unit = "by chance, the same for each learner"
        if options.unit is not None:
            unit = f"by chance, the same for one {value_words(options.unit)}"
        return Label("Experiment", options.name, (unit,), arms)


def _assign(stand: Stand, unit: str, findings: tuple[str, ...]) -> Move:
    options = _options(stand)
    arm, share = arm_of(options.weights, journey=stand.program.journey, split=options.name, unit=unit)
    chosen = ArmChosen(stand.at, options.name, arm, share, sha256(unit.encode(errors="surrogatepass")).hexdigest()[:32])
    alone = " (by herself: the unit could not be told)" if findings else ""
    text = f"Assigned to the arm {arm} of {options.name}{alone}."
    data: dict[str, Json] = {"split": options.name, "arm": arm, "share": share, "findings": list(findings)}
    run = stand.run.but(arms={**stand.run.arms, options.name: arm})
    return Go(f"arm-{arm}", Note(stand.at, "decided", stand.node.id, text, data), run, (chosen,))


def _look_at_choice(given: Cursor) -> None:
    if said(given) == "bandit":
        given.not_supported("`choose: bandit`")
    else:
        given.choice(("fixed", "bandit"))


def _unit(given: Cursor) -> Expression | None:
    return None if said(given) == "learner" else given.expression(Scope.STEP, "value")


def _arms(given: Cursor) -> tuple[dict[str, Cursor | None], dict[str, int]]:
    """Where each arm leads, and its weight; at least two arms, at least one of which can be taken."""
    leads: dict[str, Cursor | None] = {}
    weights: dict[str, int] = {}
    arms = given.entries()
    if len(arms) < 2:
        given.wrong("a map of two arms or more: {name: {weight, do}}")
    for name, arm in arms.items():
        arm.named(name, "an arm")
        fields = arm.fields(("weight", "do"), required=("do",)) or {}
        leads[f"arm-{name}"] = fields.get("do")
        weight = fields["weight"].integer(0, 1_000_000) if "weight" in fields else 1
        weights[name] = 1 if weight is None else weight
    if weights and not any(weights.values()):
        given.report("bad_value", "no arm has a weight: one at least must be above 0", allowed=("1 to 1000000",))
    return leads, weights


def _options(stand: Stand) -> SplitOptions:
    assert isinstance(stand.node.options, SplitOptions)
    return stand.node.options
