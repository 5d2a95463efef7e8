"""`branch`: the first arm whose `if` holds, or `else`; where none holds and there is no `else`, the run goes on after
it.

- branch:
- if: learner.department == "Sales"
do: [...]
- else: [...]
"""

from dataclasses import dataclass

from journeys.effects import Decide, Decided, Note
from journeys.program import Expression
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class BranchOptions:
    """The questions, in document order; arm n leads on by the successor `arm-n`, from 0."""

    questions: tuple[Expression, ...]


@step_type("branch")
class Branch:
    """Takes the first arm that holds."""

    options = BranchOptions

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


def _options(stand: Stand) -> BranchOptions:
    assert isinstance(stand.node.options, BranchOptions)
    return stand.node.options
