"""A house with the API over it, as an admin steers it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from journeys.events import Event
from store.tables import Enrolment
from tests.support.api import Api, parts_over, serving
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink
from tests.support.until import until

JOURNEY = """\
waymark: 1
journey: steered
title: A journey that is steered
enter:
  - on: hr.learner.promoted
exit:
  - on: hr.learner.left
    as: left
limit: 90d
steps:
  - send: hello
  - wait: 30d
  - send: bye
messages:
  hello: {subject: Hello, body: Hello}
  bye: {subject: Bye, body: Bye}
"""


@dataclass
class Steered:
    """The house, its API, and the mail that arrived."""

    house: Running
    api: Api
    mail: SmtpSink

    async def steer(self, path: str, **body: Any) -> dict[str, Any]:
        """A POST that must be done."""
        answer = await self.api.client.post(path, json=body)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    async def refused(self, path: str, **body: Any) -> tuple[int, str]:
        """A POST that must be refused: status and code."""
        answer = await self.api.client.post(path, json=body)
        assert answer.status_code >= 400, answer.text
        assert len(answer.json()["detail"]) > 20
        return answer.status_code, answer.json()["code"]

    async def promote(self, *learners: str) -> None:
        """They enter, a moment ago by the story's clock, and their first turns are over."""
        at = self.house.clock()
        await self.house.take(*(promoted(learner, at) for learner in learners))
        await self.house.quiet()

    async def one(self) -> Enrolment:
        """The only enrolment."""
        (row,) = await self.house.enrolments()
        return row

    async def later(self, by: timedelta) -> datetime:
        """Time goes on, for everybody."""
        await self.house.move_to(to := self.house.clock() + by)
        return to

    async def subjects(self, learner: str = "ada") -> list[str]:
        """What has arrived for her."""
        return [str(mail.message["subject"]) for mail in self.mail.for_(f"{learner}@example.org")]

    async def woken(self) -> None:
        """Wait until every turn that is wanted was taken: no sweeper runs here, so a poke must have come. How soon that
        is, `python -m bench --only steering` measures.
        """

        async def is_quiet() -> bool:
            return all(row.wake_wanted_at is None and row.lease_until is None for row in await self.house.enrolments())

        await until(is_quiet, every=0.02)


def promoted(learner: str, at: datetime) -> Event:
    """She enters."""
    data = {"email": f"{learner}@example.org", "given_name": learner.title()}
    return Event(f"promoted-{learner}-{at.isoformat()}", "hr", "hr.learner.promoted", learner, at, data)


def left(learner: str, at: datetime) -> Event:
    """She leaves the firm."""
    return Event(f"left-{learner}", "hr", "hr.learner.left", learner, at)


@asynccontextmanager
async def steered_house(
    *, database_url: str, temporal_address: str, mail: SmtpSink, home: Path, definition: str | None = JOURNEY
) -> AsyncGenerator[Steered]:
    """A house with its worker and its API; the definition is published."""
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=mail.url, home=home,
        hand_over=timedelta(seconds=20), answer=timedelta(seconds=20),
    ) as running:  # fmt: skip
        house = running.house
        parts = parts_over(house.database, house.ingest, house.gateway, clock=running.clock)
        async with serving(parts, house.ingest) as api:
            steered = Steered(running, api, mail)
            if definition is not None:
                await running.publish(definition)
            yield steered
