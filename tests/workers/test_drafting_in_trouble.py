"""Drafting where something is in its way: a key, a quota, a server that is gone, a budget; and what is never bought."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from temporalio.service import RPCError

import workers.drafting
from connectors.writers.openai import OpenAIWriter
from journeys.identity import draft_id
from store.database import Database
from store.tables import DraftRow
from tests.support.api import Api, event, parts_over, serving
from tests.support.drafting import DRAFT, GOOD, Drafting, drafted, drafting_house, findings_of, for_each, says
from tests.support.house import running_house
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.demo.writer import KEY, Asked, Raw, Refusal, Reply, WriterServer
from workers.sweeper import Sweeper

BY_ROLE = for_each("learner.role")
ONE = 120
"""Tokens of one answer of the imitation."""


@pytest.fixture
def places(database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path) -> dict[str, Any]:
    """Where a house finds its servers."""
    return {
        "database_url": database_url, "temporal_address": temporal_address, "smtp_url": smtp_sink.url, "home": tmp_path
    }  # fmt: skip


@pytest.fixture
async def house(server: WriterServer, places: dict[str, Any]) -> AsyncIterator[Drafting]:
    """A house with a writer."""
    async with drafting_house(server, **places) as made:
        yield made


# --- the model's server -------------------------------------------------------------------------------------------


async def test_with_a_wrong_key_texts_wait_and_say_why_until_it_is_right(house: Drafting) -> None:
    """Nothing is counted as a call, and no token is taken."""
    right, house.server.key = house.server.key, "sk-another"
    id_ = await house.want(await house.publish(drafted()))
    await house.start(id_)

    assert "OPENAI_API_KEY" in await house.waits(id_)
    await until(lambda: has_nothing_reserved(house))
    house.server.key = right
    row = await house.settled(id_)
    assert ("proposed", 1, None) == (row.state, row.calls, row.reason)
    assert {"": ONE, "story": ONE} == {name: each.tokens for name, each in (await house.spent()).items()}


async def has_nothing_reserved(house: Drafting) -> bool:
    return {0} == {each.tokens for each in (await house.spent()).values()}


async def test_a_refusal_that_is_not_about_the_prompt_gives_no_text_up(house: Drafting) -> None:
    """Some servers say 400 of a bad key: it waits, with the server's words, and goes on once that is mended."""
    house.server.usual = lambda _asked: Refusal(400, "API_KEY_INVALID", "API key not valid, dear customer.")
    id_ = await house.want(await house.publish(drafted()))
    await house.start(id_)

    assert "OPENAI_API_KEY" in await house.waits(id_)
    assert "dear customer" in ((await house.row(id_)).answer or "")
    house.server.usual = lambda _asked: says(GOOD)
    row = await house.settled(id_)
    assert ("proposed", 1, GOOD["body"]) == (row.state, row.calls, row.body)


async def test_with_a_quota_that_is_used_up_texts_wait_until_there_is_more(house: Drafting) -> None:
    """As with a key: somebody must act, and then it goes on by itself."""
    house.server.usual = lambda _asked: Refusal(429, "insufficient_quota", "You exceeded your current quota.")
    id_ = await house.want(await house.publish(drafted()))
    await house.start(id_)

    assert "quota" in await house.waits(id_)
    house.server.usual = lambda _asked: says(GOOD)
    assert ("proposed", 1) == ((await house.settled(id_)).state, (await house.row(id_)).calls)


async def test_when_a_server_is_back_drafting_catches_up(house: Drafting) -> None:
    """Every text is bought once, and none was given up meanwhile."""
    await house.server.stop()
    program = await house.publish(drafted(BY_ROLE))
    ids = [await house.want(program, value=f"role {number}") for number in range(12)]
    await house.start(*ids)
    assert "cannot be reached" in await until(lambda: first_reason(house, ids))

    await house.server.start()
    rows = [await house.settled(id_) for id_ in ids]
    assert {("proposed", 1)} == {(row.state, row.calls) for row in rows}
    assert 12 == len(house.server.asked)
    assert (12 * ONE, 12) == ((await house.spent())[""].tokens, (await house.spent())[""].calls)


async def first_reason(house: Drafting, ids: list[str]) -> str | None:
    return next((row.reason for row in [await house.row(id_) for id_ in ids] if row.reason), None)


