"""A call: the body that a journey says, posted to a webhook that an operator has named, signed by Standard Webhooks.

    WAYMARK_CALL_CRM_URL=https://crm.example.org/hooks/waymark
    WAYMARK_CALL_CRM_SECRET=whsec_...

`webhook-id` is the request's id and so the same at every attempt: a receiver that remembers it does nothing twice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from connectors.answers import web_url
from connectors.exchange import Exchange, clock
from connectors.named import setting_of
from connectors.requests import OutgoingRequest, Reply
from connectors.signing import HOW_TO_MAKE, Signature, signing_secret

PREFIX = "WAYMARK_CALL"


class CallSettings(BaseModel):
    """Where to post, and what to sign with."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    url: Annotated[str, AfterValidator(web_url)] | None = None
    secret: Annotated[SecretStr, AfterValidator(signing_secret)] | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether there is an address to post to."""
        return self.url is not None

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if self.url is not None and self.secret is None:
            url, secret = (setting_of(PREFIX, self.name, field) for field in ("url", "secret"))
            raise ValueError(f"{secret}: is needed with {url}; {HOW_TO_MAKE}")
        return self


class Call:
    """One named webhook."""

    def __init__(
        self, settings: CallSettings, *, within_seconds: float = 25.0, now: Callable[[], datetime] = clock
    ) -> None:
        url_setting = setting_of(PREFIX, settings.name, "url")
        if settings.url is None or settings.secret is None:
            secret = setting_of(PREFIX, settings.name, "secret")
            raise ValueError(f"the call {settings.name} is not set up: set {url_setting} and {secret}")
        self._url = settings.url
        self._signature = Signature(settings.secret)
        self._now = now
        name = f"the call {settings.name}"
        self._exchange = Exchange(
            name=name, url=settings.url, setting=url_setting, within_seconds=within_seconds, now=now
        )

    async def request(self, outgoing: OutgoingRequest) -> Reply:
        """Make one attempt; any 2xx is a reply."""
        body = orjson.dumps(outgoing.body).decode()
        headers = self._signature.headers(outgoing.request_id, body, at=self._now())
        return (await self._exchange.post(self._url, body, headers)).reply()

    async def close(self) -> None:
        """Close every connection."""
        await self._exchange.close()
