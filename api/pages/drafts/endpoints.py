"""The page on which a person decides on drafted texts. It holds nothing itself: with the key that is typed in, its
script asks the API, as any program would. A GET of it tells nothing and changes nothing.
"""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.pages.route import PageRoute, dress_of, rendered

router = APIRouter(prefix="/drafts", include_in_schema=False, route_class=PageRoute)

_DRESS = dress_of("drafts")


@router.api_route("", methods=["GET", "HEAD"])
async def show() -> HTMLResponse:
    """The page, the same for everybody."""
    return rendered("drafts/page.html", dress=_DRESS)
