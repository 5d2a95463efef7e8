"""Lines to one SMTP server, used again, and one letter handed over on one of them.

    an open line ──offer: MAIL, RCPT, DATA──> 354 ──give: the letter──> in doubt ──answer──> taken, or refused
         │ it had dropped meanwhile
         └──> a fresh line, within the same attempt

Until `give`, every failure means that nothing was accepted. After it, only an answer does. The letter is therefore
given with the library's lower calls: its own `sendmail` does not say on which side of `give` it failed.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from aiosmtplib.errors import SMTPConnectError

from connectors.channels.base import Limits
from connectors.deadline import Deadline
from connectors.errors import ConnectorError, InDoubt, Misconfigured, Permanent, Retryable, Unsupported

IDLE_SECONDS = 30.0
"""A line idle for longer is not used again: something between us and the server may have forgotten it."""
AUTHENTICATION_CODES = {530, 534, 535, 538}

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to speak SMTP. `tls`: from the first byte, by STARTTLS or not at all, or STARTTLS where offered."""

    host: str
    port: int
    tls: Literal["at_once", "required", "where_offered"] = "where_offered"
    username: str | None = None
    password: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the server must prove who it is: always, but where nothing secret is said and TLS is a bonus."""
        return self.tls != "where_offered" or self.username is not None


@dataclass(frozen=True, slots=True)
class Letter:
    """An envelope and its content."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool = False


class _Dropped(Exception):
    """A line that had been open was found dropped before anything was given."""


class Lines:
    """Sends letters, some at once, over lines that are kept open between them."""

    def __init__(self, server: Server, *, limits: Limits) -> None:
        self._server = server
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.connections)
        self._idle: list[_Line] = []
        self._open: set[_Line] = set()
        self._tls: ssl.SSLContext | None = None

    async def send(self, letter: Letter) -> str:
        """Hand the letter over and wait for the answer; returns the server's words."""
        given = False

        def give(line: "_Line") -> None:
            nonlocal given
            deadline.begin(0)
            line.give(letter)
            given = True
            deadline.put_off(self._limits.answer_seconds)

        try:
            async with Deadline(self._limits.hand_over_seconds) as deadline, self._slots:
                return await self._send(letter, give)
        except TimeoutError:
            raise self._too_slow(was_given=given) from None

    async def close(self) -> None:
        """Say goodbye on idle lines and drop the others."""
        idle, self._idle = self._idle, []
        for line in idle:
            await line.quit()
        for line in tuple(self._open):
            self._drop(line)

    async def _send(self, letter: Letter, give: Callable[["_Line"], None]) -> str:
        line = await self._offered(letter)
        try:
            give(line)
            words = await line.answer()
        except BaseException as error:
            if isinstance(error, ConnectorError) and line.is_usable:
                self._keep(line)
            else:
                self._drop(line)
            raise
        self._keep(line)
        return words

    async def _offered(self, letter: Letter) -> "_Line":
        """A line on which the server waits for this letter."""
        line = self._take_idle()
        if line is not None:
            try:
                return await self._offer(line, letter)
            except _Dropped:
                pass
        try:
            return await self._offer(await self._connected(), letter)
        except _Dropped as dropped:
            raise Retryable(f"{self._name} closed the line before it took the letter; it is tried again") from dropped

    async def _offer(self, line: "_Line", letter: Letter) -> "_Line":
        try:
            await line.offer(letter)
        except ConnectorError:
            self._keep(line)
            raise
        except BaseException:
            self._drop(line)
            raise
        return line

    async def _connected(self) -> "_Line":
        try:
            line = _Line(await self._connect(), self._name)
        except (SMTPException, OSError) as error:
            raise _connecting_failed(error, self._name) from error
        self._open.add(line)
        return line

    async def _connect(self) -> SMTP:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_tls_context, is_verified=self._server.is_verified)
        client = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.tls == "at_once",
            start_tls={"at_once": False, "required": True, "where_offered": None}[self._server.tls],
            tls_context=self._tls,
            local_hostname=_own_name(),
            timeout=None,  # `send` limits the whole attempt
        )
        await client.connect()
        return client

    def _take_idle(self) -> "_Line | None":
        now = asyncio.get_running_loop().time()
        while self._idle:
            line = self._idle.pop()
            if line.is_usable and now - line.idle_since < IDLE_SECONDS:
                return line
            self._drop(line)
        return None

    def _keep(self, line: "_Line") -> None:
        if not line.is_usable:
            return self._drop(line)
        line.idle_since = asyncio.get_running_loop().time()
        return self._idle.append(line)

    def _drop(self, line: "_Line") -> None:
        self._open.discard(line)
        line.close()

    @property
    def _name(self) -> str:
        return f"the SMTP server {self._server.host}:{self._server.port}"

    def _too_slow(self, *, was_given: bool) -> ConnectorError:
        if was_given:
            return InDoubt(f"{self._name} has the letter and did not answer within {self._limits.answer_seconds:g} s")
        return Retryable(f"{self._name} was not ready for the letter within {self._limits.hand_over_seconds:g} s")


