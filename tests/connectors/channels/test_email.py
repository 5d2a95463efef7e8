"""The channel `email` against real SMTP servers."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import SecretStr

from connectors.channels import Channel, Limits, open_channels
from connectors.channels.email import plain_address, server_of
from connectors.errors import ConnectorError, InDoubt, Misconfigured, Permanent, Retryable, Unsupported
from tests.connectors.channels.suite import PATIENT, QUICK, SENT_AT, SLOW_SECONDS, Behaviour, ChannelSuite, outgoing
from tests.support import smtp
from tests.support.smtp import Mail, SmtpSink
from tests.support.until import until

FOOTER = "\n-- \nWhy did I get this? https://learning.example.org/w/d-ada\n"
CERTIFICATES = Path(__file__).parent / "certificates"
BEHAVIOURS: dict[Behaviour, smtp.Behaviour] = {
    "refuse": "refuse",
    "later": "later",
    "later_after": "later_after_data",
    "hang_after": "hang_after_data",
    "drop_after": "drop_after_data",
    "slow": "slow",
}


class EmailProvider:
    """The sink, in the suite's words."""

    channel = "email"

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink

    @property
    def values(self) -> Mapping[str, str]:
        return {"WAYMARK_SMTP_URL": self.sink.url}

    def values_at(self, port: int) -> Mapping[str, str]:
        return {"WAYMARK_SMTP_URL": f"smtp://127.0.0.1:{port}"}

    def treat(self, recipient: str, *behaviours: Behaviour) -> None:
        for behaviour in behaviours:
            self.sink.treat(self.address(recipient), BEHAVIOURS[behaviour])

    def address(self, recipient: str) -> str:
        return f"{recipient}@people.example.com"

    def keys(self, recipient: str) -> list[str]:
        return [str(mail.message["Message-ID"]) for mail in self.sink.for_(self.address(recipient))]

    async def drop_idle_lines(self) -> None:
        lines = list(self.sink._lines)
        for line in lines:
            line.abort()
        await until(lambda: not self.sink._lines)


@pytest.fixture
def provider(smtp_sink: SmtpSink) -> EmailProvider:
    smtp_sink.slow_seconds = SLOW_SECONDS
    return EmailProvider(smtp_sink)


class TestEmail(ChannelSuite):
    """Every channel's cases."""

    @pytest.fixture
    def provider(self, provider: EmailProvider) -> EmailProvider:
        return provider


def opened(url: str, *, limits: Limits = PATIENT, **more: str) -> Channel:
    return open_channels({"WAYMARK_SMTP_URL": url, **more}, limits=limits)["email"]


async def attempt(provider: EmailProvider, *, url: str = "", address: str | None = None, **changed: str) -> Mail:
    """Send once, and what arrived last."""
    channel = opened(url or provider.sink.url)
    message = outgoing(provider, **changed)
    message = message if address is None else replace(message, address=address)
    try:
        await channel.send(message)
    finally:
        await channel.close()
    return provider.sink.arrived[-1]


# -- the letter --------------------------------------------------------------------------------------------------------


async def test_the_letter_says_who_when_and_that_a_machine_wrote_it(provider: EmailProvider) -> None:
    """Headers: sender, recipient, subject, date of the story, Message-ID of the delivery, Auto-Submitted."""
    channel = opened(provider.sink.url, WAYMARK_MAIL_FROM="Lernen für Führung <learning@corp.example>")
    receipt = await channel.send(outgoing(provider, subject="Über 1:1-Gespräche"))
    await channel.close()
    (mail,) = provider.sink.arrived
    assert (mail.sender, mail.recipient) == ("learning@corp.example", "ada@people.example.com")
    assert {name: str(mail.message[name]) for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")} == {
        "From": "Lernen für Führung <learning@corp.example>",
        "To": "ada@people.example.com",
        "Subject": "Über 1:1-Gespräche",
        "Message-ID": "<d-ada@corp.example>",
        "Auto-Submitted": "auto-generated",
    }
    assert mail.message["Date"].datetime == SENT_AT
    assert receipt.provider_id == "<d-ada@corp.example>"
    assert mail.raw.isascii()


