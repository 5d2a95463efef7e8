"""`end`: the enrolment ends as `goal`, `completed` or a word of your own.

    - end: completed

A journey ends as `completed` by itself after its last step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.definition import Cursor
from journeys.drafts import StepDraft, StepSource, said, slug
from journeys.plain_words import Label
from journeys.program import Node, Program
from journeys.steps.base import Finish, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class EndOptions:
    """How it ends."""

    outcome: str


@step_type("end")
class EndStep:
    """Ends the enrolment."""

    options = EndOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("end", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        outcome = step.value.outcome("goal, completed or a word of your own: a-z 0-9 - _")
        return StepDraft(None if outcome is None else EndOptions(outcome))

    @staticmethod
    def enter(stand: Stand) -> Move:
        assert isinstance(stand.node.options, EndOptions)
        return Finish(stand.node.options.outcome)

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "nothing"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, EndOptions)
        return Label("Ends as", options.outcome)
