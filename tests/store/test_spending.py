"""What drafting takes of a day's tokens: never more than there is, however many ask at once."""

import asyncio

from store.database import Database
from store.queries.spending import Budget, Reserved, Spent, reserve, settle, spent

DAY = "2026-03-02"


async def reserved(
    database: Database, tokens: int, *, journey: str = "one", day: str = DAY, per_day: int = 100, per_journey: int = 60
) -> str | None:
    """Why there is no room for so many tokens; None where they are reserved now."""
    async with database.write() as session:
        wanted = Reserved(day, journey, Spent(tokens))
        return await reserve(session, wanted, per_day=Budget(per_day), per_journey=Budget(per_journey))


async def taken(database: Database, journey: str = "") -> int:
    async with database.read() as session:
        return (await spent(session, DAY, journey)).tokens


async def test_what_is_reserved_is_taken_until_it_is_settled(database: Database) -> None:
    """Then what the call really took is."""
    assert await reserved(database, 40) is None
    assert (40, 40, 0) == (await taken(database), await taken(database, "one"), await taken(database, "two"))
    async with database.write() as session:
        await settle(session, Reserved(DAY, "one", Spent(40)), Spent(7))
    assert (7, 7) == (await taken(database), await taken(database, "one"))


async def test_beyond_its_own_budget_a_journey_gets_nothing_and_another_does(database: Database) -> None:
    """And beyond what all share nobody does, on that day."""
    assert await reserved(database, 50) is None
    assert "budget of its journey is used up (WAYMARK_WRITER_TOKENS_PER_JOURNEY raises it): 50 of 60" in (
        await reserved(database, 11) or ""
    )
    assert await reserved(database, 50, journey="two") is None
    assert "budget of all journeys is used up (WAYMARK_WRITER_TOKENS_PER_DAY raises it): 100 of 100" in (
        await reserved(database, 1, journey="three") or ""
    )
    assert await reserved(database, 50, day="2026-03-03") is None
    assert 100 == await taken(database)


async def test_a_budget_smaller_than_a_call_has_room_for_one(database: Database) -> None:
    """Or nothing would ever be drafted; one of nothing has none."""
    assert await reserved(database, 500) is None
    assert await reserved(database, 1) is not None
    assert await reserved(database, 500, day="2026-03-03", per_journey=0) is not None


async def test_of_many_who_ask_at_once_as_many_get_it_as_there_is_room_for(database: Database) -> None:
    """Of two journeys, ten each."""
    asked = [reserved(database, 10, journey=f"{number % 2}", per_day=90, per_journey=50) for number in range(20)]
    answers = await asyncio.gather(*asked)

    assert 9 == answers.count(None)
    assert 90 == await taken(database)


async def test_beyond_its_money_nobody_gets_anything(database: Database) -> None:
    """However many tokens are left; what was not needed of what was reserved is there again."""
    dear = Reserved(DAY, "one", Spent(10, 600_000))
    budgets = {"per_day": Budget(1_000, 1_300_000), "per_journey": Budget(1_000, 700_000)}
    async with database.write() as session:
        assert await reserve(session, dear, **budgets) is None
        told = await reserve(session, dear, **budgets)
        assert "of its journey is used up (WAYMARK_WRITER_COST_PER_JOURNEY raises it): 0.6 of 0.7 (money)" in (
            told or ""
        )
        told = await reserve(session, Reserved(DAY, "two", Spent(10, 800_000)), **budgets)
        assert "of all journeys is used up (WAYMARK_WRITER_COST_PER_DAY raises it): 0.6 of 1.3 (money)" in (told or "")
        await settle(session, dear, Spent(8, 100_000))
        assert Spent(8, 100_000) == await spent(session, DAY)
        assert await reserve(session, dear, **budgets) is None
