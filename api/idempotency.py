"""`Idempotency-Key`: a POST that is sent again under the same key gets the same answer and does nothing again.

What succeeded is kept for a day; what failed is not, so that it can be tried again under its key. A key belongs to the
caller, the path and the body that it first came with.
"""

from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.bodies import read_body
from api.parts import Parts, parts_of
from api.problems import Conflicting, Unfit
from api.security import Principal, authenticate
from store.queries import idempotency

HEADER = "Idempotency-Key"
MAX_LENGTH = 255
_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": MAX_LENGTH},
    "description": "The same request under the same key is done once, and answered alike for a day.",
}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route of which POSTs may carry a key."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            extra: dict[str, Any] = options.get("openapi_extra") or {}
            options["openapi_extra"] = {**extra, "parameters": [_PARAMETER]}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Wrap the endpoint."""
        perform = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await perform(request)
            return await _once(request, key, perform)

        return handle


async def _once(request: Request, given: str, perform: Handler) -> Response:
    principal = await authenticate(request)
    if not given.strip() or len(given) > MAX_LENGTH:
        raise Unfit("bad_idempotency_key", f"{HEADER} is empty or longer than {MAX_LENGTH} characters")
    parts = parts_of(request)
    key = _digest(principal.digest.encode(), given.encode())
    answered = await _claim(parts, key, await _request_digest(request, principal))
    if answered is not None:
        return answered
    try:
        response = await perform(request)
    except BaseException:
        await _let_go(parts, key)
        raise
    if not 200 <= response.status_code < 300:
        await _let_go(parts, key)
        return response
    async with parts.database.write() as session:
        await idempotency.answer(session, key, status=response.status_code, body=bytes(response.body).decode())
    return response


def _media_type(body: str) -> str:
    """What a kept answer is: a page, or JSON."""
    return "text/html" if body.startswith("<!doctype html>") else "application/json"


async def _claim(parts: Parts, key: str, request: str) -> Response | None:
    async with parts.database.write() as session:
        standing = await idempotency.claim(session, key, request, now=parts.clock())
    match standing:
        case idempotency.Claimed():
            return None
        case idempotency.Answered(status, body):
            headers = {"Idempotent-Replayed": "true"}
            return Response(body, status_code=status, media_type=_media_type(body), headers=headers)
        case idempotency.UnderWay():
            raise Conflicting("request_under_way", f"a request with this {HEADER} is under way: ask again in a moment")
        case idempotency.Reused():
            raise Unfit("idempotency_key_reused", f"this {HEADER} came with another request: use a new one")


async def _let_go(parts: Parts, key: str) -> None:
    async with parts.database.write() as session:
        await idempotency.let_go(session, key)


async def _request_digest(request: Request, principal: Principal) -> str:
    target = f"{request.method} {request.url.path}?{request.url.query}"
    content_type = request.headers.get("content-type", "")
    extensions = [f"{name}={value}" for name, value in request.headers.items() if name.startswith("ce-")]
    said = [principal.digest, target, content_type, *sorted(extensions)]
    return _digest(*(part.encode(errors="replace") for part in said), await read_body(request))


def _digest(*parts: bytes) -> str:
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
