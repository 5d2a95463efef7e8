"""How the survey of a link stands: open, answered, or closed. Reads the store and changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from api.parts import ProgramOf
from journeys import codec
from journeys.composing import context_of
from journeys.identity import delivery_id
from journeys.links import SurveyRef
from journeys.program import Program, Question
from journeys.run import Run
from journeys.surveys import SOURCE, asks_survey, event_id, is_open, survey_texts
from store.queries import surveys
from store.queries.surveys import Asking


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey that may be answered. `learner` is the source's id of whom it concerns; texts are rendered, `intro` is
    Markdown. `is_about_another`: the one who answers is not the learner.
    """

    ref: SurveyRef
    id: str
    title: str
    intro: str
    questions: tuple[Question, ...]
    learner: str
    is_about_another: bool


Standing = Survey | Literal["answered", "closed"]


async def standing_of(session: AsyncSession, ref: SurveyRef, *, program_of: ProgramOf, now: datetime) -> Standing:
    """How it stands at `now`."""
    delivery = delivery_id(ref.enrolment, ref.node, ref.visit, 0)
    asking = await surveys.find(session, ref.enrolment, delivery=delivery)
    if asking is None:
        return "closed"  # erased, and nothing is said of that
    if await surveys.is_answered(session, source=SOURCE, event_id=event_id(ref)):
        return "answered"
    run = codec.run_from_json(asking.run)
    if asking.status == "ended" or not is_open(run, ref, now=now):
        return "closed"
    return _survey(ref, asking, run, await program_of(session, asking.program))


def _survey(ref: SurveyRef, asking: Asking, run: Run, program: Program) -> Standing:
    node = program.nodes.get(ref.node)
    asks = None if node is None else asks_survey(node)
    if asks is None:
        return "closed"
    context = context_of(
        run=run,
        entry=codec.entry_from_plain(asking.entry),
        learner=asking.profile,
        learner_id=asking.source_id,
        recipient=asking.recipient_profile,
        recipient_id=asking.recipient_source_id,
    )
    texts = survey_texts(program.messages[asks.message], context)
    return Survey(
        ref=ref,
        id=asks.survey,
        title=program.title,
        intro=texts.intro,
        questions=texts.questions,
        learner=asking.source_id,
        is_about_another=asking.is_about_another,
    )
