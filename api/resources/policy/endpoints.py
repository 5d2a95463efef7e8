"""The policy: when and how much may be sent."""

from collections.abc import Sequence

from fastapi import APIRouter, Request

from api.bodies import media_type_of, read_body, read_json
from api.parts import Parts, PartsOf
from api.problems import NotTaken, Unfit
from api.resources.policy.schemas import DOCUMENTED, PolicyOut
from api.security import Caller
from journeys.permitting import policy_of
from journeys.policy import Policy, policy_from_json, policy_to_json
from store.queries import installation

router = APIRouter(prefix="/v1/policy", tags=["policy"])

PAGE = 1000
"""So many enrolments are woken in one transaction: while it lasts, no event of theirs is taken in."""


@router.get("")
async def show(parts: PartsOf, _caller: Caller) -> PolicyOut:
    """The policy; until somebody changes it, the default."""
    async with parts.database.read() as session:
        kept = await installation.find_policy(session)
    return _shown(policy_of(kept))


@router.put("", openapi_extra=DOCUMENTED)
async def change(request: Request, parts: PartsOf, _caller: Caller) -> PolicyOut:
    """Give another policy: 422 with every problem; what is left out is as in the default. What waits by the old one is
    judged again within seconds; who gets no answer gives the policy again.
    """
    policy = await _read(request)
    async with parts.database.write() as session:
        await installation.keep_policy(session, policy_to_json(policy), at=parts.clock())
    await _wake_dependents(parts)
    return _shown(policy)


async def _wake_dependents(parts: Parts) -> None:
    """A page at a time. The policy stands by now: a deadlock with what else holds enrolments must leave nobody out."""
    after = ""

    async def wake_page() -> Sequence[str]:
        async with parts.database.write() as session:
            return await installation.wake_dependents(session, after=after, limit=PAGE, at=parts.clock())

    while enrolments := await parts.database.retrying(wake_page):
        after = enrolments[-1]


async def _read(request: Request) -> Policy:
    media_type = media_type_of(request)
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise NotTaken("unsupported_media_type", "send application/json")
    found = policy_from_json(read_json(await read_body(request)))
    if isinstance(found, Policy):
        return found
    detail = f"nothing was changed: the policy has {len(found)} problem{'' if len(found) == 1 else 's'}"
    raise Unfit("policy_has_problems", detail, problems=[problem.to_json() for problem in found])


def _shown(policy: Policy) -> PolicyOut:
    return PolicyOut.model_validate(policy_to_json(policy))
