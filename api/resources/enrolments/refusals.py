"""Why a learner may not enter, as the API says no."""

from typing import assert_never

from api.problems import ApiError, Conflicting, NotThere, Unfit
from store.queries.enrolling import Refused


def raised(refused: Refused) -> ApiError:
    """The error that a refusal is."""
    match refused.code:
        case "journey_not_found" | "learner_not_found":
            return NotThere(refused.code, refused.detail)
        case "journey_not_live" | "already_active" | "again":
            return Conflicting(refused.code, refused.detail)
        case "not_in_audience":
            return Unfit(refused.code, refused.detail)
        case _:
            assert_never(refused.code)
