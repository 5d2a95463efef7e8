"""Drafted texts where they are needed: ordered when somebody enters and when nothing is approved, and sent only where a
person has approved them; on real servers.
"""

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event as listening
from sqlmodel import col, select

from journeys.events import Event, Json
from journeys.identity import learner_id
from journeys.program import Program
from store import migrate
from store.database import Database
from store.queries import enrolling
from store.tables import DeliveryRow, DraftRow, Enrolment
from tests.support.compiling import compiled
from tests.support.definitions import program_of, send
from tests.support.golden import GoldenDraft
from tests.support.house import Running, running_house
from tests.support.ingesting import SECRET, Feed, event, journey
from tests.support.policies import keep_policy
from tests.support.smtp import SmtpSink
from tests.support.until import until

JOURNEY = """\
waymark: 1
journey: drafted
title: Drafted
enter:
  - on: hr.learner.promoted
steps:
  - send: course
  - send: observe
    to: manager
    when: has(learner.manager)
messages:
  course:
    draft: {brief: Remind her that the course is waiting., uses: [learner.role], per: learner.role}
    subject: Your course
    body: The first lesson takes ten minutes.
    languages:
      de: {subject: Ihr Kurs, body: Die erste Lektion dauert zehn Minuten.}
  observe:
    draft: {brief: Ask for one observation.}
    subject: One observation
    body: What have you seen?
    languages:
      de: {subject: Eine Beobachtung, body: Was haben Sie gesehen?}
"""


def promoted(learner: str, **data: Json) -> Event:
    profile = {"given_name": learner.title(), "email": f"{learner}@example.org", **data}
    at = datetime.now(UTC).replace(microsecond=0)
    return Event(f"promoted-{learner}", "hr", "hr.learner.promoted", learner, at, profile)


async def keep(database: Database, program: Program, *given: GoldenDraft) -> None:
    """Drafts of a program, in whatever state."""
    async with database.write() as session:
        for draft in given:
            session.add(draft.row(program, at=datetime.now(UTC)))


async def drafts_in(database: Database) -> Sequence[DraftRow]:
    async with database.read() as session:
        return (await session.exec(select(DraftRow).order_by(col(DraftRow.message), col(DraftRow.value)))).all()


# --- when somebody enters -----------------------------------------------------------------------------------------


@pytest.fixture
async def feed(database_url: str) -> AsyncIterator[Feed]:
    """An ingest on an empty database."""
    await migrate.upgrade(database_url)
    database = Database(database_url)
    yield Feed(database)
    await database.close()


async def test_what_her_journey_says_is_ordered_when_she_enters(feed: Feed) -> None:
    """Her value and her language, and for her manager the manager's; once for all who need the same."""
    program = await feed.publish(compiled(JOURNEY))
    await feed.take(event("hr.learner.hired", learner="max", language="de-CH"))
    await feed.take(event("hr.learner.hired", role="cook", manager="max"))

    await feed.take(event("hr.learner.promoted", at=timedelta(hours=1)))
    await feed.take(event("hr.learner.promoted", learner="ben", role="cook", language="fr"))

    rows = await drafts_in(feed.database)
    assert [("course", "cook", None), ("observe", None, "de")] == [(r.message, r.value, r.language) for r in rows]
    assert {("wanted", program.hash, 1)} == {(row.state, row.program, row.number) for row in rows}


async def test_a_value_that_names_her_manager_is_ordered_for_others_alone(feed: Feed) -> None:
    """A team called as who leads it: nothing is ordered because of her team, and its writer is told no name."""
    await feed.publish(compiled(JOURNEY))
    await feed.take(event("hr.learner.hired", learner="max", given_name="Grace", family_name="Hopper"))
    await feed.take(event("hr.learner.promoted", role="Team Hopper", manager="max"))
    assert {"observe"} == {row.message for row in await drafts_in(feed.database)}

    await feed.take(event("hr.learner.promoted", learner="ben", role="Team Hopper", manager="zoe"))
    assert ["Team Hopper", None] == [row.value for row in await drafts_in(feed.database)]


async def test_a_text_that_fell_is_ordered_anew_for_who_needs_it(feed: Feed) -> None:
    """A version had not asked for it when it was to be written; what somebody decided upon stays as it is."""
    await feed.publish(compiled(JOURNEY))
    for name, role in (("ada", "cook"), ("ben", "clerk")):
        await feed.take(event("hr.learner.promoted", learner=name, role=role))
    async with feed.database.write() as session:
        for row in (await session.exec(select(DraftRow))).all():
            row.state, row.decided_at = "replaced", row.created_at if row.value == "clerk" else None

    for name, role in (("cem", "cook"), ("dee", "clerk")):
        await feed.take(event("hr.learner.promoted", learner=name, role=role))

    assert {"cook": "wanted", "clerk": "replaced"} == {r.value: r.state for r in await drafts_in(feed.database)}


