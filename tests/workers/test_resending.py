"""A message sent once more, when the cause is mended; on real servers and both databases."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.smtp import SmtpSink
from tests.support.steering import JOURNEY, Steered, left, promoted, steered_house
from tests.support.until import until
from workers.actions import PERFORMS, Actions
from workers.steering import performs

ADA = "ada@example.org"
SHORT = JOURNEY.replace("  - wait: 30d\n", "").replace("body: Bye", 'body: "Bye, {{ learner.team }}"')


@pytest.fixture
async def steered(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Steered]:
    """A house with a journey of two messages, of which the second names the learner's team."""
    async with steered_house(
        database_url=database_url, temporal_address=temporal_address, mail=smtp_sink, home=tmp_path, definition=SHORT
    ) as steered:
        yield steered


async def deliveries(steered: Steered, **wanted: str) -> list[dict[str, Any]]:
    """As the API lists them."""
    return (await steered.api.get("/v1/deliveries", **wanted))["items"]


async def the_delivery(steered: Steered, message: str, status: str) -> dict[str, Any]:
    """The only one of this message in this status."""
    (found,) = [each for each in await deliveries(steered, status=status) if each["message"] == message]
    return found


async def arrived(steered: Steered, *subjects: str) -> None:
    """Wait until exactly these have come."""

    async def is_so() -> bool:
        return list(subjects) == await steered.subjects()

    await until(is_so)


async def give_team(steered: Steered, *learners: str) -> None:
    """What was missing is known now."""
    for learner in learners:
        event = promoted(learner, steered.house.clock())
        changed = type(event)(f"team-{learner}", "hr", "hr.learner.changed", learner, event.time, {"team": "T1"})
        await steered.house.take(changed)


async def test_a_message_that_failed_is_sent_again_though_the_enrolment_has_ended(steered: Steered) -> None:
    """Once: the one that went stands beside the one that failed, and is not sent a third time."""
    steered.mail.treat(ADA, "refuse")
    await steered.promote("ada")
    assert "ended" == (await steered.one()).status
    failed = await the_delivery(steered, "hello", "failed")

    again = await steered.steer(f"/v1/deliveries/{failed['id']}/resend")
    assert (failed["id"], "hello") == (again["instead_of"], again["delivery"]["message"])
    await arrived(steered, "Hello")

    async def is_sent() -> bool:
        found = await steered.api.get(f"/v1/deliveries/{again['delivery']['id']}")
        return ("sent", 1) == (found["status"], found["attempts"])

    await until(is_sent)
    assert (409, "already_sent_again") == await steered.refused(f"/v1/deliveries/{failed['id']}/resend")
    assert (409, "already_sent") == await steered.refused(f"/v1/deliveries/{again['delivery']['id']}/resend")
    assert (404, "delivery_not_found") == await steered.refused("/v1/deliveries/none/resend")
    journal = (await steered.api.get(f"/v1/enrolments/{failed['enrolment']}"))["journal"]
    assert [("resent", "tests")] == [(line["kind"], line["data"]["who"]) for line in journal if "who" in line["data"]]


