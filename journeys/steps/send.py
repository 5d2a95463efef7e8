"""`send`: delivers a message, and goes on when it has gone, been skipped or failed for good.

    - send: welcome
      via: [email, webhook]    # the first that can reach her; without it, email
      to: manager              # learner (the default), manager, or an expression that yields a learner's id
      at: anytime              # policy (the default): in her working hours; anytime: at any hour; or "09:00"
      expires: 3d              # 7d where nothing is said; or never
      priority: 80             # who wins her attention; the journey's own where nothing is said
      confirm: {within: 24h, then: email}    # unless she has reacted by then, through this channel too (or next)

The message stands under `messages`. With `confirm` the step is over when she has reacted (a click, a reply, an answer,
or an event that an exit or a later `await` accepts), or when the message has gone a second time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, Protocol

from journeys.attention import is_merged
from journeys.definition import Cursor, clip
from journeys.drafting.telling import words_data, words_told
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
from journeys.effects import Deliver, Delivered, Due, Fired, Note, Reckon, Reckoned
from journeys.expressions import Scope
from journeys.plain_words import Label, span_words, subject_words, timing_words, to_words
from journeys.program import Expression, Node, Program, Span, Trigger
from journeys.run import Hold, Pending, Run, Sent
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, Stay, step_type
from journeys.timing import due_after


@dataclass(frozen=True, slots=True)
class Confirm:
    """How long to wait for a reaction, and through what the message goes then: a channel, or the `next` of `via`.
    `triggers` are what counts as one.
    """

    within: Span
    then: str
    triggers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendOptions:
    """Which message, through which channels in order, to whom, when, and until when it is worth sending."""

    message: str
    via: tuple[str, ...] = ("email",)
    to: Expression | Literal["learner", "manager"] = "learner"
    is_anytime: bool = False
    expires: timedelta | None = timedelta(days=7)
    local_time: str | None = None
    priority: int | None = None
    confirm: Confirm | None = None

    def hearing(self, later: tuple[str, ...]) -> "SendOptions":
        """What later steps wait for is a reaction too."""
        if self.confirm is None:
            return self
        return replace(self, confirm=replace(self.confirm, triggers=(*self.confirm.triggers, *later)))


@step_type("send")
class Send:
    """Delivers one message."""

    options = SendOptions
    keys: frozenset[str] = frozenset({"via", "to", "at", "expires", "confirm", "priority"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("send", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.fields
        via = channels_of(fields["via"]) if "via" in fields else ("email",)
        to = recipient(fields["to"]) if "to" in fields else "learner"
        at = sending_time(fields["at"]) if "at" in fields else "policy"
        expires = expiry(fields["expires"]) if "expires" in fields else timedelta(days=7)
        priority = fields["priority"].integer(1, 100) if "priority" in fields else None
        confirm, reaction = _confirm(fields["confirm"], f"{step.id}.1", via) if "confirm" in fields else (None, ())
        message = step.value.message(via if confirm is None or confirm.then in (*via, "next") else (*via, confirm.then))
        if message is None or to is None:
            return StepDraft(None, ONWARD, reaction)
        local_time = at if at not in ("policy", "anytime") else None
        options = SendOptions(message, via, to, at == "anytime", expires, local_time, priority, confirm)
        return StepDraft(options, ONWARD, reaction, says=True, gives={"next": (f"sent.{message}",)})

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        is_alone = options.confirm is not None  # a reaction is to one message
        return Ask(delivery(stand, options, options.via, may_merge=not is_alone))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Delivered():
                return _delivered(stand, given)
            case Reckoned():
                return _waits_for_reaction(stand, given)
            case Fired():
                text = f"She reacted to {_options(stand).message}: {given.event_type} came."
                return Go(note=Note(stand.at, "event", stand.node.id, text, {"time": given.at.isoformat()}))
            case Due():
                return _escalate(stand)
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        message = _options(stand).message
        if isinstance(stand.run.hold, Hold):
            return f"a reaction to the message {message}"
        return f"the message {message} to go"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, SendOptions)
        subject = subject_words(program, options.message)
        lines = [
            f"{options.message} · {', else '.join(options.via)}",
            *timing_words(is_anytime=options.is_anytime, local_time=options.local_time),
        ]
        if options.confirm is not None:
            again = "through the next channel" if options.confirm.then == "next" else f"through {options.confirm.then}"
            lines.append(f"{again} too, if she has not reacted within {span_words(options.confirm.within)}")
        return Label(f"Message{to_words(options.to)}", subject or options.message, tuple(lines))


class Addressed(Protocol):
    """What the options of a step say of the message that it brings to somebody."""

    @property
    def message(self) -> str:
        """Which."""
        ...

    @property
    def to(self) -> Expression | Literal["learner", "manager"]:
        """To whom."""
        ...

    @property
    def is_anytime(self) -> bool:
        """Whether it passes working hours and days."""
        ...

    @property
    def local_time(self) -> str | None:
        """At which time of the recipient's day."""
        ...

    @property
    def expires(self) -> timedelta | None:
        """How long it is worth sending; None: for ever."""
        ...

    @property
    def priority(self) -> int | None:
        """Who wins her attention; None: as the journey."""
        ...


