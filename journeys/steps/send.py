"""`send`: delivers a message, and goes on when it has gone, been skipped or failed for good.

    - send: welcome
      via: [email, webhook]    # the first that can reach her; without it, email
      at: anytime              # or policy, the default
      expires: 3d              # 7d where nothing is said; or never

The message stands under `messages`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from journeys.definition import Cursor, clip
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
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
    keys: frozenset[str] = frozenset({"via", "to", "at", "expires"})
    later: Mapping[str, str] = {"confirm": "`confirm`", "priority": "`priority` of a step"}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("send", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.fields
        via = _via(fields["via"]) if "via" in fields else ("email",)
        if "to" in fields and said(fields["to"]) != "learner":
            fields["to"].not_supported("`to` anybody but the learner")
        is_anytime = "at" in fields and _is_anytime(fields["at"])
        expires = _expires(fields["expires"]) if "expires" in fields else timedelta(days=7)
        message = step.value.message(via)
        if message is None:
            return StepDraft(None, ONWARD)
        return StepDraft(SendOptions(message, via, "learner", is_anytime, expires), ONWARD)

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


def _via(given: Cursor) -> tuple[str, ...]:
    channels = given.judging.vocabulary.known_channels
    entries = given.items("a list of channels") or []
    found = [entry.choice(channels, code="unknown_channel", what="channel") for entry in entries]
    names = tuple(dict.fromkeys(name for name in found if name is not None))
    set_up = given.judging.vocabulary.set_up
    if names and set_up is not None and not set_up.intersection(names):
        detail = f"none of these channels is set up here: {', '.join(names)}"
        given.report("channel_not_set_up", detail, allowed=sorted(set_up), severity="warning")
    return names


def _is_anytime(given: Cursor) -> bool:
    found = given.text(wanted="a text, anytime or policy")
    if found is not None and re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", found):
        given.not_supported("`at` with a local time")
    elif found is not None and found not in ("anytime", "policy"):
        given.report("bad_value", f"{clip(found)!r} is not a time to send", allowed=("policy", "anytime"))
    return found == "anytime"


def _expires(given: Cursor) -> timedelta | None:
    return None if said(given) == "never" else given.duration()


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
