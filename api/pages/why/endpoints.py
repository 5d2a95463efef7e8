"""The page behind the last line of a message: why did I get this? No key, no cookie, no script; looking changes
nothing. Whatever opens nothing is answered alike, so that a link tells nothing of who was erased or never was.
"""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.pages.route import PageRoute, notice, rendered
from api.pages.why.reading import read
from api.parts import PartsOf
from journeys.reasons import Reasons

router = APIRouter(prefix="/w", include_in_schema=False, route_class=PageRoute)


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, parts: PartsOf) -> HTMLResponse:
    """Why the message that this link came with was sent."""
    delivery = parts.links.read_why(token)
    if delivery is None:
        return _unknown()
    async with parts.database.read() as session:
        found = await read(session, delivery, program_of=parts.program_of, reach=parts.reach)
    return _unknown() if not found else _page(delivery, found)


def _page(delivery: str, found: Sequence[Reasons]) -> HTMLResponse:
    return rendered("why/page.html", delivery=delivery, found=found)


def _unknown() -> HTMLResponse:
    return notice(
        "There is nothing to tell here",
        "This link does not work, or no longer. It may have been cut short when it was copied: open it from the "
        "message itself, with its whole address. Of an old message, what was known may have been deleted.",
        status=404,
    )