def delivery(stand: Stand, options: Addressed, via: tuple[str, ...], *, leg: int = 0, may_merge: bool) -> Deliver:
    """The message of a step, to be brought through these channels from now on."""
    program = stand.program
    return Deliver(
        node=stand.node.id,
        visit=stand.visit,
        leg=leg,
        message=options.message,
        via=via,
        asked_at=stand.at,
        expires_at=None if options.expires is None else stand.at + options.expires,
        is_anytime=options.is_anytime,
        to=options.to,
        local_time=options.local_time,
        is_mandatory=program.is_mandatory,
        priority=options.priority or program.priority,
        may_merge=may_merge,
    )


def _delivered(stand: Stand, given: Delivered) -> Move:
    """The message has gone, or not; where it went a first time and is to be confirmed, the step goes on waiting."""
    options = _options(stand)
    note = _note(stand, options.message, given)
    pending = stand.run.hold
    is_first = isinstance(pending, Pending) and isinstance(pending.effect, Deliver) and pending.effect.leg == 0
    sent = Sent(given.status, given.channel, stand.at)
    if not is_first and given.status in ("skipped", "failed"):
        sent = stand.run.sent.get(options.message, sent)  # it has gone once, and that stands
    run = stand.run.but(sent={**stand.run.sent, options.message: sent})
    confirm = options.confirm
    if confirm is None or not is_first or given.status not in ("sent", "may_have_gone"):
        return Go(note=note, run=run)
    if confirm.within.working_days:
        return Ask(Reckon(stand.node.id, stand.at, span=confirm.within), note=note, run=run)
    due = due_after(stand.run, confirm.within.elapsed)
    return Stay(Hold(stand.at, due, confirm.triggers), note, run)


def _waits_for_reaction(stand: Stand, given: Reckoned) -> Move:
    confirm = _options(stand).confirm
    assert confirm is not None, "only a message to be confirmed is waited for"
    reckon = stand.reckoning
    return Stay(Hold(reckon.since, given.due_at, confirm.triggers, reckon, given.reads))


def _escalate(stand: Stand) -> Move:
    """Nobody reacted: once more, through another channel."""
    options = _options(stand)
    confirm = options.confirm
    assert confirm is not None, "only a message to be confirmed is waited for"
    via = (confirm.then,) if confirm.then != "next" else _after(options.via, _used(stand.run, options.message))
    if not via:
        text = f"She has not reacted to {options.message}, and there is no further channel."
        return Go(note=Note(stand.at, "passed", stand.node.id, text))
    text = f"She has not reacted to {options.message}: it goes through {' or '.join(via)} too."
    again = delivery(stand, options, via, leg=1, may_merge=True)
    return Ask(again, note=Note(stand.at, "passed", stand.node.id, text))


def _used(run: Run, message: str) -> str | None:
    sent = run.sent.get(message)
    return None if sent is None else sent.channel


