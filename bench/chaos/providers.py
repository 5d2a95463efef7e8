"""The providers of a chaotic run: an SMTP server and a webhook that keep a log of what they took, and can misbehave.

Both live in the process that watches, which no fault touches, and so are the run's memory of what was said. What is
logged is what was *taken*: a letter counts from the moment its last byte had come and was kept, whatever became of the
answer. What became of it is logged too: said, withheld by us, or never said because the line was gone by then. Each
answers a little later than it takes, so that whoever is killed has something on its way. Each worker has a port of its
own, so that it is known whose letter it was.

    takes      takes it, and answers
    refuse     SMTP: 451 to RCPT; HTTP: 503; nothing is taken
    hang       never answers: half of what comes before it was taken, half after
    drop       the line breaks after DATA, after the body: half was kept, half was not
"""

import asyncio
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Literal
from zlib import crc32

import orjson

Mode = Literal["takes", "refuse", "hang", "drop"]
Answer = Literal["owed", "said", "withheld", "gone"]
"""`withheld`: the provider itself hung, or dropped the line. `gone`: the sender's line was closed when it was due."""
LATENCY_SECONDS = 0.1
OTHERS = "others"
"""Whoever is no worker: nobody of them sends."""
_ADDRESS = re.compile(rb"<([^>@]*)@")
_SUBJECT = re.compile(rb"^Subject: (.*?)\r?$", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^@>]*)@", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length:\s*(\d+)\r?$", re.MULTILINE | re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass(frozen=True)
class Letter:
    """One message that came: when, whose, which, by what delivery, from which of our processes. `was_kept`: it counts
    as said. `answer`: what the provider's answer came to, and when, as far as it can know.
    """

    at: float
    channel: str
    learner: str
    message: str
    delivery: str
    was_kept: bool
    answer: Answer = "owed"
    by: str = OTHERS
    answered_at: float | None = None

    def __str__(self) -> str:
        """One line of the log."""
        kept = "kept" if self.was_kept else "lost"
        when = "" if self.answered_at is None else f" {self.answered_at:.3f}"
        who = f"{self.by} {self.learner} {self.message} {self.delivery}"
        return f"{self.at:.3f} {self.channel} from {who} {kept}, answer {self.answer}{when}"


@dataclass
class Provider:
    """One provider: how it behaves now, and all that came. `ports`: where each of our processes finds it."""

    channel: str
    log: IO[bytes]
    mode: Mode = "takes"
    letters: list[Letter] = field(default_factory=list[Letter])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    _servers: list[asyncio.Server] = field(default_factory=list[asyncio.Server])

    @property
    def port(self) -> int:
        """For whoever is no worker."""
        return self.ports[OTHERS]

    def take(self, learner: str, message: str, delivery: str, *, by: str) -> int:
        """Note a letter as the mode has it; answers its number."""
        is_bad = self.mode in {"hang", "drop"}
        was_kept = not is_bad or bool(crc32(delivery.encode()) % 2)
        answer: Answer = "withheld" if is_bad else "owed"
        self.letters.append(Letter(time.time(), self.channel, learner, message, delivery, was_kept, answer, by))
        self._write(self.letters[-1])
        return len(self.letters) - 1

    def under_way(self, by: str) -> Iterator[str]:
        """The deliveries that this process has handed over, and whose answer has not been said yet."""
        for letter in reversed(self.letters):
            if letter.at < time.time() - 10 * LATENCY_SECONDS:
                return
            if letter.by == by and letter.answer == "owed":
                yield letter.delivery

    def note_answer(self, number: int, *, was_said: bool) -> None:
        """Note what became of the answer to a letter."""
        answer: Answer = "said" if was_said else "gone"
        self.letters[number] = replace(self.letters[number], answer=answer, answered_at=time.time())
        self._write(self.letters[number])

    async def listen(self, line: "Callable[[Provider, str], Line]", names: Sequence[str]) -> None:
        """Listen on a free port of this machine for each of these processes."""
        loop = asyncio.get_running_loop()
        for name in names:
            server = await loop.create_server(lambda name=name: line(self, name), "127.0.0.1", 0)
            self._servers.append(server)
            self.ports[name] = server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        for server in self._servers:
            server.close()

    def _write(self, letter: Letter) -> None:
        self.log.write(f"{letter}\n".encode())


class Line(asyncio.Protocol):
    """One client of a provider: which of our processes it is, its port says."""

    def __init__(self, provider: Provider, by: str) -> None:
        self.provider = provider
        self.by = by
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

    def answer(self, text: bytes) -> bool:
        """Say something; False where the line is gone."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(text)
        return True

    def take(self, learner: str, message: str, delivery: str, *, thanks: bytes) -> None:
        """A letter has come: answer a little later, or as the mode has it."""
        mode = self.provider.mode
        number = self.provider.take(learner, message, delivery, by=self.by)

        def thank() -> None:
            self.provider.note_answer(number, was_said=self.answer(thanks))

        if mode == "drop":
            self.drop()
        elif mode != "hang":
            asyncio.get_running_loop().call_later(LATENCY_SECONDS, thank)

    def drop(self) -> None:
        """Break the line."""
        assert self._transport is not None
        self._transport.abort()


class SmtpLine(Line):
    """RFC 5321, as far as a client that behaves needs it."""

    def __init__(self, provider: Provider, by: str) -> None:
        super().__init__(provider, by)
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
        self.take(self._learner, message, delivery.group(1).decode() if delivery else "?", thanks=b"250 OK\r\n")
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
        else:
            taken = b"HTTP/1.1 204 Taken\r\n\r\n"
            self.take(posted["learner"], posted["message"], posted["delivery"], thanks=taken)
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

    def under_way(self, by: str) -> AbstractSet[str]:
        """The deliveries that this process has handed over, and whose answer has not been said yet."""
        return {*self.smtp.under_way(by), *self.webhook.under_way(by)}

    def close(self) -> None:
        """Listen no more."""
        self.smtp.close()
        self.webhook.close()


async def open_providers(log: Path, names: Sequence[str] = ()) -> Providers:
    """Both listen, for each of these processes apart, and write what they take into one file."""
    lines = log.open("ab", buffering=0)
    providers = Providers(Provider("email", lines), Provider("webhook", lines))
    await providers.smtp.listen(SmtpLine, [OTHERS, *names])
    await providers.webhook.listen(WebhookLine, [OTHERS, *names])
    return providers