async def test_a_server_that_wants_a_pause_gets_it(house: Drafting) -> None:
    """As long as it says, from everybody: no text is asked for meanwhile."""
    loop = asyncio.get_running_loop()
    asked_at: list[float] = []

    def busy_at_first(_asked: Asked) -> Reply:
        asked_at.append(loop.time())
        if len(asked_at) == 1:
            return Refusal(429, "rate_limit_exceeded", "Slow down.", headers={"retry-after": "3"})
        return says(GOOD)

    house.server.usual = busy_at_first
    program = await house.publish(drafted(BY_ROLE))
    first, second = [await house.want(program, value=value) for value in ("one", "two")]
    await house.start(first)
    await until(lambda: asked_at)
    await house.start(second)

    assert {"proposed"} == {(await house.settled(id_)).state for id_ in (first, second)}
    assert 3 == len(asked_at)
    assert asked_at[1] - asked_at[0] >= 2.9


async def test_an_answer_that_takes_too_long_may_have_been_billed(server: WriterServer, places: dict[str, Any]) -> None:
    """What was reserved for it stays taken."""
    server.replies = ["hang"]
    async with drafting_house(server, **places, writer_answer=timedelta(seconds=1)) as house:
        row = await house.draft(await house.publish(drafted()))
        assert ("proposed", 1) == (row.state, row.calls)
        assert (await house.spent())[""].tokens > 8_000 + ONE
        assert 1 == (await house.spent())[""].calls


# --- learners meanwhile -------------------------------------------------------------------------------------------

LESSONS = """\
waymark: 1
journey: lessons
title: Lessons
enter:
  - on: hr.learner.promoted
steps:
  - send: first
  - wait: 1h
  - send: second
messages:
  first:
    draft: {brief: Say that the first lesson takes ten minutes., uses: [learner.role], per: learner.role}
    subject: The first lesson
    body: The first lesson is open, and it takes ten minutes.
  second:
    draft: {brief: Remind her that the first lesson takes ten minutes., uses: [learner.role], per: learner.role}
    subject: The first lesson once more
    body: The first lesson is still open, and it takes ten minutes.
"""
Trouble = Literal["key wrong", "quota used up", "server gone"]


async def befall(server: WriterServer, trouble: Trouble) -> None:
    """From now on no text can be had of it."""
    match trouble:
        case "key wrong":
            server.key = "sk-another"
        case "quota used up":
            server.usual = lambda _asked: Refusal(429, "insufficient_quota", "You exceeded your current quota.")
        case "server gone":
            await server.stop()


async def mend(server: WriterServer, trouble: Trouble) -> None:
    """It is as it was."""
    server.key, server.usual = KEY, lambda _asked: says(GOOD)
    if trouble == "server gone":
        await server.start()


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("key wrong", "OPENAI_API_KEY"), ("quota used up", "quota"), ("server gone", "cannot be reached")],
)
async def test_journeys_go_on_in_their_own_words_for_an_hour_and_drafting_catches_up(
    house: Drafting, smtp_sink: SmtpSink, trouble: Trouble, why: str
) -> None:
    """Nobody waits for a text, and the journal says in whose words it went; afterwards every text is written, a person
    approves it, and who comes next gets it.
    """
    running, inner = house.running, house.running.house
    parts = parts_over(inner.database, inner.ingest, inner.gateway, clock=running.clock)
    async with serving(parts, inner.ingest) as api:
        assert 201 == (await api.publish(LESSONS, "lessons")).status_code
        await befall(house.server, trouble)
        await enter(house, api, ada="cook", ben="clerk")
        ids = await have_drafted(house)
        assert why in await until(lambda: first_reason(house, ids))
        await an_hour_passes(house)

        assert {("wanted", 0)} == {(row.state, row.calls) for row in await house.rows()}
        listed = (await api.get("/v1/drafts", journey="lessons", state="wanted"))["items"]
        assert [item for item in listed if why in (item["reason"] or "")]
        for enrolment in await running.enrolments():
            own = "through email (in its own words: no approved draft)."
            assert [f"Sent first {own}", f"Sent second {own}"] == await sent_lines(house, enrolment.id)
        for name in ("ada", "ben"):
            first, second = (mail.part("plain") for mail in smtp_sink.for_(f"{name}@example.org"))
            assert "The first lesson is open, and it takes ten minutes." in first
            assert "The first lesson is still open, and it takes ten minutes." in second

        await mend(house.server, trouble)
        assert {("proposed", 1, None)} == {
            (row.state, row.calls, row.reason) for row in [await house.settled(id_) for id_ in ids]
        }
        assert sorted(ids) == [row.id for row in await house.rows()]
        assert (4 * ONE, 4) == ((await house.spent())[""].tokens, (await house.spent())[""].calls)
        answer = await api.client.post("/v1/drafts/approve", json={"ids": ids})
        assert (200, 4, []) == (answer.status_code, answer.json()["done"], answer.json()["could_not"])

        await enter(house, api, cem="cook")
        await an_hour_passes(house)
        *_, latest = await running.enrolments()
        approved = "through email (drafted and approved text)."
        assert [f"Sent first {approved}", f"Sent second {approved}"] == await sent_lines(house, latest.id)
        rows = {row.id: row for row in await house.rows()}
        gone = [rows[each.draft or ""] for each in await running.deliveries() if each.enrolment == latest.id]
        assert [("first", "cook", "tests"), ("second", "cook", "tests")] == [
            (row.message, row.value, row.decided_by) for row in gone
        ]
        mails = smtp_sink.for_("cem@example.org")
        assert [GOOD["subject"]] * 2 == [str(mail.message["subject"]) for mail in mails]
        assert all("The first lesson takes ten minutes, cook." in mail.part("plain") for mail in mails)


