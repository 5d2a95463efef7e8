"""The process: listening, stopping, and what it says while the database is away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from api.serve import CannotListen, listen, serve
from store.database import Database
from tests.support.api import KEY, Api, event


async def test_taken_port(api: Api) -> None:
    """A port that is taken is an error that names the setting."""
    with pytest.raises(CannotListen, match="WAYMARK_HTTP_ADDRESS"):
        await serve(api.parts, host="127.0.0.1", port=api.port)


async def test_cancelled(api: Api) -> None:
    """A cancelled server lets its port go."""
    ports: asyncio.Queue[int] = asyncio.Queue()
    serving = asyncio.create_task(serve(api.parts, host="127.0.0.1", port=0, ready=ports.put_nowait))
    port = await ports.get()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


async def test_what_is_under_way_finishes(api: Api, until: Callable[..., Any]) -> None:
    """A request that is being answered when the server is told to stop gets its answer."""
    arrived, may_go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        arrived.set()
        await may_go.wait()

    stop = asyncio.Event()
    ports: asyncio.Queue[int] = asyncio.Queue()
    parts = replace(api.parts, health={"slow": slow})
    serving = asyncio.create_task(serve(parts, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    port = await ports.get()
    async with httpx2.AsyncClient() as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/readyz"))
        await arrived.wait()
        stop.set()
        await asyncio.sleep(0)
        may_go.set()
        assert 200 == (await asking).status_code
    await serving


@pytest.fixture
async def without_database(api: Api) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with its database at an address where nobody listens."""
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:9/none")
    ports: asyncio.Queue[int] = asyncio.Queue()
    stop = asyncio.Event()
    parts = replace(api.parts, database=database)
    serving = asyncio.create_task(serve(parts, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    url = f"http://127.0.0.1:{await ports.get()}"
    async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client
    stop.set()
    await serving
    await database.close()


async def test_database_away(without_database: httpx2.AsyncClient) -> None:
    """While the database is away, calls are 503 and say when to come back; the process is alive."""
    answer = await without_database.get("/v1/enrolments")
    assert (503, "database_unavailable") == (answer.status_code, answer.json()["code"])
    assert answer.headers["retry-after"]
    assert 200 == (await without_database.get("/healthz")).status_code
    assert 200 == (await without_database.get("/metrics")).status_code


async def test_empty_batch(api: Api) -> None:
    """A batch of no events is taken, and nothing happens."""
    assert {"accepted": 0, "duplicates": 0, "rejected": []} == await api.emit()


async def test_events_once(api: Api) -> None:
    """A batch sent again under its Idempotency-Key gets its first answer."""
    one = event("hr.learner.hired", "ada")
    headers = {"idempotency-key": "batch-1", "content-type": "application/cloudevents+json"}
    answers = [await api.client.post("/v1/events", json=one, headers=headers) for _ in range(2)]
    assert [{"accepted": 1, "duplicates": 0, "rejected": []}] * 2 == [answer.json() for answer in answers]


async def test_unexpected(api: Api, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """What nobody expected is a 500 with a code; what it was about is in no answer and no log."""

    class Broken:
        async def take(self, events: object) -> Any:
            raise ValueError("Ada Lovelace")

    ports: asyncio.Queue[int] = asyncio.Queue()
    stop = asyncio.Event()
    parts = replace(api.parts, ingest=Broken())
    serving = asyncio.create_task(serve(parts, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client:
        answer = await client.post(
            f"http://127.0.0.1:{await ports.get()}/v1/events", json=event("hr.learner.hired", "ada")
        )
    stop.set()
    await serving
    assert (500, "internal_error") == (answer.status_code, answer.json()["code"])
    said = capfd.readouterr()
    assert "request_failed" in said.out + said.err
    assert "Lovelace" not in answer.text + caplog.text + said.out + said.err


async def test_answers_are_sent_at_once() -> None:
    """No answer waits for the client to acknowledge the part of it that went first: 40 ms each, on a connection that is
    kept.
    """
    is_at_once: asyncio.Queue[int] = asyncio.Queue()

    class Line(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            is_at_once.put_nowait(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    listening = listen("127.0.0.1", 0)
    async with await asyncio.get_running_loop().create_server(Line, sock=listening):
        _, writer = await asyncio.open_connection(*listening.getsockname())
        assert await is_at_once.get()
        writer.close()
