"""Attention where two transactions meet on PostgreSQL: neither waits for what the other holds while it holds hers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlmodel import col, select

from journeys.events import Event, Json
from journeys.program import Program
from store.database import Database
from store.queries import attention, deliveries, reasons
from store.tables import BidRow, DraftRow
from tests.support.compiling import compiled
from tests.support.golden import GoldenDraft
from tests.support.policies import keep_policy
from tests.support.smtp import SmtpSink
from tests.support.story import Story, told
from tests.support.until import until
from workflows.contracts import TurnOrder

MONDAY = datetime(2037, 3, 2, 10, 0, tzinfo=UTC)
ONE_A_DAY: Mapping[str, Json] = {"sending": None, "budget": {"per_day": 1, "per_week": 8}, "digest": True}
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def story(postgres_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> AsyncIterator[Story]:
    """One message a day for each, and digests, from Monday on."""
    async with told(
        database_url=postgres_url, smtp_url=smtp_sink.url, home=tmp_path, policy=ONE_A_DAY, begins_at=MONDAY
    ) as story:
        yield story


def journey(name: str, *, on: str = "promoted", draft: str = ", draft: {brief: Say it.}") -> Program:
    """A journey that sends one message of its own name, drafted unless that is said otherwise."""
    return compiled(f"""
waymark: 1
journey: {name}
title: {name.title()}
enter: [{{on: hr.learner.{on}}}]
steps: [{{send: {name}, via: [email]}}]
messages:
  {name}: {{subject: Own, body: Own words.{draft}}}
""")


async def bidding(story: Story, *, other: Program | None = None) -> datetime:
    """One has gone today, two bid for tomorrow's slot; answers when that begins."""
    programs = [journey("first", on="hired"), journey("leads"), other or journey("goes-with-it")]
    await story.publish(*programs)
    async with story.database.write() as session:
        for name, program in ((each.journey, each) for each in programs if each is not other):
            session.add(GoldenDraft(name, f"Of {name}", f"The text of {name}.").row(program, at=MONDAY))
    profile: dict[str, Json] = {"given_name": "Ada", "email": "ada@example.org", "zone": "Europe/Dublin"}
    for hours, happened in enumerate(("hired", "promoted")):
        at = MONDAY + timedelta(hours=hours)
        await story.take(Event(happened, "hr", f"hr.learner.{happened}", "ada", at, profile))
        await story.play(until=at + timedelta(minutes=1))
    opens_at = (await story.delivery("leads")).due_at
    assert opens_at is not None
    assert ["deferred", "deferred", "sent"] == sorted([each.status for each in await story.deliveries()])
    return opens_at


async def gather_in_other_words(story: Story) -> None:
    """What an earlier digest, which did not go, has left in each bid."""
    async with story.database.write() as session:
        stale = update(BidRow).where(col(BidRow.delivery).is_not(None))
        await (await session.connection()).execute(stale.values(draft="another", undrafted="for another reason"))


async def waits(database: Database) -> bool:
    async with database.read() as session:
        return (await (await session.connection()).execute(text(WAITING))).first() is not None


async def test_a_digest_is_gathered_while_one_of_its_members_is_withdrawn(story: Story) -> None:
    """Who withdraws holds her delivery and asks for attention then; who leads holds attention, and asks for no row of
    hers: in whichever order they come, the database need not break a deadlock.
    """
    opens_at = await bidding(story)
    leading, other = await story.enrolment("leads"), await story.delivery("goes-with-it")
    async with story.database.write() as withdrawing:
        await deliveries.lock_enrolment(withdrawing, other.enrolment)
        await deliveries.change(withdrawing, other.id, clock=opens_at, status="skipped", reason="withdrawn")
        turn = asyncio.create_task(story.turns.take(TurnOrder(leading.id, opens_at)))

        async def is_over_or_waits() -> bool:
            return turn.done() or await waits(story.database)

        await until(is_over_or_waits)
        await attention.let_fall(withdrawing, [other.id], now=opens_at)
    assert "completed" == (await turn).outcome
    (digest,) = await story.digests()
    assert "sent" == digest.status
    led = await story.delivery("leads")
    assert (f"merged_into_digest: {digest.id}", True) == (led.reason, led.draft is not None)


async def test_the_words_of_a_digest_are_in_each_delivery_once_it_was_told(story: Story) -> None:
    """What an earlier digest said, which did not go, is not told of the next."""
    opens_at = await bidding(story)
    await gather_in_other_words(story)
    await story.play(until=opens_at + timedelta(minutes=1))
    parts = [await story.delivery(name) for name in ("leads", "goes-with-it")]
    assert ["skipped", "skipped"] == [part.status for part in parts]
    assert [None, None] == [part.undrafted for part in parts]
    async with story.database.read() as session:
        told_of = [await session.get(DraftRow, part.draft) for part in parts]
    assert ["Of leads", "Of goes-with-it"] == [draft.subject for draft in told_of if draft is not None]
    assert [] == await story.bids()


async def test_what_may_be_in_a_digest_on_its_way_goes_when_its_answer_has_come(
    story: Story, postgres_url: str, smtp_sink: SmtpSink
) -> None:
    """Also where a budget is asked for no more meanwhile: or it would be said by itself and in the digest."""
    opens_at = await bidding(story)
    leading, other = await story.enrolment("leads"), await story.delivery("goes-with-it")
    smtp_sink.treat("ada@example.org", "held_after_data")
    turn = asyncio.create_task(story.turns.take(TurnOrder(leading.id, opens_at)))
    await until(lambda: 2 == len(smtp_sink.arrived))
    await keep_policy(postgres_url)
    assert (await story.turns.take(TurnOrder(other.enrolment, opens_at))).outcome is None
    smtp_sink.released.set()
    await turn
    assert "completed" == (await story.turns.take(TurnOrder(other.enrolment, opens_at))).outcome
    assert ((await story.delivery("goes-with-it")).reason or "").startswith("merged_into_digest: ")
    assert 2 == len(smtp_sink.arrived)


async def test_of_words_that_are_the_journeys_own_no_earlier_digest_tells(story: Story) -> None:
    """What stands in the bid of a message without a draft goes with the next digest."""
    opens_at = await bidding(story, other=journey("goes-with-it", draft=""))
    await gather_in_other_words(story)
    await story.play(until=opens_at + timedelta(minutes=1))
    part = await story.delivery("goes-with-it")
    assert (part.reason or "").startswith("merged_into_digest: ")
    assert (None, None) == (part.draft, part.undrafted)


async def test_which_draft_went_in_a_digest_its_bid_alone_says(story: Story) -> None:
    """Until its own turn has been told, an older draft of its delivery is not the one that went."""
    opens_at = await bidding(story)
    leading, other = await story.enrolment("leads"), await story.delivery("goes-with-it")
    await story.turns.take(TurnOrder(leading.id, opens_at))
    (digest,) = await story.digests()

    async def told_of() -> str | None:
        async with story.database.read() as session:
            about = await reasons.find(session, other.id)
        assert about is not None
        return about.subject

    async with story.database.write() as session:
        in_digest = (await session.exec(select(BidRow).where(col(BidRow.delivery) == other.id))).one()
        assert digest.id == in_digest.digest
        await deliveries.change(session, other.id, clock=opens_at, draft=in_digest.draft)
    assert "Of goes-with-it" == await told_of()
    async with story.database.write() as session:
        await attention.keep_words(session, other.id, draft=None, undrafted="no approved draft")
    assert await told_of() is None
