"""The learners of the configured database, as a rehearsal takes them: read, never written, and nobody is sent anything.

A rehearsal over the last ninety days begins with what was known of each learner ninety days ago; what happened since
comes from the event log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.choosing import Approved, Drafts
from journeys.events import Event, Json
from journeys.expressions import Facts, Scope, check, holds, learner_facts
from journeys.permitting import policy_of
from journeys.policy import Policy
from journeys.profile import merge, updates_of
from journeys.program import Expression
from store.database import Database
from store.queries import drafts, events, installation, learners, listing
from store.tables import Learner
from waymark.cli.errors import Unreachable, WrongUsage
from waymark.settings import Settings

PAGE = 500


@dataclass(slots=True)
class RealLearners:
    """Who is rehearsed: profiles as they were, by the source's id; their events since; our ids; the policy, and the
    journey's approved drafts. `matched` are those asked for, the others are their managers.
    """

    policy: Policy
    profiles: dict[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    events: list[Event] = field(default_factory=list[Event])
    ids: dict[str, str] = field(default_factory=dict[str, str])
    matched: set[str] = field(default_factory=set[str])
    drafts: Drafts = field(default_factory=dict[tuple[str, str], Approved])


def filter_of(text: str | None) -> Expression | None:
    """The expression over `learner` that says who is meant."""
    if text is None:
        return None
    checked = check(text, scope=Scope.STEP)
    if checked.expression is None:
        raise WrongUsage(f"--filter: {'; '.join(finding.detail for finding in checked.findings)}")
    others = sorted({path.split(".")[0] for path in checked.expression.reads} - {"learner"})
    if others:
        raise WrongUsage(f"--filter: it sees `learner` alone, not {', '.join(others)}")
    return checked.expression


async def read_learners(
    settings: Settings, *, wanted: Expression | None, limit: int, since: datetime, journey: str
) -> RealLearners:
    """Everybody for whom the expression holds now, at most so many, in order of our ids; and the drafts that are
    approved for this journey. One transaction.
    """
    url = settings.database()
    _look_for(url)
    database = Database(url, pool_size=1)
    try:
        async with database.read() as session:
            found = await _read(session, wanted=wanted, limit=limit, since=since)
            found.drafts = await drafts.list_approved(session, journey)
            return found
    except (DBAPIError, OSError) as error:
        detail = "it has no tables of this version yet" if "no such" in str(error) else "it does not answer"
        raise Unreachable(f"the database cannot be read: {detail}; start it with `waymark up`, or migrate it with "
                          "`waymark db upgrade`") from error  # fmt: skip
    finally:
        await database.close()


def _look_for(url: str) -> None:
    """A file that is not there would be made by opening it."""
    file = Path(url.removeprefix("sqlite+aiosqlite:///")) if url.startswith("sqlite") else None
    if file is not None and not file.exists():
        raise Unreachable(f"there is no database at {file}: set WAYMARK_DATABASE_URL, or start one with `waymark up`")


async def _read(session: AsyncSession, *, wanted: Expression | None, limit: int, since: datetime) -> RealLearners:
    found = RealLearners(policy_of(await installation.find_policy(session)))
    after: str | None = None
    while len(found.matched) < limit:
        page = await listing.list_learners(session, after=after, limit=PAGE)
        meant = [row for row in page if _is_meant(row, wanted)][: limit - len(found.matched)]
        found.matched |= {row.source_id for row in meant}
        await _take(session, found, meant, since=since)
        if len(page) < PAGE:
            break
        after = page[-1].id
    await _take_managers(session, found, since=since)
    return found


def _is_meant(row: Learner, wanted: Expression | None) -> bool:
    return wanted is None or holds(wanted, Facts(learner=learner_facts(row.profile, source_id=row.source_id))).holds


async def _take(session: AsyncSession, found: RealLearners, rows: Sequence[Learner], *, since: datetime) -> None:
    logs = await events.list_of(session, {row.id: row.source_id for row in rows}, new=())
    for row in rows:
        log = [happened.event for happened in logs[row.id]]
        found.ids[row.source_id] = row.id
        found.profiles[row.source_id] = _profile_at(since, row, log)
        found.events += [event for event in log if event.counts_from >= since]


def _profile_at(since: datetime, row: Learner, log: Sequence[Event]) -> Mapping[str, Json]:
    """Her profile as it was then: by the events before, and by the fields that have not changed since."""
    profile: dict[str, Json] = {}
    times: dict[str, datetime] = {}
    for event in log:
        if event.counts_from < since:
            profile, times = merge(profile, times, updates_of(event), event.counts_from)
    for name, value in row.profile.items():
        at = row.profile_times.get(name)
        if at is None or datetime.fromisoformat(at) < since:
            profile[name] = value
    return profile


async def _take_managers(session: AsyncSession, found: RealLearners, *, since: datetime) -> None:
    """Those whom messages to a manager would go to."""
    named = {str(profile["manager"]) for profile in found.profiles.values() if isinstance(profile.get("manager"), str)}
    unknown = await learners.find_ids(session, named - found.ids.keys())
    rows = [row for id_ in unknown.values() if (row := await listing.find_learner(session, id_)) is not None]
    await _take(session, found, rows, since=since)
