"""The channel `webhook`: a POST to one address, signed by Standard Webhooks, for whatever the operator puts behind it.

`webhook-id` is the delivery id and so the same on every attempt: a receiver that remembers it takes nothing twice.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

import httpx2
import orjson
from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.answers import LATER, LONGEST_WORDS, is_about_tls, wait_asked_for, web_url, words_of
from connectors.channels.base import Channel, ChannelSettings, Limits, channel
from connectors.deadline import Deadline
from connectors.errors import ConnectorError, InDoubt, Misconfigured, Permanent, Retryable
from connectors.outgoing import Outgoing, Receipt
from connectors.signing import HOW_TO_MAKE, Signature, signing_secret

logging.getLogger("httpx2").setLevel(logging.WARNING)  # its INFO lines show the whole URL, which may be a secret


WORDS_SECONDS = 0.5
"""How long the words of an answer are listened to: an attempt is over while others still take it to be under way."""


WRITING_SECONDS = 1.0
"""How long the body may take once all is ready for it: it is given to the socket in one step, unless that is full."""


class WebhookSettings(ChannelSettings):
    """Where to post, and what to sign with."""

    webhook_url: Annotated[str, AfterValidator(web_url)] | None = Field(
        None, alias="WAYMARK_WEBHOOK_URL", description="Where the `webhook` channel posts to (Standard Webhooks)."
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(signing_secret)] | None = Field(
        None, alias="WAYMARK_WEBHOOK_SECRET", description="What the `webhook` channel signs with (whsec_...)."
    )

    @property
    def is_set_up(self) -> bool:
        """Whether there is an address to post to."""
        return self.webhook_url is not None

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError(f"WAYMARK_WEBHOOK_SECRET: is needed with WAYMARK_WEBHOOK_URL; {HOW_TO_MAKE}")
        return self


def _clock() -> datetime:
    return datetime.now(UTC)


@channel("webhook")
class Webhook(Channel):
    """Every recipient is reached through the one address that is configured."""

    name: ClassVar[str]
    settings: ClassVar[type[ChannelSettings]] = WebhookSettings
    address_field: ClassVar[str | None] = None

    def __init__(self, settings: WebhookSettings, *, limits: Limits, clock: Callable[[], datetime] = _clock) -> None:
        if settings.webhook_url is None or settings.webhook_secret is None:
            raise ValueError("the channel webhook is not set up: set WAYMARK_WEBHOOK_URL and WAYMARK_WEBHOOK_SECRET")
        self._url = settings.webhook_url
        self._signature = Signature(settings.webhook_secret)
        self._limits = limits
        self._clock = clock
        self._client = httpx2.AsyncClient(
            timeout=None,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=limits.connections, max_keepalive_connections=limits.connections),
            headers={"user-agent": "Waymark", "content-type": "application/json"},
        )

    async def send(self, outgoing: Outgoing) -> Receipt:
        """One attempt; a receipt for any 2xx."""
        status, headers, words = await self._exchange(self._request(outgoing))
        if 200 <= status < 300:
            return Receipt(provider_id=None, words=words)
        raise self._refused(status, headers, words)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def _request(self, outgoing: Outgoing) -> httpx2.Request:
        body = body_of(outgoing)
        headers = self._signature.headers(outgoing.delivery_id, body, at=self._clock())
        return self._client.build_request("POST", self._url, content=body.encode(), headers=headers)

    async def _exchange(self, request: httpx2.Request) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and words of the answer. Knows whether the request went out as a whole, and says what a
        failure means.
        """
        handed_over = False
        is_ours = False

        async def follow(step: str, info: Mapping[str, object]) -> None:
            nonlocal handed_over, is_ours
            if step.endswith(".send_request_body.started"):
                is_ours = getattr(info.get("request"), "method", b"") == b"POST"  # and no CONNECT to a proxy
                deadline.begin(WRITING_SECONDS)  # or it might end between the writing and the word that it is done
            elif step.endswith(".send_request_body.complete") and is_ours:
                handed_over = True
                deadline.put_off(self._limits.answer_seconds)

        request.extensions["trace"] = follow
        try:
            async with Deadline(self._limits.hand_over_seconds) as deadline:
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise self._too_slow(was_handed_over=handed_over) from None
        except httpx2.TransportError as error:
            raise self._broken(error, was_handed_over=handed_over) from error
        return response.status_code, response.headers, await self._words(response)

    async def _words(self, response: httpx2.Response) -> str:
        """The answer's beginning, for diagnosis. The status is the answer: what goes wrong here changes nothing."""
        said = bytearray()
        try:
            async with asyncio.timeout(WORDS_SECONDS):
                async for chunk in response.aiter_bytes():
                    said += chunk
                    if len(said) > LONGEST_WORDS:
                        break
        except (TimeoutError, httpx2.HTTPError):
            pass
        finally:
            await response.aclose()
        return words_of(response.status_code, bytes(said))

    def _too_slow(self, *, was_handed_over: bool) -> ConnectorError:
        if was_handed_over:
            return InDoubt(f"{self._name} has the message and did not answer within {self._limits.answer_seconds:g} s")
        return Retryable(f"{self._name} did not take the message within {self._limits.hand_over_seconds:g} s")

    def _broken(self, error: httpx2.TransportError, *, was_handed_over: bool) -> ConnectorError:
        if was_handed_over:
            return InDoubt(f"{self._name} has the message and the line broke before it answered")
        if is_about_tls(error):
            return Misconfigured(
                f"{self._name} speaks no TLS that can be trusted: its certificate must be known to this machine",
                setting="WAYMARK_WEBHOOK_URL",
            )
        return Retryable(f"{self._name} cannot be reached ({type(error).__name__}); it is tried again")

    def _refused(self, status: int, headers: Mapping[str, str], words: str) -> ConnectorError:
        code = str(status)
        if status in LATER or status >= 500:
            after = wait_asked_for(headers.get("retry-after"), now=self._clock())
            return Retryable(
                f"{self._name} does not take it now ({code})", after=after, code=code, provider_words=words
            )
        if status < 400:
            return Misconfigured(
                f"{self._name} answers with a redirect ({code}), which is not followed: "
                "set WAYMARK_WEBHOOK_URL to where it leads",
                setting="WAYMARK_WEBHOOK_URL",
                code=code,
                provider_words=words,
            )
        return Permanent(f"{self._name} refuses the message ({code})", code=code, provider_words=words)

    @property
    def _name(self) -> str:
        """The host alone: paths and queries of such addresses are secrets."""
        return f"the webhook at {urlsplit(self._url).hostname}"


def body_of(outgoing: Outgoing) -> str:
    """The body, exactly as the interface gives it."""
    fields = {
        "delivery": outgoing.delivery_id,
        "enrolment": outgoing.enrolment_id,
        "journey": outgoing.journey,
        "message": outgoing.message,
        "learner": outgoing.learner,
        "subject": _writable(outgoing.subject),
        "text": _writable(outgoing.text),
        "link": None if outgoing.link is None else _writable(outgoing.link.url),
        "sent_at": outgoing.sent_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "why": outgoing.why,
    }
    return orjson.dumps(fields).decode()


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()
