"""May a message go now? What the policy says, and the recipient's own calendar; the same for both performers. Pure."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import orjson

from journeys.calendar import next_opening, said_locally, where_she_is
from journeys.composing import Skip
from journeys.effects import Deferred, Deliver
from journeys.events import Json
from journeys.policy import DEFAULT_POLICY, Policy, policy_from_json


def put_off(
    deliver: Deliver, recipient: Mapping[str, Json], *, policy: Policy, now: datetime
) -> Deferred | Skip | None:
    """Until when the message waits, and why; Skip where it expires while it cannot go; None where it may go now.

    `recipient` is the profile of who gets it.
    """
    opening = next_opening(
        policy,
        recipient,
        at=now,
        is_anytime=deliver.is_anytime,
        local_time=deliver.local_time,
        since=deliver.asked_at,  # a waking a little late is no reason to wait another day for nine o'clock
    )
    if opening.at == now:
        return None
    if deliver.expires_at is not None and now >= deliver.expires_at:
        return Skip("expired", opening.because)
    until = _earlier(opening.at, deliver.expires_at)
    because = opening.because or "it is not the time"
    where = None if opening.at is None else said_locally(opening.at, where_she_is(recipient, policy))
    return Deferred(now, until, because, where)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def policy_of(kept: Mapping[str, Json] | None) -> Policy:
    """The policy as it was given, or the default; raises ValueError where what is kept is none."""
    return DEFAULT_POLICY if kept is None else _policy(orjson.dumps(dict(kept), option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=16)
def _policy(text: bytes) -> Policy:
    policy = policy_from_json(orjson.loads(text))
    if not isinstance(policy, Policy):
        raise ValueError(f"the policy that is kept cannot be used ({policy[0]}): give another with PUT /v1/policy")
    return policy
