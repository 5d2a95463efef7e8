"""`end`: the enrolment ends as `goal`, `completed` or a word of your own.

- end: completed
"""

from dataclasses import dataclass

from journeys.steps.base import Finish, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class EndOptions:
    """How it ends."""

    outcome: str


@step_type("end")
class EndStep:
    """Ends the enrolment."""

    options = EndOptions

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
