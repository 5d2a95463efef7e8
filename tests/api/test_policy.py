"""`/v1/policy`: shown, changed as a whole, refused with every problem; what waits by it is woken."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store import policy_lock
from store.queries import deliveries, installation, turns
from store.tables import DeliveryRow, Enrolment
from tests.support.api import Api, event, parts_over, serving
from tests.support.deadlocks import be_patient, look_in_five_seconds
from tests.support.house import running_house
from tests.support.smtp import SmtpSink
from tests.support.until import until as until_
from workers.sweeper import Sweeper

POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
DEFAULT = {
    "zone": "UTC",
    "sending": {
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": "08:00",
        "to": "18:00",
        "holidays": True,
        "closed": [],
    },
    "budget": {"per_day": 3, "per_week": 8},
    "digest": True,
    "drafts": {"per_learner": False, "forbidden": []},
}


async def test_until_somebody_changes_it_the_policy_is_the_default(api: Api) -> None:
    """As the interface says it."""
    assert DEFAULT == await api.get("/v1/policy")


async def test_a_policy_is_changed_as_a_whole(api: Api) -> None:
    """What is left out is as in the default, whatever stood there before."""
    closed = {"from": "2026-12-24", "to": "2027-01-02", "country": "GB", "site": None, "name": "Shutdown"}
    first = await api.client.put("/v1/policy", json={"zone": "Europe/Dublin", "sending": {"closed": [closed]}})
    expected = {**DEFAULT, "zone": "Europe/Dublin", "sending": {**DEFAULT["sending"], "closed": [closed]}}  # type: ignore[dict-item]
    assert (200, expected) == (first.status_code, first.json())
    assert expected == await api.get("/v1/policy")
    second = await api.client.put("/v1/policy", json={"sending": None, "budget": None})
    assert {**DEFAULT, "sending": None, "budget": None} == second.json() == await api.get("/v1/policy")


async def test_what_is_shown_can_be_put_back(api: Api) -> None:
    """The answer of GET is a body of PUT."""
    shown = await api.get("/v1/policy")
    assert shown == (await api.client.put("/v1/policy", json=shown)).json()


async def test_a_policy_with_problems_changes_nothing(api: Api) -> None:
    """422 with every problem: its path, what was found, what is allowed, what was meant."""
    wrong = {"zone": "Europe/Dublni", "sending": {"from": "18:00", "to": "08:00"}, "budgets": None}
    answer = await api.client.put("/v1/policy", json=wrong)
    body = answer.json()
    assert (422, "policy_has_problems") == (answer.status_code, body["code"])
    assert {"zone", "sending", "budgets"} == {problem["path"] for problem in body["problems"]}
    (zone,) = [problem for problem in body["problems"] if problem["path"] == "zone"]
    assert ("bad_value", "did you mean Europe/Dublin?") == (zone["code"], zone["suggestion"])
    assert all(problem["allowed"] for problem in body["problems"])
    assert DEFAULT == await api.get("/v1/policy")


async def test_what_is_no_policy_is_refused(api: Api) -> None:
    """A body that is no JSON, none at all, another type of content, and a caller without a key."""
    put = api.client.put
    assert 400 == (await put("/v1/policy", content=b"{", headers={"content-type": "application/json"})).status_code
    assert 422 == (await put("/v1/policy", content=b"[]")).status_code
    assert 415 == (await put("/v1/policy", content=b"a", headers={"content-type": "text/plain"})).status_code
    assert 401 == (await put("/v1/policy", json={}, headers={"authorization": "Bearer x"})).status_code
    assert DEFAULT == await api.get("/v1/policy")


async def test_another_policy_wakes_what_waits_by_it(api: Api) -> None:
    """Active enrolments that depend on it, and no others; one that wanted waking before keeps its instant."""
    await api.publish()
    names = ("ada", "bea", "cem", "dee")
    await api.emit(*(event("hr.learner.hired", name, country="GB") for name in names))
    for name in names:
        made = await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": name})
        assert 201 == made.status_code, made.text
    earlier = datetime(2026, 3, 2, tzinfo=UTC)
    async with api.parts.database.write() as session:
        rows = list((await session.exec(select(Enrolment).order_by(col(Enrolment.id)))).all())
        waiting, free, ended, woken = (row.id for row in rows)
        for id_, values in (
            (waiting, {"depends_on": "zone,leave", "wake_wanted_at": None}),
            (free, {"depends_on": None, "wake_wanted_at": None}),
            (ended, {"depends_on": "zone", "wake_wanted_at": None, "status": "ended"}),
            (woken, {"depends_on": "zone", "wake_wanted_at": earlier}),
        ):
            await (await session.connection()).execute(
                update(Enrolment).where(col(Enrolment.id) == id_).values(**values)
            )
    await api.client.put("/v1/policy", json={"sending": None})
    async with api.parts.database.read() as session:
        wanted = {row.id: row.wake_wanted_at for row in (await session.exec(select(Enrolment))).all()}
    assert wanted[waiting] is not None
    assert (None, None, earlier) == (wanted[free], wanted[ended], wanted[woken])


@asynccontextmanager
async def turn_under_way(api: Api) -> AsyncGenerator[tuple[AsyncSession, turns.Lease]]:
    """A turn of an enrolment that waits for nothing yet, in a transaction of its own; it has read the policy."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"))
    await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada"})
    async with api.parts.database.write() as turn:
        enrolment = (await turn.exec(select(Enrolment.id))).one()
        lease = await turns.take_lease(turn, enrolment, clock=datetime.now(UTC), lease=timedelta(minutes=1))
        assert isinstance(lease, turns.Lease)
        assert await installation.find_policy(turn) is None
        yield turn, lease


