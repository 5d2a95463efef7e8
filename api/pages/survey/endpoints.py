"""The page of a survey: whoever holds the link in the message may answer, once. No key, no cookie, no script.

A GET changes nothing, so that a scanner of mail that follows links answers nothing. The answer becomes an event, and
takes the road of all events.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.bodies import media_type_of, read_body
from api.pages.route import PageRoute
from api.pages.survey import words
from api.pages.survey.standing import Standing, Survey, standing_of
from api.parts import Parts, PartsOf
from api.problems import Later, NotTaken, Unreadable
from journeys.links import SurveyRef
from journeys.surveys import Answers, answered, read_answers

router = APIRouter(prefix="/a", include_in_schema=False, route_class=PageRoute)

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200
"""More than any survey has questions."""


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, parts: PartsOf) -> HTMLResponse:
    """The questions, or why there are none."""
    ref = parts.links.read_survey(token)
    return words.unknown() if ref is None else _page(await _standing(parts, ref))


@router.post("/{token}")
async def answer(token: str, request: Request, parts: PartsOf) -> HTMLResponse:
    """Take the form: the first that is sound counts."""
    ref = parts.links.read_survey(token)
    if ref is None:
        return words.unknown()
    form = await _form(request)
    standing = await _standing(parts, ref)
    if not isinstance(standing, Survey):
        return _page(standing)
    answers = read_answers(standing.questions, form)
    if not answers.is_sound:
        return words.form(standing, form, answers)
    return await _take(parts, standing, answers)


async def _take(parts: Parts, survey: Survey, answers: Answers) -> HTMLResponse:
    event = answered(survey.ref, survey=survey.id, learner=survey.learner, answers=answers.given, at=parts.clock())
    (taken,) = await parts.ingest.take([event])
    if taken.status == "accepted":
        return words.thanks(survey)
    if taken.status == "duplicate" or taken.code == "conflicting_duplicate":
        return words.answered_already()
    raise Later(taken.code or "not_kept", "the answers could not be kept", headers={"Retry-After": "60"})


async def _standing(parts: Parts, ref: SurveyRef) -> Standing:
    async with parts.database.read() as session:
        return await standing_of(session, ref, program_of=parts.program_of, now=parts.clock())


async def _form(request: Request) -> Mapping[str, Sequence[str]]:
    if media_type_of(request) != FORM:
        raise NotTaken("unsupported_media_type", f"send the form as {FORM}")
    body = await read_body(request)
    try:
        return parse_qs(body.decode(errors="replace"), max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        raise Unreadable("unreadable_form", f"a form has at most {MOST_FIELDS} fields") from None


def _page(standing: Standing) -> HTMLResponse:
    match standing:
        case Survey():
            return words.form(standing)
        case "answered":
            return words.answered_already()
        case "closed":
            return words.closed()
