"""Reading what a request brings: at most so many bytes, JSON within the bounds of events, and a schema's word on it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from api.problems import NotTaken, TooLarge, Unreadable, unfit
from connectors.sources.base import MAX_RECORD_BYTES, Refused
from connectors.sources.reading import parse
from connectors.sources.reading import unfit as unfit_for_us
from journeys.events import Json

MAX_BODY_BYTES = MAX_RECORD_BYTES
"""The longest body of a request, whatever it holds."""

DRAINED_BYTES = 32 * 1024 * 1024
"""How much of a body that is too large is still read, so that its sender gets to read our answer."""

M = TypeVar("M", bound=BaseModel)


class Given(BaseModel):
    """The base of everything that comes in: unknown fields are errors, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Filter(BaseModel):
    """The base of query parameters: unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read_body(request: Request) -> bytes:
    """The whole body; raises TooLarge. May be called as often as one likes."""
    known = getattr(request.state, "body", None)
    if isinstance(known, bytes):
        return known
    chunks: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif length > DRAINED_BYTES:
            break
    if length > MAX_BODY_BYTES:
        raise TooLarge("too_large", f"the body is longer than {MAX_BODY_BYTES} bytes: send less at once")
    request.state.body = b"".join(chunks)
    return request.state.body


def media_type_of(request: Request) -> str:
    """The content type without its parameters, in lower case; empty where none was given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def in_body(model: type[M]) -> Any:
    """A dependency: the body, as this model says it must be. An empty body is an empty object."""
    return Depends(_reader(model))


def _reader(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    async def read(request: Request) -> M:
        media_type = media_type_of(request)
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            raise NotTaken("unsupported_media_type", "send application/json")
        body = await read_body(request)
        try:
            return model.model_validate(read_json(body) if body.strip() else {})
        except ValidationError as error:
            raise unfit(error) from None

    return read


def read_json(body: bytes) -> Json:
    """The JSON value that a body is; raises Unreadable, also for what no database keeps (NUL, lone surrogates)."""
    value = parse(body)
    refused = value if isinstance(value, Refused) else unfit_for_us(value)
    if refused is not None:
        raise Unreadable(refused.code, refused.detail)
    assert not isinstance(value, Refused)
    return value


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI is told of a body that `in_body` reads."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
