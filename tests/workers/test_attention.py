"""Attention on real databases: many journeys that want one person at one instant, and what gets in their way."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from connectors.outgoing import Outgoing
from journeys.events import Event, Json
from journeys.program import Program
from journeys.resending import AGAIN
from store.queries import attention, deliveries, pausing, sweeping, withdrawing
from tests.support.compiling import compiled
from tests.support.smtp import SmtpSink
from tests.support.story import Story, told
from workers.delivering import NEVER_BEGUN, Claim, Ready
from workflows.contracts import TurnOrder

DUBLIN = ZoneInfo("Europe/Dublin")
MONDAY = datetime(2037, 3, 2, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ADA = "ada@example.org"


def policy(*, per_day: int | None = 3, per_week: int | None = 8, digest: bool = True) -> dict[str, Json]:
    return {"sending": None, "budget": {"per_day": per_day, "per_week": per_week}, "digest": digest}


def journey(
    name: str, *, on: str = "hr.learner.promoted", options: str = "", more: str = "", then: str = ""
) -> Program:
    """A journey that sends one message of its own name."""
    return compiled(f"""
waymark: 1
journey: {name}
title: {name.title()}
enter: [{{on: {on}}}]
{more}
steps:
  - send: {name}
    via: [email]
    {options}{then}
messages:
  {name}: {{subject: "About {name}", body: "Hello {{{{ recipient.given_name }}}}: {name}."}}
