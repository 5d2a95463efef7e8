"""`send`: delivers a message, and goes on when it has gone, been skipped or failed for good.

- send: welcome
via: [email, webhook]
at: anytime
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from journeys.effects import Deliver, Delivered, Note
from journeys.program import Expression
from journeys.run import Sent
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, step_type


@dataclass(frozen=True, slots=True)
class SendOptions:
    """Which message, through which channels in order, to whom, and until when it is worth sending."""

    message: str
    via: tuple[str, ...] = ("email",)
    to: Expression | Literal["learner", "manager"] = "learner"
    is_anytime: bool = False
    expires: timedelta | None = timedelta(days=7)


@step_type("send")
class Send:
    """Delivers one message."""

    options = SendOptions

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        expires_at = None if options.expires is None else stand.at + options.expires
        return Ask(
            Deliver(
                node=stand.node.id,
                visit=stand.visit,
                leg=0,
                message=options.message,
                via=options.via,
                asked_at=stand.at,
                expires_at=expires_at,
                is_anytime=options.is_anytime,
                to=options.to,
            )
        )

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        if not isinstance(given, Delivered):
            return None
        message = _options(stand).message
        sent = Sent(given.status, given.channel, stand.at)
        return Go(note=_note(stand, message, given), run=replace(stand.run, sent={**stand.run.sent, message: sent}))

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return f"the message {_options(stand).message} to go"


def _note(stand: Stand, message: str, given: Delivered) -> Note:
    data = {"message": message, "channel": given.channel, "status": given.status, "reason": given.reason}
    because = f": {given.reason}" if given.reason else ""
    match given.status:
        case "sent":
            return Note(stand.at, "sent", stand.node.id, f"Sent {message} through {given.channel}.", data)
        case "may_have_gone":
            text = f"{message} may have gone through {given.channel}{because}; it is not sent again by itself."
            return Note(stand.at, "sent", stand.node.id, text, data)
        case "skipped":
            return Note(stand.at, "skipped", stand.node.id, f"Did not send {message}{because}.", data)
        case "failed":
            return Note(stand.at, "failed", stand.node.id, f"{message} failed for good{because}.", data)


def _options(stand: Stand) -> SendOptions:
    assert isinstance(stand.node.options, SendOptions)
    return stand.node.options
