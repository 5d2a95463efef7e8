"""Journeys: checked, published, looked at."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response

from api.bodies import media_type_of, read_body
from api.idempotency import IdempotentRoute
from api.pagination import Page, PageOf, decode, decode_text, page
from api.parts import Parts, PartsOf
from api.problems import NotTaken, NotThere, Unfit
from api.resources.drafts import ordering
from api.resources.drafts.schemas import DraftCounts
from api.resources.drafts.writing import start
from api.resources.journeys.schemas import (
    DEFINITION,
    Checked,
    FoundProblem,
    JourneyFilter,
    JourneyOut,
    PausedOut,
    PublishedJourney,
    ReportOut,
    StepOut,
    VersionItem,
    VersionOut,
)
from api.security import Caller
from journeys.codec import program_from_json, program_to_json
from journeys.compiler import Compiled, compile_definition
from journeys.problems import is_ok
from store.queries import journeys, reports
from store.queries.pausing import held_of
from store.tables import Version

router = APIRouter(prefix="/v1/journeys", tags=["journeys"], route_class=IdempotentRoute)

YAML_TYPES = frozenset({"", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain"})
JSON_TYPES = frozenset({"application/json", "text/json"})


@dataclass(frozen=True, slots=True)
class _Given:
    """A definition as it came."""

    text: str | bytes
    media_type: str


@router.post("/check", openapi_extra=DEFINITION)
async def check(request: Request, parts: PartsOf, _caller: Caller) -> Checked:
    """Say everything that is wrong with a definition, without publishing it."""
    compiled = await _compile(parts, await _read(request))
    return Checked(ok=is_ok(compiled.problems), problems=_shown(compiled))


@router.put(
    "/{journey}",
    openapi_extra=DEFINITION,
    responses={200: {"description": "The running version is the same already."}, 201: {"model": PublishedJourney}},
)
async def publish(
    journey: Annotated[str, Path()],
    request: Request,
    response: Response,
    parts: PartsOf,
    _caller: Caller,
    then: BackgroundTasks,
) -> PublishedJourney:
    """Publish a definition: 201 a new version, 200 unchanged, 422 with every problem. The texts that its drafted
    messages will need are ordered.
    """
    given = await _read(request)
    compiled = await _compile(parts, given)
    program = compiled.program
    if program is None or not is_ok(compiled.problems):
        problems = [problem.to_json() for problem in compiled.problems]
        raise Unfit("definition_has_problems", "nothing was published: the definition has problems", problems=problems)
    if program.journey != journey:
        detail = (
            f"the definition's `journey` is not the one of the address: publish it to /v1/journeys/{program.journey}"
        )
        raise Unfit(
            "journey_differs", detail, problems=[{"path": "journey", "code": "journey_differs", "detail": detail}]
        )
    assert isinstance(given.text, str)
    new = journeys.NewVersion(
        journey, program.title, program.hash, given.media_type, given.text, program_to_json(program)
    )

    async def transaction() -> journeys.Published:
        async with parts.database.write() as session:
            return await journeys.publish(session, new, at=parts.clock())

    published = await parts.database.retrying(transaction)
    response.status_code = 201 if published.is_new else 200
    ordered = await ordering.order_ahead(parts, program)
    then.add_task(start, parts, ordered[: ordering.STARTED_AT_ONCE])
    return PublishedJourney(
        journey=journey,
        version=published.version,
        hash=published.hash,
        published_at=published.published_at,
        is_new=published.is_new,
        problems=_shown(compiled),
        drafts=await ordering.counts_now(parts, program),
    )


@router.get("")
async def list_journeys(wanted: Annotated[JourneyFilter, Query()], parts: PartsOf, _caller: Caller) -> Page[JourneyOut]:
    """Every journey, in order of name."""
    after = decode_text(wanted.cursor)
    async with parts.database.read() as session:
        rows = await journeys.list_journeys(session, status=wanted.status, after=after, limit=wanted.limit + 1)
        counts = await journeys.count_enrolments(session, [row.journey for row in rows])
    return page(
        rows, limit=wanted.limit, shown=lambda row: shown_journey(row, dict(counts[row.journey])),
        key=lambda row: (row.journey,),
    )  # fmt: skip


@router.get("/{journey}")
async def find_journey(journey: str, parts: PartsOf, _caller: Caller) -> JourneyOut:
    """One journey."""
    async with parts.database.read() as session:
        row = await journeys.find_journey(session, journey)
        if row is None:
            raise _no_journey()
        counts = await journeys.count_enrolments(session, [journey])
        drafted = await ordering.counts_of(session, await parts.program_of(session, row.hash))
    return shown_journey(row, dict(counts[journey]), drafted)


@router.get("/{journey}/versions")
async def list_versions(
    journey: str, wanted: Annotated[PageOf, Query()], parts: PartsOf, _caller: Caller
) -> Page[VersionItem]:
    """The versions of a journey, the latest first."""
    keys = decode(wanted.cursor, int)
    before = None if keys is None else int(keys[0])
    async with parts.database.read() as session:
        if await journeys.find_journey(session, journey) is None:
            raise _no_journey()
        rows = await journeys.list_versions(session, journey, before=before, limit=wanted.limit + 1)
    return page(rows, limit=wanted.limit, shown=_version_item, key=lambda row: (row.number,))


@router.get("/{journey}/versions/{number}")
async def find_version(
    journey: str, number: Annotated[int, Path(ge=0, le=2**31 - 1)], parts: PartsOf, _caller: Caller
) -> VersionOut:
    """One version, with its definition as it was given."""
    async with parts.database.read() as session:
        row = await journeys.find_version(session, journey, number)
    if row is None:
        raise NotThere("version_not_found", "there is no such version: GET /v1/journeys/{journey}/versions lists them")
    item = _version_item(row).model_dump()
    return VersionOut(**item, definition_type=row.media_type, definition=row.definition)


@router.get("/{journey}/report")
async def report(journey: str, parts: PartsOf, _caller: Caller) -> ReportOut:
    """Counts of enrolments, outcomes, arrivals at each step and deliveries, over all versions."""
    async with parts.database.read() as session:
        row = await journeys.find_journey(session, journey)
        if row is None:
            raise _no_journey()
        version = await journeys.find_version(session, journey, row.version)
        found = await reports.report(session, journey)
    order = program_from_json(version.program).in_order() if version is not None else ()
    counted = {count.step: count for count in found.steps}
    steps = [counted.get(step, reports.StepCount(step, 0, 0)) for step in order]
    steps += [count for count in found.steps if count.step not in order]
    return ReportOut(
        enrolments=dict(found.enrolments),
        outcomes=dict(found.outcomes),
        steps=[StepOut(step=s.step, arrived=s.arrived, waiting=s.waiting) for s in steps],
        deliveries={channel: dict(counts) for channel, counts in found.deliveries.items()},
    )


async def _read(request: Request) -> _Given:
    media_type = media_type_of(request)
    if media_type not in YAML_TYPES | JSON_TYPES:
        raise NotTaken("unsupported_media_type", "send the definition as application/yaml or application/json")
    body = await read_body(request)
    kind = "application/json" if media_type in JSON_TYPES else "application/yaml"
    try:
        return _Given(body.decode(), kind)
    except UnicodeDecodeError:
        return _Given(body, kind)  # the compiler says which byte


async def _compile(parts: Parts, given: _Given) -> Compiled:
    """Compile in a thread: a large definition takes a while, and others are to be answered meanwhile."""
    return await asyncio.to_thread(compile_definition, given.text, vocabulary=parts.vocabulary)


def _shown(compiled: Compiled) -> list[FoundProblem]:
    return [FoundProblem.model_validate(problem.to_json()) for problem in compiled.problems]


def shown_journey(
    row: journeys.ListedJourney, enrolments: dict[str, int], drafts: DraftCounts | None = None
) -> JourneyOut:
    """A journey as the API gives it."""
    held = held_of(row.pauses)
    return JourneyOut(
        journey=row.journey, title=row.title, version=row.version, hash=row.hash, status=row.status,
        published_at=row.published_at, enrolments=enrolments,
        paused=None if held is None else PausedOut(since=held.since, by=held.by, reason=held.reason), drafts=drafts,
    )  # fmt: skip


def _version_item(row: Version) -> VersionItem:
    return VersionItem(
        journey=row.journey, version=row.number, hash=row.hash, title=row.title, published_at=row.published_at
    )


def _no_journey() -> NotThere:
    return NotThere("journey_not_found", "there is no such journey: GET /v1/journeys lists them")
