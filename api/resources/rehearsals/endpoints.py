"""Rehearsals: what each learner would get, on a virtual timeline. Nothing is kept and nothing is sent."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.bodies import documented, in_body
from api.idempotency import IdempotentRoute
from api.parts import Parts, PartsOf
from api.pictures.rehearsal import page_of
from api.problems import Finding, Unfit
from api.resources.rehearsals.schemas import RehearsalOut, RehearsalWanted
from api.security import Caller
from connectors.sources.base import Raw, Refused
from connectors.sources.cloudevents import STRUCTURED, CloudEvents
from journeys.compiler import compile_definition
from journeys.definition import Vocabulary
from journeys.drafting.choosing import Drafts
from journeys.drafting.needing import has_drafts
from journeys.durations import parse_duration
from journeys.events import Event, Json
from journeys.permitting import policy_of
from journeys.policy import Policy
from journeys.problems import is_ok
from journeys.profile import PROFILE_FIELDS, is_of_kind
from journeys.program import Program
from journeys.rehearse import NOTHING_APPROVED, rehearse
from journeys.timeline import Rehearsal
from store.queries import drafts, installation

router = APIRouter(prefix="/v1/rehearsals", tags=["rehearsals"], route_class=IdempotentRoute)


@router.post("", openapi_extra=documented(RehearsalWanted))
async def rehearse_journey(
    parts: PartsOf, _caller: Caller, given: Annotated[RehearsalWanted, in_body(RehearsalWanted)]
) -> RehearsalOut:
    """Run a journey on a virtual timeline."""
    setting = await _set(given, parts)
    told = await asyncio.to_thread(_rehearse, given, parts, setting)
    return RehearsalOut.model_validate(told)


@router.post("/page", response_class=HTMLResponse, openapi_extra=documented(RehearsalWanted))
async def draw_rehearsal(
    parts: PartsOf, _caller: Caller, given: Annotated[RehearsalWanted, in_body(RehearsalWanted)]
) -> HTMLResponse:
    """Run a journey on a virtual timeline, and draw it: one page that needs nothing else."""
    setting = await _set(given, parts)
    return HTMLResponse(await asyncio.to_thread(_draw, given, parts, setting))


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the rehearsal is of, and what this installation adds: its policy, and the drafts that are approved here."""

    program: Program
    policy: Policy
    drafts: Drafts


async def _set(given: RehearsalWanted, parts: Parts) -> _Setting:
    program = await asyncio.to_thread(_program, given.definition, parts.vocabulary)
    async with parts.database.read() as session:
        policy = policy_of(await installation.find_policy(session))
        approved = await drafts.list_approved(session, program.journey) if has_drafts(program) else NOTHING_APPROVED
    return _Setting(program, policy, approved)


def _draw(given: RehearsalWanted, parts: Parts, setting: _Setting) -> str:
    return page_of(setting.program, _rehearsed(given, parts, setting))


def _rehearse(given: RehearsalWanted, parts: Parts, setting: _Setting) -> dict[str, Json]:
    return _rehearsed(given, parts, setting).to_json()


def _rehearsed(given: RehearsalWanted, parts: Parts, setting: _Setting) -> Rehearsal:
    problems: list[Finding] = []
    events = _events(given.events, problems)
    problems += _wrong_fields(given.learners)
    until = _until(given.until, problems)
    if problems:
        raise Unfit("invalid_rehearsal", f"the rehearsal has {len(problems)} problems", problems=problems)
    return rehearse(
        setting.program, given.learners, events, reach=parts.reach, until=until, policy=setting.policy,
        answers=given.answers, drafts=setting.drafts,
    )  # fmt: skip


def _program(definition: str | dict[str, Any], vocabulary: Vocabulary) -> Program:
    text = definition if isinstance(definition, str) else orjson.dumps(definition).decode()
    compiled = compile_definition(text, vocabulary=vocabulary)
    if compiled.program is None or not is_ok(compiled.problems):
        problems = [problem.to_json() for problem in compiled.problems]
        raise Unfit("definition_has_problems", "the definition has problems", problems=problems)
    return compiled.program


def _events(given: Sequence[object], problems: list[Finding]) -> list[Event]:
    events: list[Event] = []
    for place, one in enumerate(given):
        raw = Raw(orjson.dumps(one), {"content-type": STRUCTURED}, "http")
        for translated in CloudEvents.translate(raw):
            if isinstance(translated, Refused):
                problems.append({"path": f"events[{place}]", "code": translated.code, "detail": translated.detail})
            else:
                events.append(translated.event)
    return events


def _wrong_fields(learners: Mapping[str, Mapping[str, Json]]) -> list[Finding]:
    """Fields that no profile has, or of another kind; learners by their place, for their ids are personal."""
    problems: list[Finding] = []
    for place, profile in enumerate(learners.values()):
        for name, value in profile.items():
            path = f"learners[{place}].{name}"
            if name not in PROFILE_FIELDS:
                allowed = cast("list[Json]", list(PROFILE_FIELDS))
                detail = "a profile has no such field; fields of your own stand in `attributes`"
                problems.append({"path": path, "code": "unknown_field", "detail": detail, "allowed": allowed})
            elif value is not None and not is_of_kind(value, PROFILE_FIELDS[name]):
                detail = f"this field is a {PROFILE_FIELDS[name]}"
                problems.append({"path": path, "code": "bad_value", "detail": detail})
    return problems


def _until(text: str | None, problems: list[Finding]) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        problems.append({"path": "until", "code": "bad_value", "detail": str(error)})
        return None
