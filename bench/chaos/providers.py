"""The providers of a chaotic run: an SMTP server and a webhook that keep a log of what they took, and can misbehave.

Both live in the process that watches, which no fault touches, and so are the run's memory of what was said. What is
logged is what was *taken*: a letter counts from the moment its last byte had come and was kept, whatever became of the
answer. Each answers a little later than it takes, so that whoever is killed has something on its way.

    takes      takes it, and answers
    refuse     SMTP: 451 to RCPT; HTTP: 503; nothing is taken
    hang       never answers: half of what comes before it was taken, half after
    drop       the line breaks after DATA, after the body: half was kept, half was not
"""

import asyncio
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal
from zlib import crc32

import orjson

Mode = Literal["takes", "refuse", "hang", "drop"]
LATENCY_SECONDS = 0.1
_ADDRESS = re.compile(rb"<([^>@]*)@")
_SUBJECT = re.compile(rb"^Subject: (.*?)\r?$", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^@>]*)@", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length:\s*(\d+)\r?$", re.MULTILINE | re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass(frozen=True)
class Letter:
    """One message that came: when, whose, which, by what delivery. `was_kept`: it counts as said. `was_answered`: we
    were told so.
    """

    at: float
    channel: str
    learner: str
    message: str
    delivery: str
    was_kept: bool
    was_answered: bool

    def __str__(self) -> str:
        """One line of the log."""
        kept = "kept" if self.was_kept else "lost"
        return f"{self.at:.3f} {self.channel} {self.learner} {self.message} {self.delivery} {kept} " + (
            "answered" if self.was_answered else "unanswered"
        )


@dataclass
class Provider:
    """One provider: how it behaves now, and all that came."""

    channel: str
    log: IO[bytes]
    mode: Mode = "takes"
    letters: list[Letter] = field(default_factory=list[Letter])
    port: int = 0
    _server: asyncio.Server | None = None

    def take(self, learner: str, message: str, delivery: str) -> bool:
        """Note a letter as the mode has it; answers whether it may be answered."""
        is_bad = self.mode in {"hang", "drop"}
        was_kept = not is_bad or bool(crc32(delivery.encode()) % 2)
        letter = Letter(time.time(), self.channel, learner, message, delivery, was_kept, was_answered=not is_bad)
        self.letters.append(letter)
        self.log.write(f"{letter}\n".encode())
        return not is_bad

    async def listen(self, line: "Callable[[Provider], Line]") -> None:
        """Listen on a free port of this machine."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: line(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()


class Line(asyncio.Protocol):
    """One client of a provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, where the protocol does."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.greet()

    def data_received(self, data: bytes) -> None:
        """Take whatever is complete."""
        self._received += data
        while self.take_next():
            pass

    @abstractmethod
    def greet(self) -> None:
        """Speak first."""

    @abstractmethod
    def take_next(self) -> bool:
        """Take the next complete thing; False where there is none yet."""

    def answer(self, text: bytes, *, after: float = 0.0) -> None:
        """Say something, now or a little later, unless the line is gone by then."""
        if after:
            asyncio.get_running_loop().call_later(after, self.answer, text)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(text)

    def drop(self) -> None:
        """Break the line."""
        assert self._transport is not None
        self._transport.abort()


class SmtpLine(Line):
    """RFC 5321, as far as a client that behaves needs it."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self._learner = "?"
        self._is_in_data = False

    def greet(self) -> None:
        """As servers do."""
        self.answer(b"220 chaos ESMTP\r\n")

    def take_next(self) -> bool:
        """A command, or a letter."""
        return self._take_letter() if self._is_in_data else self._take_command()

    def _take_command(self) -> bool:
        line, end, rest = self._received.partition(b"\r\n")
        if not end:
            return False
        self._received = rest
        match bytes(line[:4]).upper():
            case b"EHLO":
                self.answer(b"250-chaos\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            case b"RCPT":
                self._recipient(bytes(line))
            case b"DATA":
                self._is_in_data = True
                self.answer(b"354 go on\r\n")
            case b"QUIT":
                self.answer(b"221 bye\r\n")
                assert self._transport is not None
                self._transport.close()
            case b"HELO" | b"MAIL" | b"NOOP" | b"RSET":
                self.answer(b"250 OK\r\n")
            case _:
                self.answer(b"502 not here\r\n")
        return True

    def _recipient(self, line: bytes) -> None:
        found = _ADDRESS.search(line)
        self._learner = found.group(1).decode() if found else "?"
        if self.provider.mode == "refuse":
            self.answer(b"451 4.7.1 try again later\r\n")
        elif self.provider.mode != "hang" or crc32(self._learner.encode()) % 2:
            self.answer(b"250 OK\r\n")

    def _take_letter(self) -> bool:
        letter, end, rest = self._received.partition(_END)
        if not end:
            return False
        self._received, self._is_in_data = rest, False
        subject, delivery = _SUBJECT.search(letter), _MESSAGE_ID.search(letter)
        message = subject.group(1).decode() if subject else "?"
        if self.provider.take(self._learner, message, delivery.group(1).decode() if delivery else "?"):
            self.answer(b"250 OK\r\n", after=LATENCY_SECONDS)
        elif self.provider.mode == "drop":
            self.drop()
        return True


class WebhookLine(Line):
    """HTTP/1.1, as far as a client that posts needs it."""

    def greet(self) -> None:
        """The client speaks first."""

    def take_next(self) -> bool:
        """One request."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if not end or found is None or len(rest) < int(found.group(1)):
            return False
        body, self._received = bytes(rest[: int(found.group(1))]), rest[int(found.group(1)) :]
        posted = orjson.loads(body)
        if self.provider.mode == "refuse":
            self.answer(b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n")
        elif self.provider.take(posted["learner"], posted["message"], posted["delivery"]):
            self.answer(b"HTTP/1.1 204 Taken\r\n\r\n", after=LATENCY_SECONDS)
        elif self.provider.mode == "drop":
            self.drop()
        return True


@dataclass(frozen=True)
class Providers:
    """Both."""

    smtp: Provider
    webhook: Provider

    def __getitem__(self, name: str) -> Provider:
        """By the name that a plan uses."""
        return {"smtp": self.smtp, "webhook": self.webhook}[name]

    def letters(self) -> Sequence[Letter]:
        """All that came, in order of time."""
        return sorted([*self.smtp.letters, *self.webhook.letters], key=lambda letter: letter.at)

    def close(self) -> None:
        """Listen no more."""
        self.smtp.close()
        self.webhook.close()


async def open_providers(log: Path) -> Providers:
    """Both listen, and write what they take into one file."""
    lines = log.open("ab", buffering=0)
    providers = Providers(Provider("email", lines), Provider("webhook", lines))
    await providers.smtp.listen(SmtpLine)
    await providers.webhook.listen(WebhookLine)
    return providers
