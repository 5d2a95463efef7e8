"""An SMTP server, as a process of its own, that takes every letter and writes down when it came.

    python -m bench.sink --port 2525 --file arrivals.txt

Each line of the file is one letter: the instant at which its last byte had come (seconds since 1970), the recipient's
address, the subject. It answers at once and does no more than that, so that it is not what is measured; or, asked to,
so many seconds after the letter has come.
"""

import argparse
import asyncio
import re
import signal
import time
from pathlib import Path
from typing import IO

_SUBJECT = re.compile(rb"^Subject: (.*?)\r?$", re.MULTILINE)
_ADDRESS = re.compile(rb"<([^>]*)>")
_END = b"\r\n.\r\n"


class Line(asyncio.Protocol):
    """One client: RFC 5321 as far as a client that behaves needs it."""

    def __init__(self, arrivals: IO[bytes], delay_seconds: float) -> None:
        self._arrivals = arrivals
        self._delay_seconds = delay_seconds
        self._received = bytearray()
        self._is_in_data = False
        self._recipients: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._answer(b"220 sink ESMTP")

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._take_letter() if self._is_in_data else self._take_command():
            pass

    def _take_command(self) -> bool:
        line, end, rest = self._received.partition(b"\r\n")
        if not end:
            return False
        self._received = rest
        self._obey(bytes(line))
        return True

    def _obey(self, line: bytes) -> None:
        match line[:4].upper():
            case b"EHLO":
                self._answer(b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8")
            case b"RCPT":
                found = _ADDRESS.search(line)
                self._recipients.append(found.group(1) if found else b"?")
                self._answer(b"250 OK")
            case b"DATA":
                self._is_in_data = True
                self._answer(b"354 go on")
            case b"RSET":
                self._recipients.clear()
                self._answer(b"250 OK")
            case b"QUIT":
                self._answer(b"221 bye")
                assert self._transport is not None
                self._transport.close()
            case b"HELO" | b"MAIL" | b"NOOP":
                self._answer(b"250 OK")
            case _:
                self._answer(b"502 not here")

    def _take_letter(self) -> bool:
        letter, end, rest = self._received.partition(_END)
        if not end:
            return False
        arrived_at = time.time()
        found = _SUBJECT.search(letter)
        subject = found.group(1) if found else b"?"
        for recipient in self._recipients:
            self._arrivals.write(b"%.6f %s %s\n" % (arrived_at, recipient, subject))
        self._received, self._is_in_data = rest, False
        self._recipients.clear()
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._answer, b"250 OK")
        else:
            self._answer(b"250 OK")
        return True

    def _answer(self, text: bytes) -> None:
        assert self._transport is not None
        self._transport.write(text + b"\r\n")


async def serve(port: int, file: Path, ready_file: Path | None, *, delay_seconds: float) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with file.open("ab", buffering=0) as arrivals:
        server = await loop.create_server(lambda: Line(arrivals, delay_seconds), "127.0.0.1", port)
        if ready_file is not None:
            ready_file.touch()
        await stop.wait()
        server.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="An SMTP server that writes down when each letter came.")
    parser.add_argument("--port", type=int, required=True, help="where it listens, on 127.0.0.1")
    parser.add_argument("--file", type=Path, required=True, help="where arrivals are written")
    parser.add_argument("--ready-file", type=Path, help="a file that is made once it listens")
    parser.add_argument("--delay-seconds", type=float, default=0.0, help="how late it answers to a letter")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.file, given.ready_file, delay_seconds=given.delay_seconds))


if __name__ == "__main__":
    main()
