"""How a performer asks for a recipient's attention, and what it says of the answer; the same for both. Pure."""

from collections.abc import Mapping
from datetime import datetime

from journeys.attention import Bid, Board, Judged, Wait, judge
from journeys.calendar import next_opening, said_locally, where_she_is
from journeys.composing import Skip
from journeys.effects import Deferred, Deliver, Note
from journeys.events import Json
from journeys.policy import Budget, Policy

DIGEST = "digest"
"""What a digest is called where a message has its name."""

DIGEST_LEG = 100
"""A digest stands with the delivery that leads it, that much further on."""


NO_ROOM = Skip("expired", "her attention budget had no room for it")
"""It was put off until it was too late."""


def budget_for(deliver: Deliver, policy: Policy) -> Budget | None:
    """The budget that holds for this message; None: it bids for nothing."""
    return None if deliver.is_mandatory else policy.budget


def ask(
    budget: Budget,
    board: Board,
    asker: Bid,
    deliver: Deliver,
    *,
    recipient: Mapping[str, Json],
    policy: Policy,
    now: datetime,
) -> Judged:
    """`journeys.attention.judge` where the recipient is; `recipient` is her profile."""

    def opening(at: datetime) -> datetime | None:
        found = next_opening(policy, recipient, at=at, is_anytime=deliver.is_anytime, local_time=deliver.local_time)
        return found.at

    zone = where_she_is(recipient, policy).zone
    return judge(budget, board, asker, now=now, zone=zone, has_digest=policy.digest, opening=opening)


def deferred(wait: Wait, recipient: Mapping[str, Json], *, policy: Policy, now: datetime) -> Deferred:
    """The wait as the turn is told of it."""
    where = None if wait.until is None else said_locally(wait.until, where_she_is(recipient, policy))
    return Deferred(now, wait.until, wait.because, where, is_brief=wait.is_brief)


def has_a_bid(waiting: Deferred, deliver: Deliver) -> bool:
    """Whether a message that hours or days put off bids for the slot at its opening: it can go before it expires."""
    return waiting.until is not None and (deliver.expires_at is None or waiting.until < deliver.expires_at)


def has_had_no_room(bid: Bid, *, now: datetime) -> bool:
    """Whether a message that waited for a slot has expired over it."""
    return bid.is_put_off and bid.is_over(now)


def said_together(at: datetime, deliver: Deliver, channel: str | None) -> Note:
    """The line of the journal for a digest, in that of the enrolment which leads it."""
    text = f"Sent {deliver.message} and others in one message through {channel}."
    data: dict[str, Json] = {"message": DIGEST, "channel": channel, "status": "sent", "reason": None}
    return Note(at, "sent", deliver.node, text, data)
