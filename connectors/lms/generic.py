"""The generic LMS: whatever an operator puts behind one small HTTP protocol.

    POST {WAYMARK_LMS_<NAME>_URL}/enrolments
    Authorization: Bearer {WAYMARK_LMS_<NAME>_TOKEN}
    Idempotency-Key: the request's id, the same at every attempt
    {"learner": "the source's id of her", "course": "MGR-101", "due": "2026-05-01T09:00:00Z" or null}

200, 201 and 204 mean done, and so does 409: she has the course already.
"""

from collections.abc import Callable
from datetime import datetime

import orjson

from connectors.errors import Misconfigured, Permanent
from connectors.exchange import Exchange, clock
from connectors.lms.base import PREFIX, Assignment, Lms, LmsSettings, lms
from connectors.named import setting_of
from connectors.requests import Reply

HAS_IT_ALREADY = "409"
NOT_LET_IN = frozenset({"401", "403"})


@lms("http")
class GenericLms(Lms):
    """One LMS behind the protocol above."""

    def __init__(
        self, settings: LmsSettings, *, within_seconds: float = 25.0, now: Callable[[], datetime] = clock
    ) -> None:
        setting = setting_of(PREFIX, settings.name, "url")
        self._token_setting = setting_of(PREFIX, settings.name, "token")
        if settings.url is None or settings.token is None:
            raise ValueError(f"the LMS {settings.name} is not set up: set {setting} and {self._token_setting}")
        self._url = f"{settings.url.rstrip('/')}/enrolments"
        self._token = settings.token
        self._exchange = Exchange(
            name=f"the LMS {settings.name}", url=self._url, setting=setting, within_seconds=within_seconds, now=now
        )

    async def assign(self, assignment: Assignment) -> Reply:
        """Make one attempt."""
        fields = {"learner": assignment.learner, "course": assignment.course, "due": assignment.due}
        headers = {"authorization": f"Bearer {self._token.get_secret_value()}", "idempotency-key": assignment.key}
        try:
            said = await self._exchange.post(self._url, orjson.dumps(fields).decode(), headers)
        except Permanent as error:
            if error.code == HAS_IT_ALREADY:
                return Reply(words=error.provider_words or "")
            if error.code in NOT_LET_IN:
                raise Misconfigured(
                    f"{error}: look at {self._token_setting}",
                    setting=self._token_setting, code=error.code, provider_words=error.provider_words,
                ) from error  # fmt: skip
            raise
        return Reply(words=said.words)

    async def close(self) -> None:
        """Close every connection."""
        await self._exchange.close()