async def test_both_parts_carry_text_and_link(provider: EmailProvider) -> None:
    """The text part is plain words, the HTML part marks and a button; both hold the link, and say why it came."""
    mail = await attempt(provider, text="Hello **Ada**,\n\n- one\n- two")
    assert mail.part("plain") == f"Hello Ada,\n\n- one\n- two\n\nStart: https://lms.example.com/MGR-101\n{FOOTER}"
    html = mail.part("html")
    assert "<strong>Ada</strong>" in html
    assert 'href="https://lms.example.com/MGR-101"' in html
    assert ">Start</a>" in html
    assert 'href="https://learning.example.org/w/d-ada"' in html


async def test_a_link_in_the_text_is_not_said_twice(provider: EmailProvider) -> None:
    """Where the body has the link already, neither part repeats it, and the HTML makes it one to click."""
    mail = await attempt(provider, text="Start here: https://lms.example.com/MGR-101.")
    assert mail.part("plain") == f"Start here: https://lms.example.com/MGR-101.\n{FOOTER}"
    assert mail.part("html").count("MGR-101") == 2  # the address and its words
    assert '<a href="https://lms.example.com/MGR-101"' in mail.part("html")


async def test_a_subject_cannot_bring_headers(provider: EmailProvider) -> None:
    """Line breaks in a subject become blanks; no header and no recipient is added."""
    mail = await attempt(provider, subject="Hi\r\nBcc: eve@example.org\r\n\r\nbody\x00\ud800")
    assert mail.message["Subject"] == "Hi Bcc: eve@example.org body?"
    assert mail.message["Bcc"] is None
    assert provider.sink.attempts == ["ada@people.example.com"]


async def test_dots_and_long_lines_arrive_as_written(provider: EmailProvider) -> None:
    """Lines of dots and a line of 5,000 characters come through SMTP unchanged."""
    text = ".\n..\n.x\n" + "y" * 5000
    mail = await attempt(provider, text=text)
    assert mail.part("plain").startswith(text + "\n")
    assert max(len(line) for line in mail.raw.split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@corp.example",
        "Ada <ada@corp.example>",
        "a@b@c",
        "a b@c.example",
        "a@c.example>\r\nRCPT TO:<e",
    ],
)
async def test_what_is_no_address_goes_nowhere(provider: EmailProvider, address: str) -> None:
    """Such an address is refused for good before the server hears of it, and is not in the message of the error."""
    with pytest.raises(Permanent) as raised:
        await attempt(provider, address=address)
    assert provider.sink.attempts == []
    assert not address or address not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["a..b@corp.example", "o'neil+x=y@corp.example", "ada@localhost", ".a@b", "#!$%&*/?^`{|}~@b"]
)
async def test_an_odd_address_is_the_servers_to_judge(provider: EmailProvider, address: str) -> None:
    """What Python would call wrong and servers know goes out as it is."""
    assert (await attempt(provider, address=address)).recipient == address


async def test_addresses_beyond_ascii(provider: EmailProvider) -> None:
    """A domain goes in its ASCII form; a local part goes as it is, to a server that takes it."""
    assert (await attempt(provider, address="ada@münchen.example")).recipient == "ada@xn--mnchen-3ya.example"
    assert (await attempt(provider, address="ädä@corp.example")).recipient == "ädä@corp.example"
    assert plain_address("ada@" + "x" * 80 + ".ü") is None


# -- the line ----------------------------------------------------------------------------------------------------------


class Handler:
    """Accepts everything and counts."""

    def __init__(self) -> None:
        self.letters = 0
        self.mail_answers: list[str] = []
        self.data_answers: list[str] = []

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.mail_answers.pop(0) if self.mail_answers else "250 OK"
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - as above
        answer = self.data_answers.pop(0) if self.data_answers else "250 queued as 7"
        self.letters += answer.startswith("250")
        return answer


@asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncGenerator[int]:
    """A server with these options; `tls` from the first byte."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def sent_to(provider: EmailProvider, url: str, *, limits: Limits = PATIENT) -> ConnectorError | None:
    channel = opened(url, limits=limits)
    try:
        await channel.send(outgoing(provider))
    except ConnectorError as error:
        return error
    finally:
        await channel.close()
    return None


async def test_one_line_carries_many_letters(provider: EmailProvider) -> None:
    """Letters one after the other go over one connection, after a refused one too."""
    provider.treat("bob", "refuse")
    channel = opened(provider.sink.url)
    lines: set[object] = set()
    for recipient in ("ada", "bob", "eve", "ada"):
        await asyncio.gather(channel.send(outgoing(provider, recipient)), return_exceptions=True)
        lines |= provider.sink._lines
    await channel.close()
    assert (len(lines), len(provider.sink.arrived)) == (1, 3)


async def test_a_line_that_drops_unnoticed_is_replaced(provider: EmailProvider) -> None:
    """A reset that arrives only after MAIL was written is met by a fresh line, in the same attempt."""
    channel = opened(provider.sink.url)
    await channel.send(outgoing(provider, "ada"))
    (line,) = provider.sink._lines
    line.abort()  # takes effect when the loop turns next: our side has written MAIL by then
    await channel.send(outgoing(provider, "bob"))
    await channel.close()
    assert [str(m.message["Message-ID"])[1:6] for m in provider.sink.arrived] == ["d-ada", "d-bob"]


async def test_a_line_that_had_its_share_is_replaced(provider: EmailProvider) -> None:
    """421 on a line that was used before is met by a fresh one; on a fresh one it is for later."""
    handler = Handler()
    async with serving(handler) as port:
        channel = opened(f"smtp://127.0.0.1:{port}")
        await channel.send(outgoing(provider))
        handler.mail_answers = ["421 too many letters on this line"]
        await channel.send(outgoing(provider))
        handler.mail_answers = ["421 closing", "421 closing"]
        with pytest.raises(Retryable):
            await channel.send(outgoing(provider))
        await channel.close()
    assert handler.letters == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("451 later", Retryable),
        ("421 closing", Retryable),
        ("552 too big", Permanent),
        ("554 spam", Permanent),
        ("535 who are you", Misconfigured),
        ("354 go on", InDoubt),
        ("what?", InDoubt),
    ],
)
async def test_each_answer_to_the_letter(provider: EmailProvider, answer: str, expected: type[ConnectorError]) -> None:
    """A clear no leaves no doubt; an answer that SMTP does not know does."""
    handler = Handler()
    handler.data_answers = [answer]
    async with serving(handler) as port:
        error = await sent_to(provider, f"smtp://127.0.0.1:{port}")
    assert expected is type(error)


async def test_a_refused_sender_is_the_operators(provider: EmailProvider) -> None:
    """5xx to MAIL names WAYMARK_MAIL_FROM."""
    handler = Handler()
    handler.mail_answers = ["553 not your address"]
    async with serving(handler) as port:
        error = await sent_to(provider, f"smtp://127.0.0.1:{port}")
    assert isinstance(error, Misconfigured)
    assert (error.setting, error.provider_words) == ("WAYMARK_MAIL_FROM", "553 not your address")


async def test_a_server_without_smtputf8(provider: EmailProvider) -> None:
    """An address that the server cannot express is unsupported."""
    async with serving(Handler()) as port:
        with pytest.raises(Unsupported):
            await attempt(provider, url=f"smtp://127.0.0.1:{port}", address="ädä@corp.example")


async def test_a_server_that_talks_but_never_gets_ready(provider: EmailProvider) -> None:
    """A server that hangs at RCPT, before the letter, is tried again."""
    provider.sink.treat("ada@people.example.com", "hang")
    error = await sent_to(provider, provider.sink.url, limits=QUICK)
    assert type(error) is Retryable
    assert provider.sink.arrived == []


async def test_all_lines_busy_is_for_later(provider: EmailProvider) -> None:
    """Where every line waits for an answer, the next attempt ends within the short limit, and leaves no doubt."""
    channel = opened(provider.sink.url, limits=Limits(2, 20, connections=1))
    provider.treat("bad", "hang_after")
    bad = asyncio.create_task(channel.send(outgoing(provider, "bad")))
    await until(lambda: provider.sink.arrived)
    with pytest.raises(Retryable):
        await channel.send(outgoing(provider, "ada"))
    await channel.close()
    assert isinstance((await asyncio.gather(bad, return_exceptions=True))[0], InDoubt)


# -- TLS and login -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem")
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine knows the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "certificate.pem"))


@pytest.mark.usefixtures("trusted")
async def test_tls_from_the_first_byte_and_by_starttls(provider: EmailProvider, tls: ssl.SSLContext) -> None:
    """smtps:// and ?starttls=require deliver to a server whose certificate is known."""
    handler = Handler()
    async with serving(handler, tls=tls) as port:
        assert await sent_to(provider, f"smtps://127.0.0.1:{port}") is None
    async with serving(handler, tls_context=tls, require_starttls=True) as port:
        assert await sent_to(provider, f"smtp://127.0.0.1:{port}?starttls=require") is None
    assert handler.letters == 2


