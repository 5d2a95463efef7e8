"""Waking enrolments after a change in the store has been committed."""

from collections.abc import Sequence

import structlog

from api.parts import Parts
from workflows.gateway import TryLater

_log = structlog.get_logger(__name__)


async def wake(parts: Parts, enrolments: Sequence[str]) -> bool:
    """Poke them; False where Temporal wants a pause or refused: `wake_wanted_at` stands, so the sweeper does it."""
    if not enrolments:
        return True
    try:
        refused = await parts.gateway.poke(enrolments)
    except TryLater as later:
        _log.warning("pokes_left_to_sweeper", enrolments=len(enrolments), because=str(later))
        return False
    if refused:
        _log.error("pokes_refused", enrolments=len(refused))
    return not refused
