"""Whether a value of `per` says who somebody is: it is told to the writer, who is never told that. Pure.

The compiler refuses a `per` that reads such a field. A name also reaches it on other ways: in an attribute, a note of
an event, a variable that a step sets. So each value is compared with what her own profile says. Who is called as a
department is orders no text for it, and gets the one that others have ordered.
"""

import re

from journeys.expressions import Facts

FIELDS = ("id", "given_name", "family_name", "email", "phone", "manager", "slack_id", "teams_id")
"""Fields of the profile that say who she is, or where she is reached: no writer is told their values."""

_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+\.\w")
_LEAST_DIGITS = 6

_LEAST = {"id": 4, "manager": 4}
_LEAST_OTHERWISE = 2
"""What is shorter says nothing within a longer value: an id `12` is not meant by `Ward 12`."""


def personal_in(value: str, facts: Facts) -> str | None:
    """What of hers stands in the value, as `learner.family_name`, or that an address does; None where nothing does."""
    digits = _digits(value)
    said = value.casefold()
    for name in FIELDS:
        own = facts.learner.get(name)
        if not isinstance(own, str) or not own.strip():
            continue
        is_long = len(own.strip()) >= _LEAST.get(name, _LEAST_OTHERWISE)
        if said.strip() == own.strip().casefold() or (is_long and _stands_in(own.strip().casefold(), said)):
            return f"learner.{name}"
        if name == "phone" and len(_digits(own)) >= _LEAST_DIGITS and _digits(own) in digits:
            return f"learner.{name}"
    return "an address" if _ADDRESS.search(value) else None


def _stands_in(own: str, said: str) -> bool:
    """As a word of its own, or several."""
    return re.search(rf"(?<!\w){re.escape(own)}(?!\w)", said) is not None


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
