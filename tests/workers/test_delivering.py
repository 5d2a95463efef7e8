"""What becomes of a message when its provider, an operator or an exit gets in its way; on real servers and both
databases.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from journeys.events import Event
from store.queries import deliveries as delivery_rows
from store.tables import DeliveryRow, Enrolment, Installation
from tests.support.definitions import LEFT, program_of, send, wait
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink
from tests.support.until import until

Limits = dict[str, Any]
"""How long an attempt may take, as `running_house` is told."""
PATIENT: Limits = {"hand_over": timedelta(seconds=20), "answer": timedelta(seconds=20)}
SHORT_HAND_OVER: Limits = {**PATIENT, "hand_over": timedelta(seconds=5)}
SHORT_ANSWER: Limits = {**PATIENT, "answer": timedelta(seconds=1)}
SHORT: Limits = {"hand_over": timedelta(seconds=5), "answer": timedelta(seconds=5)}
"""For who waits until an attempt of the dead is over, which lasts as long as any may."""
ADA = "ada@example.org"


def promoted(learner: str, at: datetime, *, email: str | None = "") -> Event:
    data = {"given_name": learner.title(), "email": f"{learner}@example.org" if email == "" else email}
    return Event(f"promoted-{learner}", "hr", "hr.learner.promoted", learner, at, data)


def left(learner: str, at: datetime) -> Event:
    return Event(f"left-{learner}", "hr", "hr.learner.left", learner, at)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


OpenHouse = "type[AbstractAsyncContextManager[Running]]"


@pytest.fixture
def limits() -> Limits:
    """How long an attempt may take; short in the tests alone in which something never answers."""
    return PATIENT


@pytest.fixture
async def house(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, limits: Limits
) -> AsyncIterator[Running]:
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path, **limits
    ) as running:
        yield running


async def ended(house: Running) -> Enrolment:
    """The one enrolment, once it has ended."""

    async def one() -> Enrolment | None:
        (enrolment,) = await house.enrolments()
        return enrolment if enrolment.status == "ended" else None

    return await until(one)


async def only_delivery(house: Running) -> DeliveryRow:
    (delivery,) = await house.deliveries()
    return delivery


async def test_a_refused_recipient_fails_for_good_with_the_providers_words_and_the_journey_goes_on(
    house: Running, smtp_sink: SmtpSink
) -> None:
    """550: failed, and the next message is tried all the same."""
    smtp_sink.treat(ADA, "refuse")
    await house.publish_program(program_of([send("one", then="send-two"), send("two")]))
    await house.take(promoted("ada", now()))
    assert (await ended(house)).outcome == "completed"
    first, second = sorted(await house.deliveries(), key=lambda d: d.message)
    assert ("failed", "sent") == (first.status, second.status)
    assert "550" in (first.reason or "")
    assert ["About two"] == [str(m.message["subject"]) for m in smtp_sink.for_(ADA)]


async def test_a_recipient_refused_for_now_is_tried_again_until_she_is_taken(
    house: Running, smtp_sink: SmtpSink
) -> None:
    """451 once: one message arrives, by a retry on the channel's queue; a neighbour is not held up."""
    smtp_sink.treat(ADA, "later")
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now()), promoted("bob", now()))
    await until(lambda: smtp_sink.for_("bob@example.org"))
    await until(lambda: smtp_sink.for_(ADA))
    await until(lambda: _all_ended(house))
    assert 1 == len(smtp_sink.for_(ADA))
    assert {"sent"} == {d.status for d in await house.deliveries()}
    assert [1, 2] == sorted(d.attempts for d in await house.deliveries())


async def _all_ended(house: Running) -> bool:
    return all(e.status == "ended" for e in await house.enrolments())