async def test_what_cannot_be_told_of_her_yet_is_no_failure_of_the_entry(feed: Feed) -> None:
    """No role, and a `per` over what an event does not have: she has entered, and nothing is ordered for her."""
    await feed.publish(compiled(JOURNEY))
    await feed.publish(
        compiled(JOURNEY.replace("per: learner.role", "per: entry.data.a.b").replace("y: d", "y: other-d"))
    )

    await feed.take(event("hr.learner.promoted", a=3))

    assert 2 == len(await feed.rows(Enrolment))
    assert [] == await drafts_in(feed.database)


async def test_who_is_held_out_needs_no_text(feed: Feed) -> None:
    """She gets nothing."""
    await feed.publish(compiled(JOURNEY.replace("enter:", "holdout: 100%\nenter:")))

    await feed.take(event("hr.learner.promoted", role="cook"))

    assert ["ended"] == [row["status"] for row in await feed.rows(Enrolment)]
    assert [] == await drafts_in(feed.database)


@pytest.mark.parametrize("is_allowed", [False, True])
async def test_a_text_for_her_alone_is_ordered_where_the_policy_allows_it(
    feed: Feed, database_url: str, is_allowed: bool
) -> None:
    """By her id of ours, that says nothing of her."""
    await keep_policy(database_url, {"drafts": {"per_learner": is_allowed}})
    await feed.publish(compiled(JOURNEY.replace("per: learner.role", "per: learner")))

    await feed.take(event("hr.learner.promoted"))

    expected = [learner_id(SECRET, "ada")] if is_allowed else []
    assert expected == [row.value for row in await drafts_in(feed.database)]


async def test_who_is_enrolled_by_hand_needs_the_same(feed: Feed) -> None:
    """By an admin, for many, or by another journey's step: they all come in here. Who is refused needs nothing."""
    await feed.publish(compiled(JOURNEY.replace("enter:", 'audience: learner.country == "GB"\nenter:')))
    await feed.take(event("hr.learner.hired", role="cook", country="GB"))
    await feed.take(event("hr.learner.hired", learner="ben", role="clerk", country="IE"))

    async def enrol(name: str) -> enrolling.Made | enrolling.Refused:
        async with feed.database.write() as session:
            running = await enrolling.find_running(session, "drafted")
            assert isinstance(running, enrolling.Running)
            learner, wish = learner_id(SECRET, name), enrolling.Wish()
            return await enrolling.enrol(session, running, learner=learner, wish=wish, now=feed.clock())

    assert isinstance(await enrol("ada"), enrolling.Made)
    assert isinstance(await enrol("ben"), enrolling.Refused)
    assert ["cook"] == [row.value for row in await drafts_in(feed.database)]


@contextmanager
def statements(database: Database) -> Generator[list[str]]:
    """Every statement that goes to the database."""
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    listening.listen(database.engine.sync_engine, "before_cursor_execute", saw)
    try:
        yield seen
    finally:
        listening.remove(database.engine.sync_engine, "before_cursor_execute", saw)


async def test_journeys_without_drafts_cost_nothing(feed: Feed) -> None:
    """No statement more; where there are drafts, there are some."""
    await feed.publish(journey())
    with statements(feed.database) as seen:
        await feed.take(event("hr.learner.promoted"))
    assert 1 == len(await feed.rows(Enrolment))
    assert [] == [statement for statement in seen if "drafts" in statement or "installation" in statement]

    await feed.publish(compiled(JOURNEY))
    with statements(feed.database) as seen:
        await feed.take(event("hr.learner.promoted", learner="ben", role="cook"))
    assert [statement for statement in seen if "drafts" in statement]


# --- when it is sent ----------------------------------------------------------------------------------------------


@pytest.fixture
async def house(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Running]:
    async with running_house(
        database_url=database_url,
        temporal_address=temporal_address,
        smtp_url=smtp_sink.url,
        home=tmp_path,
        hand_over=timedelta(seconds=20),
    ) as running:
        yield running


async def all_ended(house: Running) -> Sequence[Enrolment] | None:
    enrolments = await house.enrolments()
    return enrolments if enrolments and all(each.status == "ended" for each in enrolments) else None


UNAPPROVED = ("wanted", "proposed", "rejected", "failed", "replaced")


