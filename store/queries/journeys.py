"""Journeys and their versions: published, listed, found, counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, insert, select, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.inserting import insert_new
from store.tables import Enrolment, JourneyRow, Version


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What is to be published: the definition as it was given, and what it compiled to."""

    journey: str
    title: str
    hash: str
    media_type: str
    definition: str
    program: str


@dataclass(frozen=True, slots=True)
class Published:
    """The version that runs after a publish; `is_new` tells whether the publish made it."""

    journey: str
    version: int
    hash: str
    published_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class ListedJourney:
    """A journey with the version it runs, and all its pauses (`JourneyRow.pauses`)."""

    journey: str
    title: str
    version: int
    hash: str
    status: str
    published_at: datetime
    pauses: Sequence[Json] = ()


async def publish(session: AsyncSession, new: NewVersion, *, at: datetime) -> Published:
    """Make this the running version, unless the running one is the same.

    Two publishers of one journey wait for each other at the journey's row; on a new journey, at its insertion.
    """
    core = await session.connection()
    first = {"name": new.journey, "status": "live", "version": 0, "live_since": at, "created_at": at}
    await core.execute(insert_new(session, JourneyRow), [first])
    locked = select(col(JourneyRow.version)).where(col(JourneyRow.name) == new.journey).with_for_update()
    running = (await core.execute(locked)).scalar_one()
    same = select(col(Version.hash), col(Version.published_at)).where(
        col(Version.journey) == new.journey, col(Version.number) == running
    )
    found = (await core.execute(same)).one_or_none()
    if found is not None and found[0] == new.hash:
        return Published(new.journey, running, new.hash, found[1], is_new=False)
    number = running + 1
    row = {
        "journey": new.journey, "number": number, "hash": new.hash, "title": new.title, "media_type": new.media_type,
        "definition": new.definition, "program": new.program, "published_at": at,
    }  # fmt: skip
    await core.execute(insert(Version), [row])
    await core.execute(update(JourneyRow).where(col(JourneyRow.name) == new.journey).values(version=number))
    return Published(new.journey, number, new.hash, at, is_new=True)


async def list_journeys(
    session: AsyncSession, *, status: str | None, after: str | None, limit: int
) -> Sequence[ListedJourney]:
    """Journeys in order of name, those after `after`."""
    query = _listed().order_by(col(JourneyRow.name)).limit(limit)
    if status is not None:
        query = query.where(col(JourneyRow.status) == status)
    if after is not None:
        query = query.where(col(JourneyRow.name) > after)
    return [ListedJourney(*row) for row in (await (await session.connection()).execute(query)).all()]


async def find_journey(session: AsyncSession, journey: str) -> ListedJourney | None:
    """One journey by name."""
    found = (await (await session.connection()).execute(_listed().where(col(JourneyRow.name) == journey))).one_or_none()
    return None if found is None else ListedJourney(*found)


async def list_versions(session: AsyncSession, journey: str, *, before: int | None, limit: int) -> Sequence[Version]:
    """Versions, the latest first, those before number `before`."""
    query = (
        select_rows(Version).where(col(Version.journey) == journey).order_by(col(Version.number).desc()).limit(limit)
    )
    if before is not None:
        query = query.where(col(Version.number) < before)
    return (await session.exec(query)).all()


async def find_version(session: AsyncSession, journey: str, number: int) -> Version | None:
    """One version with its definition and its program."""
    query = select_rows(Version).where(col(Version.journey) == journey, col(Version.number) == number)
    return (await session.exec(query)).first()


async def count_enrolments(session: AsyncSession, journeys: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """How many enrolments of each status these journeys have."""
    query = (
        select(col(Enrolment.journey), col(Enrolment.status), func.count())
        .where(col(Enrolment.journey).in_(journeys))
        .group_by(col(Enrolment.journey), col(Enrolment.status))
    )
    counts: dict[str, dict[str, int]] = {journey: {} for journey in journeys}
    for journey, status, number in (await (await session.connection()).execute(query)).all():
        counts[journey][status] = number
    return counts


def _listed() -> Select[str, str, int, str, str, datetime, list[Json]]:
    return select(
        col(JourneyRow.name), col(Version.title), col(JourneyRow.version), col(Version.hash), col(JourneyRow.status),
        col(Version.published_at), col(JourneyRow.pauses),
    ).join(
        Version, (col(Version.journey) == col(JourneyRow.name)) & (col(Version.number) == col(JourneyRow.version))
    )  # fmt: skip
