"""One JSON request to another system and its answer, bounded in time and in size: what calls and LMSs share.

A request may be repeated: whatever leaves open whether it was taken (no answer in time, a line that broke) is
`Retryable`, because the next attempt carries the same id. Redirects are not followed: a body that is signed, or sent
with a token, is for one host.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import orjson

from connectors.answers import LATER, is_about_tls, wait_asked_for, words_of
from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.requests import Reply
from journeys.events import Json

logging.getLogger("httpx2").setLevel(logging.WARNING)  # its INFO lines show the whole URL, which may be a secret

LARGEST_ANSWER = 256 * 1024
"""Bytes of an answer that are read; one that is larger was taken, and nothing of it is kept."""
DEEPEST = 64
"""How deep lists and objects of an answer may stand in each other."""


def clock() -> datetime:
    """The real time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, whatever its status. `is_whole` is false where it was larger than is read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool

    @property
    def words(self) -> str:
        """The status and the beginning of the body."""
        return words_of(self.status, self.body)

    def reply(self) -> Reply:
        """What can be kept of the answer to a request that was done."""
        if not self.is_whole:
            return Reply(None, f"its answer is larger than {LARGEST_ANSWER // 1024} kB", self.words)
        if not self.body.strip():
            return Reply(None, "its answer is empty", self.words)
        try:
            values: Json = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return Reply(None, "its answer is no JSON", self.words)
        if _is_deeper(values, DEEPEST):
            return Reply(None, f"its answer is nested deeper than {DEEPEST} levels", self.words)
        if _holds_nul(values):
            return Reply(None, "its answer holds the character NUL (\\u0000), which no database keeps", self.words)
        return Reply(values, None, self.words)


class Exchange:
    """Speaks to one system. `name` is what it is called in errors, `setting` the setting that says where it is."""

    def __init__(
        self, *, name: str, url: str, setting: str, within_seconds: float, connections: int = 8,
        now: Callable[[], datetime] = clock,
    ) -> None:  # fmt: skip
        self._name = f"{name} at {urlsplit(url).hostname}"  # the host alone: paths and queries may be secrets
        self._setting = setting
        self._within_seconds = within_seconds
        self._now = now
        self._client = httpx2.AsyncClient(
            timeout=None,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={
                "user-agent": "Waymark", "content-type": "application/json", "accept": "application/json",
                "accept-encoding": "identity",  # so that what is read is what was sent, and no small body becomes huge
            },
        )  # fmt: skip

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> Said:
        """The answer, if it is a 2xx; raises what any other answer, or none, means."""
        request = self._client.build_request("POST", url, content=body.encode(), headers=dict(headers))
        try:
            async with asyncio.timeout(self._within_seconds):
                said = await self._exchange(request)
        except TimeoutError:
            raise Retryable(f"{self._name} did not answer within {self._within_seconds:g} s") from None
        except httpx2.HTTPError as error:
            raise self._broken(error) from error
        if 200 <= said.status < 300:
            return said
        raise self._refused(said)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _exchange(self, request: httpx2.Request) -> Said:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    break
        finally:
            await response.aclose()
        is_whole = len(body) <= LARGEST_ANSWER
        return Said(response.status_code, response.headers, bytes(body[:LARGEST_ANSWER]), is_whole)

    def _broken(self, error: httpx2.HTTPError) -> ConnectorError:
        if is_about_tls(error):
            return Misconfigured(
                f"{self._name} speaks no TLS that can be trusted: its certificate must be known to this machine",
                setting=self._setting,
            )
        return Retryable(f"{self._name} cannot be reached ({type(error).__name__}); it is tried again")

    def _refused(self, said: Said) -> ConnectorError:
        code, words = str(said.status), said.words
        if said.status in LATER or said.status >= 500:
            after = wait_asked_for(said.headers.get("retry-after"), now=self._now())
            return Retryable(
                f"{self._name} does not take it now ({code})", after=after, code=code, provider_words=words
            )
        if said.status < 400:
            return Misconfigured(
                f"{self._name} answers with a redirect ({code}), which is not followed: set {self._setting} to where "
                "it leads",
                setting=self._setting, code=code, provider_words=words,
            )  # fmt: skip
        return Permanent(f"{self._name} refuses the request ({code})", code=code, provider_words=words)


def _is_deeper(value: Json, levels: int) -> bool:
    """Whether lists and objects stand deeper in each other than so."""
    if not isinstance(value, list | dict):
        return False
    inner = value if isinstance(value, list) else value.values()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _holds_nul(value: Json) -> bool:
    """Whether a text or a key has the character NUL in it."""
    match value:
        case str():
            return "\0" in value
        case list():
            return any(_holds_nul(each) for each in value)
        case dict():
            return any("\0" in name or _holds_nul(each) for name, each in value.items())
        case _:
            return False
