"""Around every request: counted, timed, and what nobody expected is answered and logged without a value of it."""

import traceback
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics
from api.problems import ApiError, respond

_log = structlog.get_logger(__name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Watching:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the last place where it can be answered
            _log_unexpected(error, _route(scope))
            if status:
                raise RuntimeError("the answer broke off; the line before says why") from None
            detail = "something failed here that nobody expected; the log of the API says where"
            await respond(ApiError("internal_error", detail))(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            metrics.REQUESTS.labels(method, _route(scope), str(status)).inc()
            metrics.SECONDS.labels(method, _route(scope)).observe(perf_counter() - began)


def _route(scope: Scope) -> str:
    """The route's pattern, never the path: ids of learners stand in paths."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _log_unexpected(error: Exception, route: str) -> None:
    """Where it happened, and of what kind; its text may hold a value."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    _log.error("request_failed", error=type(error).__name__, route=route, frames=frames)