""")


def happens(type_: str, at: datetime = MONDAY, *, learner: str = "ada", **data: Json) -> Event:
    data = {"given_name": learner.title(), "email": f"{learner}@example.org", "zone": "Europe/Dublin", **data}
    return Event(f"{type_}-{learner}-{at.isoformat()}", "hr", type_, learner, at, data)


PROMOTED, HIRED, MOVED = "hr.learner.promoted", "hr.learner.hired", "hr.learner.moved"


@asynccontextmanager
async def story_of(
    *programs: Program, database_url: str, smtp_sink: SmtpSink, home: Path, rules: Mapping[str, Json]
) -> AsyncGenerator[Story]:
    async with told(
        database_url=database_url, smtp_url=smtp_sink.url, home=home, policy=rules, begins_at=MONDAY
    ) as story:
        await story.publish(*programs)
        yield story


@pytest.fixture
def place(database_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> dict[str, Any]:
    """Where a story takes place."""
    return {"database_url": database_url, "smtp_sink": smtp_sink, "home": tmp_path}


def weeks(days: Counter[date]) -> Sequence[int]:
    """How many went in the seven days that end with each."""
    return [sum(days[day - n * DAY] for n in range(7)) for day in days]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "digest"), [(200, True), (50, False)], ids=["digest", "no-digest"])
async def test_two_hundred_journeys_for_one_learner_at_one_instant(
    place: dict[str, Any], smtp_sink: SmtpSink, number: int, digest: bool
) -> None:
    """Never above three a day and eight a week; every message went, went with others or says why it did not."""
    journeys = [journey(f"j{n}", options=f"priority: {1 + n % 100}") for n in range(number)]
    async with story_of(*journeys, rules=policy(digest=digest), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + 10 * DAY)
        days = await story.days(DUBLIN)
        assert max(days.values()) <= 3
        assert max(weeks(days)) <= 8
        own = [each for each in await story.deliveries() if each.message != "digest"]
        assert number == len(own)
        reasons = Counter((each.status, (each.reason or "").partition(":")[0]) for each in own)
        assert {"sent", "skipped"} >= {status for status, _ in reasons}
        assert {"merged_into_digest", "expired"} >= {why for status, why in reasons if status == "skipped"}
        digests = await story.digests()
        assert sum(days.values()) == reasons["sent", ""] + len(digests) == len(smtp_sink.for_(ADA))
        merged = Counter(each.reason for each in own if (each.reason or "").startswith("merged"))
        assert {f"merged_into_digest: {each.id}" for each in digests} == set(merged)
        assert all(2 <= members <= 10 for members in merged.values())
        assert sum(merged.values()) == (0 if not digest else 10 * len(digests))
        assert [] == await story.bids()


async def test_what_is_best_goes_first_and_the_last_slot_is_a_digest(
    place: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """Two slots for four: one by itself, three in one message with the words of each."""
    journeys = [journey(name, options=f"priority: {p}") for name, p in (("a", 10), ("b", 90), ("c", 50), ("d", 40))]
    async with story_of(*journeys, rules=policy(per_day=2), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + HOUR)
        assert ["About b", "About c · About d · About a"] == sorted(
            str(mail.message["subject"]) for mail in smtp_sink.for_(ADA)
        )
        (together,) = [mail for mail in smtp_sink.for_(ADA) if "·" in str(mail.message["subject"])]
        assert all(f"Hello Ada: {name}." in together.part("plain") for name in "cda")
        (digest,) = await story.digests()
        assert ("c", "sent", "email") == (digest.journey, digest.status, digest.channel)
        for name in "acd":
            delivery = await story.delivery(name)
            assert ("skipped", f"merged_into_digest: {digest.id}") == (delivery.status, delivery.reason)
            assert "completed" == (await story.enrolment(name)).outcome
        assert "Sent c and others in one message through email." in await story.journal("c")
        assert "d went in one message with others." in await story.journal("d")
        assert [] == await story.bids()


async def test_mandatory_messages_pass_and_are_counted(place: dict[str, Any]) -> None:
    """Three mandatory ones go at once though two may; the optional one waits until the day after."""
    must = [journey(f"must-{n}", more="mandatory: true") for n in range(3)]
    async with story_of(*must, journey("may", on=HIRED), rules=policy(per_day=2), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + HOUR)
        await story.take(happens(HIRED, MONDAY + HOUR))
        await story.play(until=MONDAY + 2 * HOUR)
        assert ["sent"] * 3 == [(await story.delivery(f"must-{n}")).status for n in range(3)]
        waiting = await story.delivery("may")
        assert ("deferred", "she gets 3 messages today, and the policy allows 2") == (waiting.status, waiting.reason)
        await story.play(until=MONDAY + DAY)
        assert datetime(2037, 3, 3, tzinfo=UTC) == (await story.delivery("may")).sent_at


async def test_the_budget_is_the_recipients(place: dict[str, Any]) -> None:
    """Two reports' journeys write to one manager: she gets one a day, and the learners' own are not counted."""
    to_her = journey("to-her", options="to: manager")
    own = journey("own")
    async with story_of(to_her, own, rules=policy(per_day=1, digest=False), **place) as story:
        await story.take(happens(HIRED, learner="grace"))
        await story.take(*(happens(PROMOTED, learner=name, manager="grace") for name in ("ada", "bob")))
        await story.play(until=MONDAY + HOUR)
        statuses = Counter((each.journey, each.status) for each in await story.deliveries())
        assert {("own", "sent"): 2, ("to-her", "sent"): 1, ("to-her", "deferred"): 1} == statuses
        await story.play(until=MONDAY + 2 * DAY)
        assert {"sent"} == {each.status for each in await story.deliveries()}


async def test_a_digest_that_is_refused_frees_its_members_to_go_by_themselves(
    place: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """The provider refuses it for good: nothing of it is lost, and none of them merges again."""
    smtp_sink.treat(ADA, "refuse")
    journeys = [journey(name) for name in ("a", "b", "c")]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + 4 * DAY)
        (digest,) = await story.digests()
        assert "failed" == digest.status
        own = [await story.delivery(name) for name in "abc"]
        assert ["sent"] * 3 == [each.status for each in own]
        assert {1} == set((await story.days(DUBLIN)).values())
        assert [] == await story.bids()


async def test_a_digest_that_is_tried_again_goes_with_all_its_members(
    place: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """Refused for now, it goes to its channel's queue, is put together again there, and holds its slot meanwhile."""
    smtp_sink.treat(ADA, "later", "later")
    journeys = [journey(name, on=on) for name, on in (("a", PROMOTED), ("b", PROMOTED), ("late", HIRED))]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=30))
        assert ["queued"] == [each.status for each in await story.digests()]
        await story.take(happens(HIRED, MONDAY + timedelta(seconds=30)))
        await story.play(until=MONDAY + timedelta(seconds=50))
        assert "deferred" == (await story.delivery("late")).status
        await story.play(until=MONDAY + HOUR)
        (digest,) = await story.digests()
        assert ("sent", 3) == (digest.status, digest.attempts)
        assert {f"merged_into_digest: {digest.id}"} == {(await story.delivery(name)).reason for name in "ab"}
        assert 1 == len(smtp_sink.for_(ADA))


async def test_a_digest_in_doubt_counts_as_gone(place: dict[str, Any], smtp_sink: SmtpSink) -> None:
    """Its answer never came: it is not sent again, nor are its members."""
    smtp_sink.treat(ADA, "drop_after_data")
    async with story_of(journey("a"), journey("b"), rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + 3 * DAY)
        (digest,) = await story.digests()
        assert "may_have_gone" == digest.status
        assert {f"merged_into_digest: {digest.id}"} == {(await story.delivery(name)).reason for name in "ab"}
        assert 1 == len(smtp_sink.for_(ADA))