async def enter(house: Drafting, api: Api, **roles: str) -> None:
    """They are promoted, each in her role, and get the first message."""
    number = len(await house.running.deliveries()) + len(roles)
    at = house.running.clock()
    await api.emit(
        *(
            event("hr.learner.promoted", name, time=at, given_name="Ada", email=f"{name}@example.org", role=role)
            for name, role in roles.items()
        )
    )

    async def has_gone() -> bool:
        deliveries = await house.running.deliveries()
        return len(deliveries) == number and {"sent"} == {each.status for each in deliveries}

    await until(has_gone)


async def have_drafted(house: Drafting) -> list[str]:
    """What their entries have ordered is started by a sweeper, a little later; answers the ids."""
    gateway, database = house.running.house.gateway, house.running.house.database
    later = house.running.clock() + timedelta(seconds=5)
    ids = [row.id for row in await house.rows()]
    assert 4 == len(ids) == await Sweeper(database, gateway, lambda: later, drafter=gateway).sweep_drafts()
    return ids


async def an_hour_passes(house: Drafting) -> None:
    """For everybody under way, until all have had the second message."""
    running = house.running
    await running.quiet()
    await running.move_to(running.clock() + timedelta(hours=1, seconds=10))

    async def all_ended() -> bool:
        return {"ended"} == {each.status for each in await running.enrolments()}

    await until(all_ended)


async def sent_lines(house: Drafting, enrolment: str) -> list[str]:
    """What the journal says of its messages."""
    return [line.text for line in await house.running.journal(enrolment) if line.kind == "sent"]


BROKEN_OFF: dict[str, tuple[Reply, dict[str, Any]]] = {
    "in one piece": ("stall", {}),
    "streamed": ("stall", {"writer_stream": True}),
    "an error in the middle": (
        Raw(
            b'data: {"choices": [{"delta": {"content": "{"}}]}\n\ndata: {"error": {"message": "overloaded"}}\n\n',
            headers={"content-type": "text/event-stream"},
        ),
        {"writer_stream": True},
    ),
}


@pytest.mark.parametrize("name", BROKEN_OFF)
async def test_an_answer_that_breaks_off_may_have_been_billed(
    server: WriterServer, places: dict[str, Any], name: str
) -> None:
    """What was reserved for it stays taken, so that the budget ends what would be tried for ever."""
    reply, settings = BROKEN_OFF[name]
    server.replies = [reply]
    async with drafting_house(server, **places, **settings) as house:
        row = await house.draft(await house.publish(drafted()))
        assert ("proposed", 1) == (row.state, row.calls)
        assert (await house.spent())[""].tokens > 8_000 + ONE
        assert 1 == (await house.spent())[""].calls


