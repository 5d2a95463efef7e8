"""What all pages for people share: how they are rendered, their headers, and errors that a person can read."""

import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.problems import ApiError

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text("utf-8")
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
"""No page of ours is kept, framed, indexed, or named to where its links lead; none loads anything from elsewhere."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True)
class Dress:
    """What a page wears beside the style that all have: a style of its own, and the one script that may run there,
    which speaks to this API and to nothing else. Both are files of ours.
    """

    style: str = ""
    script: str = ""

    @cached_property
    def policy(self) -> str:
        """What the browser lets the page do; style and script are named by their hashes."""
        may = (
            f"default-src 'none'; style-src '{_hash(_STYLE + self.style)}'; img-src data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        if not self.script:
            return may
        return (
            f"{may}; script-src '{_hash(self.script)}'; connect-src 'self'; require-trusted-types-for 'script'; "
            "trusted-types 'none'"
        )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


PLAIN = Dress()


def dress_of(folder: str) -> Dress:
    """What stands beside a page's template: `page.css` and `page.js`."""
    return Dress(*((_FOLDER / folder / name).read_text("utf-8") for name in ("page.css", "page.js")))


def rendered(template: str, *, status: int = 200, dress: Dress = PLAIN, **values: object) -> HTMLResponse:
    """The page, from a template of this folder."""
    style, script = Markup(_STYLE + dress.style), Markup(dress.script)  # noqa: S704 - files of ours
    html = _ENVIRONMENT.get_template(template).render(style=style, script=script, **values)
    return HTMLResponse(html, status_code=status, headers={**HEADERS, "Content-Security-Policy": dress.policy})


def notice(title: str, *paragraphs: str, status: int = 200) -> HTMLResponse:
    """A page that says one thing."""
    return rendered("notice.html", status=status, title=title, paragraphs=paragraphs)


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """Wrap the endpoint."""
        perform = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await perform(request)
            except ApiError as error:
                return _sorry(error)
            except (OperationalError, InterfaceError, PoolTimeout, OSError):
                return _later({"Retry-After": "2"})

        return handle


def _sorry(error: ApiError) -> Response:
    if error.status >= 500:
        return _later(error.headers)
    return notice("That cannot be read", f"What arrived here cannot be used: {error.detail}.", status=error.status)


def _later(headers: dict[str, str]) -> Response:
    page = notice(
        "Please try again in a moment",
        "Something on our side does not answer just now, so nothing has been kept. Go back, and send it again.",
        status=503,
    )
    page.headers.update(headers)
    return page