async def test_a_message_that_failed_is_sent_again_while_the_journey_goes_on(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Her enrolment waits thirty days, and the turn that finds the message does not end it."""
    async with steered_house(
        database_url=database_url, temporal_address=temporal_address, mail=smtp_sink, home=tmp_path
    ) as steered:
        steered.mail.treat(ADA, "refuse")
        await steered.promote("ada")
        failed = await the_delivery(steered, "hello", "failed")
        await steered.steer(f"/v1/deliveries/{failed['id']}/resend")
        await arrived(steered, "Hello")
        assert "active" == (await steered.one()).status


async def test_what_fails_again_may_be_sent_again_again(steered: Steered) -> None:
    """And goes by its channel's queue where the provider is busy."""
    steered.mail.treat(ADA, "refuse", "refuse", "later")
    await steered.promote("ada")
    failed = await the_delivery(steered, "hello", "failed")
    second = (await steered.steer(f"/v1/deliveries/{failed['id']}/resend"))["delivery"]["id"]

    async def has_failed() -> bool:
        return "failed" == (await steered.api.get(f"/v1/deliveries/{second}"))["status"]

    await until(has_failed)
    await steered.steer(f"/v1/deliveries/{second}/resend")
    await arrived(steered, "Hello")


async def test_all_that_were_skipped_for_one_cause(steered: Steered) -> None:
    """Two lacked a team; one of them was withdrawn, and gets nothing; the other's goes with what is known now."""
    await steered.promote("ada", "bob")
    skipped = await deliveries(steered, status="skipped")
    assert ["variable_missing"] * 2 == [each["reason"].split(":")[0] for each in skipped]
    await give_team(steered, "ada", "bob")
    await steered.house.quiet()
    wanted = {"action": "resend", "filter": {"journey": "steered", "reason": "variable_missing"}}
    dry = await steered.api.client.post("/v1/deliveries/actions", json={**wanted, "dry_run": True})
    assert (202, "dry_run", 2, 0) == (dry.status_code, dry.json()["state"], dry.json()["total"], dry.json()["failed"])

    asked = await steered.api.client.post("/v1/deliveries/actions", json=wanted)
    parts = steered.api.parts
    does = {**PERFORMS, **performs(parts.program_of)}
    while await Actions(parts.database, parts.gateway, parts.clock, performs=does).work():
        pass
    found = await steered.api.get(f"/v1/enrolments/actions/{asked.json()['id']}")
    assert ("done", 2, 0) == (found["state"], found["done"], found["failed"])
    await arrived(steered, "Hello", "Bye")
    assert "Bye, T1" in steered.mail.for_(ADA)[-1].part("plain")
    nothing = await steered.api.client.post("/v1/deliveries/actions", json=wanted)
    assert ("done", 0) == (nothing.json()["state"], nothing.json()["total"])


async def test_who_was_withdrawn_gets_nothing(steered: Steered) -> None:
    """Neither afterwards, nor what was queued before."""
    definition = SHORT.replace("- send: bye", "- wait: 30d\n  - send: bye")
    assert 201 == (await steered.api.publish(definition, "steered")).status_code
    steered.mail.treat(ADA, "refuse")
    await steered.promote("ada")
    failed = await the_delivery(steered, "hello", "failed")
    await steered.api.client.post("/v1/halt")
    again = (await steered.steer(f"/v1/deliveries/{failed['id']}/resend"))["delivery"]["id"]
    await steered.steer(f"/v1/enrolments/{failed['enrolment']}/withdraw")
    await steered.api.client.post("/v1/go")
    await steered.woken()
    found = await steered.api.get(f"/v1/deliveries/{again}")
    assert ("skipped", "withdrawn") == (found["status"], found["reason"])
    assert (409, "withdrawn") == await steered.refused(f"/v1/deliveries/{failed['id']}/resend")
    assert [] == await steered.subjects()


@pytest.mark.parametrize(
    ("hold", "let_go"),
    [("/v1/halt", "/v1/go"), ("/v1/journeys/steered/pause", "/v1/journeys/steered/resume")],
)
async def test_what_is_held_is_sent_again_when_it_goes_on(steered: Steered, hold: str, let_go: str) -> None:
    """All deliveries, or the whole journey: nothing goes meanwhile, of ended enrolments neither."""
    steered.mail.treat(ADA, "refuse")
    await steered.promote("ada")
    failed = await the_delivery(steered, "hello", "failed")
    await steered.steer(hold)
    again = (await steered.steer(f"/v1/deliveries/{failed['id']}/resend"))["delivery"]["id"]
    await steered.woken()
    assert (409, "not_final") == await steered.refused(f"/v1/deliveries/{again}/resend")
    assert [] == await steered.subjects()
    await steered.steer(let_go)
    await arrived(steered, "Hello")


async def test_what_is_in_doubt_or_fell_is_sent_again_only_by_force(steered: Steered) -> None:
    """It may come twice; and what the end of the enrolment let fall did not fail."""
    await steered.api.client.post("/v1/halt")
    await steered.promote("ada")
    await steered.house.take(left("ada", steered.house.clock()))
    await steered.woken()
    await steered.api.client.post("/v1/go")
    fell = await the_delivery(steered, "hello", "skipped")
    assert (409, "fell") == await steered.refused(f"/v1/deliveries/{fell['id']}/resend")
    await steered.steer(f"/v1/deliveries/{fell['id']}/resend", force=True)
    await arrived(steered, "Hello")


async def test_a_message_that_may_have_gone(steered: Steered) -> None:
    """The line went dead after the body: sent again only by force."""
    steered.mail.treat(ADA, "drop_after_data")
    await steered.promote("ada")
    doubtful = await the_delivery(steered, "hello", "may_have_gone")
    assert (409, "may_have_gone") == await steered.refused(f"/v1/deliveries/{doubtful['id']}/resend")
    await steered.steer(f"/v1/deliveries/{doubtful['id']}/resend", force=True)
    await arrived(steered, "Hello", "Hello")
