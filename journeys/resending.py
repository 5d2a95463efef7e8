"""A message sent once more, when the cause for which it failed or was skipped is mended. Pure.

It is a delivery of its own, so that no provider takes it for the first one: its leg is the first one's plus a thousand
for every time. It is the message as the enrolment's version has it now, asked for at this moment; the run is past it
and does not hear of it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from journeys.advance import take_up
from journeys.effects import Deliver
from journeys.program import Program
from journeys.run import Pending, Run

AGAIN = 1000
"""What is added to a delivery's leg each time it is sent again."""


def is_sent_again(leg: int) -> bool:
    """Whether a delivery with this leg was sent again by hand."""
    return leg >= AGAIN


def deliver_again(
    program: Program, run: Run, *, node: str, visit: int, leg: int, asked_at: datetime, channel: str | None = None
) -> Deliver | None:
    """What is to be delivered; None where the step is gone or says nothing any more. `channel` is the one it went
    through before: the second message of a confirmation goes through that.
    """
    if node not in program.nodes:
        return None
    visits = {**run.visits, node: visit}
    stand = run.but(node=node, visits=visits, at=asked_at, late=timedelta(), outcome=None, held_by=())
    entered, _ = take_up(program, stand)
    if not isinstance(entered.hold, Pending) or not isinstance(entered.hold.effect, Deliver):
        return None
    is_second = leg % AGAIN > 0
    via = (channel,) if is_second and channel is not None else entered.hold.effect.via
    return replace(entered.hold.effect, leg=leg, via=via, may_merge=False)  # no turn of its own would lead a digest
