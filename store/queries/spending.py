"""What drafting takes of a day's tokens, and of its money: reserved before a call, settled after it.

A call whose process is gone leaves its reservation: rather too little is bought than too much.
"""

from dataclasses import dataclass

from sqlalchemy import Select, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.inserting import insert_new
from store.tables import DraftSpending

MILLION = 1_000_000

ALL = ""
"""The journey of the row that is about all of them together."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens, and what they cost in millionths of the money that the writer's prices are in."""

    tokens: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a call for a journey may take at the most, on a day (`2026-03-02`, UTC)."""

    day: str
    journey: str
    most: Spent


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be taken in a day; `cost` None: whatever the tokens cost."""

    tokens: int
    cost: int | None = None


async def reserve(session: AsyncSession, wanted: Reserved, *, per_day: Budget, per_journey: Budget) -> str | None:
    """Reserve what a call may take; answers None, or why there is no room for it, and then nothing is reserved.

    A budget that is smaller than one call has room for one call a day, and one of 0 for none.
    """
    rows = [{"day": wanted.day, "journey": journey} for journey in (ALL, wanted.journey)]
    core = await session.connection()
    await core.execute(
        insert_new(session, DraftSpending), [{**row, "tokens": 0, "cost": 0, "calls": 0} for row in rows]
    )
    for journey, budget, called, per in (
        (ALL, per_day, "the day's budget of all journeys", "PER_DAY"),
        (wanted.journey, per_journey, "the day's budget of its journey", "PER_JOURNEY"),
    ):
        taken = await _locked(session, wanted.day, journey)
        full = _beyond(taken.tokens, wanted.most.tokens, budget.tokens)
        if full:
            told = f"{taken.tokens} of {budget.tokens} tokens are taken on {wanted.day} (UTC)"
            return f"{called} is used up (WAYMARK_WRITER_TOKENS_{per} raises it): {told}"
        if budget.cost is not None and _beyond(taken.cost, wanted.most.cost, budget.cost):
            told = f"{taken.cost / MILLION:g} of {budget.cost / MILLION:g} (money) is taken on {wanted.day} (UTC)"
            return f"{called} is used up (WAYMARK_WRITER_COST_{per} raises it): {told}"
    await _add(session, wanted, wanted.most, calls=0)
    return None


def _beyond(taken: int, wanted: int, budget: int) -> bool:
    return taken + wanted > budget and (taken > 0 or budget == 0)


async def settle(session: AsyncSession, reserved: Reserved, really: Spent, *, calls: int = 1) -> None:
    """Say what the call really took in place of what was reserved; nothing, where no call was answered."""
    most = reserved.most
    await _add(session, reserved, Spent(really.tokens - most.tokens, really.cost - most.cost), calls=calls)


async def spent(session: AsyncSession, day: str, journey: str = ALL) -> Spent:
    """What is taken on a day, what is reserved among it."""
    found = (await (await session.connection()).execute(_of(day, journey))).first()
    return Spent() if found is None else Spent(*found)


async def _locked(session: AsyncSession, day: str, journey: str) -> Spent:
    return Spent(*(await (await session.connection()).execute(_of(day, journey).with_for_update())).one())


def _of(day: str, journey: str) -> Select[int, int]:
    return select(col(DraftSpending.tokens), col(DraftSpending.cost)).where(
        col(DraftSpending.day) == day, col(DraftSpending.journey) == journey
    )


async def _add(session: AsyncSession, reserved: Reserved, taken: Spent, *, calls: int) -> None:
    core = await session.connection()
    for journey in (ALL, reserved.journey):  # in one order everywhere: no two calls wait for each other
        change = (
            update(DraftSpending)
            .where(col(DraftSpending.day) == reserved.day, col(DraftSpending.journey) == journey)
            .values(
                tokens=col(DraftSpending.tokens) + taken.tokens, cost=col(DraftSpending.cost) + taken.cost,
                calls=col(DraftSpending.calls) + calls,
            )
        )  # fmt: skip
        await core.execute(change)