async def test_what_was_in_a_digest_that_never_went_is_sent_after_all(
    place: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """The process that was sending it was frozen, and says so when all its members have been told that it went; each
    goes by itself then, but that of a journey that an exit has ended.
    """
    smtp_sink.treat(ADA, "drop_after_data")
    left = f"exit: [{{on: {HIRED}, as: hired}}]"
    wait = "\n  - wait: 10d"
    programs = [journey("a", more=left, then=wait), journey("b", then=wait), journey("c", then=wait)]
    async with story_of(*programs, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + HOUR)
        await story.take(happens(HIRED, MONDAY + HOUR))
        await story.play(until=MONDAY + 2 * HOUR)
        (digest,) = await story.digests()
        assert {f"merged_into_digest: {digest.id}"} == {(await story.delivery(name)).reason for name in "abc"}
        async with story.database.write() as session:
            await deliveries.change(session, digest.id, clock=story.now, attempt="a frozen one's")
        claim = Claim(Ready(digest.id, "email", cast("Outgoing", None)), "a frozen one's", 0.0)
        async with story.database.write() as session:
            woken = await story.turns.delivering.conclude(session, claim, NEVER_BEGUN, now=story.now)
        await story.pokes.poke(woken)
        await story.play(until=MONDAY + 5 * DAY)
        assert "failed" == (await story.digests())[0].status
        again = [row for row in await story.deliveries() if row.leg >= AGAIN]
        assert [("b", "sent"), ("c", "sent")] == sorted((row.journey, row.status) for row in again)
        assert ["About b", "About c"] == sorted(str(mail.message["subject"]) for mail in smtp_sink.for_(ADA)[1:])


@pytest.mark.parametrize("how", ["withdrawn", "refused"])
async def test_what_a_winner_frees_that_falls_away_goes_to_the_next(
    place: dict[str, Any], smtp_sink: SmtpSink, how: str
) -> None:
    """It had the day's only slot and its provider did not take it; withdrawn, or refused for good, it frees it."""
    smtp_sink.treat(ADA, "later", "refuse") if how == "refused" else smtp_sink.treat(ADA, "later")
    journeys = [journey(name, on=on) for name, on in (("best", PROMOTED), ("next", HIRED))]
    async with story_of(*journeys, rules=policy(per_day=1, digest=False), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=10))
        await story.take(happens(HIRED, MONDAY + timedelta(seconds=10)))
        await story.play(until=MONDAY + timedelta(seconds=30))
        assert ("queued", "deferred") == tuple([(await story.delivery(name)).status for name in ("best", "next")])
        if how == "withdrawn":
            best = await story.enrolment("best")
            async with story.database.write() as session:
                await withdrawing.withdraw(session, best.id, by="admin", now=story.now)
            await swept(story)
        await story.play(until=MONDAY + HOUR)
        expected = "skipped" if how == "withdrawn" else "failed"
        assert (expected, "sent") == tuple([(await story.delivery(name)).status for name in ("best", "next")])
        assert (await story.delivery("next")).sent_at == MONDAY + timedelta(seconds=30 if how == "withdrawn" else 60)


async def swept(story: Story) -> None:
    """What the sweeper would poke, were it to come now."""
    async with story.database.read() as session:
        found = await sweeping.list_unwoken(
            session, wanted_before=story.now, due_before=datetime.min.replace(tzinfo=UTC),
            tried_before=datetime.min.replace(tzinfo=UTC), after="", limit=100,
        )  # fmt: skip
    await story.pokes.poke(found)


async def test_a_retry_asks_again_whether_its_slot_is_still_there(place: dict[str, Any], smtp_sink: SmtpSink) -> None:
    """While it waited for its provider a mandatory message took the day's only slot: it goes the day after."""
    smtp_sink.treat(ADA, "later")
    journeys = [journey("may"), journey("must", on=HIRED, more="mandatory: true")]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=10))
        await story.take(happens(HIRED, MONDAY + timedelta(seconds=10)))
        await story.play(until=MONDAY + HOUR)
        assert ("deferred", "sent") == tuple([(await story.delivery(name)).status for name in ("may", "must")])
        await story.play(until=MONDAY + DAY)
        assert {MONDAY.date(): 1, MONDAY.date() + DAY: 1} == await story.days(DUBLIN)


