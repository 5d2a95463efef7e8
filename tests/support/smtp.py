"""A real SMTP server in the test's own process, told for each recipient how to behave."""

import asyncio
import email.message
import email.policy
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Literal, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

Behaviour = Literal[
    "refuse",
    "later",
    "hang",
    "held",
    "hang_after_data",
    "drop_after_data",
    "later_after_data",
    "slow",
    "late",
    "held_after_data",
]


@dataclass(frozen=True)
class Mail:
    """One message for one recipient, as it arrived."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> email.message.EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.raw, policy=email.policy.default)

    def part(self, kind: Literal["plain", "html"]) -> str:
        """The text of one part, with plain line ends; fails where there is none."""
        body = self.message.get_body(preferencelist=(kind,))
        assert body is not None, f"the message has no {kind} part"
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class SmtpSink:
    """What arrived, and how each recipient is treated.

    `refuse` 550 at RCPT; `later` 451 at RCPT; `hang` never answers RCPT; after DATA: `later_after_data` 451,
    `hang_after_data` never answers, `drop_after_data` closes the line, and in both the message *did* arrive;
    `slow` answers DATA after `slow_seconds`, and takes the message only then; `late` takes it, then answers after
    `slow_seconds`; `held` answers RCPT, `held_after_data` takes the message and answers, once `released` is set.
    """

    host: str = "127.0.0.1"
    port: int = 0
    slow_seconds: float = 1.0
    arrived: list[Mail] = field(default_factory=list[Mail])
    attempts: list[str] = field(default_factory=list[str])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _behaviours: dict[str, list[Behaviour]] = field(default_factory=dict[str, list[Behaviour]])
    _always: dict[str, Behaviour] = field(default_factory=dict[str, Behaviour])
    _server: asyncio.Server | None = None
    _lines: set[asyncio.Transport] = field(default_factory=set[asyncio.Transport])

    @property
    def url(self) -> str:
        """As `WAYMARK_SMTP_URL` writes it."""
        return f"smtp://{self.host}:{self.port}"

    def treat(self, recipient: str, *behaviours: Behaviour) -> None:
        """Treat the next attempts for this recipient so, one after the other; then normally again."""
        self._behaviours.setdefault(recipient, []).extend(behaviours)

    def always(self, recipient: str, behaviour: Behaviour | None) -> None:
        """Treat every attempt for this recipient so, until told otherwise (None: normally)."""
        if behaviour is None:
            self._always.pop(recipient, None)
        else:
            self._always[recipient] = behaviour

    def for_(self, recipient: str) -> list[Mail]:
        """What arrived for one recipient."""
        return [mail for mail in self.arrived if mail.recipient == recipient]

    async def start(self) -> None:
        """Listen; on the same port again after `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and close every line, as a provider that goes down does."""
        if self._server is not None:
            self._server.close()
            for line in list(self._lines):
                line.abort()
            await self._server.wait_closed()
            self._server = None

    def _protocol(self) -> SMTP:
        lines = self._lines

        class Line(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                lines.add(cast(asyncio.Transport, transport))
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                lines.discard(cast(asyncio.Transport, self.transport))
                super().connection_lost(error)

        return Line(_Handler(self), enable_SMTPUTF8=True, loop=asyncio.get_running_loop())

    def _behaviour(self, recipient: str) -> Behaviour | None:
        planned = self._behaviours.get(recipient)
        return planned.pop(0) if planned else self._always.get(recipient)


class _Handler:
    """What aiosmtpd asks."""

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to RCPT TO; what is to happen after DATA is kept on the envelope."""
        self.sink.attempts.append(address)
        behaviour = self.sink._behaviour(address)
        match behaviour:
            case "refuse":
                return "550 5.1.1 no such mailbox"
            case "later":
                return "451 4.7.1 try again later"
            case "hang":
                await _for_ever()
            case "held":
                await self.sink.released.wait()
            case _:
                pass
        envelope.rcpt_tos.append(address)
        vars(envelope).setdefault("behaviours", []).append(behaviour)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Answer to the end of DATA."""
        behaviours: list[Behaviour | None] = vars(envelope)["behaviours"]
        if "later_after_data" in behaviours:
            return "451 4.3.0 try again later"
        if "slow" in behaviours:
            await asyncio.sleep(self.sink.slow_seconds)
        raw = cast(bytes, envelope.content)
        self.sink.arrived.extend(Mail(envelope.mail_from or "", to, raw) for to in envelope.rcpt_tos)
        if "late" in behaviours:
            await asyncio.sleep(self.sink.slow_seconds)
        if "held_after_data" in behaviours:
            await self.sink.released.wait()
        if "hang_after_data" in behaviours:
            await _for_ever()
        if "drop_after_data" in behaviours:
            cast(asyncio.Transport, server.transport).abort()
        return "250 OK"


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


Factory = Callable[[], SmtpSink]
