"""Halt and go: every delivery of the installation held at once, and let go again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.parts import Parts, PartsOf
from api.resources.installation.schemas import Halted
from api.security import Caller
from api.waking import wake
from store.queries import installation

router = APIRouter(prefix="/v1", tags=["installation"], route_class=IdempotentRoute)

PAGE = 200
"""Enrolments woken in one transaction."""


@router.post("/halt", openapi_extra=documented(Given))
async def halt(parts: PartsOf, caller: Caller, _given: Annotated[Given, in_body(Given)]) -> Halted:
    """Deliver nothing until `go`; what falls due meanwhile waits."""
    async with parts.database.write() as session:
        value = await installation.halt(session, by=caller.name, at=parts.clock())
    return Halted(halted=True, since=datetime.fromisoformat(str(value["since"])), by=str(value["by"]))


@router.post("/go", response_model_exclude_none=True, openapi_extra=documented(Given))
async def go(parts: PartsOf, _caller: Caller, _given: Annotated[Given, in_body(Given)]) -> Halted:
    """Deliver again, and wake whatever was held."""
    async with parts.database.write() as session:
        await installation.go(session)
    return Halted(halted=False, woken=await _wake_all(parts))


async def _wake_all(parts: Parts) -> int:
    """Wake them a page at a time. Where Temporal wants a pause, the rest is marked, and the sweeper wakes it."""
    after, woken, may_poke = "", 0, True

    async def wake_page() -> Sequence[str]:
        async with parts.database.write() as session:
            return await installation.wake_halted(session, after=after, limit=PAGE, at=parts.clock())

    while enrolments := await parts.database.retrying(wake_page):  # a batch of events may hold some of them
        may_poke = may_poke and await wake(parts, enrolments)
        after, woken = enrolments[-1], woken + len(enrolments)
    return woken
