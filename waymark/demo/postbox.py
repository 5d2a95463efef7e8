"""What arrived: read from the mailbox as any program would, message by message."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2


@dataclass(frozen=True, slots=True)
class Mail:
    """One message that arrived; `delivery` from its Message-ID, `at` from its Date: the time of the story."""

    number: int
    delivery: str
    recipient: str
    subject: str
    text: str
    at: datetime


class Postbox:
    """Reads each message once."""

    def __init__(self, page: str) -> None:
        self._http = httpx2.AsyncClient(base_url=page, timeout=30.0)
        self._lock = asyncio.Lock()
        self._seen = 0
        self.mails: list[Mail] = []

    async def look(self) -> list[Mail]:
        """What is new since the last look."""
        async with self._lock:
            page = await self._get("/messages?limit=1")
            newest = page["items"][0]["number"] if page["items"] else 0
            numbers = range(self._seen + 1, newest + 1)
            new = [mail for number in numbers if (mail := await self._read(number)) is not None]
            self.mails += new
            self._seen = max(self._seen, newest)
            return new

    async def close(self) -> None:
        """Let the connection go."""
        await self._http.aclose()

    async def _read(self, number: int) -> Mail | None:
        """One message; None where there is none of this number, which is the judge's to notice."""
        answer = await self._http.get(f"/messages/{number}")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return _mail(answer.json())

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._http.get(path)
        answer.raise_for_status()
        return answer.json()


def _mail(body: dict[str, Any]) -> Mail:
    headers: dict[str, str] = body["headers"]
    return Mail(
        number=body["number"],
        delivery=(body["message_id"] or "").strip("<>").partition("@")[0],
        recipient=", ".join(body["recipients"]),
        subject=body["subject"],
        text=(body["text"] or "").replace("\r\n", "\n").strip(),
        at=parsedate_to_datetime(headers["Date"]).astimezone(UTC),
    )
