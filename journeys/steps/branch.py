"""`branch`: the first arm whose `if` holds, or `else`; where none holds and there is no `else`, the run goes on after
it.

    - branch:
      - if: learner.department == "Sales"
        do: [...]
      - else: [...]

A condition that cannot be judged does not hold; the journal says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from journeys.conditions import always_holds
from journeys.definition import Cursor
from journeys.drafts import StepDraft, StepSource
from journeys.effects import Decide, Decided, Note
from journeys.expressions import Scope, check
from journeys.plain_words import Label, condition_words, field_words
from journeys.program import Expression, Node, Program
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class BranchOptions:
    """The questions, in document order; arm n leads on by the successor `arm-n`, from 0."""

    questions: tuple[Expression, ...]


@step_type("branch")
class Branch:
    """Takes the first arm that holds."""

    options = BranchOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return "branch"

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        arms = step.value.items("a list of arms: {if, do} and at last {else}") or []
        questions: list[Expression] = []
        leads: dict[str, Cursor | None] = {}
        for place, arm in enumerate(arms):
            if "else" in arm.entries() and not {"if", "do"} & arm.entries().keys():
                leads["else"] = _else_arm(arm, is_last=place == len(arms) - 1)
                continue
            fields = _condition_arm(arm)
            question = fields["if"].expression(Scope.STEP) if "if" in fields else None
            leads[f"arm-{place}"] = fields.get("do")
            if question is not None:
                questions.append(question)
        if arms and list(leads) == ["else"]:
            step.value.report("no_condition", "a branch needs an arm with `if`", allowed=("{if, do}",))
        leads.setdefault("else", None)
        return StepDraft(BranchOptions(tuple(questions)), leads, never=_behind_truth(questions, leads))

    @staticmethod
    def enter(stand: Stand) -> Move:
        return Ask(Decide(stand.node.id, _options(stand).questions))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        if not isinstance(given, Decided):
            return None
        if given.choice is None:
            text = "None of the conditions holds."
            return Go("else", Note(stand.at, "decided", stand.node.id, text, {"findings": list(given.findings)}))
        chosen = _options(stand).questions[given.choice].text
        text = f"Took the arm for: {chosen}"
        return Go(
            f"arm-{given.choice}",
            Note(stand.at, "decided", stand.node.id, text, {"arm": given.choice, "findings": list(given.findings)}),
        )

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "a decision"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, BranchOptions)
        arms = {f"arm-{place}": condition_words(question) for place, question in enumerate(options.questions)}
        reads = dict.fromkeys(field_words(path.split(".")) for question in options.questions for path in question.reads)
        title = f"by {' and '.join(reads)}" if reads else "which is so?"
        return Label("Choice", title, (), {**arms, "else": "otherwise"})


def _behind_truth(questions: Sequence[Expression], leads: Mapping[str, Cursor | None]) -> frozenset[str]:
    """The arms behind one that always holds: nobody comes there."""
    trees = (check(question.text, scope=Scope.STEP).tree for question in questions)
    first = next((place for place, tree in enumerate(trees) if tree is not None and always_holds(tree)), None)
    return frozenset() if first is None else frozenset(list(leads)[first + 1 :])


def _condition_arm(arm: Cursor) -> dict[str, Cursor]:
    fields = arm.fields(("if", "do", "else"), required=("if", "do")) or {}
    other = fields.pop("else", None)
    if other is not None:
        detail = "`else` is an arm of its own: begin it with `- `, behind the last `if`"
        other.report("else_in_arm", detail, at=other.key_at)
    return fields


def _else_arm(arm: Cursor, *, is_last: bool) -> Cursor | None:
    entry = (arm.fields(("else",)) or {}).get("else")
    if entry is not None and not is_last:
        entry.report("else_not_last", "`else` is the last arm: nothing behind it can be taken", at=entry.key_at)
    return entry


def _options(stand: Stand) -> BranchOptions:
    assert isinstance(stand.node.options, BranchOptions)
    return stand.node.options
