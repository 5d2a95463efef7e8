"""A catch-all mailbox: a real SMTP server that takes every message, and a page on which to read what came.

Mail is kept in a folder, one file for each message, so that it is there after a restart. Bodies hold personal data:
folder and files are the owner's alone, nothing of a message is logged, and the page listens on this machine only.
"""

import argparse
import asyncio
import contextlib
import email.message
import email.policy
import html
import itertools
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, cast

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

LARGEST_BYTES = 32 * 1024 * 1024
SHOWN_ON_A_PAGE = 200


class Summary(BaseModel):
    """One message in the list; `number` counts from 1 in the order of arrival."""

    number: int
    arrived_at: datetime
    sender: str
    recipients: list[str]
    subject: str
    message_id: str | None


class Full(Summary):
    """One message as a whole."""

    headers: dict[str, str]
    text: str | None
    html: str | None


class MessageList(BaseModel):
    """Messages, newest first."""

    items: list[Summary]
    total: int


@dataclass(frozen=True)
class Folder:
    """Mail in a folder: `<number>.eml`, with the envelope in headers of ours at the top."""

    path: Path

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)

    def numbers(self) -> list[int]:
        """The numbers of all messages, newest first."""
        return sorted((int(file.stem) for file in self.path.glob("*.eml") if file.stem.isdigit()), reverse=True)

    def keep(self, number: int, raw: bytes, *, sender: str, recipients: list[str], arrived_at: datetime) -> None:
        """Keep a message on disk, under a number that is not taken, before it is acknowledged."""
        envelope = [
            f"X-Waymark-Arrived-At: {arrived_at.isoformat()}",
            f"X-Waymark-Sender: {_one_line(sender)}",
            f"X-Waymark-Recipients: {_one_line(', '.join(recipients))}",
        ]
        content = "".join(f"{line}\r\n" for line in envelope).encode("utf-8", "replace") + raw
        descriptor, new = tempfile.mkstemp(dir=self.path, prefix=".new-")  # made with mode 600
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(new).rename(self._file(number))

    def _file(self, number: int) -> Path:
        return self.path / f"{number:08}.eml"

    def read(self, number: int) -> email.message.EmailMessage | None:
        """One message; None where there is no such number."""
        raw = self.raw(number)
        return None if raw is None else message_from_bytes(raw, policy=email.policy.default)

    def read_headers(self, number: int) -> email.message.EmailMessage | None:
        """The headers of one message, for the list."""
        raw = self.raw(number)
        return None if raw is None else BytesHeaderParser(policy=email.policy.default).parsebytes(raw)

    def raw(self, number: int) -> bytes | None:
        """One message as it is in its file."""
        with contextlib.suppress(OSError):
            return self._file(number).read_bytes()
        return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def summary(number: int, message: email.message.EmailMessage) -> Summary:
    """A message as the list shows it."""
    return Summary(
        number=number,
        arrived_at=datetime.fromisoformat(_header(message, "X-Waymark-Arrived-At")),
        sender=_header(message, "From") or _header(message, "X-Waymark-Sender"),
        recipients=_header(message, "X-Waymark-Recipients").split(", "),
        subject=_header(message, "Subject"),
        message_id=_header(message, "Message-ID") or None,
    )