async def test_what_has_waited_for_a_slot_until_it_expired_says_so(place: dict[str, Any]) -> None:
    """Two slots a week are gone: the third waits its three days and is skipped, with its reason."""
    journeys = [journey(name, options="expires: 3d") for name in ("a", "b", "c")]
    async with story_of(*journeys, rules=policy(per_day=2, per_week=2, digest=False), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + 5 * DAY)
        (skipped,) = [each for each in await story.deliveries() if each.status == "skipped"]
        assert "expired: her attention budget had no room for it" == skipped.reason
        lines = await story.journal(skipped.journey)
        assert (
            f"{skipped.journey} waits until Thursday 5 March, 10:00 in Dublin: "
            "she gets 2 messages today, as many as the policy allows; it expires then."
        ) in lines


async def test_alone_with_her_a_message_costs_one_statement_more(place: dict[str, Any]) -> None:
    """And one for the lock on PostgreSQL; without a budget none. It leaves no bid behind."""
    counts: list[int] = []
    for rules in (policy(per_day=None, per_week=None) | {"budget": None}, policy()):
        async with story_of(rules=rules, **place) as story:
            await story.publish(journey(f"alone-{len(counts)}", on=(PROMOTED, HIRED)[len(counts)]))
            learner = f"ada{len(counts)}"
            await story.take(happens((PROMOTED, HIRED)[len(counts)], learner=learner))
            (enrolment,) = story.pokes.wanted
            story.pokes.wanted.clear()
            counts.append(await statements(story, enrolment))
            assert [] == await story.bids()
    without, with_budget = counts
    assert without + (2 if "postgresql" in place["database_url"] else 1) == with_budget


async def statements(story: Story, enrolment: str) -> int:
    """How many statements a turn of it makes, once everything is known that is kept."""
    seen: list[str] = []

    def see(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    engine = story.database.engine.sync_engine
    if story.database.is_postgres:
        event.listen(engine, "before_cursor_execute", see)
        await story.turns.take(TurnOrder(enrolment, MONDAY))
        event.remove(engine, "before_cursor_execute", see)
        return len(seen)
    async with story.database.engine.connect() as connection:  # the one that writes: some statements go straight to it
        driver: Any = (await connection.get_raw_connection()).driver_connection
    driver.set_trace_callback(seen.append)
    await story.turns.take(TurnOrder(enrolment, MONDAY))
    driver.set_trace_callback(None)
    return len(seen)


async def test_what_is_paused_stands_in_nobodys_way(place: dict[str, Any]) -> None:
    """The best of two waits for tomorrow's slot when its journey is paused: the other one gets it."""
    journeys = [journey("must", on=MOVED, more="mandatory: true"), journey("best", options="priority: 90")]
    async with story_of(*journeys, journey("next"), rules=policy(per_day=1, digest=False), **place) as story:
        await story.take(happens(MOVED))
        await story.play(until=MONDAY + HOUR)
        await story.take(happens(PROMOTED, MONDAY + HOUR))
        await story.play(until=MONDAY + 2 * HOUR)
        async with story.database.write() as session:
            await pausing.pause(session, "best", by="admin", now=story.now)
        await story.play(until=MONDAY + DAY)
        assert ("deferred", "sent") == tuple([(await story.delivery(name)).status for name in ("best", "next")])


async def test_a_member_that_ends_while_its_digest_waits_is_left_out(
    place: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """The digest is on its channel's queue when one of its journeys reaches its goal: the others go without it."""
    smtp_sink.treat(ADA, "later")
    out = f"exit: [{{on: {HIRED}}}]"
    journeys = [journey("a", options="priority: 90"), journey("b"), journey("goal", more=out)]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=10))
        await story.take(happens(HIRED, MONDAY + timedelta(seconds=10)))
        await story.play(until=MONDAY + HOUR)
        (mail,) = smtp_sink.for_(ADA)
        assert "About a · About b" == str(mail.message["subject"])
        assert "withdrawn: goal" == (await story.delivery("goal")).reason