async def test_answers_that_always_break_off_are_bought_until_the_budget_is_used_up(
    server: WriterServer, places: dict[str, Any]
) -> None:
    """Not for ever: then it waits until tomorrow."""
    server.usual = lambda _asked: "stall"
    async with drafting_house(server, **places, writer_tokens_per_day=20_000) as house:
        id_ = await house.want(await house.publish(drafted()))
        await house.start(id_)
        await house.sleeps(id_)
        assert "budget" in await house.waits(id_)
        assert 2 == len(server.asked)


async def test_a_line_that_breaks_before_the_answer_costs_nothing(house: Drafting) -> None:
    """No answer began."""
    house.server.replies = ["drop"]
    row = await house.draft(await house.publish(drafted()))
    assert ("proposed", ONE) == (row.state, (await house.spent())[""].tokens)


@pytest.mark.parametrize(("where", "paid"), [("before", ONE), ("after", 2 * ONE)])
async def test_a_fault_of_ours_leaves_nothing_reserved(
    house: Drafting, monkeypatch: pytest.MonkeyPatch, where: str, paid: int
) -> None:
    """Each try would leave more: before the call it is given back, after it what came is paid."""
    faults = ["a fault"]

    def failing(real: Any) -> Any:
        def fails_once(*given: Any, **named: Any) -> Any:
            if faults:
                raise KeyError(faults.pop())
            return real(*given, **named)

        return fails_once

    if where == "before":
        monkeypatch.setattr(OpenAIWriter, "_request", failing(OpenAIWriter._request))
    else:
        monkeypatch.setattr(workers.drafting, "judge", failing(workers.drafting.judge))
    row = await house.draft(await house.publish(drafted()))

    assert ("proposed", 1, []) == (row.state, row.calls, faults)
    assert {"": paid, "story": paid} == {name: each.tokens for name, each in (await house.spent()).items()}


# --- budgets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "other_waits"), [("writer_tokens_per_journey", False), ("writer_tokens_per_day", True)]
)
async def test_beyond_its_budget_drafting_waits_until_tomorrow(
    server: WriterServer, places: dict[str, Any], budget: str, other_waits: bool
) -> None:
    """A journey that has used up its own stops nobody else; what all share stops all. Then it goes on."""
    places |= {budget: 1_000}
    async with drafting_house(server, **places) as house:
        program = await house.publish(drafted(BY_ROLE))
        other = await house.publish(drafted(replace(DRAFT, brief="Remind her of ten minutes."), journey="other"))
        await house.draft(program, value="one")
        second = await house.want(program, value="two")
        await house.start(second)
        why = await house.waits(second)
        third = await house.want(other)
        await house.start(third)

        tomorrow = date.fromisoformat((await house.spent())[""].day) + timedelta(days=1)
        assert f"waits until {tomorrow} 00:05 UTC: " in why
        assert f"is used up (WAYMARK_{budget.upper()} raises it): 120 of 1000 tokens" in why
        assert other_waits == bool(await house.waits(third) if other_waits else (await house.settled(third)).reason)
        bought = len(server.asked)
        now = await house.running.timelapse.clock_of(house.workflow(second))
        await house.move(datetime.combine(tomorrow, time(0, 6), UTC) - now, second)
        assert "proposed" == (await house.settled(second)).state
        assert bought + 1 == len(server.asked)
        assert (str(tomorrow), ONE) == ((await house.spent())[""].day, (await house.spent())[""].tokens)


async def test_beyond_its_money_drafting_waits_until_tomorrow(server: WriterServer, places: dict[str, Any]) -> None:
    """By what a million tokens cost, where that is set; the call that has been made is paid."""
    money: dict[str, Any] = {"writer_price_in": 2.5, "writer_price_out": 10.0, "writer_cost_per_day": 0.01}
    async with drafting_house(server, **places, **money) as house:
        program = await house.publish(drafted(BY_ROLE))
        first = await house.draft(program, value="one")
        second = await house.want(program, value="two")
        await house.start(second)

        paid = 2.5 * first.tokens_in + 10 * first.tokens_out
        told = f"is used up (WAYMARK_WRITER_COST_PER_DAY raises it): {paid / 1_000_000:g} of 0.01 (money)"
        assert told in await house.waits(second)
        assert paid == (await house.spent())[""].cost
        assert 1 == len(server.asked)


