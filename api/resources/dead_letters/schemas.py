"""Dead letters as the API gives them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from api.pagination import PageOf


class DeadLetterFilter(PageOf):
    """Which dead letters."""

    reason: str | None = None
    topic: str | None = None


class DeadLetterItem(BaseModel):
    """A record that could not be used."""

    id: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    at: datetime


class DeadLetterOut(DeadLetterItem):
    """A dead letter with the original; `encoding` says how key and value are written here."""

    key: str | None
    headers: dict[str, Any]
    value: str | None
    encoding: Literal["text", "base64"]


class ReplayedOut(BaseModel):
    """What became of a dead letter that was tried again; it is gone unless it was rejected."""

    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None
    detail: str | None
