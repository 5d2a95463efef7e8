"""A receiver of webhooks, as a process of its own, that takes every message and writes down when it came.

    python -m bench.receiver --port 8080 --file arrivals.txt

Each line of the file is one message: the instant at which its last byte had come (seconds since 1970), the learner, the
message. It answers 200 at once and checks no signature, so that it is not what is measured.
"""

import argparse
import asyncio
import re
import signal
import time
from pathlib import Path
from typing import IO

import orjson

_LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.MULTILINE | re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Line(asyncio.Protocol):
    """One client: requests with a Content-Length, one after the other."""

    def __init__(self, arrivals: IO[bytes]) -> None:
        self._arrivals = arrivals
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._take_request():
            pass

    def _take_request(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        found = _LENGTH.search(head + b"\r")
        length = int(found.group(1)) if found else 0
        if len(rest) < length:
            return False
        arrived_at = time.time()
        said = orjson.loads(rest[:length])
        self._arrivals.write(f"{arrived_at:.6f} {said['learner']} {said['message']}\n".encode())
        self._received = rest[length:]
        assert self._transport is not None
        self._transport.write(_ANSWER)
        return True


async def serve(port: int, file: Path, ready_file: Path | None) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with file.open("ab", buffering=0) as arrivals:
        server = await loop.create_server(lambda: Line(arrivals), "127.0.0.1", port)
        if ready_file is not None:
            ready_file.touch()
        await stop.wait()
        server.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="A receiver of webhooks that writes down when each message came.")
    parser.add_argument("--port", type=int, required=True, help="where it listens, on 127.0.0.1")
    parser.add_argument("--file", type=Path, required=True, help="where arrivals are written")
    parser.add_argument("--ready-file", type=Path, help="a file that is made once it listens")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.file, given.ready_file))


if __name__ == "__main__":
    main()
