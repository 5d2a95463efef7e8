"""A receiver of Standard Webhooks, as an operator would write one: it checks every signature and remembers ids.

The HTTP is spoken by hand on a real socket, so that the receiver can hang, or drop the line, at any point.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "d2F5bWFyay13YXltYXJrLXdheW1hcmstd2F5bWFyay0="


@dataclass(frozen=True)
class Received:
    """One request whose signature was right."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Receiver:
    """Answers by plan: for a learner, a list of (status, headers) or a word."""

    port: int = 0
    slow_seconds: float = 1.0
    received: list[Received] = field(default_factory=list[Received])
    taken: list[Received] = field(default_factory=list[Received])
    plans: dict[str, list[tuple[int, dict[str, str]] | str]] = field(default_factory=dict[str, Any])
    lines: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    connections: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/waymark"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._line, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.drop_lines()

    async def drop_lines(self) -> None:
        """Close every connection from this side."""
        for writer in list(self.lines):
            writer.close()
            await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.add(writer)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.lines.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        request = Received(head[0].split()[1], headers, Webhook(SECRET).verify(body, headers))
        self.received.append(request)
        plans = self.plans.get(request.body["learner"], [])
        plan = plans.pop(0) if plans else (204, {})
        if plan == "drop":
            self.taken.append(request)
            return False
        if plan == "hang":
            self.taken.append(request)
            await asyncio.get_running_loop().create_future()
        if plan == "slow":
            await asyncio.sleep(self.slow_seconds)
            plan = (200, {})
        assert isinstance(plan, tuple)
        status, more = plan
        if 200 <= status < 300:
            self.taken.append(request)
        words = b"" if status == 204 else json.dumps({"said": status}).encode()
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in more.items())]
        if status != 204:
            lines.append(f"content-length: {len(words)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + words)
        await writer.drain()
        return True