@pytest.mark.parametrize("lead_ends", [True, False], ids=["its lead ends", "refused in the end"])
async def test_a_digest_that_never_goes_gives_its_members_back(
    place: dict[str, Any], smtp_sink: SmtpSink, lead_ends: bool
) -> None:
    """From its channel's queue, too."""
    smtp_sink.treat(ADA, "later")
    if not lead_ends:
        smtp_sink.treat(ADA, "refuse")
    out = f"exit: [{{on: {HIRED}}}]"
    journeys = [journey("lead", options="priority: 90", more=out), journey("b"), journey("c")]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=10))
        if lead_ends:
            await story.take(happens(HIRED, MONDAY + timedelta(seconds=10)))
        await story.play(until=MONDAY + timedelta(seconds=20))
        await swept(story)
        await story.play(until=MONDAY + 4 * DAY)
        statuses = Counter(each.status for each in await story.deliveries() if each.message == "digest")
        assert statuses == ({"skipped": 1, "sent": 1} if lead_ends else {"failed": 1})
        own = {name: (await story.delivery(name)).status for name in ("lead", "b", "c")}
        merged = {"lead": "skipped", "b": "skipped", "c": "skipped"}
        assert own == (merged if lead_ends else dict.fromkeys(own, "sent"))
        assert {1} == set((await story.days(DUBLIN)).values())
        assert [] == await story.bids()


async def test_who_is_somebody_elses_report_by_now_has_another_managers_budget(place: dict[str, Any]) -> None:
    """A message for her manager waits for his attention; she gets another manager, who has room."""
    async with story_of(
        journey("to-her", options="to: manager"), journey("must", on=MOVED, more="mandatory: true"),
        rules=policy(per_day=1), **place,
    ) as story:  # fmt: skip
        await story.take(happens(MOVED, learner="grace"))
        await story.play(until=MONDAY + HOUR)
        await story.take(happens("hr.learner.changed", MONDAY + HOUR, learner="mary"))
        await story.take(happens(PROMOTED, MONDAY + HOUR, manager="grace"))
        await story.play(until=MONDAY + 2 * HOUR)
        assert "deferred" == (await story.delivery("to-her")).status
        await story.take(happens("hr.learner.manager_changed", MONDAY + 2 * HOUR, manager="mary"))
        await story.pokes.poke([(await story.enrolment("to-her")).id])
        await story.play(until=MONDAY + 3 * HOUR)
        delivery = await story.delivery("to-her")
        assert ("sent", MONDAY + 2 * HOUR) == (delivery.status, delivery.sent_at)
        assert delivery.recipient != (await story.enrolment("must")).learner
        assert [] == await story.bids()


async def test_what_has_gone_in_a_digest_competes_no_more_before_its_own_turn(place: dict[str, Any]) -> None:
    """A turn of its enrolment that looked before finds it gone when it holds her attention."""
    journeys = [journey("a", options="priority: 90"), journey("b"), journey("later", on=HIRED)]
    async with story_of(*journeys, rules=policy(per_day=1), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + timedelta(seconds=1))
        lead, member = await story.enrolment("a"), await story.delivery("b")
        await story.turns.take(TurnOrder(lead.id, MONDAY + timedelta(seconds=2)))
        async with story.database.write() as session:
            await attention.lock(session, member.recipient)
            board, gone = await attention.read_board(session, member.recipient, but="", now=MONDAY)
            held = await attention.find_held(session, member.id)
        assert {member.id} == gone
        assert [] == board.bids
        assert held is not None
        assert ((await story.digests())[0].id, MONDAY + timedelta(seconds=2)) == (held.gone_in, held.gone_at)


async def test_the_sweeper_wakes_who_is_wanted_and_leaves_alone_who_waits_for_another_day(
    place: dict[str, Any],
) -> None:
    """A message that was put off is not poked until it is due, however long ago it was touched."""
    journeys = [journey("a"), journey("b")]
    async with story_of(*journeys, rules=policy(per_day=1, digest=False), **place) as story:
        await story.take(happens(PROMOTED))
        await story.play(until=MONDAY + HOUR)
        (bid,) = await story.bids()
        assert [] == await unwoken(story, now=datetime.now(UTC) + DAY)
        assert [bid.enrolment] == await unwoken(story, now=MONDAY + 2 * DAY)
        async with story.database.write() as session:
            assert [bid.enrolment] == await attention.want(session, [bid.delivery], at=MONDAY)
        assert [bid.enrolment] == await unwoken(story, now=MONDAY + timedelta(seconds=10))


async def unwoken(story: Story, *, now: datetime) -> Sequence[str]:
    """Whom the sweeper would find at this instant."""
    async with story.database.read() as session:
        return await sweeping.list_unwoken(
            session, wanted_before=now - timedelta(seconds=5), due_before=datetime.min.replace(tzinfo=UTC),
            tried_before=now - timedelta(minutes=15), after="", limit=10,
        )  # fmt: skip
