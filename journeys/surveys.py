"""Surveys: what a form said, judged against the questions, and the event that it becomes. Pure.

Only the first submission counts: the event's id is made of the visit at which the survey was asked, so that any other
submission is a repetition of the same event, and the log keeps the first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from journeys.events import Event, Json
from journeys.identity import answer_id
from journeys.links import SurveyRef
from journeys.program import Message, Node, Question
from journeys.run import Hold, Run
from journeys.templates import Rendered, render

SOURCE = "waymark"
"""The source of events that are ours."""

ANSWERED = "survey.answered"

LONGEST_ANSWER = 2_000
"""The longest text that answers a question, in characters."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Fault = Literal["not_in_scale", "not_a_choice", "too_long", "several"]


@runtime_checkable
class AsksSurvey(Protocol):
    """Options of a step that asks a survey: its id, and the message that brings it."""

    @property
    def survey(self) -> str:
        """The survey's id."""
        ...

    @property
    def message(self) -> str:
        """The message with the questions."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """What the form said: a number for a scale, a text for all else; what was left out is not there.

    `faults` are by question, `unknown` what was given to questions that the survey does not have.
    """

    given: Mapping[str, Json] = field(default_factory=dict[str, Json])
    faults: Mapping[str, Fault] = field(default_factory=dict[str, Fault])
    unknown: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether it may be kept: something is answered, and nothing is wrong."""
        return bool(self.given) and not self.faults and not self.unknown


def asks_survey(node: Node) -> AsksSurvey | None:
    """The survey that this step asks, if it asks one."""
    return node.options if isinstance(node.options, AsksSurvey) else None


@dataclass(frozen=True, slots=True)
class SurveyTexts:
    """What the page shows of a survey, rendered; `intro` is Markdown."""

    intro: str
    questions: tuple[Question, ...]


def survey_texts(message: Message, context: Mapping[str, object]) -> SurveyTexts:
    """The texts of a message with questions. What cannot be rendered any more, though it could when the message went,
    is left out; a question without its text is called by its id.
    """
    questions = tuple(replace(each, text=_rendered(each.text, context) or each.id) for each in message.questions)
    return SurveyTexts(_rendered(message.body or "", context), questions)


def is_open(run: Run, ref: SurveyRef, *, now: datetime) -> bool:
    """Whether an answer at `now` still meets the step: the run stands at this visit, and its time is not over."""
    if run.has_ended or run.node != ref.node or run.visits.get(ref.node) != ref.visit:
        return False
    hold = run.hold
    return not isinstance(hold, Hold) or hold.due_at is None or now <= hold.due_at or run.is_held


def read_answers(questions: Sequence[Question], form: Mapping[str, Sequence[str]]) -> Answers:
    """Judge a form, its values by the ids of the questions. A blank value leaves the question out."""
    given: dict[str, Json] = {}
    faults: dict[str, Fault] = {}
    for question in questions:
        values = [cleaned for value in form.get(question.id, ()) if (cleaned := _cleaned(value))]
        if len(values) > 1:
            faults[question.id] = "several"
        elif values:
            read = _read(question, values[0])
            if read is None:
                faults[question.id] = _fault_of(question)
            else:
                given[question.id] = read
    known = {question.id for question in questions}
    return Answers(given, faults, tuple(sorted(set(form) - known)))


def answered(ref: SurveyRef, *, survey: str, learner: str | None, answers: Mapping[str, Json], at: datetime) -> Event:
    """The event that a submission becomes. `learner` is the source's id of the learner whom the enrolment is about,
    whoever answered.
    """
    data: dict[str, Json] = {"enrolment": ref.enrolment, "step": ref.node, "item": survey, "answer": dict(answers)}
    return Event(event_id(ref), SOURCE, ANSWERED, learner, at, data)


def answers_in(event: Event) -> Json:
    """The answers that an event brings, by question. Another program may send one answer as itself, with the question
    as `item`.
    """
    answer, item = event.data.get("answer"), event.data.get("item")
    if answer is None or isinstance(answer, dict) or not isinstance(item, str):
        return answer
    return {item: answer}


def event_id(ref: SurveyRef) -> str:
    """The id of the one event that answers the survey of this visit."""
    return answer_id(ref.enrolment, ref.node, ref.visit)


def _rendered(source: str, context: Mapping[str, object]) -> str:
    found = render(source, context)
    return found.text.strip() if isinstance(found, Rendered) else ""


def _read(question: Question, value: str) -> Json:
    """The answer; None where the question does not take it."""
    if question.scale is not None:
        lowest, highest = question.scale
        return next((number for number in range(lowest, highest + 1) if str(number) == value), None)
    if question.choices:
        return value if value in question.choices else None
    return value if len(value) <= LONGEST_ANSWER else None


def _fault_of(question: Question) -> Fault:
    if question.scale is not None:
        return "not_in_scale"
    return "not_a_choice" if question.choices else "too_long"


def _cleaned(value: str) -> str:
    """The text with plain line ends, without what no database keeps or no eye sees at its ends."""
    plain = value.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace").decode()
    return _CONTROL.sub("", plain).strip()
