"""A whole journey paused, let go again, archived: flags that turns and claims read."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.parts import Parts, PartsOf
from api.problems import Conflicting, NotThere
from api.resources.journeys.endpoints import shown_journey
from api.resources.journeys.schemas import JourneyOut
from api.security import Caller
from api.waking import wake
from store.queries import journeys, pausing
from store.queries.pausing import Refused

router = APIRouter(prefix="/v1/journeys", tags=["journeys"], route_class=IdempotentRoute)

PAGE = 1000
"""So many enrolments are woken in one transaction: while it lasts, no event of theirs is taken in."""

WOKEN_AT_ONCE = 200
"""Enrolments poked with the answer; the sweeper pokes the others, at its own rate."""


class Pausing(Given):
    """Why, for those who look at it later."""

    reason: str | None = None


class Resuming(Given):
    """What becomes of waits: lengthened by the pause, over where their time is over, or begun anew."""

    catch_up: Literal["continue", "skip", "restart_wait"] = "continue"


@router.post("/{journey}/pause", openapi_extra=documented(Pausing))
async def pause(
    journey: str, parts: PartsOf, caller: Caller, given: Annotated[Pausing, in_body(Pausing)]
) -> JourneyOut:
    """Take no new entries, and hold every wait; exits and `limit` still act."""

    async def do(session: AsyncSession) -> Refused | None:
        return await pausing.pause(session, journey, by=caller.name, now=parts.clock(), reason=given.reason)

    return await _steer(parts, journey, do)


@router.post("/{journey}/resume", openapi_extra=documented(Resuming))
async def resume(
    journey: str, parts: PartsOf, caller: Caller, given: Annotated[Resuming, in_body(Resuming)]
) -> JourneyOut:
    """Take entries again, and let everything go on but what was paused by hand. Who gets no answer looks at the
    journey: once it is live, all go on, at the latest when the sweeper finds them.
    """

    async def do(session: AsyncSession) -> Refused | None:
        return await pausing.resume(session, journey, catch_up=given.catch_up, by=caller.name, now=parts.clock())

    resumed = await _steer(parts, journey, do)
    await _wake_all(parts, journey)
    return resumed


@router.post("/{journey}/archive", openapi_extra=documented(Given))
async def archive(
    journey: str, parts: PartsOf, _caller: Caller, _given: Annotated[Given, in_body(Given)]
) -> JourneyOut:
    """Take no new entries; those that run go on."""

    async def do(session: AsyncSession) -> Refused | None:
        return await pausing.archive(session, journey)

    return await _steer(parts, journey, do)


async def _steer(parts: Parts, journey: str, do: Callable[[AsyncSession], Awaitable[Refused | None]]) -> JourneyOut:
    async def transaction() -> JourneyOut:
        async with parts.database.write() as session:
            refused = await do(session)
            if refused is not None:
                kind = NotThere if refused.code == "journey_not_found" else Conflicting
                raise kind(refused.code, refused.detail)
            row = await journeys.find_journey(session, journey)
            counts = await journeys.count_enrolments(session, [journey])
            assert row is not None
            return shown_journey(row, dict(counts[journey]))

    return await parts.database.retrying(transaction)


async def _wake_all(parts: Parts, journey: str) -> None:
    """A page at a time; the journey goes on by now, or is paused again, and then nobody is left to be woken."""
    left = WOKEN_AT_ONCE
    for wake_page in (pausing.wake_held, pausing.wake_sent_again):
        async for enrolments in _pages(parts, journey, wake_page):
            await wake(parts, enrolments[:left])
            left -= len(enrolments[:left])


async def _pages(
    parts: Parts, journey: str, wake_page: Callable[..., Awaitable[Sequence[str]]]
) -> AsyncGenerator[Sequence[str]]:
    after = ""

    async def transaction() -> Sequence[str]:
        async with parts.database.write() as session:
            return await wake_page(session, journey, after=after, limit=PAGE, at=parts.clock())

    while enrolments := await parts.database.retrying(transaction):  # a batch of events may hold some of them
        yield enrolments
        after = enrolments[-1]
