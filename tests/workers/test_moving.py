"""An enrolment moved to another version in the middle of a wait; on real servers, both databases, with time moved."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from journeys.events import Event
from store.leases import LONGEST
from store.tables import Enrolment
from tests.support.smtp import SmtpSink
from tests.support.steering import JOURNEY, Steered, steered_house

DAY = timedelta(days=1)
VERSIONS = "/v1/journeys/steered/versions"


@pytest.fixture
async def steered(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> AsyncIterator[Steered]:
    """A house with one learner in the middle of a wait of 30 days."""
    async with steered_house(
        database_url=database_url, temporal_address=temporal_address, mail=smtp_sink, home=tmp_path, definition=None
    ) as steered:
        assert 201 == (await steered.api.publish(JOURNEY, "steered")).status_code
        await steered.promote("ada")
        yield steered


async def publish(steered: Steered, definition: str) -> int:
    """The number of the new version."""
    answer = await steered.api.publish(definition, "steered")
    assert 201 == answer.status_code, answer.text
    return answer.json()["version"]


async def test_a_new_version_changes_nothing_until_the_enrolment_is_moved(steered: Steered) -> None:
    """Then its wait is counted anew from when it began, and the poke comes at once."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    await publish(steered, JOURNEY.replace("- wait: 30d", "- wait: 10d\n    id: wait-30d"))
    await steered.later(12 * DAY)
    assert ["Hello"] == await steered.subjects()

    moved = await steered.steer(f"{enrolment}/move", version=2)
    assert 2 == moved["version"]
    await steered.woken()
    await steered.house.quiet()
    assert ["Hello", "Bye"] == await steered.subjects()
    line = next(each for each in (await steered.api.get(enrolment))["journal"] if each["kind"] == "moved")
    assert "Moved to version 2, from version 1. Its wait is counted anew" in line["text"]
    assert "tests" == line["data"]["who"]