def _states() -> dict[str, tuple[str, ...]]:
    """Every way that texts of one order can stand beside each other, in the order of their numbers, by a role."""
    alone = [(state,) for state in UNAPPROVED]
    before = [(state, "approved") for state in UNAPPROVED]
    after = [("approved", state) for state in UNAPPROVED]
    many = [UNAPPROVED, (*UNAPPROVED, "approved"), ("approved", *UNAPPROVED), ("replaced", "approved", "proposed")]
    return {f"role-{number}": states for number, states in enumerate([*alone, *before, *after, *many], 1)}


async def test_nothing_is_sent_that_nobody_has_approved(house: Running, smtp_sink: SmtpSink) -> None:
    """Texts in every state beside each other: only the approved one goes, and where there is none the journey's own."""
    program = await house.publish(JOURNEY)
    database, states = house.house.database, _states()
    given = [
        GoldenDraft("course", f"{state} {role} {number}", f"In state {state}.", None, role, state, number)
        for role, ordered in states.items()
        for number, state in enumerate(ordered, 1)
    ]
    others = [
        GoldenDraft("course", "in German", "Auf Deutsch.", "de", "role-1"),
        GoldenDraft("course", "for another role", "Not yours.", None, "role-0"),
        GoldenDraft("observe", "another message", "Not this.", None, None),
    ]
    await keep(database, program, *given, *others)

    await house.take(*(promoted(f"in-{role}", role=role, given_name="Ada") for role in states))
    await until(lambda: all_ended(house), timeout=90)

    rows = {row.id: row for row in await drafts_in(database)}
    deliveries = {delivery.enrolment: delivery for delivery in await house.deliveries()}
    secret = house.house.settings.signing_secret()
    for enrolment in await house.enrolments():
        (role,) = (role for role in states if learner_id(secret, f"in-{role}") == enrolment.learner)
        (mail,) = smtp_sink.for_(f"in-{role}@example.org")
        delivery, subject = deliveries[enrolment.id], str(mail.message["subject"])
        if "approved" in states[role]:
            assert f"approved {role}" in subject
            assert "In state approved." in mail.part("plain")
            assert ("approved", None) == (rows[delivery.draft or ""].state, delivery.undrafted)
        else:
            assert "Your course" == subject
            assert "The first lesson takes ten minutes." in mail.part("plain")
            assert (None, "no approved draft") == (delivery.draft, delivery.undrafted)
    assert len(given) + len(others) == len(rows)  # what was refused or given up is not ordered again


async def test_what_is_missing_is_ordered_when_it_is_sent(house: Running, smtp_sink: SmtpSink) -> None:
    """A value that only the journey finds out: the message goes in its own words, and the text is wanted, once."""
    definition = JOURNEY.replace("  - send: course", "  - set: {tip: learner.role}\n  - send: course")
    program = await house.publish(definition.replace("per: learner.role", "per: vars.tip"))

    await house.take(promoted("ada", role="cook"), promoted("ben", role="cook"))
    await until(lambda: all_ended(house))

    (row,) = await drafts_in(house.house.database)
    assert ("course", "cook", "wanted", program.hash) == (row.message, row.value, row.state, row.program)
    assert ["Your course"] == [str(mail.message["subject"]) for mail in smtp_sink.for_("ada@example.org")]
    assert {(None, "no approved draft")} == {(each.draft, each.undrafted) for each in await house.deliveries()}
    (ada, _) = await house.enrolments()
    (line,) = [line for line in await house.journal(ada.id) if line.kind == "sent"]
    assert "no approved draft" == line.data["undrafted"]
    assert "Sent course through email (in its own words: no approved draft)." == line.text


async def test_a_name_in_a_value_is_told_to_no_writer(house: Running, smtp_sink: SmtpSink) -> None:
    """On whatever way it came there: nothing is ordered, neither at entry nor when it is sent, and it is said why."""
    definition = JOURNEY.replace("  - send: course", "  - set: {tip: learner.given_name}\n  - send: course", 1)
    await house.publish(definition.replace("per: learner.role", "per: vars.tip"))
    by_note = JOURNEY.replace("journey: drafted", "journey: noted")
    await house.publish(by_note.replace("per: learner.role", "per: entry.data.note"))

    await house.take(promoted("ada", given_name="Zora", note="Ask ZORA about it"))
    await until(lambda: all_ended(house))

    assert [] == await drafts_in(house.house.database)
    assert ["Your course"] * 2 == [str(mail.message["subject"]) for mail in smtp_sink.for_("ada@example.org")]
    why = "no approved draft, and none is ordered: learner.given_name stands in the value of `per`"
    assert {(None, why)} == {(each.draft, each.undrafted) for each in await house.deliveries()}


