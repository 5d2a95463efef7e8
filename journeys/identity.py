"""Ids that are the same again: of a learner, an enrolment, a delivery. Hashes of stable names, never of chance.

A learner's id is keyed with the installation's secret, so that it says nothing to who does not hold it; the others are
made of ids that say nothing already.
"""

import hmac
from hashlib import sha256

LENGTH = 32
"""Hexadecimal digits of an id: 128 bits."""


def learner_id(secret: str, source_id: str) -> str:
    """Our id of the learner whom a source first called `source_id`."""
    digest = hmac.new(secret.encode(), b"learner\0" + source_id.encode(errors="surrogatepass"), sha256)
    return f"lrn-{digest.hexdigest()[:LENGTH]}"


def enrolment_id(journey: str, learner: str, key: str, ordinal: int) -> str:
    """The id of one learner's `ordinal`-th enrolment (from 0) in a journey for an entry key."""
    return f"enr-{_hash('enrolment', journey, learner, key, str(ordinal))}"


def delivery_id(enrolment: str, node: str, visit: int, leg: int) -> str:
    """The id of a delivery: the key that a provider gets."""
    return f"dlv-{_hash('delivery', enrolment, node, str(visit), str(leg))}"


def answer_id(enrolment: str, node: str, visit: int) -> str:
    """The id of the event that answers what was asked at this visit: there is one, the first."""
    return f"ans-{_hash('answer', enrolment, node, str(visit))}"


REQUEST = "req-"
"""What the ids of requests begin with, so that they are told from those of deliveries."""


def request_id(enrolment: str, node: str, visit: int) -> str:
    """The id of a request to another system: the key that it gets."""
    return f"{REQUEST}{_hash('request', enrolment, node, str(visit))}"


def draft_id(journey: str, message: str, key: str, number: int) -> str:
    """The id of the `number`-th text (from 1) of one order (`journeys.drafting.order.order_key`) of a message."""
    return f"drf-{_hash('draft', journey, message, key, str(number))}"


def notice_id(told_at: str, reviewer: str) -> str:
    """The id of what one reviewer is told at an instant: the key that a provider gets."""
    return f"ntc-{_hash('notice', told_at, reviewer)}"


def _hash(*parts: str) -> str:
    """One text for one list of parts: each is led by its length, so that no two lists run together alike."""
    digest = sha256()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:LENGTH]