class _Line:
    """One connection, past greeting, TLS and login."""

    def __init__(self, client: SMTP, name: str) -> None:
        self._client = client
        self._name = name
        self._needs_reset = False
        self.idle_since = 0.0

    @property
    def is_usable(self) -> bool:
        return self._client.is_connected

    async def offer(self, letter: Letter) -> None:
        """MAIL, RCPT, DATA. Raises _Dropped where the line broke, and ours where the server refused."""
        options, encoding = (["SMTPUTF8", "BODY=8BITMIME"], "utf-8") if letter.needs_utf8 else ([], "ascii")
        if letter.needs_utf8 and not self._client.supports_extension("smtputf8"):
            raise Unsupported(
                f"{self._name} takes no address with such characters (it has no SMTPUTF8): change the address"
            )
        try:
            if self._needs_reset:
                await self._client.rset()
            self._needs_reset = True
            await self._client.mail(letter.sender, options=options, encoding=encoding)
            await self._client.rcpt(letter.recipient, encoding=encoding)
            started = await self._client.execute_command(b"DATA")
            if started.code != 354:
                raise SMTPDataError(started.code, started.message)
        except SMTPResponseException as error:
            if error.code == 421:  # "closing": servers say so to a line that was idle, or had its share
                raise _Dropped from error
            raise _refused(error, self._name) from error
        except (SMTPServerDisconnected, OSError) as error:
            raise _Dropped from error

    def give(self, letter: Letter) -> None:
        """Hand over the letter; from here on it may be accepted."""
        protocol = self._client.protocol
        try:
            if protocol is None:
                raise SMTPServerDisconnected("Connection lost")
            protocol.write(_on_the_wire(letter.content))
        except SMTPServerDisconnected as error:
            raise Retryable(f"{self._name} closed the line before it took the letter; it is tried again") from error

    async def answer(self) -> str:
        """What the server says to the letter."""
        protocol = self._client.protocol
        try:
            if protocol is None:
                raise SMTPServerDisconnected("Connection lost")
            response = await protocol.read_response()
        except (SMTPException, OSError) as error:
            raise InDoubt(f"{self._name} has the letter and the line broke before it answered") from error
        self._needs_reset = False
        if 200 <= response.code < 300:
            return f"{response.code} {response.message}"
        if not 400 <= response.code < 600:
            raise InDoubt(f"{self._name} has the letter and answered what SMTP does not know", code=str(response.code))
        if response.code == 421:
            self.close()
        raise _refused(SMTPDataError(response.code, response.message), self._name)

    async def quit(self) -> None:
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._client.quit()
        self.close()

    def close(self) -> None:
        self._client.close()


def _on_the_wire(content: bytes) -> bytes:
    """The content as DATA wants it: CRLF, dots doubled, and the end."""
    lines = _LINE_END.sub(b"\r\n", content)
    lines = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
    return _LEADING_DOT.sub(b"..", lines) + b".\r\n"


def _connecting_failed(error: SMTPException | OSError, name: str) -> ConnectorError:
    """Why there is no line. What the server says for good is the operator's to mend, as no letter was named yet."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        reason = cause.reason or type(cause).__name__
        return Misconfigured(
            f"{name} speaks no TLS that can be trusted ({reason}): smtps:// is for TLS from the first byte, "
            "?starttls=require for STARTTLS, and its certificate must be known to this machine",
            setting="WAYMARK_SMTP_URL",
        )
    if isinstance(error, SMTPResponseException):
        return _refused(error, name)
    if isinstance(error, SMTPServerDisconnected | SMTPConnectError | OSError):
        return Retryable(f"{name} cannot be reached ({type(cause).__name__}); it is tried again")
    return Misconfigured(
        f"{name} does not offer what WAYMARK_SMTP_URL asks for (a login, or STARTTLS): {error.message}",
        setting="WAYMARK_SMTP_URL",
    )


def _refused(error: SMTPResponseException, name: str) -> ConnectorError:
    """Translate an answer that is no."""
    code, said = str(error.code), f"{error.code} {error.message}"
    if 400 <= error.code < 500:
        return Retryable(f"{name} does not take it now ({code})", code=code, provider_words=said)
    if not 500 <= error.code < 600:
        return Retryable(f"{name} answered what SMTP does not know ({code})", code=code, provider_words=said)
    if error.code in AUTHENTICATION_CODES:
        detail = "wants another user or password"
        return _wrong_setting(f"{name} {detail} ({code})", "WAYMARK_SMTP_URL", code, said)
    match error:
        case SMTPSenderRefused():
            return _wrong_setting(f"{name} refuses the sender ({code})", "WAYMARK_MAIL_FROM", code, said)
        case SMTPRecipientRefused():
            return Permanent(f"{name} refuses the recipient ({code})", code=code, provider_words=said)
        case SMTPDataError():
            return Permanent(f"{name} refuses the message ({code})", code=code, provider_words=said)
        case SMTPConnectResponseError() | _:
            return _wrong_setting(f"{name} does not serve us ({code})", "WAYMARK_SMTP_URL", code, said)


def _wrong_setting(message: str, setting: str, code: str, said: str) -> Misconfigured:
    return Misconfigured(f"{message}: mend {setting}", setting=setting, code=code, provider_words=said)


def _tls_context(*, is_verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not is_verified:  # as mail servers do among themselves (RFC 7435): better than no TLS
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_name() -> str:
    """What we call ourselves in EHLO; no look-up, which can take seconds."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() and not any(c.isspace() for c in name) else "[127.0.0.1]"
