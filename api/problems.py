"""How the API says no: one tree of errors, and the one place that turns each into `application/problem+json`.

    ApiError                what it is, what is allowed, and what to do next
    ├── Unreadable     400  the body could not be read at all
    ├── NotAllowedIn   401  no key, or not one of ours
    ├── NotThere       404  there is no such thing
    ├── Conflicting    409  it is there, and stands in the way
    ├── TooLarge       413  send less at once
    ├── NotTaken       415  this media type is not read here
    ├── Unfit          422  it was read, and is wrong; `problems` lists everything that is
    └── Later          503  nobody must act but a server: the same request may succeed in a while

A problem holds no value of the request's body: it may be personal.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from journeys.events import Json

MEDIA_TYPE = "application/problem+json"

_PLACES = frozenset({"body", "query", "path", "header"})

Finding = Mapping[str, Json]
"""One of several problems: `path`, `code`, `detail`, and what else is known."""


class ApiError(Exception):
    """The base. `code` is stable; `detail` is for people."""

    status: ClassVar[int] = 500

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        problems: Sequence[Finding] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.problems = problems
        self.headers = dict(headers or {})


class Unreadable(ApiError):
    """The body could not be read."""

    status = 400


class NotAllowedIn(ApiError):
    """No key, or not one of ours."""

    status = 401

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail, headers={"WWW-Authenticate": 'Bearer realm="waymark"'})


class NotThere(ApiError):
    """There is no such thing."""

    status = 404


class Conflicting(ApiError):
    """It is there, and stands in the way."""

    status = 409


class TooLarge(ApiError):
    """The body is too large."""

    status = 413


class NotTaken(ApiError):
    """This media type is not read here."""

    status = 415


class Unfit(ApiError):
    """It was read, and is wrong."""

    status = 422


class Later(ApiError):
    """A server is away or busy."""

    status = 503


def unfit(error: ValidationError | RequestValidationError, *, where: str | None = None) -> Unfit:
    """Everything that a schema found wrong, without the values."""
    is_named = isinstance(error, RequestValidationError)
    found = [cast("Mapping[str, Any]", each) for each in error.errors()]
    problems = [_finding(each, _path_of(each["loc"], is_named=is_named), where) for each in found]
    first = problems[0]
    detail = f"{first['path'] or 'the body'}: {first['detail']}" + (
        "" if len(problems) == 1 else f" (and {len(problems) - 1} more)"
    )
    return Unfit("invalid_request", detail, problems=problems)


def respond(error: ApiError) -> JSONResponse:
    """The error as a response."""
    body: dict[str, Json] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    if error.problems:
        body["problems"] = [dict(problem) for problem in error.problems]
    return JSONResponse(body, status_code=error.status, headers=error.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""
    app.add_exception_handler(ApiError, _handle)
    app.add_exception_handler(RequestValidationError, _handle)
    app.add_exception_handler(HTTPException, _handle)
    for kind in (OperationalError, InterfaceError, PoolTimeout, OSError):
        app.add_exception_handler(kind, _handle)


async def _handle(_request: Request, error: Exception) -> JSONResponse:
    match error:
        case ApiError():
            return respond(error)
        case RequestValidationError():
            return respond(unfit(error))
        case HTTPException():
            return respond(_of_framework(error))
        case _:
            detail = "the database does not answer: try again in a moment; /readyz says what is away"
            return respond(Later("database_unavailable", detail, headers={"Retry-After": "2"}))


def _of_framework(error: HTTPException) -> ApiError:
    phrase = HTTPStatus(error.status_code).phrase
    made = ApiError(phrase.lower().replace(" ", "_"), f"{phrase}: /openapi.json lists what there is")
    made.headers = dict(error.headers or {})
    made.status = error.status_code  # type: ignore[misc] - the framework's own choice
    return made


def _path_of(location: Sequence[str | int], *, is_named: bool) -> str:
    """The path of a field. The framework names first in what part of the request it stands (`is_named`); a schema of
    our own does not, and may have a field that is called `body`.
    """
    parts = location[1:] if is_named and location[:1] and location[0] in _PLACES else location
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _finding(found: Mapping[str, Any], path: str, where: str | None) -> Finding:
    prefix = f"{where}." if where and path else where or ""
    code = "unknown_field" if found["type"] == "extra_forbidden" else str(found["type"])
    detail = "there is no such field" if code == "unknown_field" else str(found["msg"])
    return {"path": f"{prefix}{path}", "code": code, "detail": detail}
