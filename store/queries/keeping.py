"""What an enrolment's row repeats of its run, and what is written when it ends: one place for turns and for what is
done by hand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, assert_never

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.advance import waiting_for
from journeys.effects import ArmChosen, Effect, End, Note, Withdraw
from journeys.program import Program
from journeys.run import Run
from journeys.turn import depends_on, due_at
from store.database import connection_of
from store.queries import deliveries, outbox, requests, turns
from store.tables import Enrolment

BY_HAND = frozenset({"admin", "learner"})
"""Who makes an enrolment `paused`; that its whole journey is paused stands with the journey."""


def status_of(run: Run) -> Literal["active", "paused", "ended"]:
    """The status that the row repeats."""
    if run.has_ended:
        return "ended"
    return "active" if BY_HAND.isdisjoint(run.held_by) else "paused"


def columns_of(program: Program, run: Run) -> dict[str, Any]:
    """The columns that repeat what lists and wakes need of the run."""
    return {
        "run": codec.run_to_json(run),
        "step": run.node,
        "waiting_for": waiting_for(program, run),
        "due_at": due_at(program, run),
        "depends_on": ",".join(depends_on(run)) or None,
        "arm": list(run.arms.values())[-1] if run.arms else None,
        "status": status_of(run),
        "outcome": run.outcome,
        "ended_at": run.at if run.has_ended else None,
    }


async def put(
    session: AsyncSession,
    row: Enrolment,
    program: Program,
    run: Run,
    effects: Sequence[Effect],
    *,
    now: datetime,
    version: int | None = None,
) -> None:
    """Keep a run that was changed by hand, with its effects, on a row that the caller has locked.

    A turn that runs at this moment loses its token by it, so nothing that it decides after is kept; the enrolment
    wants waking. `version` is the one it has been moved to, of which `program` is.
    """
    values = columns_of(program, run)
    if version is not None:
        values |= {"version": version, "program": program.hash}
    change = update(Enrolment).where(col(Enrolment.id) == row.id)
    change = change.values(**values, fence=col(Enrolment.fence) + 1, lease_until=None, wake_wanted_at=now)
    await (await connection_of(session)).execute(change)
    await keep_effects(session, row, effects, clock=now)


async def keep_effects(
    session: AsyncSession, row: outbox.Enrolled, effects: Sequence[Effect], *, clock: datetime
) -> None:
    """Write what `advance` handed over."""
    await turns.record_notes(session, row.id, [effect for effect in effects if isinstance(effect, Note)])
    await turns.record_arms(session, row.id, [effect for effect in effects if isinstance(effect, ArmChosen)])
    for effect in effects:
        match effect:
            case End():
                reason = f"withdrawn: {effect.outcome}"
                await end(session, row, outcome=effect.outcome, at=effect.at, reason=reason, clock=clock)
            case Note() | ArmChosen() | Withdraw():  # every delivery that waits falls with the end
                pass
            case _:
                assert_never(effect)


async def end(
    session: AsyncSession,
    row: outbox.Enrolled,
    *,
    outcome: str,
    at: datetime,
    reason: str,
    clock: datetime,
    with_again: bool = False,
    has_asked: bool = True,
) -> None:
    """Let everything fall that waits and that nobody is trying, and tell the outcome. `with_again`: messages that are
    to go once more too. `has_asked`: it may have asked another system.
    """
    for delivery in await deliveries.withdraw(session, row.id, reason=reason, clock=clock, with_again=with_again):
        await outbox.record_delivery(session, delivery, status="skipped", at=at)
    if has_asked:
        await requests.withdraw(session, row.id, reason=reason, clock=clock)
    await outbox.record_enrolment(session, row, kind="ended", outcome=outcome, at=at)