def _after(via: tuple[str, ...], used: str | None) -> tuple[str, ...]:
    return via[via.index(used) + 1 :] if used in via else ()


def recipient(given: Cursor) -> Expression | Literal["learner", "manager"] | None:
    """`to`: the learner, her manager, or an expression that yields a learner's id."""
    text = said(given)
    if text in ("learner", "manager"):
        return text
    return given.expression(Scope.STEP, "value")


def _confirm(given: Cursor, trigger: str, via: tuple[str, ...]) -> tuple[Confirm | None, tuple[Trigger, ...]]:
    fields = given.fields(("within", "then"), required=("within", "then")) or {}
    within = fields["within"].span() if "within" in fields else None
    channels = given.judging.vocabulary.known_channels
    then = (
        fields["then"].choice({*channels, "next"}, code="unknown_channel", what="channel") if "then" in fields else None
    )
    if within is None or then is None:
        return None, ()
    if then == "next" and len(via) < 2:
        detail = "`next` is the channel after the one that was used, and `via` has no second one"
        fields["then"].report("no_next_channel", detail, allowed=sorted(channels), severity="warning")
    return Confirm(within, then, (trigger,)), (Trigger(trigger, REACTIONS),)


REACTIONS = ("message.clicked", "message.replied", "survey.answered", "practice.answered")
"""Our own events that are a reaction to a message."""


def channels_of(given: Cursor) -> tuple[str, ...]:
    """`via`: the channels, in order."""
    channels = given.judging.vocabulary.known_channels
    entries = given.items("a list of channels") or []
    found = [entry.choice(channels, code="unknown_channel", what="channel") for entry in entries]
    names = tuple(dict.fromkeys(name for name in found if name is not None))
    set_up = given.judging.vocabulary.set_up
    if names and set_up is not None and not set_up.intersection(names):
        detail = f"none of these channels is set up here: {', '.join(names)}"
        given.report("channel_not_set_up", detail, allowed=sorted(set_up), severity="warning")
    return names


def sending_time(given: Cursor) -> str:
    """`at`: policy, anytime, or a time of day."""
    found = given.text(wanted="a text, anytime, policy or a time of day")
    if found is None or found in ("anytime", "policy"):
        return found or "policy"
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]", found):
        detail = f"{clip(found)!r} is not a time to send"
        given.report("bad_value", detail, allowed=("policy", "anytime", '"09:00" (00:00 to 23:59)'))
    return found.zfill(5)


def expiry(given: Cursor) -> timedelta | None:
    """`expires`: a duration, or never."""
    return None if said(given) == "never" else given.duration()


def _note(stand: Stand, message: str, given: Delivered) -> Note:
    data = {"message": message, "channel": given.channel, "status": given.status, "reason": given.reason}
    because = f": {given.reason}" if given.reason else ""
    words = in_which_words(given)
    match given.status:
        case "sent":
            text = f"Sent {message} through {given.channel}{words}."
            return Note(stand.at, "sent", stand.node.id, text, {**data, **words_data(given)})
        case "may_have_gone":
            text = f"{message} may have gone through {given.channel}{words}{because}; it is not sent again by itself."
            return Note(stand.at, "sent", stand.node.id, text, {**data, **words_data(given)})
        case "skipped" if is_merged(given.reason):
            text = f"{message} went in one message with others{words}."
            return Note(stand.at, "skipped", stand.node.id, text, {**data, **words_data(given)})
        case "skipped":
            return Note(stand.at, "skipped", stand.node.id, f"Did not send {message}{because}.", data)
        case "failed":
            return Note(stand.at, "failed", stand.node.id, f"{message} failed for good{because}.", data)


def in_which_words(given: Delivered) -> str:
    """What a line about a message that went says of its words; empty where the message is not drafted."""
    words = words_told(given)
    return f" ({words})" if words else ""


def _options(stand: Stand) -> SendOptions:
    assert isinstance(stand.node.options, SendOptions)
    return stand.node.options
