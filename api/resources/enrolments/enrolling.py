"""Entering a journey by hand: the same rules as for an event, decided at this moment."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from api.problems import Conflicting, NotThere, Unfit
from journeys import codec
from journeys.deciding import facts_of
from journeys.events import Json
from journeys.expressions import holds
from journeys.identity import enrolment_id
from journeys.program import Entry, Program
from journeys.routing import instant_text, may_enter
from journeys.run import Run
from store.queries import entering, journeys, learners, outbox
from store.queries.entering import EnrolmentState
from store.queries.learners import LearnerState
from store.tables import Enrolment


async def enrol(
    session: AsyncSession,
    *,
    journey: str,
    learner: str,
    key: str,
    data: Mapping[str, Json],
    force: bool,
    now: datetime,
) -> str:
    """Start an enrolment of a learner (by our id) who exists; answers its id.

    Raises NotThere, Unfit (`audience`) or Conflicting (`again`, and always where one with this key is active).
    """
    version, program = await _running(session, journey)
    state = (await learners.lock(session, [learner]))[learner]
    entry = Entry(at=instant_text(now), key=key, data=data)
    if not force:
        _check_audience(program, state, entry)
    last = await _last(session, journey, learner, key)
    _check_again(program, last, force=force, now=now)
    ordinal = 0 if last is None else last.ordinal + 1
    id_ = enrolment_id(journey, learner, key, ordinal)
    row = Enrolment(
        id=id_, journey=journey, version=version, program=program.hash, learner=learner, entry_key=key,
        ordinal=ordinal, entry=asdict(entry), entered_at=now, run=codec.run_to_json(Run(id_, now, now)),
        wake_wanted_at=now, created_at=now,
    )  # fmt: skip
    await entering.enter(session, [row])
    await outbox.record_enrolment(session, row, kind="started", at=now)
    return id_


async def _running(session: AsyncSession, journey: str) -> tuple[int, Program]:
    row = await journeys.find_journey(session, journey)
    version = None if row is None else await journeys.find_version(session, journey, row.version)
    if row is None or version is None:
        raise NotThere("journey_not_found", "there is no such journey: GET /v1/journeys lists them")
    if row.status != "live":
        raise Conflicting("journey_not_live", f"the journey is {row.status} and takes no entries: resume it first")
    return row.version, codec.program_from_json(version.program)


def _check_audience(program: Program, state: LearnerState, entry: Entry) -> None:
    if program.audience is None:
        return
    facts = facts_of(None, source_id=state.source_id, profile=state.profile, entry=entry)
    verdict = holds(program.audience, facts)
    if not verdict.holds:
        why = "" if verdict.finding is None else f" ({verdict.finding})"
        raise Unfit(
            "not_in_audience", f"the journey's audience does not hold for the learner{why}; `force` passes over it"
        )


async def _last(session: AsyncSession, journey: str, learner: str, key: str) -> EnrolmentState | None:
    rows = await entering.list_enrolments(session, [learner], with_ended=[learner])
    mine = [row for row in rows if row.journey == journey and row.key == key]
    return max(mine, key=lambda row: row.ordinal, default=None)


def _check_again(program: Program, last: EnrolmentState | None, *, force: bool, now: datetime) -> None:
    if last is None:
        return
    if last.status != "ended":
        raise Conflicting("already_active", f"the learner is in this journey with this key: {last.id}")
    if not force and not may_enter(program.again, last_entered_at=last.entered_at, is_active=False, at=now):
        raise Conflicting(
            "again", f"the journey's `again` refuses another entry after {last.id}; `force` passes over it"
        )