async def test_without_any_budget_nothing_is_bought(server: WriterServer, places: dict[str, Any]) -> None:
    """0 is none."""
    async with drafting_house(server, **places, writer_tokens_per_day=0) as house:
        id_ = await house.want(await house.publish(drafted()))
        await house.start(id_)
        assert "(WAYMARK_WRITER_TOKENS_PER_DAY raises it): 0 of 0" in await house.waits(id_)
        assert [] == server.asked


# --- what is not bought -------------------------------------------------------------------------------------------


async def test_what_another_message_has_already_is_not_bought_again(house: Drafting) -> None:
    """The same brief, tone, placeholders, value, language and fallback: one call, two drafts to decide upon."""
    first = await house.draft(await house.publish(drafted()))
    second = await house.draft(await house.publish(drafted(journey="another")))

    assert 1 == len(house.server.asked)
    assert ("proposed", "reuse", first.id, 0) == (second.state, second.origin, second.based_on, second.calls)
    assert (first.subject, first.body, first.prompt) == (second.subject, second.body, second.prompt)


async def test_what_a_person_wrote_stays_hers_where_it_is_used_again(house: Drafting) -> None:
    """No model is told to have written it."""
    first = await house.draft(await house.publish(drafted()))
    await house.change(first.id, origin="person", written_by="Max", model=None, state="approved")
    second = await house.draft(await house.publish(drafted(journey="another")))

    assert ("reuse", "Max", None) == (second.origin, second.written_by, second.model)


async def test_what_is_wanted_twice_at_once_is_bought_once(house: Drafting) -> None:
    """The later one waits for the earlier one's text."""
    programs = [await house.publish(drafted(journey=name)) for name in ("one", "two", "three")]
    ids = [await house.want(program) for program in programs]
    await house.start(*ids)

    rows = [await house.settled(id_) for id_ in ids]
    assert ["model", "reuse", "reuse"] == [row.origin for row in rows]
    assert 1 == len(house.server.asked)


async def test_a_text_that_a_person_wanted_otherwise_is_written_anew_and_told_why(house: Drafting) -> None:
    """Not taken from where it stands, too."""
    program = await house.publish(drafted())
    first = await house.draft(program)
    await house.draft(await house.publish(drafted(journey="another")))
    await house.change(first.id, state="rejected", reason="Too stiff for us.")
    second = draft_id("story", "hello", first.key, 2)
    known = {
        name: getattr(first, name) for name in ("journey", "message", "key", "program", "created_at", "updated_at")
    }
    async with house.running.house.database.write() as session:
        session.add(DraftRow(id=second, number=2, **known))
    await house.start(second)
    row = await house.settled(second)

    assert ("proposed", "model", 1) == (row.state, row.origin, row.calls)
    assert "| Too stiff for us." in house.server.asked[1].user


async def test_what_a_new_version_orders_no_more_is_not_bought(house: Drafting) -> None:
    """It is replaced; what the new version orders as before is drafted."""
    program = await house.publish(drafted(messages=("hello", "again")))
    ids = [await house.want(program, message) for message in ("hello", "again")]
    changed = drafted(messages=("hello", "again"), version=2)
    other = replace(DRAFT, brief="Say that the course has ended.")
    messages = {**changed.messages, "hello": replace(changed.messages["hello"], draft=other)}
    await house.publish_again(replace(changed, messages=messages))
    await house.start(*ids)

    assert ["replaced", "proposed"] == [(await house.settled(id_)).state for id_ in ids]
    assert 1 == len(house.server.asked)


async def test_where_the_policy_lets_nobody_draft_for_one_learner_nothing_is_bought(
    server: WriterServer, places: dict[str, Any]
) -> None:
    """The text waits: the policy may be another one tomorrow."""
    async with drafting_house(server, **places) as house:
        program = await house.publish(drafted(for_each("learner.id")))
        id_ = await house.want(program, value="lrn-0123456789abcdef")
        await house.start(id_)
        assert "drafts.per_learner" in await house.waits(id_)
        assert [] == server.asked


