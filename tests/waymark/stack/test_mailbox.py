"""The mailbox takes what is sent to it, keeps it for its owner alone, and shows it harmlessly."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx2
import pytest

from waymark.stack import process
from waymark.stack.ours import Mailbox
from waymark.stack.run import running


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    """A mailbox in a process of its own."""
    part = Mailbox(process.free_port(), process.free_port())
    async with running(part, tmp_path):
        yield part


async def _send(mailbox: Mailbox, *, to: str = "ada@example.org", subject: str = "A test", text: str = "Hello") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "waymark@example.org", to, subject
    message["Message-ID"] = "<d-1@waymark>"
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p><script>alert(1)</script>", subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=mailbox.smtp_port, start_tls=False)


async def _get(mailbox: Mailbox, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"{mailbox.address}{path}")


async def test_what_is_sent_is_listed_newest_first(mailbox: Mailbox) -> None:
    """`/messages` has each message with its recipients, the newest first."""
    await _send(mailbox, subject="One")
    await _send(mailbox, subject="Two", to="Grace <grace@example.org>")
    listed = (await _get(mailbox, "/messages")).json()
    assert listed["total"] == 2
    assert [(one["number"], one["subject"], one["recipients"]) for one in listed["items"]] == [
        (2, "Two", ["grace@example.org"]),
        (1, "One", ["ada@example.org"]),
    ]
    only_ada = (await _get(mailbox, "/messages?to=ada@example.org")).json()
    assert [one["number"] for one in only_ada["items"]] == [1]


async def test_what_comes_by_several_lines_at_once_is_all_kept(mailbox: Mailbox) -> None:
    """Ten lines that are open together bring twenty messages, and no message takes the place of another."""
    lines = [aiosmtplib.SMTP(hostname="127.0.0.1", port=mailbox.smtp_port, start_tls=False) for _ in range(10)]
    await asyncio.gather(*(line.connect() for line in lines))
    for turn in ("a", "b"):
        raw = [f"Subject: {turn}{number}\r\n\r\nbody\r\n" for number in range(10)]
        sendings = [
            line.sendmail("a@example.org", ["b@example.org"], text) for line, text in zip(lines, raw, strict=True)
        ]
        await asyncio.gather(*sendings)
    await asyncio.gather(*(line.quit() for line in lines))
    listed = (await _get(mailbox, "/messages")).json()
    assert {f"{turn}{number}" for turn in "ab" for number in range(10)} == {one["subject"] for one in listed["items"]}


async def test_one_message_has_both_parts(mailbox: Mailbox) -> None:
    """`/messages/1` has the text, the HTML and the headers."""
    await _send(mailbox, text="Zoë — 你好")
    message = (await _get(mailbox, "/messages/1")).json()
    assert message["text"].strip() == "Zoë — 你好"
    assert "<p>Zoë — 你好</p>" in message["html"]
    assert message["message_id"] == "<d-1@waymark>"
    assert (await _get(mailbox, "/messages/2")).status_code == 404


async def test_a_message_cannot_act_on_the_page(mailbox: Mailbox) -> None:
    """Markup in a subject is shown as text; the HTML part sits in a frame without rights; no script may run."""
    await _send(mailbox, subject="<script>alert(2)</script>")
    front, message = await _get(mailbox, "/"), await _get(mailbox, "/read/1")
    assert "<script" not in front.text + message.text
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in front.text
    assert '<iframe sandbox=""' in message.text
    assert "default-src 'none'" in message.headers["content-security-policy"]


async def test_the_page_answers_to_its_own_name_only(mailbox: Mailbox) -> None:
    """A request under another host name is refused."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{mailbox.address}/messages", headers={"Host": "evil.example.org"})
    assert answer.status_code == 400


async def test_mail_survives_a_restart_and_is_private(tmp_path: Path) -> None:
    """A killed mailbox has its mail when it is back; folder and files are the owner's alone."""
    part = Mailbox(process.free_port(), process.free_port())
    async with running(part, tmp_path) as child:
        await _send(part, subject="One")
        child.kill()
        child.wait()
    async with running(part, tmp_path):
        await _send(part, subject="Two")
        listed = (await _get(part, "/messages")).json()
    assert [one["subject"] for one in listed["items"]] == ["Two", "One"]
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "mail").iterdir()} == {0o600}


@pytest.mark.parametrize("subject", ["=?utf-8?q?broken", "=?nonsense?b?!!!?=", "x" * 900])
async def test_an_odd_message_is_kept_and_listed(mailbox: Mailbox, subject: str) -> None:
    """A header that cannot be decoded holds up neither the list nor the page."""
    raw = f"Subject: {subject}\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff\0body\r\n".encode("latin-1")
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=mailbox.smtp_port, start_tls=False) as client:
        await client.sendmail("a@example.org", ["b@example.org"], raw)
    assert (await _get(mailbox, "/")).status_code == 200
    assert (await _get(mailbox, "/messages")).json()["total"] == 1
    assert "body" in (await _get(mailbox, "/messages/1")).json()["text"]
    assert (await _get(mailbox, "/read/1")).status_code == 200
