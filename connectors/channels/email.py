"""The channel `email`: a letter with a text and an HTML part, by SMTP.

The Message-ID is made from the delivery id and so the same on every attempt. Which failure means what stands in
`connectors/mail/smtp.py`.
"""

import re
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Annotated, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from connectors.channels.base import Channel, ChannelSettings, Limits, channel
from connectors.errors import Permanent
from connectors.mail.mime import written
from connectors.mail.smtp import Letter, Lines, Server
from connectors.mail.wording import both_parts, one_line
from connectors.outgoing import Outgoing, Receipt

_ADDRESS = re.compile(r"""[^\s<>@"(),:;\\\[\]\x00-\x1f\x7f]{1,64}@[^\s<>@"(),:;\\\[\]\x00-\x1f\x7f]{1,253}""")
_WIRE = SMTP.clone(cte_type="7bit", linesep="\n")
_WIRE_UTF8 = SMTPUTF8.clone(cte_type="7bit", linesep="\n")


def _smtp_url(value: SecretStr) -> SecretStr:
    server_of(value)
    return value


def _sender(value: str) -> str:
    if plain_address(parseaddr(value)[1]) is None or one_line(value) != value:
        raise ValueError("write a sender, as Learning <learning@example.org>")
    return value


class EmailSettings(ChannelSettings):
    """By what server, and in whose name."""

    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = Field(
        None,
        alias="WAYMARK_SMTP_URL",
        description="smtp://user:password@host:port, smtps://..., ?starttls=require; none: the catch-all mailbox.",
    )
    mail_from: Annotated[str, AfterValidator(_sender)] = Field(
        "Learning <learning@localhost.localdomain>", alias="WAYMARK_MAIL_FROM", description="The sender of e-mail."
    )

    @property
    def is_set_up(self) -> bool:
        """Whether there is a server."""
        return self.smtp_url is not None


def server_of(url: SecretStr) -> Server:
    """The server that an SMTP URL names; raises ValueError, which says what is allowed and not what was given."""
    try:
        parts = urlsplit(url.get_secret_value())
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"}:
        raise ValueError("write smtp:// or smtps://, as smtp://user:password@mail.example.org:587?starttls=require")
    if parts.query not in {"", "starttls=require"}:
        raise ValueError("the only option after the ? is starttls=require")
    is_required = bool(parts.query)
    if parts.scheme == "smtps":
        return Server(host, port or 465, "at_once", *_login(parts.username, parts.password))
    tls = "required" if is_required else "where_offered"
    return Server(host, port or (587 if is_required else 25), tls, *_login(parts.username, parts.password))


def _login(username: str | None, password: str | None) -> tuple[str | None, str | None]:
    return (unquote(username), unquote(password or "")) if username else (None, None)


def plain_address(text: str) -> str | None:
    """The address with its domain in ASCII; None where it is none. Whether it exists is the server's to say."""
    if not _ADDRESS.fullmatch(text):
        return None
    local, _, domain = text.rpartition("@")
    try:
        return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError:
        return None


def _named(address: str, display_name: str = "") -> Address:
    """By its parts, because Python's own reading of a whole address is narrower than what servers take."""
    local, _, domain = address.rpartition("@")
    return Address(display_name, local, domain)


@channel("email")
class Email(Channel):
    """E-mail to the address in the profile."""

    name: ClassVar[str]
    settings: ClassVar[type[ChannelSettings]] = EmailSettings
    address_field: ClassVar[str | None] = "email"

    def __init__(self, settings: EmailSettings, *, limits: Limits) -> None:
        if settings.smtp_url is None:
            raise ValueError("the channel email is not set up: set WAYMARK_SMTP_URL")
        display_name, address = parseaddr(settings.mail_from)
        self._sender = plain_address(address) or address
        self._from = _named(self._sender, display_name)
        self._lines = Lines(server_of(settings.smtp_url), limits=limits)

    async def send(self, outgoing: Outgoing) -> Receipt:
        """One attempt; the receipt's id is the Message-ID."""
        letter = self._letter(outgoing)
        return Receipt(provider_id=self._message_id(outgoing), words=await self._lines.send(letter))

    async def close(self) -> None:
        """Close every line."""
        await self._lines.close()

    def _letter(self, outgoing: Outgoing) -> Letter:
        recipient = plain_address(outgoing.address or "")
        if recipient is None:
            raise Permanent("the address is no e-mail address: correct `email` in the profile")
        content = self._written(outgoing, recipient)
        return Letter(self._sender, recipient, content, needs_utf8=not recipient.isascii())

    def _written(self, outgoing: Outgoing, recipient: str) -> bytes:
        headers = {
            "From": self._from,
            "To": _named(recipient),
            "Subject": one_line(outgoing.subject),
            "Date": format_datetime(outgoing.sent_at),
            "Message-ID": self._message_id(outgoing),
            "Auto-Submitted": "auto-generated",
        }
        text, html = both_parts(outgoing.text, outgoing.link, why=outgoing.why)
        return written(
            headers,
            text=text,
            html=html,
            key=outgoing.delivery_id,
            policy=_WIRE if recipient.isascii() else _WIRE_UTF8,
        )

    def _message_id(self, outgoing: Outgoing) -> str:
        return f"<{outgoing.delivery_id}@{self._sender.rpartition('@')[2]}>"
