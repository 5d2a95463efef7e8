"""What the page of a survey says. Its own words are English; the survey's stand as they were given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nh3
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt
from markupsafe import Markup

from api.pages.route import notice, rendered
from api.pages.survey.standing import Survey
from journeys.program import Question
from journeys.surveys import LONGEST_ANSWER, Answers, Fault

_MARKS = {"p", "br", "strong", "em", "ul", "ol", "li", "blockquote", "code", "a"}
_markdown = MarkdownIt("commonmark", {"html": False})


@dataclass(frozen=True, slots=True)
class _Shown:
    """One question as the form shows it: what was entered, and what is wrong with that."""

    number: int
    question: Question
    entered: Sequence[str]
    fault: str | None

    @property
    def numbers(self) -> Sequence[str]:
        """The numbers of its scale, lowest first."""
        lowest, highest = self.question.scale or (0, -1)
        return [str(number) for number in range(lowest, highest + 1)]

    @property
    def text(self) -> str:
        """The text that was entered."""
        return self.entered[0] if self.entered else ""


def form(
    survey: Survey, entered: Mapping[str, Sequence[str]] | None = None, answers: Answers = Answers()
) -> HTMLResponse:
    """The questions; where they were answered unsoundly, what is wrong stands beside what was entered."""
    shown = [
        _Shown(number, each, (entered or {}).get(each.id, ()), _fault(each, answers.faults.get(each.id)))
        for number, each in enumerate(survey.questions, start=1)
    ]
    return rendered(
        "survey/form.html",
        status=200 if entered is None else 422,
        survey=survey,
        heading=_heading(len(shown)),
        intro=_html(survey.intro),
        questions=shown,
        faults=[each for each in shown if each.fault is not None],
        complaint=None if entered is None else _complaint(answers),
        longest=LONGEST_ANSWER,
    )


def thanks(survey: Survey) -> HTMLResponse:
    """They are kept."""
    return rendered("survey/thanks.html", survey=survey)


def answered_already() -> HTMLResponse:
    """They were kept before."""
    return notice(
        "You have answered already",
        "Your first answers have been kept, and they are the ones that count. There is nothing more to do here.",
    )


def closed() -> HTMLResponse:
    """Over, for whatever reason: which one is nobody's business who merely has the link."""
    return notice(
        "This survey is closed",
        "The time for answering is over, or your answer is no longer needed. There is nothing for you to do.",
        status=410,
    )


def unknown() -> HTMLResponse:
    """Not a link of ours, or not as we made it."""
    return notice(
        "This link does not work",
        "It may have been cut short when it was copied. Open it from the message itself, with its whole address.",
        status=404,
    )


def _heading(count: int) -> str:
    return "One short question" if count == 1 else f"{count} short questions"


def _html(markdown: str) -> Markup:
    """The intro as in the message: Markdown, sanitised; no picture, nothing that loads."""
    html = nh3.clean(_markdown.render(markdown), tags=_MARKS, url_schemes={"https", "http", "mailto"})
    return Markup(html)  # noqa: S704 - sanitised in the line before


def _complaint(answers: Answers) -> str:
    if answers.unknown:
        return "The form held an answer to a question that is not asked here. Please look again, and send it again."
    if answers.faults:
        return "Not sent yet: please look at the answers that are marked."
    return "Nothing was sent: please answer at least one question."


def _fault(question: Question, fault: Fault | None) -> str | None:
    match fault:
        case None:
            return None
        case "not_in_scale":
            lowest, highest = question.scale or (0, 0)
            return f"Please choose a number from {lowest} to {highest}."
        case "not_a_choice":
            return "Please choose one of these."
        case "too_long":
            return f"Please shorten this to {LONGEST_ANSWER:,} characters at most."
        case "several":
            return "Please give one answer here."
