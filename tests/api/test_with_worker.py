"""What the API does to enrolments that are really running: worker, Temporal, SMTP."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, event, parts_over, serving
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink


@dataclass
class Whole:
    """A house with its worker, and the API over it."""

    api: Api
    running: Running
    smtp: SmtpSink

    async def enter(self, learner: str) -> str:
        """A learner enters the journey; answers her enrolment."""
        await self.api.emit(
            event("hr.learner.hired", learner, country="GB", given_name="Ada", email=f"{learner}@example.org"),
            event("hr.learner.promoted", learner, position_id="1"),
        )
        return (await self.api.get("/v1/enrolments", learner=learner))["items"][0]["id"]

    async def step(self, enrolment: str) -> tuple[str, str | None]:
        found = await self.api.get(f"/v1/enrolments/{enrolment}")
        return found["status"], found["step"]


@pytest.fixture
async def whole(database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path) -> AsyncIterator[Whole]:
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as running:
        house = running.house
        async with serving(parts_over(house.database, house.ingest, house.gateway), house.ingest) as api:
            assert 201 == (await api.publish()).status_code
            yield Whole(api, running, smtp_sink)


async def test_withdraw(whole: Whole, until: Callable[..., Any]) -> None:
    """Withdrawn while it waits, an enrolment's workflow ends as withdrawn; the journal tells it from entry to end."""
    enrolment = await whole.enter("ada")
    await until(lambda: whole.smtp.for_("ada@example.org"))
    await whole.running.quiet()
    assert ("active", "wait-3d") == await whole.step(enrolment)
    await whole.api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
    ended = await whole.running.house.client.get_workflow_handle(enrolment).result()
    assert "withdrawn" == ended["outcome"]
    journal = (await whole.api.get(f"/v1/enrolments/{enrolment}"))["journal"]
    assert ["entered", "sent", "waiting", "ended"] == [line["kind"] for line in journal]
    report = await whole.api.get("/v1/journeys/first-weeks/report")
    assert [1, 1] == [step["arrived"] for step in report["steps"]]
    assert {"email": {"sent": 1}} == report["deliveries"]


async def test_halt_and_go(whole: Whole, until: Callable[..., Any]) -> None:
    """While halted nothing is delivered; after `go`, what waited is, without a sweeper."""
    await whole.api.client.post("/v1/halt")
    enrolment = await whole.enter("bea")

    async def is_held() -> bool:
        items = (await whole.api.get("/v1/deliveries", enrolment=enrolment))["items"]
        return [("deferred", "halted")] == [(item["status"], item["reason"]) for item in items]

    await until(is_held)
    await whole.running.quiet()
    assert [] == whole.smtp.arrived
    assert 1 == (await whole.api.client.post("/v1/go")).json()["woken"]
    await until(lambda: whole.smtp.for_("bea@example.org"))
    await whole.running.quiet()
    assert 1 == len(whole.smtp.for_("bea@example.org"))
    await whole.api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