async def test_a_certificate_nobody_vouches_for(provider: EmailProvider, tls: ssl.SSLContext) -> None:
    """It is refused where TLS is asked for or a password would be said, and taken where TLS is only a bonus."""
    handler = Handler()
    async with serving(handler, tls=tls) as port:
        assert isinstance(await sent_to(provider, f"smtps://127.0.0.1:{port}"), Misconfigured)
    async with serving(handler, tls_context=tls) as port:
        for url in (f"smtp://127.0.0.1:{port}?starttls=require", f"smtp://u:p@127.0.0.1:{port}"):
            assert isinstance(await sent_to(provider, url), Misconfigured)
        assert handler.letters == 0
        assert await sent_to(provider, f"smtp://127.0.0.1:{port}") is None


async def test_tls_that_is_not_there(provider: EmailProvider) -> None:
    """STARTTLS required of a server without it, and smtps:// to one that speaks plain, are the operator's."""
    for url in (f"{provider.sink.url}?starttls=require", provider.sink.url.replace("smtp:", "smtps:")):
        error = await sent_to(provider, url)
        assert isinstance(error, Misconfigured)
        assert error.setting == "WAYMARK_SMTP_URL"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_login(provider: EmailProvider) -> None:
    """User and password are read from the URL, percent-decoded; a wrong one is the operator's and is not shown."""
    handler = Handler()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"us/er", b"p@ss"), handled=False)

    async with serving(handler, authenticator=authenticate, auth_require_tls=False, auth_required=True) as port:
        assert await sent_to(provider, f"smtp://us%2Fer:p%40ss@127.0.0.1:{port}") is None
        error = await sent_to(provider, f"smtp://us%2Fer:hunter2@127.0.0.1:{port}")
        assert isinstance(error, Misconfigured)
        assert "hunter2" not in str(error)
        assert isinstance(await sent_to(provider, f"smtp://127.0.0.1:{port}"), Misconfigured)  # 530: log in first
    assert isinstance(await sent_to(provider, provider.sink.url.replace("//", "//u:p@")), Misconfigured)
    assert handler.letters == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://mail",
        "smtp://",
        "smtp://host:99999",
        "smtp://host:x",
        "smtp://u:hunter2@host?starttls=no",
        "smtp://host/x",
    ],
)
def test_a_wrong_url_is_named_and_not_shown(url: str) -> None:
    """A wrong WAYMARK_SMTP_URL says what is allowed and hides what was given."""
    with pytest.raises(Misconfigured) as raised:
        open_channels({"WAYMARK_SMTP_URL": url})
    assert raised.value.setting == "WAYMARK_SMTP_URL"
    assert "hunter2" not in str(raised.value)


def test_ports_are_those_of_the_protocol() -> None:
    """Without a port: 25, 465 for smtps, 587 for required STARTTLS."""
    urls = {"smtp://h": 25, "smtps://h": 465, "smtp://h?starttls=require": 587, "smtp://h:2525": 2525}
    assert urls == {url: server_of(SecretStr(url)).port for url in urls}


@pytest.mark.parametrize("sender", ["nobody", "A <a@b>\nBcc: x@y", ""])
def test_a_wrong_sender_is_named(sender: str) -> None:
    """WAYMARK_MAIL_FROM must be an address; an empty value is the default."""
    values = {"WAYMARK_SMTP_URL": "smtp://h", "WAYMARK_MAIL_FROM": sender}
    if not sender:
        assert "email" in open_channels(values)
        return
    with pytest.raises(Misconfigured) as raised:
        open_channels(values)
    assert raised.value.setting == "WAYMARK_MAIL_FROM"
