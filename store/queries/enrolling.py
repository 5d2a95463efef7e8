"""Entering a journey other than by an event: by hand, for many at once, or by another journey's `enrol`.

The same rules as for an event, decided at this moment: the journey's `audience`, `again` and `holdout`.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.deciding import facts_of
from journeys.effects import ArmChosen
from journeys.events import Json
from journeys.expressions import holds
from journeys.holdout import HOLDOUT, chosen, entered_note, held_out, is_holding_out
from journeys.identity import enrolment_id
from journeys.program import Entry, Program
from journeys.routing import instant_text, may_enter
from journeys.run import Run
from store.queries import assignments, entering, journeys, learners, outbox, profiles, turns
from store.queries.entering import EnrolmentState
from store.queries.learners import LearnerState
from store.queries.ordering_drafts import Entering, want_at_entry
from store.tables import Enrolment


@dataclass(frozen=True, slots=True)
class Running:
    """A journey that takes entries: its running version."""

    version: int
    program: Program


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: this key, these data as `entry.data`; with `is_forced` past `audience`, `again`, `holdout`."""

    key: str = ""
    data: Mapping[str, Json] | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The enrolment that was made. Who is held out is not to be woken."""

    enrolment: str
    is_held_out: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is none; nothing personal in it."""

    code: Literal[
        "journey_not_found", "journey_not_live", "learner_not_found", "not_in_audience", "already_active", "again"
    ]
    detail: str


async def find_running(session: AsyncSession, journey: str) -> Running | Refused:
    """The journey, if it takes entries."""
    row = await journeys.find_journey(session, journey)
    version = None if row is None else await journeys.find_version(session, journey, row.version)
    if row is None or version is None:
        return Refused("journey_not_found", "there is no such journey: GET /v1/journeys lists them")
    if row.status != "live":
        return Refused("journey_not_live", f"the journey is {row.status} and takes no entries: resume it first")
    return Running(row.version, _program(version.program))


@lru_cache(maxsize=16)
def _program(text: str) -> Program:
    """The program; of many who enter one journey each would read it again."""
    return codec.program_from_json(text)


async def enrol(session: AsyncSession, running: Running, *, learner: str, wish: Wish, now: datetime) -> Made | Refused:
    """Start an enrolment of a learner (our id), who is locked by it; `Made` where it stands now.

    The caller pokes it after the transaction, unless she is held out.
    """
    state = (await learners.lock(session, [learner])).get(learner)
    if state is None:
        return Refused("learner_not_found", "there is no such learner: she exists from her first event on")
    last = (await list_last(session, running.program.journey, [learner], key=wish.key)).get(learner)
    as_she_is = (await profiles.as_they_are(session, [state], now=now))[learner]
    refused = judge(running.program, as_she_is, last, wish=wish, now=now)
    if refused is not None:
        return refused
    made = await _make(session, running, learner, wish, last, now)
    if not made.is_held_out:
        her = Entering(running.program, learner, as_she_is.source_id, as_she_is.profile, _entry(wish, now))
        await want_at_entry(session, [her], at=now)
    return made


def judge(
    program: Program, state: LearnerState, last: EnrolmentState | None, *, wish: Wish, now: datetime
) -> Refused | None:
    """Why she, as she is now, may not enter after her last enrolment with this key; None where she may."""
    if not wish.is_forced:
        verdict = _in_audience(program, state, _entry(wish, now))
        if verdict is not None:
            return verdict
    if last is None:
        return None
    if last.status != "ended":
        return Refused("already_active", f"the learner is in this journey with this key: {last.id}")
    if not wish.is_forced and not may_enter(program.again, last_entered_at=last.entered_at, is_active=False, at=now):
        detail = f"the journey's `again` refuses another entry after {last.id}; `force` passes over it"
        return Refused("again", detail)
    return None


async def list_last(
    session: AsyncSession, journey: str, of: Collection[str], *, key: str
) -> Mapping[str, EnrolmentState]:
    """Of each of these learners, the last enrolment in the journey with this key, where there is one."""
    rows = await entering.list_enrolments(session, of, with_ended=of)
    mine = sorted((r for r in rows if r.journey == journey and r.key == key), key=lambda r: r.ordinal)
    return {row.learner: row for row in mine}


async def list_last_of_all(
    session: AsyncSession, journey: str, of: Collection[str]
) -> Mapping[tuple[str, str], EnrolmentState]:
    """The last enrolment in the journey of each of these learners and each key (learner, key), to be looked at."""
    rows = await entering.list_enrolments(session, of, with_ended=of, is_to_change=False)
    mine = sorted((row for row in rows if row.journey == journey), key=lambda row: row.ordinal)
    return {(row.learner, row.key): row for row in mine}


def _in_audience(program: Program, state: LearnerState, entry: Entry) -> Refused | None:
    if program.audience is None:
        return None
    facts = facts_of(None, source_id=state.source_id or "", profile=state.profile, entry=entry)
    verdict = holds(program.audience, facts)
    if verdict.holds:
        return None
    why = "" if verdict.finding is None else f" ({verdict.finding})"
    detail = f"the journey's audience does not hold for the learner{why}; `force` passes over it"
    return Refused("not_in_audience", detail)


def _entry(wish: Wish, now: datetime) -> Entry:
    return Entry(at=instant_text(now), key=wish.key, data=wish.data or {})


async def _make(
    session: AsyncSession, running: Running, learner: str, wish: Wish, last: EnrolmentState | None, now: datetime
) -> Made:
    program = running.program
    ordinal = 0 if last is None else last.ordinal + 1
    id_ = enrolment_id(program.journey, learner, wish.key, ordinal)
    choice = None if wish.is_forced else chosen(program, learner, at=now)
    run = Run(id_, now, now, learner=learner)
    row = Enrolment(
        id=id_, journey=program.journey, version=running.version, program=program.hash, learner=learner,
        entry_key=wish.key, ordinal=ordinal, entry=asdict(_entry(wish, now)), entered_at=now,
        run=codec.run_to_json(run), wake_wanted_at=now, created_at=now,
    )  # fmt: skip
    if is_holding_out(choice):
        row = as_held_out(row, run)
    await entering.enter(session, [row])
    await _write_choice(session, row, choice, now)
    return Made(id_, is_holding_out(choice))


def as_held_out(row: Enrolment, run: Run) -> Enrolment:
    """The row of who is held out: ended at its entry, and nobody's to wake."""
    ended = {
        "status": "ended", "outcome": HOLDOUT, "arm": HOLDOUT, "ended_at": row.entered_at, "due_at": None,
        "wake_wanted_at": None, "run": codec.run_to_json(held_out(run)),
    }  # fmt: skip
    return row.model_copy(update=ended)


async def _write_choice(session: AsyncSession, row: Enrolment, choice: ArmChosen | None, now: datetime) -> None:
    if choice is not None:
        await assignments.record(session, [(row.id, choice)])
    if is_holding_out(choice):
        await turns.record_notes(session, row.id, [entered_note(now)])
        await outbox.record_enrolment(session, row, kind="ended", outcome=HOLDOUT, at=now)
    else:
        await outbox.record_enrolment(session, row, kind="started", at=now)
