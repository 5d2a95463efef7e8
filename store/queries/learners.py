"""Learners: found by a source's id, introduced by their first event, locked in order, kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, bindparam, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.inserting import insert_new
from store.tables import Identity, Learner


@dataclass(slots=True)
class LearnerState:
    """What ingest must know of a learner; `times` says since when each field of the profile has counted."""

    id: str
    source_id: str
    profile: Mapping[str, Json]
    times: Mapping[str, datetime]
    latest_at: datetime | None
    rejudge_until: datetime | None


_States = Select[str, str, dict[str, Json], dict[str, str], datetime | None, datetime | None]

_STATES: _States = select(
    col(Learner.id), col(Learner.source_id), col(Learner.profile), col(Learner.profile_times), col(Learner.latest_at),
    col(Learner.rejudge_until),
).order_by(col(Learner.id))  # fmt: skip


async def find_ids(session: AsyncSession, source_ids: Collection[str]) -> dict[str, str]:
    """Our ids of those of these learners whom we know."""
    query = select(col(Identity.source_id), col(Identity.learner)).where(col(Identity.source_id).in_(source_ids))
    found = (await (await session.connection()).execute(query)).all()
    return {row.source_id: row.learner for row in found}


async def introduce(session: AsyncSession, learners: Mapping[str, str], *, at: datetime) -> None:
    """Learners (source's id to ours) who exist from now on; safe where another transaction does the same."""
    if not learners:
        return
    in_order = sorted(learners.items(), key=lambda item: item[1])
    rows: list[dict[str, object]] = [
        {"id": id_, "source_id": source_id, "profile": {}, "profile_times": {}, "created_at": at, "updated_at": at}
        for source_id, id_ in in_order
    ]
    core = await session.connection()
    await core.execute(insert_new(session, Learner), rows)
    await core.execute(insert_new(session, Identity), [{"source_id": s, "learner": id_} for s, id_ in in_order])


async def lock(session: AsyncSession, learners: Collection[str]) -> dict[str, LearnerState]:
    """These learners, by our id, in order and locked against every other batch until the transaction ends."""
    query = _STATES.where(col(Learner.id).in_(learners)).with_for_update(key_share=True)
    return {state.id: state for state in await _list_states(session, query)}


async def find_states(session: AsyncSession, learners: Collection[str]) -> dict[str, LearnerState]:
    """These learners, by our id, to be looked at."""
    return {state.id: state for state in await _list_states(session, _STATES.where(col(Learner.id).in_(learners)))}


async def list_states(session: AsyncSession, *, after: str, limit: int) -> Sequence[LearnerState]:
    """Learners in order of our id, those after `after`."""
    return await _list_states(session, _STATES.where(col(Learner.id) > after).limit(limit))


async def list_latest(session: AsyncSession, *, limit: int) -> Sequence[str]:
    """The learners of whom something was heard last, the latest first."""
    query = select(col(Learner.id)).order_by(col(Learner.updated_at).desc(), col(Learner.id)).limit(limit)
    return (await (await session.connection()).execute(query)).scalars().all()


async def resolve(session: AsyncSession, names: Collection[str]) -> dict[str, str]:
    """Our ids of those of these who are known by a source's id, or by ours; a source's id goes first."""
    known = await find_ids(session, names)
    query = select(col(Learner.id)).where(col(Learner.id).in_([name for name in names if name not in known]))
    ours = (await (await session.connection()).execute(query)).scalars().all()
    return {**known, **{id_: id_ for id_ in ours}}


async def find_profiles_called(session: AsyncSession, source_ids: Collection[str]) -> dict[str, Mapping[str, Json]]:
    """The profiles of those of these learners whom we know, by the ids that a source gave them."""
    query = (
        select(col(Identity.source_id), col(Learner.profile))
        .join(Learner, col(Learner.id) == col(Identity.learner))
        .where(col(Identity.source_id).in_(source_ids))
    )
    found = (await (await session.connection()).execute(query)).all()
    return {row.source_id: row.profile for row in found}


async def find_names(session: AsyncSession, learners: Collection[str]) -> dict[str, str]:
    """The source's ids of these learners, by ours."""
    query = select(col(Learner.id), col(Learner.source_id)).where(col(Learner.id).in_(learners))
    found = (await (await session.connection()).execute(query)).all()
    return {row.id: row.source_id for row in found}


async def _list_states(session: AsyncSession, query: _States) -> Sequence[LearnerState]:
    found = (await (await session.connection()).execute(query)).all()
    return [
        LearnerState(id_, source_id, profile, _instants(times), latest_at, rejudge_until)
        for id_, source_id, profile, times, latest_at, rejudge_until in found
    ]


async def keep(session: AsyncSession, states: Sequence[LearnerState], *, at: datetime) -> None:
    """Keep what has become of them."""
    if not states:
        return
    change = (
        update(Learner)
        .where(col(Learner.id) == bindparam("the_id"))
        .values(
            profile=bindparam("profile"), profile_times=bindparam("profile_times"), latest_at=bindparam("latest_at"),
            rejudge_until=bindparam("rejudge_until"), updated_at=bindparam("updated_at"),
        )
    )  # fmt: skip
    rows = [
        {
            "the_id": s.id, "profile": dict(s.profile), "profile_times": {n: t.isoformat() for n, t in s.times.items()},
            "latest_at": s.latest_at, "rejudge_until": s.rejudge_until, "updated_at": at,
        }
        for s in states
    ]  # fmt: skip
    await (await session.connection()).execute(change, rows)


def _instants(times: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(at) for name, at in times.items()}
