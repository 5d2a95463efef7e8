"""The API on a port of its own, over the real store, the real ingest and the real Temporal."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api.parts import Parts, Taken
from api.security import digest_of
from api.serve import serve
from journeys.composing import Reach
from journeys.definition import Vocabulary
from journeys.events import Event
from journeys.links import Links
from store.database import Database
from store.migrate import upgrade
from workers.dead_letters import DeadLetters
from workers.ingest import Incoming, Ingest
from workers.programs import Programs
from workflows.contracts import Queues
from workflows.gateway import Gateway, connect

KEY = "a key of the tests, of no worth"
SECRET = "a secret of the tests, of no worth"

JOURNEY = """\
waymark: 1
journey: first-weeks
title: First weeks
audience: learner.country == "GB"
enter:
  - on: hr.learner.promoted
    key: event.data.position_id
exit:
  - on: hr.learner.left
    as: left
steps:
  - send: welcome
    via: [email]
  - wait: 3d
messages:
  welcome:
    subject: Welcome, {{ learner.given_name }}
    body: Hello
"""


@dataclass(frozen=True)
class _Http:
    """The ingest as the API asks for it."""

    ingest: Ingest

    async def take(self, events: Sequence[Event]) -> Sequence[Taken]:
        return await self.ingest.take([Incoming(event) for event in events])


@dataclass
class Api:
    """A running API: a client with a key, and the parts behind it."""

    client: httpx2.AsyncClient
    parts: Parts
    ingest: Ingest
    port: int

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a GET that must succeed."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def publish(self, definition: str = JOURNEY, journey: str = "first-weeks") -> httpx2.Response:
        return await self.client.put(
            f"/v1/journeys/{journey}", content=definition, headers={"content-type": "application/yaml"}
        )

    async def emit(self, *events: dict[str, Any]) -> Any:
        """Send a batch that must be taken."""
        answer = await self.client.post(
            "/v1/events",
            content=httpx2.Request("POST", "http://x", json=list(events)).content,
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()


def event(
    type_: str, subject: str | None, *, id_: str | None = None, time: datetime | None = None, **data: Any
) -> dict[str, Any]:
    """A CloudEvent as its sender writes it."""
    written: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_ or uuid.uuid4().hex,
        "source": "hr",
        "type": type_,
        "time": (time or datetime.now(UTC)).isoformat(),
        "data": data,
    }
    return written if subject is None else {**written, "subject": subject}


@pytest.fixture
async def api(database_url: str, temporal_address: str) -> AsyncIterator[Api]:
    """The API, on SQLite and on PostgreSQL; its enrolments are carried by nobody."""
    await upgrade(database_url)
    database = Database(database_url)
    client = await connect(temporal_address)
    gateway = Gateway(client, queues=Queues(prefix=f"{uuid.uuid4().hex[:8]}-"))

    lead = timedelta(hours=24)
    ingest = Ingest(database, Programs(), SECRET, lead, lambda: datetime.now(UTC), gateway)
    parts = parts_over(database, ingest, gateway)
    async with serving(parts, ingest) as running:
        yield running
    await database.close()


@asynccontextmanager
async def serving(parts: Parts, ingest: Ingest) -> AsyncGenerator[Api]:
    """The API over these parts, on a free port."""
    ports: asyncio.Queue[int] = asyncio.Queue()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(parts, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    port = await ports.get()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}, timeout=20
    ) as http:
        yield Api(http, parts, ingest, port)
    stop.set()
    await task


def parts_over(
    database: Database, ingest: Ingest, gateway: Gateway, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Parts:
    """What the API is handed, over the real store, ingest and gateway."""

    async def look() -> None:
        async with database.read():
            pass

    return Parts(
        database=database,
        ingest=_Http(ingest),
        replay=DeadLetters(database, ingest).replay,
        gateway=gateway,
        vocabulary=Vocabulary(channels=frozenset({"email", "webhook"})),
        reach={"email": Reach(is_set_up=True, address_field="email")},
        clock=clock,
        links=Links(ingest.secret, "http://waymark.test"),
        program_of=ingest.programs.by_hash,
        key_digests={digest_of(KEY): "tests"},
        health={"database": look},
    )
