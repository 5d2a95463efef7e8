"""Steering one enrolment by hand: paused, and let go again.

What is done is what `advance` says of it, kept under the row's lock (`store.queries.keeping`). Who calls pokes the
enrolment after the transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.advance import advance
from journeys.effects import CatchUp, Deliver, Effect, Note, Paused, Resumed
from journeys.identity import delivery_id
from journeys.program import Program
from journeys.run import Pending, Run
from store.queries import attention, deliveries, keeping
from store.tables import Enrolment

ProgramOf = Callable[[AsyncSession, str], Awaitable[Program]]
"""The program of this hash."""

RefusalCode = Literal[
    "enrolment_not_found", "already_ended", "already_paused", "not_paused", "version_not_found", "same_version",
    "message_under_way", "cannot_be_moved",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it was not done, and what can be done instead; nothing personal in it. `reasons` are all there are."""

    code: RefusalCode
    detail: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Steered:
    """It was done, to this enrolment."""

    enrolment: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An enrolment as the transaction holds it."""

    row: Enrolment
    program: Program
    run: Run


async def hold_on(session: AsyncSession, enrolment: str, program_of: ProgramOf) -> Standing | Refused:
    """Lock an enrolment that has not ended."""
    row = await deliveries.lock_enrolment(session, enrolment)
    if row is None:
        return Refused("enrolment_not_found", "there is no such enrolment: GET /v1/enrolments lists them")
    if row.status == "ended":
        detail = f"the enrolment has ended already, as {row.outcome}: enrol her again where the journey allows it"
        return Refused("already_ended", detail)
    return Standing(row, await program_of(session, row.program), codec.run_from_json(row.run))


async def pause(
    session: AsyncSession, enrolment: str, *, program_of: ProgramOf, by: str, now: datetime
) -> Steered | Refused:
    """Hold an enrolment: nothing is sent, exits and `limit` still act."""
    standing = await hold_on(session, enrolment, program_of)
    if isinstance(standing, Refused):
        return standing
    if "admin" in standing.run.held_by:
        return Refused("already_paused", "the enrolment is paused already: resume it to let it go on")
    steered = await _apply(session, standing, Paused(max(now, standing.run.at), "admin"), by=by, now=now)
    await _free_slot(session, standing, now)
    return steered


async def resume(
    session: AsyncSession,
    enrolment: str,
    *,
    catch_up: CatchUp = "continue",
    program_of: ProgramOf,
    by: str,
    now: datetime,
) -> Steered | Refused:
    """Let an enrolment go on that was paused by hand; `catch_up` says what becomes of its wait."""
    standing = await hold_on(session, enrolment, program_of)
    if isinstance(standing, Refused):
        return standing
    if "admin" not in standing.run.held_by:
        is_held = "journey" in standing.run.held_by
        detail = "its whole journey is paused: resume that" if is_held else "there is nothing to resume"
        return Refused("not_paused", f"the enrolment is not paused by hand: {detail}")
    return await _apply(session, standing, Resumed(max(now, standing.run.at), "admin", catch_up), by=by, now=now)


async def _apply(
    session: AsyncSession, standing: Standing, given: Paused | Resumed, *, by: str, now: datetime
) -> Steered:
    run, effects = advance(standing.program, standing.run, given)
    await keeping.put(session, standing.row, standing.program, run, signed(effects, by), now=now)
    return Steered(standing.row.id)


async def _free_slot(session: AsyncSession, standing: Standing, now: datetime) -> None:
    """What its message was awarded of her attention is another's while it is paused; the sweeper wakes that one."""
    match standing.run.hold:
        case Pending(effect=Deliver() as deliver):
            key = delivery_id(standing.row.id, deliver.node, deliver.visit, deliver.leg)
            await attention.give_back(session, key, now=now)
        case _:
            pass


def signed(effects: Sequence[Effect], by: str) -> list[Effect]:
    """The effects, with whose key it was in the first line for the journal."""
    done: list[Effect] = list(effects)
    for place, effect in enumerate(done):
        if isinstance(effect, Note):
            done[place] = replace(effect, data={**effect.data, "who": by})
            break
    return done
