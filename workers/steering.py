"""What is done to one of many enrolments: paused, let go again, withdrawn, moved; and to one of many messages that
failed: sent again. As the API does it to one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.effects import CatchUp
from store.queries import moving, resending, steering, withdrawing
from store.queries.steering import ProgramOf, Refused, Steered
from store.tables import ActionItem, ActionRow
from workers.actions import Perform, Performed


def performs(program_of: ProgramOf) -> Mapping[str, Perform]:
    """By the action's kind."""

    async def pause(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        return _performed(
            await steering.pause(session, item.target or "", program_of=program_of, by=action.by, now=now)
        )

    async def resume(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        catch_up = cast(CatchUp, action.options.get("catch_up", "continue"))
        return _performed(
            await steering.resume(
                session, item.target or "", catch_up=catch_up, program_of=program_of, by=action.by, now=now
            )
        )

    async def move(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        step_map = cast("Mapping[str, str]", action.options.get("map") or {})
        return _performed(
            await moving.move(
                session, item.target or "", version=cast(int, action.options["version"]), step_map=step_map,
                program_of=program_of, by=action.by, now=now,
            )
        )  # fmt: skip

    async def resend(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
        made = await resending.resend(
            session, item.target or "", is_forced=bool(action.options.get("force", False)), program_of=program_of,
            by=action.by, now=now,
        )  # fmt: skip
        if isinstance(made, resending.Refused):
            return Performed(code=made.code, detail=made.detail)
        return Performed(made.enrolment)

    return {"pause": pause, "resume": resume, "withdraw": withdraw, "move": move, "resend": resend}


async def withdraw(session: AsyncSession, action: ActionRow, item: ActionItem, now: datetime) -> Performed:
    """End it as withdrawn."""
    withdrawn = await withdrawing.withdraw(session, item.target or "", by=action.by, now=now)
    if withdrawn is None:
        return Performed(code="enrolment_not_found", detail="there is no such enrolment any more")
    if withdrawn.outcome != withdrawing.WITHDRAWN:
        detail = f"the enrolment has ended already, as {withdrawn.outcome}"
        return Performed(code="already_ended", detail=detail)
    return Performed(item.target)


def _performed(done: Steered | Refused) -> Performed:
    if isinstance(done, Refused):
        return Performed(code=done.code, detail=done.detail)
    return Performed(done.enrolment)
