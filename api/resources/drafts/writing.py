"""Having texts written that are wanted: told to Temporal once they are committed."""

from collections.abc import Sequence

import structlog

from api.parts import Parts
from workflows.gateway import TryLater

_log = structlog.get_logger(__name__)


async def start(parts: Parts, drafts: Sequence[str]) -> None:
    """Start writing these, as far as Temporal takes them now; the sweeper starts the others."""
    if not drafts:
        return
    try:
        refused = await parts.gateway.draft(drafts)
    except TryLater as later:
        _log.warning("drafts_left_to_sweeper", drafts=len(drafts), because=str(later))
        return
    if refused:
        _log.error("drafts_refused", drafts=len(refused))
