"""Chance without a die: a hash of stable ids, so that the same question has the same answer for ever.

Who gets nothing (the holdout) and which arm of a split is taken follow from the names of the journey, the split and the
unit alone. A share is uniform in [0, 1), and shares of different splits of one unit are independent of each other.
"""

from collections.abc import Mapping
from hashlib import sha256

_BITS = 53
"""As many as a float holds exactly."""


def share_of(*parts: str) -> float:
    """A number in [0, 1), uniform over lists of parts; each part is led by its length, so no two lists run together."""
    digest = sha256()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return (int.from_bytes(digest.digest()[:8], "big") >> (64 - _BITS)) / 2**_BITS


def arm_of(shares: Mapping[str, float], *, journey: str, split: str, unit: str) -> tuple[str, float]:
    """The arm of this unit, and the probability it had; `shares` are weights by arm, in any order: a program that comes
    back from JSON has its maps sorted.

    Raises ValueError where no weight is above 0.
    """
    weights = {arm: weight for arm, weight in sorted(shares.items()) if weight > 0}
    whole = sum(weights.values())
    if whole <= 0:
        raise ValueError("no arm has a weight above 0: give one arm a weight")
    point = share_of("split", journey, split, unit) * whole
    reached = 0.0
    for arm, weight in weights.items():
        reached += weight
        if point < reached:
            return arm, weight / whole
    arm, weight = list(weights.items())[-1]  # the sum of floats may fall short of `whole` by its rounding
    return arm, weight / whole


def is_held_out(holdout: float, *, journey: str, learner: str) -> bool:
    """Whether the learner (our id) is in the journey's holdout, a share from 0 to 1. A greater share keeps all who were
    in the smaller one.
    """
    return share_of("holdout", journey, learner) < holdout
