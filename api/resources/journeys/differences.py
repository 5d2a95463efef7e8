"""What differs between two versions, and which of those that run could be moved."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from api.bodies import Filter
from api.parts import Parts, PartsOf
from api.problems import NotThere
from api.security import Caller
from journeys import codec
from journeys.differing import Changes, difference
from journeys.moving import Refused, move
from journeys.program import Program
from store.queries import journeys, moving
from store.tables import Version

router = APIRouter(prefix="/v1/journeys", tags=["journeys"])

Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
PAGE = 500
SHOWN = 100
"""The most enrolments of which it is told why they could not be moved; all are counted."""


class With(Filter):
    """The other version: what changed since it; without one, the one before."""

    with_: Annotated[int | None, Query(alias="with", ge=0, le=2**31 - 1)] = None


class ChangesOut(BaseModel):
    """What is new, what is gone, what is otherwise."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class CannotMove(BaseModel):
    """Why an enrolment could not be moved as it stands."""

    enrolment: str
    step: str | None
    reasons: list[str]


class MovableOut(BaseModel):
    """Of those that run in the other version: how many there are, and how many could be moved to this one."""

    running: int
    could: int
    could_not: list[CannotMove]


class DifferenceOut(BaseModel):
    """What changed from version `from` to version `to`; `settings` are keys of the definition."""

    journey: str
    from_: Annotated[int, Field(serialization_alias="from")]
    to: int
    steps: ChangesOut
    messages: ChangesOut
    triggers: ChangesOut
    settings: list[str]
    enrolments: MovableOut


@router.get("/{journey}/versions/{number}/difference")
async def find_difference(
    journey: str, number: Number, parts: PartsOf, _caller: Caller, wanted: Annotated[With, Query()]
) -> DifferenceOut:
    """What changed since another version, and how many of its enrolments could be moved to this one."""
    other = number - 1 if wanted.with_ is None else wanted.with_
    async with parts.database.read() as session:
        new, old = await _version(session, journey, number), await _version(session, journey, other)
        was, now = await parts.program_of(session, old.hash), await parts.program_of(session, new.hash)
    found = difference(was, now)
    return DifferenceOut(
        journey=journey, from_=other, to=number, steps=_shown(found.steps), messages=_shown(found.messages),
        triggers=_shown(found.triggers), settings=list(found.settings),
        enrolments=await _movable(parts, journey, other, was, now),
    )  # fmt: skip


async def _version(session: AsyncSession, journey: str, number: int) -> Version:
    row = await journeys.find_version(session, journey, number)
    if row is None:
        detail = f"there is no version {number} of it: GET /v1/journeys/{{journey}}/versions lists them"
        raise NotThere("version_not_found", detail)
    return row


async def _movable(parts: Parts, journey: str, version: int, old: Program, new: Program) -> MovableOut:
    """Try every one of them, a page at a time; nothing is written."""
    counted = MovableOut(running=0, could=0, could_not=[])
    after = ""
    while True:
        async with parts.database.read() as session:
            rows = await moving.list_runs(session, journey, version=version, after=after, limit=PAGE)
        if not rows:
            return counted
        after = rows[-1][0]
        for enrolment, step, reasons in _tried(rows, old, new):
            counted.running += 1
            if not reasons:
                counted.could += 1
            elif len(counted.could_not) < SHOWN:
                counted.could_not.append(CannotMove(enrolment=enrolment, step=step, reasons=list(reasons)))


def _tried(
    rows: Sequence[tuple[str, str]], old: Program, new: Program
) -> Sequence[tuple[str, str | None, tuple[str, ...]]]:
    tried: list[tuple[str, str | None, tuple[str, ...]]] = []
    for enrolment, text in rows:
        run = codec.run_from_json(text)
        moved = move(old, new, run, {}, at=run.at)
        tried.append((enrolment, run.node, moved.reasons if isinstance(moved, Refused) else ()))
    return tried


def _shown(changes: Changes) -> ChangesOut:
    return ChangesOut(added=list(changes.added), removed=list(changes.removed), changed=list(changes.changed))
