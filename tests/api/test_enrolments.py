"""Enrolments: listed, entered and left by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, update
from sqlmodel import col, select

from store.queries import turns
from store.tables import Assignment, DeliveryRow, Enrolment, OutboxRow
from tests.support.api import JOURNEY, Api, event


async def _hire(api: Api, learner: str = "ada", **data: Any) -> None:
    known: dict[str, Any] = {"country": "GB", "given_name": "Ada", **data}
    await api.emit({**event("hr.learner.hired", learner), "data": known})


async def _enrol(api: Api, **given: Any) -> Any:
    return await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada", **given})


async def test_enrol_by_hand(api: Api) -> None:
    """A learner is enrolled by hand with the data of her entry."""
    await api.publish()
    await _hire(api)
    made = await _enrol(api, key="p1", data={"starts_on": "2026-03-02"})
    assert 201 == made.status_code, made.text
    assert ("ada", "p1", "active") == tuple(made.json()[name] for name in ("learner", "entry_key", "status"))
    found = await api.get(f"/v1/enrolments/{made.json()['id']}")
    assert made.json() == found
    async with api.parts.database.read() as session:
        row = (await session.exec(select(Enrolment))).one()
    assert {"starts_on": "2026-03-02"} == row.entry["data"]


async def test_our_id(api: Api) -> None:
    """A learner may be named by our id."""
    await api.publish()
    await _hire(api)
    ours = (await api.get("/v1/learners/ada"))["learner_id"]
    assert "ada" == (await _enrol(api, learner=ours)).json()["learner"]
    assert 1 == len((await api.get("/v1/enrolments", learner=ours))["items"])


async def test_enrol_unknown(api: Api) -> None:
    """404 for a learner nobody knows, and for a journey that is not there."""
    await api.publish()
    nobody = await _enrol(api, learner="nobody")
    await _hire(api)
    nowhere = await _enrol(api, journey="nowhere")
    assert (404, "learner_not_found") == (nobody.status_code, nobody.json()["code"])
    assert (404, "journey_not_found") == (nowhere.status_code, nowhere.json()["code"])


async def test_audience_and_again(api: Api) -> None:
    """By hand, `audience` and `again` hold too, unless forced; an active enrolment is never doubled."""
    await api.publish()
    await _hire(api, country="FR")
    assert "not_in_audience" == (await _enrol(api)).json()["code"]
    first = await _enrol(api, force=True)
    assert 201 == first.status_code
    twice = await _enrol(api, force=True)
    assert (409, "already_active") == (twice.status_code, twice.json()["code"])
    await api.client.post(f"/v1/enrolments/{first.json()['id']}/withdraw")
    await _hire(api)
    again = await _enrol(api)
    assert (409, "again") == (again.status_code, again.json()["code"])
    forced = await _enrol(api, force=True)
    assert 201 == forced.status_code
    assert first.json()["id"] != forced.json()["id"]


async def test_audience_by_what_is_so_today(api: Api) -> None:
    """A profile that changes later admits later, by hand and for many."""
    await api.publish()
    await _hire(api, country="FR")
    later = (datetime.now(UTC) + timedelta(days=10)).isoformat()
    await api.emit({**event("hr.learner.moved", "ada", country="GB"), "effective": later})
    assert "not_in_audience" == (await _enrol(api)).json()["code"]
    many = {"action": "enrol", "filter": {"journey": "first-weeks", "expression": 'learner.country == "GB"'}}
    who = await api.client.post("/v1/enrolments/actions", json={**many, "dry_run": True})
    assert (202, 0) == (who.status_code, who.json()["total"])
    named = {**many, "filter": {"journey": "first-weeks"}, "learners": [{"learner": "ada"}], "dry_run": True}
    judged = await api.client.post("/v1/enrolments/actions", json=named)
    assert ["not_in_audience"] == [one["code"] for one in judged.json()["could_not"]], judged.text


async def test_unknown_fields(api: Api) -> None:
    """Unknown fields and wrong kinds are all reported at once, without their values."""
    answer = await _enrol(api, forced=True, key=7, data=[])
    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert {"forced", "key", "data"} == {problem["path"] for problem in answer.json()["problems"]}


async def test_filters(api: Api) -> None:
    """Lists are filtered and paged; an unknown filter or value is refused."""
    await api.publish()
    for name in ("ada", "bea", "cat"):
        await _hire(api, name)
        await _enrol(api, learner=name)
    first = await api.get("/v1/enrolments", journey="first-weeks", status="active", limit=2)
    rest = await api.get("/v1/enrolments", journey="first-weeks", status="active", limit=2, cursor=first["next"])
    assert {"ada", "bea", "cat"} == {item["learner"] for item in first["items"] + rest["items"]}
    assert (2, 1, None) == (len(first["items"]), len(rest["items"]), rest["next"])
    assert [] == (await api.get("/v1/enrolments", status="ended"))["items"]
    assert [] == (await api.get("/v1/enrolments", learner="nobody"))["items"]
    for wrong in ({"stauts": "active"}, {"status": "over"}, {"limit": "0"}, {"cursor": "nonsense"}):
        answer = await api.client.get("/v1/enrolments", params=wrong)
        assert 422 == answer.status_code, wrong


async def test_withdraw(api: Api) -> None:
    """Withdrawn, an enrolment has ended, its journal says so, what was queued falls, and outcomes tell of it."""
    await api.publish()
    await _hire(api)
    enrolment = (await _enrol(api)).json()["id"]
    await _queue(api, enrolment)
    answer = await api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
    assert (200, "ended", "withdrawn") == (answer.status_code, answer.json()["status"], answer.json()["outcome"])
    assert "ended" == answer.json()["journal"][-1]["kind"]
    delivery = (await api.get("/v1/deliveries", enrolment=enrolment))["items"][0]
    assert ("skipped", "withdrawn") == (delivery["status"], delivery["reason"])
    async with api.parts.database.read() as session:
        payloads = " ".join((await session.exec(select(OutboxRow.payload))).all())
    assert "waymark.enrolment.ended" in payloads
    assert "waymark.delivery.skipped" in payloads
    assert answer.json() == (await api.client.post(f"/v1/enrolments/{enrolment}/withdraw")).json()


async def test_withdraw_refused(api: Api) -> None:
    """404 where there is no such enrolment, 409 where it has ended otherwise."""
    await api.publish()
    await _hire(api)
    enrolment = (await _enrol(api)).json()["id"]
    async with api.parts.database.write() as session:
        await session.exec(update(Enrolment).values(status="ended", outcome="goal"))
    none = await api.client.post("/v1/enrolments/none/withdraw")
    over = await api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
    assert (404, 409) == (none.status_code, over.status_code)


async def test_withdraw_overtakes_a_turn(api: Api) -> None:
    """A turn that is under way when its enrolment is withdrawn can keep nothing."""
    await api.publish()
    await _hire(api)
    enrolment = (await _enrol(api)).json()["id"]
    async with api.parts.database.write() as session:
        lease = await turns.take_lease(session, enrolment, clock=datetime.now(UTC), lease=timedelta(seconds=10))
    assert isinstance(lease, turns.Lease)
    await api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
    async with api.parts.database.write() as session:
        kept = await turns.keep(
            session, enrolment=enrolment, fence=lease.fence, run=lease.enrolment.run, step="send-welcome",
            waiting_for=None, due_at=None, lease_until=None,
        )  # fmt: skip
    assert not kept
    assert "withdrawn" == (await api.get(f"/v1/enrolments/{enrolment}"))["outcome"]


async def test_halt_and_go(api: Api) -> None:
    """Halt says since when and by whom; go wakes exactly what was held."""
    await api.publish()
    for name in ("ada", "bea"):
        await _hire(api, name)
    held, other = [(await _enrol(api, learner=name)).json()["id"] for name in ("ada", "bea")]
    await _queue(api, held, status="deferred", reason="halted")
    halted = (await api.client.post("/v1/halt")).json()
    assert (True, "tests") == (halted["halted"], halted["by"])
    assert halted == (await api.client.post("/v1/halt")).json()
    async with api.parts.database.write() as session:
        await session.exec(update(Enrolment).values(wake_wanted_at=None))
    assert {"halted": False, "woken": 1} == (await api.client.post("/v1/go")).json()
    async with api.parts.database.read() as session:
        woken = (await session.exec(select(Enrolment.id).where(col(Enrolment.wake_wanted_at).is_not(None)))).all()
    assert [held] == list(woken)
    assert other not in woken


async def test_deliveries(api: Api) -> None:
    """Deliveries are listed by enrolment, learner, journey and status, and found by id."""
    await api.publish(JOURNEY)
    await _hire(api)
    enrolment = (await _enrol(api)).json()["id"]
    delivery = await _queue(api, enrolment)
    for wanted in ({"enrolment": enrolment}, {"learner": "ada"}, {"journey": "first-weeks"}, {"status": "queued"}):
        items = (await api.get("/v1/deliveries", **wanted))["items"]
        assert [delivery] == [item["id"] for item in items], wanted
    assert "ada" == (await api.get(f"/v1/deliveries/{delivery}"))["learner"]
    assert 404 == (await api.client.get("/v1/deliveries/none")).status_code


async def _queue(api: Api, enrolment: str, **values: Any) -> str:
    """A delivery as a turn would have left it."""
    now = datetime.now(UTC)
    async with api.parts.database.write() as session:
        row = (await session.exec(select(Enrolment).where(col(Enrolment.id) == enrolment))).one()
        made: Mapping[str, Any] = DeliveryRow(
            id=f"dlv-{enrolment}", enrolment=enrolment, journey=row.journey, learner=row.learner, recipient=row.learner,
            node="send-welcome", visit=1, message="welcome", channel="email", created_at=now, updated_at=now, **values,
        ).model_dump()  # fmt: skip
        await session.exec(insert(DeliveryRow), params=[dict(made)])
    return f"dlv-{enrolment}"


async def test_by_hand_the_holdout_holds(api: Api) -> None:
    """Who is held out gets a row that has ended and is not woken; forced, she is enrolled, and nothing is decided."""
    await api.publish(JOURNEY.replace("audience:", "holdout: 100%\nagain: always\naudience:"))
    await _hire(api)
    held = (await _enrol(api)).json()
    forced = (await _enrol(api, force=True)).json()

    assert ("ended", "holdout", "holdout") == tuple(held[name] for name in ("status", "outcome", "arm"))
    assert ["In the holdout: nothing is sent, so that those who get this journey can be compared."] == [
        line["text"] for line in held["journal"]
    ]
    assert ("active", None, None) == tuple(forced[name] for name in ("status", "outcome", "arm"))
    async with api.parts.database.read() as session:
        chosen = (await session.exec(select(Assignment))).all()
        woken = (await session.exec(select(Enrolment.id).where(col(Enrolment.wake_wanted_at).is_not(None)))).all()
    assert [(held["id"], "holdout", "holdout", 1.0)] == [(c.enrolment, c.split, c.arm, c.share) for c in chosen]
    assert [forced["id"]] == woken


async def test_leave_is_in_the_profile_that_is_shown(api: Api) -> None:
    """Since when, and until when where it is known; null once she is back."""
    began = datetime(2026, 3, 2, 9, tzinfo=UTC)
    await api.emit(event("hr.learner.leave_started", "ada", time=began, until="2026-04-01"))
    on_leave = (await api.get("/v1/learners/ada"))["profile"]
    await api.emit(event("hr.learner.leave_ended", "ada", time=began + timedelta(days=9)))
    back = (await api.get("/v1/learners/ada"))["profile"]

    assert {"leave": {"since": "2026-03-02T09:00:00Z", "until": "2026-04-01"}} == on_leave
    assert {"leave": None} == back


async def test_an_enrolment_says_what_comes_next(api: Api) -> None:
    """What is awaited, what follows, and what would end it; in the zone where the learner is."""
    await api.publish()
    await _hire(api, zone="Europe/Dublin")
    made = (await _enrol(api)).json()
    assert made["outlook"]["now"].startswith("It begins on ")
    assert "in Dublin" in made["outlook"]["now"]
    assert made["outlook"]["then"][0].startswith("Then: ")
    assert made["outlook"]["ends"][-1].startswith("As expired on ")
    assert "Europe/Dublin" == made["zone"]
