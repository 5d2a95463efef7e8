"""Steering many over HTTP: how many first, by what is said of them, and which could not be and why."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from store.queries import turns
from store.tables import Enrolment
from tests.support.api import JOURNEY, Api, event
from workers.actions import PERFORMS, Actions
from workers.steering import performs

ACTIONS = "/v1/enrolments/actions"


@pytest.fixture
async def three(api: Api) -> Api:
    """Three in the journey, one of them paused."""
    await api.publish()
    for learner in ("ada", "bea", "cleo"):
        await api.emit({**event("hr.learner.hired", learner), "data": {"country": "GB", "given_name": learner}})
        await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": learner})
    assert 200 == (await api.client.post(f"/v1/enrolments/{await of(api, 'bea')}/pause")).status_code
    return api


async def of(api: Api, learner: str) -> str:
    """Her enrolment."""
    return (await api.get("/v1/enrolments", learner=learner))["items"][0]["id"]


async def act(api: Api, action: str, filter: dict[str, Any], **given: Any) -> dict[str, Any]:  # noqa: A002 - the API's word
    """Ask for it; it must be taken."""
    answer = await api.client.post(ACTIONS, json={"action": action, "filter": filter, **given})
    assert 202 == answer.status_code, answer.text
    return answer.json()


async def done(api: Api, action: str, filter: dict[str, Any], **given: Any) -> dict[str, Any]:  # noqa: A002 - the API's word
    """Ask for it, and have it worked off."""
    asked = await act(api, action, filter, **given)
    does = {**PERFORMS, **performs(api.parts.program_of)}
    while await Actions(api.parts.database, api.parts.gateway, api.parts.clock, performs=does).work():
        pass
    return await api.get(f"{ACTIONS}/{asked['id']}")


async def refused(api: Api, **body: Any) -> tuple[int, str]:
    """It must be refused."""
    answer = await api.client.post(ACTIONS, json=body)
    return answer.status_code, answer.json()["code"]


OF_IT = {"journey": "first-weeks"}


async def test_how_many_first(three: Api) -> None:
    """A pause concerns those who are not paused, a resume those who are, a withdrawal all that run."""
    counts = {kind: (await act(three, kind, OF_IT, dry_run=True))["total"] for kind in ("pause", "resume", "withdraw")}
    assert {"pause": 2, "resume": 1, "withdraw": 3} == counts
    assert [] == (await three.get(ACTIONS))["items"]


async def test_each_is_done_and_counted(three: Api) -> None:
    """And what is done stands in the journal with the name of the key."""
    told = await done(three, "pause", OF_IT)
    assert ("done", 2, 2, 0) == (told["state"], told["total"], told["done"], told["failed"])
    resumed = await done(three, "resume", {"learner": "ada"}, catch_up="restart_wait")
    assert ({"catch_up": "restart_wait"}, 1) == (resumed["options"], resumed["done"])
    journal = (await three.get(f"/v1/enrolments/{await of(three, 'ada')}"))["journal"]
    assert [("paused", "tests"), ("resumed", "tests")] == [(line["kind"], line["data"]["who"]) for line in journal]
    withdrawn = await done(three, "withdraw", OF_IT)
    assert (3, {"withdrawn"}) == (
        withdrawn["done"],
        {item["outcome"] for item in (await three.get("/v1/enrolments"))["items"]},
    )


async def test_who_changed_meanwhile_is_told(three: Api) -> None:
    """One that was resumed by hand between the asking and the doing could not be."""
    asked = await act(three, "resume", OF_IT)
    await three.client.post(f"/v1/enrolments/{await of(three, 'bea')}/resume")
    does = {**PERFORMS, **performs(three.parts.program_of)}
    while await Actions(three.parts.database, three.parts.gateway, three.parts.clock, performs=does).work():
        pass
    told = await three.get(f"{ACTIONS}/{asked['id']}")
    assert [(await of(three, "bea"), "not_paused")] == [(o["enrolment"], o["code"]) for o in told["could_not"]]


async def test_filters(three: Api) -> None:
    """By learner, status, version, step, and how long they have waited."""

    async def number(**said: Any) -> int:
        return (await act(three, "withdraw", {**OF_IT, **said}, dry_run=True))["total"]

    found = [
        await number(learner="cleo"), await number(status="paused"), await number(version=1), await number(version=2),
        await number(step="wait-3d"), await number(waiting_longer_than="1d"),
    ]  # fmt: skip
    assert [1, 1, 3, 0, 0, 0] == found
    kept = await act(three, "withdraw", {**OF_IT, "learner": "cleo"}, rate=0.01)
    assert kept["filter"]["learner"].startswith("lrn-")  # never the source's
    assert "stopped" == (await three.client.delete(f"{ACTIONS}/{kept['id']}")).json()["state"]


async def test_a_move_of_many(three: Api) -> None:
    """Who cannot be moved is told with the reason, before and after."""
    await three.publish(JOURNEY.replace("- wait: 3d", "- wait: 4d"))
    same = await act(three, "move", OF_IT, version=1, dry_run=True)
    assert (3, 3, {"same_version"}) == (same["total"], same["failed"], {one["code"] for one in same["could_not"]})
    wrong = await done(three, "move", OF_IT, version=2, map={"wait-3": "wait-4d"})
    assert (0, {"cannot_be_moved"}) == (wrong["done"], {one["code"] for one in wrong["could_not"]})
    moved = await done(three, "move", OF_IT, version=2, map={"wait-3d": "wait-4d"})
    assert (3, {2}) == (moved["done"], {item["version"] for item in (await three.get("/v1/enrolments"))["items"]})


async def test_what_is_refused(three: Api) -> None:
    """Nobody in particular; an expression; no such learner, journey or version; a time that is none."""
    assert (422, "who") == await refused(three, action="pause")
    assert (422, "who") == await refused(three, action="pause", filter={**OF_IT, "expression": "true"})
    assert (404, "learner_not_found") == await refused(three, action="pause", filter={"learner": "nobody"})
    assert (422, "version_missing") == await refused(three, action="move", filter=OF_IT)
    assert (404, "version_not_found") == await refused(three, action="move", filter=OF_IT, version=9)
    said = {**OF_IT, "waiting_longer_than": "soon"}
    assert (422, "bad_duration") == await refused(three, action="pause", filter=said)


async def test_a_delivery_that_is_named_is_sent_again_once(three: Api) -> None:
    """What cannot be chosen is refused."""
    answer = await three.client.post("/v1/deliveries/actions", json={"action": "resend"})
    assert (422, "which") == (answer.status_code, answer.json()["code"])
    filters = {"learner": "nobody"}
    answer = await three.client.post("/v1/deliveries/actions", json={"action": "resend", "filter": filters})
    assert (404, "learner_not_found") == (answer.status_code, answer.json()["code"])


async def test_a_pause_reaches_the_row_in_one_transaction(three: Api) -> None:
    """A turn that is under way while it is paused loses its token."""
    ada = await of(three, "ada")
    async with three.parts.database.write() as session:
        lease = await turns.take_lease(session, ada, clock=three.parts.clock(), lease=timedelta(seconds=30))
    assert isinstance(lease, turns.Lease)
    await three.client.post(f"/v1/enrolments/{ada}/pause")
    async with three.parts.database.write() as session:
        kept = await turns.keep(
            session, enrolment=ada, fence=lease.fence, run=lease.enrolment.run, step=None, waiting_for=None,
            due_at=None, lease_until=None,
        )  # fmt: skip
        row = (await session.exec(select(Enrolment).where(Enrolment.id == ada))).one()
    assert (False, "paused", None) == (kept, row.status, row.lease_until)