async def test_where_each_learner_has_a_text_its_prompt_says_nothing_of_her(
    server: WriterServer, places: dict[str, Any]
) -> None:
    """Not even our id of her."""
    async with drafting_house(server, **places, policy={"drafts": {"per_learner": True}}) as house:
        row = await house.draft(await house.publish(drafted(for_each("learner.id"))), value="lrn-0123456789abcdef")
        assert "proposed" == row.state
        assert "lrn-" not in str(server.asked[0].request)


async def test_words_that_the_firm_forbids_are_found(server: WriterServer, places: dict[str, Any]) -> None:
    """By the policy as it is when the text is written."""
    async with drafting_house(server, **places, policy={"drafts": {"forbidden": ["first lesson"]}}) as house:
        row = await house.draft(await house.publish(drafted()))
        assert ("proposed", 3) == (row.state, row.calls)
        assert ["first lesson"] == [finding.quote for finding in findings_of(row) if finding.is_hard]


async def test_a_language_that_says_something_else_is_sent_back(house: Drafting) -> None:
    """Each text is right by itself; what they disagree about is told to whoever writes last, and not kept."""
    brief = replace(DRAFT, brief="Say that the course takes 10 minutes a day, for 4 weeks.")
    program = await house.publish(drafted(brief, german=True))
    house.server.usual = lambda _asked: says({"subject": "Your course", "body": "It takes 10 minutes a day for you."})
    await house.draft(program)
    german = {"subject": "Ihr Kurs", "body": "Er dauert 4 Wochen und er ist für Sie da."}
    right = {"subject": "Ihr Kurs", "body": "Er dauert 10 Minuten am Tag und er ist für Sie da."}
    house.server.replies = [says(german), says(right)]
    row = await house.draft(program, language="de")

    assert "| agreement: " in house.server.asked[2].user
    assert (2, right["body"], []) == (row.calls, row.body, row.findings)


# --- who starts it ------------------------------------------------------------------------------------------------


async def test_the_sweeper_has_drafted_what_nobody_started(house: Drafting) -> None:
    """After three seconds; not at once, because its own start may be on the way."""
    gateway, database = house.running.house.gateway, house.running.house.database
    now = datetime.now(UTC)
    sweeper = Sweeper(database, gateway, lambda: now, drafter=gateway)
    id_ = await house.want(await house.publish(drafted()))

    now = (await house.row(id_)).created_at + timedelta(seconds=2.9)
    assert 0 == await sweeper.sweep_drafts()
    now += timedelta(seconds=0.1)
    assert 1 == await sweeper.sweep_drafts()
    assert "proposed" == (await house.settled(id_)).state
    assert 0 == await sweeper.sweep_drafts()


async def test_to_start_what_is_being_drafted_changes_nothing(house: Drafting) -> None:
    """However often."""
    id_ = await house.want(await house.publish(drafted()))
    for _ in range(3):
        await house.start(id_)

    assert ("proposed", 1) == ((await house.settled(id_)).state, len(house.server.asked))
    await house.ended(id_)
    await house.start(id_)
    await house.ended(id_)
    assert 1 == len(house.server.asked)


async def test_without_a_writer_texts_stay_wanted(places: dict[str, Any]) -> None:
    """No error, no workflow: they are drafted when there is one."""
    async with running_house(**places) as running:
        house = Drafting(running, WriterServer(lambda _asked: says(GOOD)))
        id_ = await house.want(await house.publish(drafted()))
        database: Database = running.house.database
        later = datetime.now(UTC) + timedelta(hours=1)
        assert 0 == await Sweeper(database, running.house.gateway, lambda: later).sweep_drafts()
        await house.start(id_)
        with pytest.raises(RPCError, match="not found"):
            await running.house.client.get_workflow_handle(house.workflow(id_)).describe()
        assert ("wanted", None) == ((await house.row(id_)).state, (await house.row(id_)).reason)


def test_without_a_writer_nothing_of_it_is_loaded() -> None:
    """Neither the model's client nor what tells languages: a worker starts as quickly as before."""
    code = (
        "import sys, waymark.wiring, workers.worker\n"
        "print(sorted({'openai', 'eld', 'workers.drafting', 'workers.reviewers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ("[]", "") == (found.stdout.strip(), found.stderr)
