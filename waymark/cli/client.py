"""The API as the command line sees it: bodies in, bodies out, and errors that say who must act.

no answer, 5xx      Unreachable (3)
401, bad filters    WrongUsage  (2)
anything else       Refused     (1), with the problem's body for `--json`
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx2

from waymark.cli.errors import CommandError, NotSo, Unreachable, WrongUsage
from waymark.settings import Settings

Body = dict[str, Any]
TIMEOUT_SECONDS = 60.0


class Refused(NotSo):
    """The API said no; `body` is what it said."""

    def __init__(self, message: str, body: Body) -> None:
        super().__init__(message)
        self.body = body


class Api:
    """One installation's API."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {key}", "user-agent": "waymark"}, timeout=TIMEOUT_SECONDS
        )

    def get(self, path: str, params: Mapping[str, object] | None = None) -> Body:
        """The body of a GET; parameters that are None are left out."""
        return self._ask("GET", path, params=_given(params or {}))

    def post(self, path: str, body: object = None) -> Body:
        """The body of a POST."""
        return self._ask("POST", path, json={} if body is None else body)

    def put(self, path: str, content: bytes, *, media_type: str) -> Body:
        """The body of a PUT."""
        return self._ask("PUT", path, content=content, headers={"content-type": media_type})

    def post_content(self, path: str, content: bytes, *, media_type: str) -> Body:
        """The body of a POST of something that is no JSON object."""
        return self._ask("POST", path, content=content, headers={"content-type": media_type})

    def delete(self, path: str) -> None:
        """Delete it."""
        self._ask("DELETE", path)

    def list_all(self, path: str, params: Mapping[str, object]) -> Iterator[Body]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, {**params, "limit": 200, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **request: Any) -> Body:
        try:
            answer = self._http.request(method, path, **request)
        except httpx2.TransportError as error:
            raise Unreachable(
                f"no Waymark answers at {self.url} ({type(error).__name__}): "
                "start one with `waymark up`, or set WAYMARK_API_URL"
            ) from None
        if answer.is_success:
            return cast(Body, answer.json()) if answer.content else {}
        raise _error(self.url, answer)


def path_of(*parts: str) -> str:
    """A path below /v1 of these parts, each quoted: ids of learners may hold anything."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def connect(settings: Settings) -> Api:
    """The API that the settings name."""
    if settings.api_key is None:
        raise WrongUsage(
            f"there is no key for {settings.api()}: set WAYMARK_API_KEY "
            f"(`waymark up` writes one to {settings.home / 'admin.key'})"
        )
    return Api(settings.api(), settings.api_key.get_secret_value())


def _given(params: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if value is not None}


def _error(url: str, answer: httpx2.Response) -> CommandError:
    try:
        body = cast(object, answer.json())
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        text = f"{url} answered {answer.status_code} and not as Waymark does: is WAYMARK_API_URL right?"
        return Unreachable(text)
    problem = cast(Body, body)
    message = f"{problem['detail']} ({problem['code']})"
    if answer.status_code >= 500:
        return Unreachable(message)
    if answer.status_code == 401:
        return WrongUsage(f"{url} refuses the key: {problem['detail']}; set WAYMARK_API_KEY")
    if problem["code"] in {"invalid_request", "bad_cursor"}:
        return WrongUsage("; ".join(_wrong(problem)) or message)
    return Refused(message, problem)


def _wrong(problem: Body) -> list[str]:
    return [f"{one['path']}: {one['detail']}" for one in problem.get("problems", [])]