async def test_her_managers_name_in_a_value_is_told_to_no_writer(house: Running, smtp_sink: SmtpSink) -> None:
    """Neither at entry nor when it is sent; until somebody else has ordered it, whom it does not name."""
    definition = JOURNEY.replace("  - send: course", "  - set: {tip: learner.role}\n  - send: course", 1)
    await house.publish(definition.replace("per: learner.role", "per: vars.tip"))

    boss = promoted("boss", given_name="Grace", role="Head")
    await house.take(boss, promoted("ada", role="Team Grace", manager="boss"))
    await until(lambda: all_ended(house))

    assert {"Head", None} == {row.value for row in await drafts_in(house.house.database)}
    assert ["Your course"] == [str(mail.message["subject"]) for mail in smtp_sink.for_("ada@example.org")]
    why = "no approved draft, and none is ordered: the given_name of learner.manager stands in the value of `per`"
    assert why in {each.undrafted for each in await house.deliveries()}


async def test_a_retry_goes_in_the_words_that_are_approved_then(house: Running, smtp_sink: SmtpSink) -> None:
    """Refused for now, it waits; meanwhile another text is approved in the first one's place, and that one goes."""
    program = await house.publish(JOURNEY)
    database = house.house.database
    first = GoldenDraft("course", "First", "The first text.", value="cook")
    second = GoldenDraft("course", "Second", "The second text.", value="cook", number=2)
    await keep(database, program, first)
    smtp_sink.always("ada@example.org", "later")

    await house.take(promoted("ada", role="cook"))
    (delivery,) = await until(lambda: _tried(house))
    assert first.id(program) == delivery.draft
    async with database.write() as session:
        row = (await session.exec(select(DraftRow).where(col(DraftRow.id) == first.id(program)))).one()
        row.state = "replaced"
        session.add_all([row, second.row(program, at=datetime.now(UTC))])

    async def is_tried_in_the_second() -> bool:
        return [each.draft for each in await house.deliveries()] == [second.id(program)]

    await until(is_tried_in_the_second)  # one that was under way may have been composed before
    smtp_sink.always("ada@example.org", None)
    await until(lambda: all_ended(house))

    assert ["Second"] == [str(mail.message["subject"]) for mail in smtp_sink.for_("ada@example.org")]
    (delivery,) = await house.deliveries()
    assert ("sent", second.id(program), None) == (delivery.status, delivery.draft, delivery.undrafted)
    (enrolment,) = await house.enrolments()
    (line,) = [line for line in await house.journal(enrolment.id) if line.kind == "sent"]
    assert second.id(program) == line.data["draft"]
    assert "Sent course through email (drafted and approved text)." == line.text


async def _tried(house: Running) -> Sequence[DeliveryRow] | None:
    """The deliveries, once one was tried and given back."""
    deliveries = await house.deliveries()
    return deliveries if [each for each in deliveries if each.attempts and each.attempt is None] else None


async def test_a_message_without_a_draft_asks_for_none(house: Running, smtp_sink: SmtpSink) -> None:
    """Not one statement about drafts from its entry to its end."""
    await house.publish_program(program_of([send("one")]))
    with statements(house.house.database) as seen:
        await house.take(promoted("ada"))
        await until(lambda: all_ended(house))
    assert 1 == len(smtp_sink.for_("ada@example.org"))
    assert [] == [statement for statement in seen if "FROM drafts" in statement or "INTO drafts" in statement]
    (line,) = [line for line in await house.journal((await house.enrolments())[0].id) if line.kind == "sent"]
    assert {"message", "channel", "status", "reason"} == set(line.data)


async def test_the_policy_decides_at_the_moment_of_sending(
    house: Running, database_url: str, smtp_sink: SmtpSink
) -> None:
    """A text for her alone that was approved goes as long as the policy allows such texts."""
    program = await house.publish(JOURNEY.replace("per: learner.role", "per: learner"))
    secret = house.house.settings.signing_secret()
    given = [
        GoldenDraft("course", f"For {name}", "Only for you.", value=learner_id(secret, name)) for name in ("ada", "ben")
    ]
    await keep(house.house.database, program, *given)

    await keep_policy(database_url, {"sending": None, "budget": None, "drafts": {"per_learner": True}})
    await house.take(promoted("ada"))
    await until(lambda: all_ended(house))
    await keep_policy(database_url, {"sending": None, "budget": None, "drafts": {"per_learner": False}})
    await house.take(promoted("ben"))
    await until(lambda: smtp_sink.for_("ben@example.org"))
    await until(lambda: all_ended(house))

    ada, ben = (smtp_sink.for_(f"{name}@example.org") for name in ("ada", "ben"))
    assert ["For ada", "Your course"] == [str(mail.message["subject"]) for mail in (*ada, *ben)]
    why = {delivery.undrafted for delivery in await house.deliveries() if delivery.draft is None}
    assert {"the policy lets nobody draft for one learner alone (drafts.per_learner)"} == why
