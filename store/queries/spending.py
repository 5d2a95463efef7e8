"""What drafting takes of a day's tokens: reserved before a call, settled after it.

A call whose process is gone leaves its reservation: rather too little is bought than too much.
"""

from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.inserting import insert_new
from store.tables import DraftSpending

ALL = ""
"""The journey of the row that is about all of them together."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Tokens that a call for a journey may take, on a day (`2026-03-02`, UTC)."""

    day: str
    journey: str
    tokens: int


async def reserve(session: AsyncSession, wanted: Reserved, *, per_day: int, per_journey: int) -> str | None:
    """Reserve these tokens; answers None, or why there is no room for them, and then nothing is reserved.

    A budget that is smaller than one call has room for one call a day, and one of 0 for none.
    """
    rows = [{"day": wanted.day, "journey": journey} for journey in (ALL, wanted.journey)]
    core = await session.connection()
    await core.execute(insert_new(session, DraftSpending), [{**row, "tokens": 0, "calls": 0} for row in rows])
    for journey, budget, called in ((ALL, per_day, "the day's budget"), (wanted.journey, per_journey, "its budget")):
        taken = await _locked(session, wanted.day, journey)
        if taken + wanted.tokens > budget and (taken > 0 or budget == 0):
            return f"{called} is used up: {taken} of {budget} tokens are taken on {wanted.day} (UTC)"
    await _add(session, wanted, tokens=wanted.tokens, calls=0)
    return None


async def settle(session: AsyncSession, reserved: Reserved, *, tokens: int, calls: int = 1) -> None:
    """Say what the call really took in place of what was reserved; nothing, where no call was answered."""
    await _add(session, reserved, tokens=tokens - reserved.tokens, calls=calls)


async def spent(session: AsyncSession, day: str, journey: str = ALL) -> int:
    """The tokens taken on a day, reserved ones among them."""
    query = select(DraftSpending.tokens).where(col(DraftSpending.day) == day, col(DraftSpending.journey) == journey)
    return (await session.exec(query)).first() or 0


async def _locked(session: AsyncSession, day: str, journey: str) -> int:
    query = select(DraftSpending.tokens).where(col(DraftSpending.day) == day, col(DraftSpending.journey) == journey)
    return (await session.exec(query.with_for_update())).one()


async def _add(session: AsyncSession, reserved: Reserved, *, tokens: int, calls: int) -> None:
    core = await session.connection()
    for journey in (ALL, reserved.journey):  # in one order everywhere: no two calls wait for each other
        change = (
            update(DraftSpending)
            .where(col(DraftSpending.day) == reserved.day, col(DraftSpending.journey) == journey)
            .values(tokens=col(DraftSpending.tokens) + tokens, calls=col(DraftSpending.calls) + calls)
        )
        await core.execute(change)
