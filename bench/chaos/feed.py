"""What comes in: the journey, each learner's two events, and how they are brought until somebody has taken them.

Every learner is promoted, and some seconds later completes a course, for which the last step of the journey waits: a
run in which an event was lost, at the beginning or in the middle, leaves somebody waiting. Two of three learners enter
by Kafka and complete by HTTP, every third the other way round. Whoever produces tries again until it is acknowledged,
as senders do; so an event may come twice.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Literal, Protocol

import httpx2
import orjson

from journeys.events import Json
from store.queries.outbox import Outgoing
from workers.kafka import Passing, Producer

JOURNEY = "chaos"
DEFINITION = """\
waymark: 1
journey: chaos
title: Three messages by two channels
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    via: [email]
    at: anytime
  - wait: 2s
  - send: two
    via: [webhook]
    at: anytime
  - wait: 3s
  - send: three
    via: [email]
    at: anytime
  - await: {on: lms.course.completed, within: 30d}
    then:
      - end: completed
    else:
      - end: forgotten
messages:
  one: {subject: one, body: "Dear {{ learner.given_name }}, ask one question."}
  two: {subject: two, body: "Dear {{ learner.given_name }}, how did it go?"}
  three: {subject: three, body: "Dear {{ learner.given_name }}, and now the next one."}
"""
CHANNEL_OF = {"one": "email", "two": "webhook", "three": "email"}
"""What the definition says is to be said to everybody, and by what channel."""
ENTERS = "hr.learner.promoted"
OUTCOME = "completed"
POLICY: Mapping[str, Json] = {"sending": None, "budget": None}

Road = Literal["kafka", "http"]
TOPICS = ("hr.events", "lms.events")
MOST_AT_ONCE = 50


@dataclass(frozen=True)
class Coming:
    """One event that is to come: when (seconds after the first), by what road, about whom."""

    at: float
    road: Road
    learner: str
    id: str
    type: str

    @property
    def topic(self) -> str:
        """Where it is produced."""
        return "hr.events" if self.type.startswith("hr.") else "lms.events"

    def event(self, time_: datetime) -> Mapping[str, Json]:
        """The event, as it happened at this instant."""
        name = self.learner.title()
        data: dict[str, Json] = (
            {"given_name": name, "email": f"{self.learner}@example.org", "to_level": "manager"}
            if self.topic == "hr.events"
            else {"course": "MGR-101"}
        )
        return {
            "specversion": "1.0", "id": self.id, "source": "/bench/chaos", "type": self.type, "subject": self.learner,
            "time": time_.isoformat(), "datacontenttype": "application/json", "data": data,
        }  # fmt: skip


def coming(seed: int, *, learners: int, seconds: float, prefix: str = "learner") -> Sequence[Coming]:
    """All events of a run, in order of time: a pure function of the seed."""
    chance = Random(f"feed {seed}")
    roads: tuple[tuple[Road, Road], ...] = (("kafka", "http"), ("kafka", "http"), ("http", "kafka"))
    events: list[Coming] = []
    for number in range(learners):
        learner, (enters_by, completes_by) = f"{prefix}-{number}", roads[number % 3]
        at = seconds * number / learners
        events.append(Coming(at, enters_by, learner, f"{learner}-promoted", ENTERS))
        later = at + chance.uniform(0.5, 15.0)
        events.append(Coming(later, completes_by, learner, f"{learner}-completed", "lms.course.completed"))
    return sorted(events, key=lambda event: event.at)


class Refused(Exception):
    """The API does not take events of the run, and would not if they came again."""


@dataclass
class Feed:
    """Brings events in. `taken` says which somebody has acknowledged, and when."""

    bootstrap: str
    http: httpx2.AsyncClient
    taken: dict[str, float] = field(default_factory=dict[str, float])
    tries: int = 0
    _producer: Producer | None = None

    async def bring(self, events: Sequence[Coming], *, begin_at: float) -> None:
        """Each at its instant, counted from `begin_at` (of `time.time()`); returns when all are acknowledged. Raises a
        group with Refused in it.
        """
        roads = [[event for event in events if event.road == road] for road in ("kafka", "http")]
        async with asyncio.TaskGroup() as both:
            for road, send in zip(roads, (self._produce, self._post), strict=True):
                both.create_task(self._bring(road, begin_at, send))
        if self._producer is not None:
            await asyncio.to_thread(self._producer.close)
            self._producer = None

    async def _bring(self, events: Sequence[Coming], begin_at: float, send: "_Send") -> None:
        left = list(events)
        while left:
            wait = begin_at + left[0].at - time.time()
            await asyncio.sleep(max(wait, 0.2))
            due = [event for event in left if begin_at + event.at <= time.time()][:MOST_AT_ONCE]
            stamped = [(event, event.event(datetime.fromtimestamp(begin_at + event.at, UTC))) for event in due]
            while stamped and not await send(stamped):
                await asyncio.sleep(0.5)
            self.taken.update({event.id: time.time() for event in due})
            del left[: len(due)]

    async def _produce(self, events: "_Stamped") -> bool:
        self.tries += 1
        records = [Outgoing(0, c.topic, c.learner, orjson.dumps(event).decode()) for c, event in events]
        try:
            return await asyncio.to_thread(self._send, records) == len(records)
        except Passing:
            return False

    def _send(self, records: Sequence[Outgoing]) -> int:
        if self._producer is None:
            self._producer = Producer(self.bootstrap)
        return self._producer.send(records, timeout_seconds=10.0)

    async def _post(self, events: "_Stamped") -> bool:
        self.tries += 1
        body = orjson.dumps([event for _, event in events])
        media = {"content-type": "application/cloudevents-batch+json"}
        try:
            answer = await self.http.post("/v1/events", content=body, headers=media)
        except httpx2.TransportError:
            return False
        if 400 <= answer.status_code < 500 or (answer.status_code == 202 and answer.json()["rejected"]):
            raise Refused(f"the API refuses events of the run ({answer.status_code}): {answer.text[:500]}")
        return answer.status_code == 202


_Stamped = Sequence[tuple[Coming, Mapping[str, Json]]]


class _Send(Protocol):
    """How one road takes events; answers whether they were acknowledged."""

    async def __call__(self, events: _Stamped, /) -> bool:
        """All or none."""
        ...