async def test_a_step_that_is_gone_is_refused_and_mapped(steered: Steered) -> None:
    """The refusal names the step and those that are there; with a map it goes."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    await publish(steered, JOURNEY.replace("- wait: 30d", "- wait: 30d\n    id: rest"))
    answer = await steered.api.client.post(f"{enrolment}/move", json={"version": 2})
    assert (409, "cannot_be_moved") == (answer.status_code, answer.json()["code"])
    assert "'wait-30d'" in answer.json()["detail"]
    assert "map it to one of rest, send-bye, send-hello" in answer.json()["detail"]
    moved = await steered.steer(f"{enrolment}/move", version=2, map={"wait-30d": "rest"})
    assert ("rest", "active") == (moved["step"], moved["status"])
    await steered.later(31 * DAY)
    assert ["Hello", "Bye"] == await steered.subjects()


async def test_what_cannot_be_done_is_refused(steered: Steered) -> None:
    """No such enrolment, no such version, the same version, one that has ended."""
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    assert (404, "enrolment_not_found") == await steered.refused("/v1/enrolments/none/move", version=1)
    assert (404, "version_not_found") == await steered.refused(f"{enrolment}/move", version=9)
    assert (409, "same_version") == await steered.refused(f"{enrolment}/move", version=1)
    assert (422, "invalid_request") == await steered.refused(f"{enrolment}/move")
    await steered.steer(f"{enrolment}/withdraw")
    assert (409, "already_ended") == await steered.refused(f"{enrolment}/move", version=2)


async def test_a_new_exit_is_judged_over_all_that_happened(steered: Steered) -> None:
    """She completed the course on day 2; the version of day 5 has it as the goal: it ends as of day 2."""
    at = steered.house.clock() + 2 * DAY
    await steered.later(2 * DAY)
    completed = Event("done", "lms", "lms.course.completed", "ada", at, {"course": "A", "score": 0.9})
    await steered.house.take(completed)
    await steered.later(3 * DAY)
    goal = 'exit:\n  - on: lms.course.completed\n    when: event.data.course == "A"\n    as: goal\n'
    await publish(steered, JOURNEY.replace("exit:\n", goal))

    await steered.steer(f"/v1/enrolments/{(await steered.one()).id}/move", version=2)
    await steered.woken()
    assert ("ended", "goal") == ((await steered.one()).status, (await steered.one()).outcome)
    assert ["Hello"] == await steered.subjects()


AWAITING = JOURNEY.replace(
    "- wait: 30d",
    "- await: {on: lms.course.completed, when: 'event.data.course == \"A\"', within: 30d}\n    id: course",
).replace("  - send: bye\n", "    then: [{send: bye}]\n")


async def test_what_an_await_listens_to_is_judged_again(steered: Steered) -> None:
    """She completed B while the journey awaited A; moved to the version that awaits B she goes on."""
    await publish(steered, AWAITING)
    await publish(steered, AWAITING.replace('"A"', '"B"'))
    first, second = 2, 3
    await steered.promote("bob")
    bob = next(row for row in await steered.house.enrolments() if row.version == second).id
    await steered.steer(f"/v1/enrolments/{bob}/move", version=first)
    at = steered.house.clock()
    await steered.house.take(Event("b", "lms", "lms.course.completed", "bob", at, {"course": "B"}))
    await steered.house.quiet()
    assert ["Hello"] == await steered.subjects("bob")
    await steered.steer(f"/v1/enrolments/{bob}/move", version=second)
    await steered.house.quiet()
    assert ["Hello", "Bye"] == await steered.subjects("bob")


async def test_what_is_unread_goes_along(steered: Steered) -> None:
    """An exit that fired while nobody took a turn acts after the move all the same, though it stands second now."""
    row = await steered.one()
    await steered.steer(f"/v1/enrolments/{row.id}/pause")
    await publish(steered, JOURNEY.replace("exit:\n", "exit:\n  - on: lms.course.failed\n    as: failed-it\n"))
    await steered.house.quiet()
    async with steered.house.house.database.write() as session:  # as if a turn were under way all the time
        until = steered.house.clock() + LONGEST / 2  # one that ends later is believed by nobody
        await (await session.connection()).execute(update(Enrolment).values(lease_until=until))
    await steered.house.take(Event("gone", "hr", "hr.learner.left", "ada", steered.house.clock()))
    await steered.steer(f"/v1/enrolments/{row.id}/move", version=2)
    await steered.woken()
    assert ("ended", "left") == ((await steered.one()).status, (await steered.one()).outcome)


async def test_the_difference_says_what_changed_and_who_could_be_moved(steered: Steered) -> None:
    """Two run in version 1: one stands at a step that is gone."""
    await steered.later(31 * DAY)
    await steered.promote("bob", "cyd")
    changed = JOURNEY.replace("- wait: 30d", "- wait: 30d\n    id: rest").replace("body: Bye", "body: Farewell")
    await publish(steered, changed.replace("as: left", "as: gone").replace("limit: 90d", "limit: 80d"))

    found = await steered.api.get(f"{VERSIONS}/2/difference", **{"with": 1})
    assert {"added": ["rest"], "removed": ["wait-30d"], "changed": ["send-hello"]} == found["steps"]
    assert {"added": [], "removed": [], "changed": ["bye"]} == found["messages"]
    assert ["exit as gone on hr.learner.left"] == found["triggers"]["added"]
    assert ["exit as left on hr.learner.left"] == found["triggers"]["removed"]
    assert ["limit"] == found["settings"]
    assert (1, 2, 2, 0) == (found["from"], found["to"], found["enrolments"]["running"], found["enrolments"]["could"])
    assert all("'wait-30d'" in each["reasons"][0] for each in found["enrolments"]["could_not"])
    back = await steered.api.get(f"{VERSIONS}/1/difference", **{"with": 2})
    assert ["wait-30d"] == back["steps"]["added"]
    nothing = await steered.api.client.get(f"{VERSIONS}/3/difference")
    assert (404, "version_not_found") == (nothing.status_code, nothing.json()["code"])


async def test_an_older_version_is_published_again(steered: Steered) -> None:
    """Its text makes it the running one, under a new number; who is in the old one is moved without loss."""
    await publish(steered, JOURNEY.replace("30d", "20d"))
    first = await steered.api.get(f"{VERSIONS}/1")
    assert 3 == await publish(steered, first["definition"])
    found = await steered.api.get(f"{VERSIONS}/3/difference", **{"with": 1})
    assert ([], [], 1) == (found["steps"]["changed"], found["settings"], found["enrolments"]["could"])
    enrolment = f"/v1/enrolments/{(await steered.one()).id}"
    due = (await steered.api.get(enrolment))["due_at"]
    moved = await steered.steer(f"{enrolment}/move", version=3)
    assert (3, due) == (moved["version"], moved["due_at"])
