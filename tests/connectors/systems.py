"""Another system behind HTTP, as somebody would write one: it checks who asks, remembers ids and answers by plan.

The HTTP is spoken by hand on a real socket, so that it can hang, drop the line or talk without end, at any point.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from standardwebhooks import Webhook

SECRET = "whsec_" + "d2F5bWFyay13YXltYXJrLXdheW1hcmstd2F5bWFyay0="
TOKEN = "let-me-in-please"


@dataclass(frozen=True)
class Plan:
    """One answer: a status, headers and a body as it is sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Trouble = Literal["hang", "drop", "endless", "stall"]
"""No answer; the line is cut; a body without end; a body that stops in the middle."""


@dataclass(frozen=True)
class Asked:
    """One request that was let in. `id` is the key it came with, `at` when it came, by `time.monotonic`."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    id: str
    at: float


def by_signature(headers: dict[str, str], body: bytes) -> str:
    """A call: signed by Standard Webhooks; raises where it is not."""
    Webhook(SECRET).verify(body, headers)
    return headers["webhook-id"]


def by_token(headers: dict[str, str], body: bytes) -> str:
    """An LMS: opened by its token."""
    assert headers["authorization"] == f"Bearer {TOKEN}", body
    return headers["idempotency-key"]


@dataclass
class System:
    """Answers each request by the next of its plans, or with `usual`."""

    lets_in: Callable[[dict[str, str], bytes], str]
    usual: Plan = Plan(204)
    plans: list[Plan | Trouble] = field(default_factory=list[Any])
    asked: list[Asked] = field(default_factory=list[Asked])
    port: int = 0
    _lines: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/waymark"

    @property
    def done(self) -> set[str]:
        """The ids it has seen, each once."""
        return {each.id for each in self.asked}

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._line, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._lines):
            writer.close()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        id_ = self.lets_in(headers, body)
        self.asked.append(Asked(head[0].split()[1], headers, json.loads(body), id_, monotonic()))
        plan = self.plans.pop(0) if self.plans else self.usual
        match plan:
            case "drop":
                return False
            case "hang":
                await asyncio.get_running_loop().create_future()
            case "endless":
                await _talk_without_end(writer)
            case "stall":
                writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n{")
                await asyncio.get_running_loop().create_future()
            case Plan():
                writer.write(_written(plan))
                await writer.drain()
        return True


def _written(plan: Plan) -> bytes:
    lines = [f"HTTP/1.1 {plan.status} X", *(f"{name}: {value}" for name, value in plan.headers.items())]
    if plan.status != 204:
        lines.append(f"content-length: {len(plan.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + plan.body


async def _talk_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n["\r\n')
    while True:
        writer.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
        await writer.drain()