async def test_the_instant_of_a_retry_is_its_turns_and_what_has_passed_since_by_the_workflows_own_clock(
    house: Running, smtp_sink: SmtpSink
) -> None:
    """Refused twice, a month ahead: it goes five seconds after its turn, by that clock too."""
    await house.publish_program(program_of([wait(30, then="send-one"), send("one")]))
    smtp_sink.treat(ADA, "later", "later")
    start = now()
    await house.take(promoted("ada", start))
    await house.quiet()
    await house.move_to(start + timedelta(days=30, seconds=1))
    await until(lambda: smtp_sink.for_(ADA))
    await ended(house)
    row = await only_delivery(house)
    assert row.sent_at is not None
    assert row.due_at is not None
    assert start + timedelta(days=30) <= row.due_at
    assert timedelta(seconds=5) <= row.sent_at - row.due_at < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("behaviour", "limits"), [("drop_after_data", PATIENT), ("hang_after_data", SHORT_ANSWER)], ids=["drop", "hang"]
)
async def test_a_provider_that_says_nothing_after_data_leaves_a_doubt_and_is_not_asked_again(
    house: Running, smtp_sink: SmtpSink, behaviour: str
) -> None:
    """The message arrived, no answer came: may_have_gone, exactly one attempt, and the journey goes on."""
    smtp_sink.treat(ADA, behaviour)  # type: ignore[arg-type]
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now()))
    assert (await ended(house)).outcome == "completed"
    delivery = await only_delivery(house)
    assert ("may_have_gone", 1) == (delivery.status, delivery.attempts)
    assert 1 == len(smtp_sink.for_(ADA))


@pytest.mark.parametrize("limits", [SHORT_HAND_OVER], ids=["short"])
async def test_a_provider_that_hangs_before_the_body_is_tried_again(house: Running, smtp_sink: SmtpSink) -> None:
    """Nothing was handed over, so nothing is in doubt: the retry delivers once."""
    smtp_sink.treat(ADA, "hang")
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now()))
    assert (await ended(house)).outcome == "completed"
    assert 1 == len(smtp_sink.for_(ADA))
    assert "sent" == (await only_delivery(house)).status


async def test_a_learner_without_an_address_is_skipped(house: Running, smtp_sink: SmtpSink) -> None:
    """No address for any channel: skipped, with the reason."""
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now(), email=None))
    await ended(house)
    delivery = await only_delivery(house)
    assert ("skipped", "no_address") == (delivery.status, delivery.reason)
    assert [] == smtp_sink.arrived


async def test_a_message_whose_variable_is_missing_is_skipped_with_its_name(
    house: Running, smtp_sink: SmtpSink
) -> None:
    """Never a gap in a sentence."""
    event = Event("e", "hr", "hr.learner.promoted", "ada", now(), {"email": ADA})
    await house.publish_program(program_of([send("one")]))
    await house.take(event)
    await ended(house)
    delivery = await only_delivery(house)
    assert ("skipped", "variable_missing: learner.given_name") == (delivery.status, delivery.reason)
    assert [] == smtp_sink.arrived


async def test_an_exit_while_a_message_is_being_retried_withdraws_it(house: Running, smtp_sink: SmtpSink) -> None:
    """She leaves while the provider is down: the message never goes, and the enrolment ends as left."""
    smtp_sink.always(ADA, "later")
    await house.publish_program(program_of([send("one"), wait(3)], exits=[LEFT]))
    start = now()
    await house.take(promoted("ada", start))
    await until(lambda: ADA in smtp_sink.attempts)
    await house.take(left("ada", start + timedelta(seconds=1)))

    async def has_left() -> bool:
        (enrolment,) = await house.enrolments()
        return enrolment.outcome == "left"

    await until(has_left)
    smtp_sink.always(ADA, None)
    delivery = await until(lambda: _final(house))
    assert ("skipped", []) == (delivery.status, smtp_sink.for_(ADA))


async def _final(house: Running) -> DeliveryRow | None:
    delivery = await only_delivery(house)
    return delivery if delivery.status in delivery_rows.FINAL else None


async def test_a_message_that_cannot_go_before_it_expires_is_skipped(house: Running, smtp_sink: SmtpSink) -> None:
    """The provider stays down past the expiry: skipped, expired."""
    smtp_sink.always(ADA, "later")
    await house.publish_program(program_of([send("one", expires=timedelta(seconds=2))]))
    await house.take(promoted("ada", now()))
    await ended(house)
    assert ("skipped", "expired") == ((await only_delivery(house)).status, (await only_delivery(house)).reason)


async def _halt(house: Running, value: dict[str, str]) -> None:
    async with house.house.database.write() as session:
        row = (await session.exec(select(Installation).where(col(Installation.name) == "halted"))).first()
        row = row or Installation(name="halted", updated_at=now())
        row.value = dict(value)
        session.add(row)


async def test_while_deliveries_are_halted_nothing_goes_and_afterwards_it_does(
    house: Running, smtp_sink: SmtpSink
) -> None:
    """Halted: deferred, and tried by nobody; let go and poked: sent."""
    await _halt(house, {"since": now().isoformat()})
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now()))
    await house.quiet()
    delivery = await only_delivery(house)
    assert ("deferred", "halted", []) == (delivery.status, delivery.reason, smtp_sink.attempts)
    await _halt(house, {})
    await house.house.gateway.poke([delivery.enrolment])
    assert (await ended(house)).outcome == "completed"
    assert 1 == len(smtp_sink.for_(ADA))


