"""Steering one enrolment by hand: paused, let go again, moved to another version."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import Given, documented, in_body
from api.idempotency import IdempotentRoute
from api.parts import Parts, PartsOf
from api.problems import ApiError, Conflicting, NotThere
from api.resources.enrolments.endpoints import with_journal
from api.resources.enrolments.schemas import EnrolmentOut
from api.security import Caller
from api.waking import wake
from store.queries import moving, steering
from store.queries.steering import Refused, Steered

router = APIRouter(prefix="/v1/enrolments", tags=["enrolments"], route_class=IdempotentRoute)


class Moving(Given):
    """To which version; and, where steps are called otherwise there, a `map` of their ids. An arm of a split is written
    `split.arm`.
    """

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    map: Annotated[dict[str, str], Field(max_length=1000)] = Field(default_factory=dict[str, str])


class Resuming(Given):
    """What becomes of the wait: lengthened by the pause, over where its time is over, or begun anew."""

    catch_up: Literal["continue", "skip", "restart_wait"] = "continue"


@router.post("/{enrolment}/pause", openapi_extra=documented(Given))
async def pause(
    enrolment: str, parts: PartsOf, caller: Caller, _given: Annotated[Given, in_body(Given)]
) -> EnrolmentOut:
    """Hold an enrolment: nothing is sent, while exits and `limit` still act."""

    async def do(session: AsyncSession) -> Steered | Refused:
        return await steering.pause(session, enrolment, program_of=parts.program_of, by=caller.name, now=parts.clock())

    return await _steer(parts, enrolment, do)


@router.post("/{enrolment}/resume", openapi_extra=documented(Resuming))
async def resume(
    enrolment: str, parts: PartsOf, caller: Caller, given: Annotated[Resuming, in_body(Resuming)]
) -> EnrolmentOut:
    """Let an enrolment go on that was paused by hand."""

    async def do(session: AsyncSession) -> Steered | Refused:
        return await steering.resume(
            session, enrolment, catch_up=given.catch_up, program_of=parts.program_of, by=caller.name,
            now=parts.clock(),
        )  # fmt: skip

    return await _steer(parts, enrolment, do)


@router.post("/{enrolment}/move", openapi_extra=documented(Moving))
async def move(
    enrolment: str, parts: PartsOf, caller: Caller, given: Annotated[Moving, in_body(Moving)]
) -> EnrolmentOut:
    """Move an enrolment to another version of its journey, where its step is there too; else it says what to map."""

    async def do(session: AsyncSession) -> Steered | Refused:
        return await moving.move(
            session, enrolment, version=given.version, step_map=given.map, program_of=parts.program_of,
            by=caller.name, now=parts.clock(),
        )  # fmt: skip

    return await _steer(parts, enrolment, do)


async def _steer(
    parts: Parts, enrolment: str, do: Callable[[AsyncSession], Awaitable[Steered | Refused]]
) -> EnrolmentOut:
    """One transaction, and then a poke."""

    async def transaction() -> EnrolmentOut:
        async with parts.database.write() as session:
            done = await do(session)
            if isinstance(done, Refused):
                raise refusal(done)
            return await with_journal(session, enrolment)

    steered = await parts.database.retrying(transaction)
    await wake(parts, [enrolment])
    return steered


def refusal(refused: Refused) -> ApiError:
    """What was refused, as the API says it."""
    kind = NotThere if refused.code in {"enrolment_not_found", "version_not_found"} else Conflicting
    problems = [{"path": "", "code": refused.code, "detail": reason} for reason in refused.reasons]
    return kind(refused.code, refused.detail, problems=problems)
