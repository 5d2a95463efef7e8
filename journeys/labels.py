"""The cards of a program: what each step and each way in says of itself. Pure."""

from journeys.plain_words import Label, condition_words, trigger_words
from journeys.program import EntryRule, Node, Program
from journeys.steps import STEP_TYPES


def step_label(program: Program, node: Node) -> Label:
    """The card of a step; where it has a guard, that too."""
    label = STEP_TYPES[node.kind].label(program, node)
    if node.guard is None:
        return label
    lines = (f"only if {condition_words(node.guard)}", *label.lines)
    return Label(label.kind, label.title, lines, {**label.arms, "skip": "otherwise"})


def entry_label(program: Program, rule: EntryRule) -> Label:
    """The card of a way in."""
    lines = () if program.audience is None else (f"for those whose {condition_words(program.audience)}",)
    holdout = (f"{program.holdout:.0%} get nothing, for comparison",) if program.holdout else ()
    return Label("Begins when she", trigger_words(rule.trigger), (*lines, *holdout))