@asynccontextmanager
async def _abandoned(house: Running) -> AsyncGenerator[None]:
    """A process that claimed the only delivery, and was killed before it could say what came of it."""
    await _halt(house, {"since": now().isoformat()})
    await house.publish_program(program_of([send("one")]))
    await house.take(promoted("ada", now()))
    await house.quiet()
    delivery = await only_delivery(house)
    async with house.house.database.write() as session:
        claimed = await delivery_rows.claim(
            session, delivery.id, attempt="of the dead", until=datetime.now(UTC) + timedelta(seconds=1),
            clock=datetime.now(UTC), channel="email",
        )  # fmt: skip
    assert claimed
    await _halt(house, {})
    yield
    await house.house.gateway.poke([delivery.enrolment])
    await ended(house)


@pytest.mark.parametrize("limits", [SHORT], ids=["short"])
async def test_an_attempt_whose_process_died_is_marked_and_left(house: Running, smtp_sink: SmtpSink) -> None:
    """WAYMARK_IN_DOUBT=leave: may_have_gone, and nobody tries again."""
    async with _abandoned(house):
        pass
    assert ("may_have_gone", []) == ((await only_delivery(house)).status, smtp_sink.attempts)


async def test_an_attempt_whose_process_died_is_sent_again_where_that_is_wanted(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """WAYMARK_IN_DOUBT=resend: it arrives."""
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        in_doubt="resend", **SHORT,
    ) as house:  # fmt: skip
        async with _abandoned(house):
            pass
        assert ("sent", 1) == ((await only_delivery(house)).status, len(smtp_sink.for_(ADA)))


async def test_a_doubt_is_sent_again_where_that_is_wanted(
    sqlite_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """WAYMARK_IN_DOUBT=resend, and the line drops after DATA: none is lost, and it may come twice."""
    smtp_sink.treat(ADA, "drop_after_data")
    async with running_house(
        database_url=sqlite_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        in_doubt="resend", **PATIENT,
    ) as house:  # fmt: skip
        await house.publish_program(program_of([send("one")]))
        await house.take(promoted("ada", now()))
        await ended(house)
        assert ("sent", 2) == ((await only_delivery(house)).status, len(smtp_sink.for_(ADA)))


@pytest.mark.parametrize(
    ("rule", "arrives_at"),
    [
        ("none", set[str]()),
        (f"only:{ADA}", {ADA}),
        ("redirect:desk@example.org", {"desk@example.org"}),
    ],
)
async def test_who_is_delivered_to_in_a_first_look(
    sqlite_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, rule: str, arrives_at: set[str]
) -> None:
    """WAYMARK_DELIVER: the others are skipped, and say so."""
    async with running_house(
        database_url=sqlite_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path, deliver=rule
    ) as house:
        await house.publish_program(program_of([send("one")]))
        await house.take(promoted("ada", now()), promoted("bob", now()))
        await until(lambda: _all_ended(house))
        assert arrives_at == {m.recipient for m in smtp_sink.arrived}
        skipped = [d for d in await house.deliveries() if d.status == "skipped"]
        assert all((d.reason or "").startswith("withheld: WAYMARK_DELIVER") for d in skipped)
        assert 2 == len(skipped) + len(smtp_sink.arrived)


async def test_what_waits_until_nobody_knows_when_is_not_taken_for_forgotten(house: Running) -> None:
    """She is on leave without an end, and the message never expires: each waking says that somebody looked after it."""
    left = Event("leave", "hr", "hr.learner.leave_started", "ada", now() - timedelta(hours=1))
    await house.publish_program(program_of([send("one", expires=None)]))
    await house.take(left, promoted("ada", now()))

    async def put_off() -> DeliveryRow | None:
        deliveries = await house.deliveries()
        return deliveries[0] if deliveries and deliveries[0].status == "deferred" else None

    first = await until(put_off)
    (enrolment,) = await house.enrolments()
    await house.house.gateway.poke([enrolment.id])
    await until(lambda: _looked_at_since(house, first))
    assert (await only_delivery(house)).due_at is None


async def _looked_at_since(house: Running, first: DeliveryRow) -> bool:
    return (await only_delivery(house)).updated_at > first.updated_at