def full(number: int, message: email.message.EmailMessage) -> Full:
    """A message as a whole."""
    names = [name for name in dict.fromkeys(message.keys()) if not name.startswith("X-Waymark-Arrived")]
    return Full(
        **summary(number, message).model_dump(),
        headers={name: _header(message, name) for name in names},
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _header(message: email.message.EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (ValueError, IndexError, AttributeError):  # the standard library gives up on some headers
        return "(unreadable)"


def _body(message: email.message.EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # an unknown character set
        return cast(bytes, part.get_payload(decode=True)).decode("utf-8", "replace")


class Handler:
    """What aiosmtpd asks of us: take everything."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.numbers = itertools.count(next(iter(folder.numbers()), 0) + 1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's
        """Keep the message, then acknowledge it."""
        try:
            self.folder.keep(
                next(self.numbers),
                cast(bytes, envelope.content),
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                arrived_at=datetime.now(UTC),
            )
        except OSError as error:
            print(f"a message could not be kept: {type(error).__name__}: {error.strerror}", file=sys.stderr)  # noqa: T201
            return "451 4.3.1 the mailbox cannot keep it now"
        return "250 2.0.0 kept"


def page(folder: Folder) -> FastAPI:
    """The page, and the same as JSON."""
    app = FastAPI(title="Waymark's mailbox", docs_url=None, redoc_url=None)
    # a page elsewhere that lets its own name point at this machine reads nothing here
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.get("/messages")
    def list_messages(limit: int = SHOWN_ON_A_PAGE, to: str | None = None) -> MessageList:  # pyright: ignore[reportUnusedFunction] - a route
        """Messages, newest first; `to` keeps those for one recipient."""
        if to is None:
            return MessageList(items=list(itertools.islice(_summaries(folder), limit)), total=len(folder.numbers()))
        found = [one for one in _summaries(folder) if to in one.recipients]
        return MessageList(items=found[:limit], total=len(found))

    @app.get("/messages/{number}")
    def show_message(number: int) -> Full:  # pyright: ignore[reportUnusedFunction] - a route
        """One message as a whole."""
        return full(number, _found(folder, number))

    @app.get("/messages/{number}/raw")
    def raw(number: int) -> Response:  # pyright: ignore[reportUnusedFunction] - a route
        """One message as it came, as a file."""
        _found(folder, number)
        return Response(
            folder.raw(number),
            media_type="message/rfc822",
            headers={"Content-Disposition": f'attachment; filename="{number}.eml"', **_STRICT},
        )

    @app.get("/", response_class=HTMLResponse)
    def front() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction] - a route
        """The list, for people."""
        found = list(itertools.islice(_summaries(folder), SHOWN_ON_A_PAGE))
        return HTMLResponse(_list_page(found, len(folder.numbers())), headers=_STRICT)

    @app.get("/read/{number}", response_class=HTMLResponse)
    def read(number: int) -> HTMLResponse:  # pyright: ignore[reportUnusedFunction] - a route
        """One message, for people."""
        return HTMLResponse(_message_page(full(number, _found(folder, number))), headers=_STRICT)

    return app


# No script runs, nothing is fetched from elsewhere; the message's own HTML is shown in a frame that may do nothing.
_STRICT = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _summaries(folder: Folder) -> Iterator[Summary]:
    """Newest first."""
    for number in folder.numbers():
        message = folder.read_headers(number)
        if message is not None:
            yield summary(number, message)


def _found(folder: Folder, number: int) -> email.message.EmailMessage:
    message = folder.read(number)
    if message is None:
        raise HTTPException(404, f"there is no message {number}; /messages lists those there are")
    return message


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
body {{ color: #222; background: #fff }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }}
pre {{ white-space: pre-wrap; background: #f6f6f6; padding: 1rem; overflow-wrap: anywhere }}
iframe {{ width: 100%; height: 32rem; border: 1px solid #ddd; background: #fff }}
</style></head><body>{body}</body></html>"""


def _list_page(messages: list[Summary], total: int) -> str:
    rows = "".join(
        f'<tr><td><a href="/read/{one.number}">{html.escape(one.subject) or "(no subject)"}</a></td>'
        f"<td>{html.escape(', '.join(one.recipients))}</td><td>{one.arrived_at:%Y-%m-%d %H:%M:%S} UTC</td></tr>"
        for one in messages
    )
    table = f"<table><thead><tr><th>Subject<th>To<th>Arrived</tr></thead><tbody>{rows}</tbody></table>"
    shown = f"{total} messages" + (f", the newest {len(messages)} are shown" if total > len(messages) else "")
    body = f"<h1>Mailbox</h1><p>{shown}</p>{table if messages else '<p>Nothing has come yet.</p>'}"
    return _PAGE.format(title="Mailbox", body=body)


def _message_page(message: Full) -> str:
    headers = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in message.headers.items()
    )
    framed = html.escape(message.html or "", quote=True)
    parts = [
        f'<p><a href="/">All messages</a> · <a href="/messages/{message.number}/raw">as it came</a></p>',
        f"<h1>{html.escape(message.subject) or '(no subject)'}</h1><table>{headers}</table>",
        f"<h2>Text</h2><pre>{html.escape(message.text)}</pre>" if message.text is not None else "",
        f'<h2>HTML</h2><iframe sandbox="" title="The message\'s HTML part" srcdoc="{framed}"></iframe>'
        if framed
        else "",
    ]
    return _PAGE.format(title=html.escape(message.subject), body="".join(parts))


async def serve(folder: Folder, *, smtp_port: int, page_port: int) -> None:
    """Serve both until told to stop."""
    folder.make()
    config = uvicorn.Config(page(folder), host="127.0.0.1", port=page_port, log_level="warning", access_log=False)
    async with _taking_mail(folder, smtp_port):
        await uvicorn.Server(config).serve()


@contextlib.asynccontextmanager
async def _taking_mail(folder: Folder, port: int) -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    handler = Handler(folder)  # one for all lines: it counts the numbers

    def line() -> SMTP:
        options: dict[str, Any] = {"enable_SMTPUTF8": True, "data_size_limit": LARGEST_BYTES, "loop": loop}
        return SMTP(handler, ident="Waymark's mailbox", **options)

    server = await loop.create_server(line, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


def main() -> None:
    """`python -m waymark.stack.mailbox`: what `waymark up` starts."""
    parser = argparse.ArgumentParser(description="A catch-all mailbox.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--page-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(serve(Folder(given.folder), smtp_port=given.smtp_port, page_port=given.page_port))


if __name__ == "__main__":
    main()
