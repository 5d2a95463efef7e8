"""Paused, let go again, withdrawn: one enrolment, and a whole journey; on real servers and both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.smtp import SmtpSink
from tests.support.steering import Steered, left, promoted, steered_house

DAY = timedelta(days=1)
JOURNEY = "/v1/journeys/steered"


@pytest.fixture
async def steered(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Steered]:
    """A house with one learner in the middle of a wait of 30 days."""
    async with steered_house(
        database_url=database_url, temporal_address=temporal_address, mail=smtp_sink, home=tmp_path
    ) as steered:
        await steered.promote("ada")
        yield steered


async def test_a_pause_holds_and_lengthens_the_wait(steered: Steered) -> None:
    """Ten days in, paused for fifty: nothing is sent, and then it takes the twenty days that were left."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    await steered.later(10 * DAY)

    paused = await steered.steer(f"{enrolment}/pause")
    assert "paused" == paused["status"]
    await steered.woken()
    assert [paused["id"]] == [one["id"] for one in (await steered.api.get("/v1/enrolments", status="paused"))["items"]]

    await steered.later(50 * DAY)
    assert ["Hello"] == await steered.subjects()

    resumed = await steered.steer(f"{enrolment}/resume")
    assert "active" == resumed["status"]
    await steered.woken()
    await steered.later(19 * DAY)
    assert ["Hello"] == await steered.subjects()
    await steered.later(2 * DAY)
    assert ["Hello", "Bye"] == await steered.subjects()
    assert [("paused", "tests"), ("resumed", "tests")] == [
        (line["kind"], line["data"]["who"])
        for line in (await steered.api.get(enrolment))["journal"]
        if line["kind"] in ("paused", "resumed")
    ]


@pytest.mark.parametrize(("catch_up", "days_left"), [("skip", 0), ("restart_wait", 30)])
async def test_what_becomes_of_a_wait(steered: Steered, catch_up: str, days_left: int) -> None:
    """`skip`: it is over, where its time is over; `restart_wait`: it begins anew."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    await steered.steer(f"{enrolment}/pause")
    await steered.later(40 * DAY)
    await steered.steer(f"{enrolment}/resume", catch_up=catch_up)
    if days_left:
        await steered.later((days_left - 1) * DAY)
        assert ["Hello"] == await steered.subjects()
        await steered.later(2 * DAY)
    await steered.house.quiet()
    assert ["Hello", "Bye"] == await steered.subjects()


async def test_exits_and_the_limit_act_on_who_is_paused(steered: Steered) -> None:
    """One who leaves is out at once; another's journey expires."""
    await steered.promote("bob")
    for row in await steered.house.enrolments():
        await steered.steer(f"/v1/enrolments/{row.id}/pause")
    await steered.woken()
    await steered.house.take(left("bob", steered.house.clock()))
    await steered.woken()
    await steered.later(91 * DAY)
    assert ["expired", "left"] == sorted(str(row.outcome) for row in await steered.house.enrolments())
    assert ["Hello"] == await steered.subjects()


async def test_what_cannot_be_done_is_refused(steered: Steered) -> None:
    """There is no such enrolment; it is paused already; it is not paused; it has ended."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    assert (404, "enrolment_not_found") == await steered.refused("/v1/enrolments/none/pause")
    assert (409, "not_paused") == await steered.refused(f"{enrolment}/resume")
    assert (422, "invalid_request") == await steered.refused(f"{enrolment}/resume", catch_up="later")
    await steered.steer(f"{enrolment}/pause")
    assert (409, "already_paused") == await steered.refused(f"{enrolment}/pause")
    await steered.steer(f"{enrolment}/withdraw")
    assert (409, "already_ended") == await steered.refused(f"{enrolment}/resume")


async def test_withdrawn_in_the_middle_of_a_wait(steered: Steered) -> None:
    """The outcome stands at once, and nothing is sent any more."""
    ended = await steered.steer(f"/v1/enrolments/{(await steered.one()).id}/withdraw")
    assert "withdrawn" == ended["outcome"]
    await steered.woken()
    await steered.later(40 * DAY)
    assert ["Hello"] == await steered.subjects()


async def test_a_journey_paused_holds_every_wait_and_takes_no_entries(steered: Steered) -> None:
    """What falls due meanwhile waits; what comes meanwhile is no entry; then all goes on."""
    await steered.later(10 * DAY)
    paused = await steered.steer(f"{JOURNEY}/pause", reason="a wrong link")
    assert ("paused", "tests", "a wrong link") == (paused["status"], paused["paused"]["by"], paused["paused"]["reason"])
    await steered.house.take(promoted("bob", steered.house.clock()))
    await steered.later(40 * DAY)
    assert ["Hello"] == await steered.subjects()
    assert 1 == len(await steered.house.enrolments())

    resumed = await steered.steer(f"{JOURNEY}/resume")
    assert ("live", None) == (resumed["status"], resumed["paused"])
    await steered.woken()
    await steered.later(19 * DAY)
    assert ["Hello"] == await steered.subjects()
    await steered.later(2 * DAY)
    assert ["Hello", "Bye"] == await steered.subjects()

    await steered.promote("cyd")
    assert ["Hello"] == await steered.subjects("cyd")


async def test_who_is_paused_by_hand_stays_paused_when_the_journey_resumes(steered: Steered) -> None:
    """Both hold her; the journey lets go, the admin does not."""
    enrolment = (await steered.one()).id
    await steered.steer(f"{JOURNEY}/pause")
    await steered.steer(f"/v1/enrolments/{enrolment}/pause")
    await steered.later(31 * DAY)
    await steered.steer(f"{JOURNEY}/resume", catch_up="skip")
    await steered.woken()
    assert ("paused", ["Hello"]) == ((await steered.one()).status, await steered.subjects())
    await steered.steer(f"/v1/enrolments/{enrolment}/resume", catch_up="skip")
    await steered.house.quiet()
    assert ["Hello", "Bye"] == await steered.subjects()


async def test_two_pauses_slept_through(steered: Steered) -> None:
    """Who sleeps through two pauses of a journey takes both in, in order of time, when she next wakes."""
    await steered.later(1 * DAY)
    for _ in range(2):
        await steered.steer(f"{JOURNEY}/pause")
        await steered.house.move_to(steered.house.clock() + DAY)
        await steered.steer(f"{JOURNEY}/resume")
    await steered.later(28 * DAY)
    assert ["Hello"] == await steered.subjects()
    await steered.later(2 * DAY)
    assert ["Hello", "Bye"] == await steered.subjects()


async def test_an_archived_journey_takes_no_entries_and_its_enrolments_go_on(steered: Steered) -> None:
    """No new ones; and out of the archive again by `resume`."""
    assert "archived" == (await steered.steer(f"{JOURNEY}/archive"))["status"]
    assert (409, "journey_archived") == await steered.refused(f"{JOURNEY}/archive")
    await steered.house.take(promoted("bob", steered.house.clock()))
    await steered.later(31 * DAY)
    assert ["Hello", "Bye"] == await steered.subjects()
    assert [] == await steered.subjects("bob")
    assert "live" == (await steered.steer(f"{JOURNEY}/resume"))["status"]
    assert (409, "journey_not_paused") == await steered.refused(f"{JOURNEY}/resume")
    assert (404, "journey_not_found") == await steered.refused("/v1/journeys/none/pause")
    await steered.steer(f"{JOURNEY}/pause")
    assert (409, "journey_paused") == await steered.refused(f"{JOURNEY}/archive")