@POSTGRES
async def test_another_policy_wakes_whom_a_turn_lets_wait_by_the_old_one_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing shows it before the turn's commit, which comes after the policy was given."""
    monkeypatch.setattr(policy_lock, "PATIENCE", "30s")  # the turn commits before that, however slow the machine is

    async def waits_or_is_given() -> bool:
        async with api.parts.database.read() as session:
            return giving.done() or (await (await session.connection()).execute(text(WAITING))).first() is not None

    async with turn_under_way(api) as (turn, lease):
        giving = asyncio.create_task(api.client.put("/v1/policy", json={"sending": None}))
        await until_(waits_or_is_given)
        held = lease.enrolment
        assert await turns.keep(
            turn, enrolment=held.id, fence=lease.fence, run=held.run, step=None, waiting_for=None, due_at=None,
            lease_until=None, depends_on=("zone", "leave"),
        )  # fmt: skip
    assert 200 == (await giving).status_code
    async with api.parts.database.read() as session:
        (enrolment,) = (await session.exec(select(Enrolment))).all()
    assert ("zone,leave", True) == (enrolment.depends_on, enrolment.wake_wanted_at is not None)


@POSTGRES
async def test_letting_go_wakes_whom_a_turn_lets_wait_for_it_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read that all is halted; nothing shows what it makes of that before its commit."""
    monkeypatch.setattr(policy_lock, "PATIENCE", "30s")

    async def waits_or_is_over() -> bool:
        async with api.parts.database.read() as session:
            return going.done() or (await (await session.connection()).execute(text(WAITING))).first() is not None

    await api.client.post("/v1/halt")
    async with turn_under_way(api) as (turn, lease):
        going = asyncio.create_task(api.client.post("/v1/go"))
        await until_(waits_or_is_over)
        held, at = lease.enrolment, datetime.now(UTC)
        waiting = DeliveryRow(
            id="hers", enrolment=held.id, journey=held.journey, learner=held.learner, recipient=held.learner, node="n",
            visit=1, leg=0, message="one", status="deferred", reason=installation.HALTED, due_at=at, expires_at=at,
            created_at=at, updated_at=at,
        )  # fmt: skip
        await deliveries.record(turn, waiting)
    assert {"halted": False, "woken": 1} == (await going).json()


@POSTGRES
async def test_a_deadlock_with_a_batch_leaves_nobody_asleep(api: Api) -> None:
    """A batch holds one of those whom the policy is to wake, and asks for the other then: the database refuses one of
    the two, and who gives the policy tries again. The batch is told to be patient, so that it is not the one.
    """
    await api.publish()
    await api.emit(*(event("hr.learner.hired", name, country="GB") for name in ("ada", "bea")))
    for name in ("ada", "bea"):
        await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": name})
    async with api.parts.database.write() as session:
        core = await session.connection()
        await core.execute(update(Enrolment).values(depends_on="zone", wake_wanted_at=None))
        first, last = (await core.execute(select(Enrolment.id).order_by(col(Enrolment.id)))).scalars().all()
    look_in_five_seconds(api.parts.database)

    async def waits_or_is_given() -> bool:
        async with api.parts.database.read() as session:
            return giving.done() or (await (await session.connection()).execute(text(WAITING))).first() is not None

    async with api.parts.database.write() as batch:
        await be_patient(batch)
        await deliveries.lock_enrolment(batch, last)
        giving = asyncio.create_task(api.client.put("/v1/policy", json={"sending": None}))
        await until_(waits_or_is_given)
        assert not giving.done()
        await deliveries.lock_enrolment(batch, first)
    assert 200 == (await giving).status_code
    async with api.parts.database.read() as session:
        wanted = (await session.exec(select(Enrolment.wake_wanted_at))).all()
    assert 2 == len([instant for instant in wanted if instant is not None])


@POSTGRES
async def test_a_turn_that_does_not_end_holds_no_policy_up(api: Api) -> None:
    """Its process is frozen: the policy is given after a little while, and other turns go on."""
    async with turn_under_way(api):
        assert 200 == (await api.client.put("/v1/policy", json={"sending": None})).status_code
        assert None is (await api.get("/v1/policy"))["sending"]
        async with api.parts.database.write() as another:
            assert isinstance(
                await turns.take_lease(another, "another", clock=datetime.now(UTC), lease=timedelta(minutes=1)),
                turns.Over,
            )


async def test_a_message_that_waits_goes_when_another_policy_lets_it(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, until: Callable[..., Any]
) -> None:
    """Put off because the firm is closed for weeks; the policy is changed, and it goes."""
    now = datetime.now(UTC)
    days = {"from": str((now - timedelta(days=2)).date()), "to": str((now + timedelta(days=20)).date())}
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        policy={"sending": {"closed": [{**days, "name": "Refit"}]}, "budget": None},
    ) as running:  # fmt: skip
        house = running.house
        async with serving(parts_over(house.database, house.ingest, house.gateway), house.ingest) as api:
            await api.publish()
            await api.emit(
                event("hr.learner.hired", "ada", country="GB", given_name="Ada", email="ada@example.org"),
                event("hr.learner.promoted", "ada", position_id="1"),
            )
            (item,) = await until(lambda: _deferred(api))
            assert "the firm is closed (Refit)" in item["reason"]
            assert [] == smtp_sink.for_("ada@example.org")
            await running.quiet()
            await api.client.put("/v1/policy", json={"sending": None, "budget": None})
            sweeper = Sweeper(house.database, house.gateway, lambda: datetime.now(UTC), wanted_for=timedelta())
            assert 1 == await sweeper.sweep()
            await until(lambda: smtp_sink.for_("ada@example.org"))


async def _deferred(api: Api) -> Any:
    return (await api.get("/v1/deliveries", status="deferred"))["items"]
