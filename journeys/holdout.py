"""The holdout: learners who get nothing, so that those who get the journey can be compared with them. Pure.

Chance decides at entry, by a hash of the journey and our id of the learner, and the decision stands before anything is
sent, with the probability it had, for those who are treated too. Who is held out has an enrolment that ended at its
entry: no workflow carries it, and nothing goes to her. Exits with the outcome `goal` are still watched until the
journey's `limit`.
"""

from collections.abc import Sequence
from datetime import datetime

from journeys.chance import is_held_out
from journeys.effects import ArmChosen, Note
from journeys.events import Event
from journeys.program import Program
from journeys.run import Run

HOLDOUT = "holdout"
"""The outcome and the arm of who is held out, and the name under which the decision stands among those of splits."""

TREATED = "treated"
"""The arm of who is not."""


def chosen(program: Program, learner: str, *, at: datetime) -> ArmChosen | None:
    """Whether the learner (our id) is held out, with the probability of just that; None where nobody is."""
    if program.holdout <= 0:
        return None
    if is_held_out(program.holdout, journey=program.journey, learner=learner):
        return ArmChosen(at, HOLDOUT, HOLDOUT, program.holdout, learner)
    return ArmChosen(at, HOLDOUT, TREATED, 1 - program.holdout, learner)


def is_holding_out(choice: ArmChosen | None) -> bool:
    """Whether the choice is that she gets nothing."""
    return choice is not None and choice.arm == HOLDOUT


def held_out(run: Run) -> Run:
    """The run of who is held out: it has ended at its entry."""
    return run.but(at=run.entered_at, begins_at=None, outcome=HOLDOUT)


def entered_note(at: datetime) -> Note:
    """What the journal says of her entry."""
    text = "In the holdout: nothing is sent, so that those who get this journey can be compared."
    return Note(at, "ended", None, text, {"outcome": HOLDOUT})


def goal_note(event: Event, trigger: str) -> Note:
    """What the journal says when her goal comes all the same."""
    return Note(event.time, "event", None, f"{event.type} came: the goal, without this journey.", {"trigger": trigger})


def is_goal(program: Program, trigger: str) -> bool:
    """Whether the trigger is an exit that says that the goal is reached."""
    order = program.exit_order(trigger)
    return order is not None and program.exits[order].outcome == "goal"


def goal_of(program: Program, triggers: Sequence[str], *, entered_at: datetime, at: datetime) -> str | None:
    """The first of these triggers, fired at `at`, that is the goal of who was held out then; None after `limit`."""
    if at > entered_at + program.limit:
        return None
    return next((trigger for trigger in triggers if is_goal(program, trigger)), None)
