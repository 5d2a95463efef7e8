"""The application: every resource and page, one line each, over the parts that it is handed."""

from fastapi import FastAPI

from api import problems
from api.pages.drafts import endpoints as drafts_page
from api.pages.survey import endpoints as survey_page
from api.pages.why import endpoints as why_page
from api.parts import Parts
from api.resources.actions import endpoints as actions
from api.resources.dead_letters import endpoints as dead_letters
from api.resources.deliveries import endpoints as deliveries
from api.resources.deliveries import resending
from api.resources.drafts import endpoints as drafts
from api.resources.enrolments import endpoints as enrolments
from api.resources.enrolments import steering as steer_enrolments
from api.resources.events import endpoints as events
from api.resources.health import endpoints as health
from api.resources.installation import endpoints as installation
from api.resources.journeys import differences
from api.resources.journeys import endpoints as journeys
from api.resources.journeys import steering as steer_journeys
from api.resources.learners import endpoints as learners
from api.resources.policy import endpoints as policy
from api.resources.rehearsals import endpoints as rehearsals
from api.watching import Watching

RESOURCES = (
    events.router,
    journeys.router,
    steer_journeys.router,
    differences.router,
    rehearsals.router,
    learners.router,
    actions.router,
    enrolments.router,
    steer_enrolments.router,
    deliveries.router,
    resending.router,
    drafts.router,
    dead_letters.router,
    installation.router,
    policy.router,
    health.router,
)
PAGES = (survey_page.router, why_page.router, drafts_page.router)


def create_app(parts: Parts) -> FastAPI:
    """The API over these parts."""
    app = FastAPI(
        title="Waymark",
        summary="Event-driven orchestrator of learning journeys",
        version="1",
        redirect_slashes=False,
        redoc_url=None,
        docs_url=None,
    )
    app.state.parts = parts
    app.add_middleware(Watching)
    problems.install(app)
    for router in (*RESOURCES, *PAGES):
        app.include_router(router)
    return app
