"""`ask`: asks a short survey, waits for the answer, keeps it, and takes `then` or `else`.

    - ask: confidence            # id of the survey; answers stand as answers.confidence.<question>
      to: learner                # or manager, or an expression that yields a learner's id
      via: [slack, email]        # the first that can reach her; without it, email
      within: 5d                 # how long she may take once the message has gone; 7d where nothing is said; also 5wd
      intro: How is it going?    # what the message says, above the link to the questions
      questions:
        - {id: sure, text: "How sure are you that you can run one?", scale: [1, 5]}
        - {id: barrier, text: "What stands in the way?", choices: [time, room, topic]}
        - {id: other, text: "Anything else?", text_answer: true}
      then: [...]                # answered in time
      else: [...]                # not, or the message could not go

The questions are answered on a page of ours, to which the message leads; a question may be left out. The first
submission counts. An answer is a number for a `scale`, else a text; what was left out is not there. `at`, `expires`
and `priority` are those of `send`. `intro` and the questions' texts are templates, as in a message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from journeys.definition import Cursor, clip
from journeys.drafting.telling import words_data
from journeys.drafts import StepDraft, StepSource, said, slug
from journeys.effects import Delivered, Due, Fired, Note, Reckon, Reckoned, Resumed
from journeys.events import Json
from journeys.expressions import Scope, check
from journeys.plain_words import Label, span_words, text_words, timing_words, to_words
from journeys.program import Expression, Message, Node, Program, Question, Span, Trigger
from journeys.run import Hold, Sent
from journeys.steps.base import Ask as Asks
from journeys.steps.base import Go, Move, Resuming, Stand, Stay, step_type
from journeys.steps.send import channels_of, delivery, expiry, in_which_words, recipient, sending_time
from journeys.surveys import ANSWERED
from journeys.timing import due_after

INTRO = "May we ask you something? It takes a minute."
"""What the message says where the definition has no `intro`."""

WITHIN = Span(timedelta(days=7))
"""How long she may take where nothing is said."""

MOST_QUESTIONS = 20
MOST_CHOICES = 50
HIGHEST = 10
"""The highest number a scale may end with; it may begin with 0."""

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ALLOWED_ID = "an id: a-z 0-9 - _, at most 64"
_KINDS = ("scale", "choices", "text_answer")


@dataclass(frozen=True, slots=True)
class AskOptions:
    """Which survey, by which message, to whom, through what and when, and how long she may take; `trigger` is what its
    answer fires.
    """

    survey: str
    message: str
    trigger: str
    via: tuple[str, ...] = ("email",)
    to: Expression | Literal["learner", "manager"] = "learner"
    within: Span = WITHIN
    is_anytime: bool = False
    expires: timedelta | None = timedelta(days=7)
    local_time: str | None = None
    priority: int | None = None


@step_type("ask")
class Ask:
    """Asks a survey, and waits for the answer."""

    options = AskOptions
    keys: frozenset[str] = frozenset(
        {"to", "via", "at", "within", "expires", "priority", "intro", "questions", "then", "else"}
    )
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("ask", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.fields
        arms = {"then": fields.get("then"), "else": fields.get("else")}
        survey = step.value.word(_ID, _ALLOWED_ID)
        via = channels_of(fields["via"]) if "via" in fields else ("email",)
        to = recipient(fields["to"]) if "to" in fields else "learner"
        at = sending_time(fields["at"]) if "at" in fields else "policy"
        within = fields["within"].span() if "within" in fields else WITHIN
        expires = expiry(fields["expires"]) if "expires" in fields else timedelta(days=7)
        priority = fields["priority"].integer(1, 100) if "priority" in fields else None
        intro = fields["intro"].template(has_link=False) if "intro" in fields else INTRO
        if "questions" not in fields:
            step.value.report("missing_key", "the key 'questions' is missing", allowed=("questions",))
        questions = _questions(fields["questions"]) if "questions" in fields else ()
        trigger = _trigger(step.id)
        message = Message(step.id, body=intro, questions=questions)
        if survey is None or to is None or within is None or not questions:
            return StepDraft(None, arms, (trigger,))
        local_time = at if at not in ("policy", "anytime") else None
        options = AskOptions(
            survey, message.name, trigger.id, via, to, within, at == "anytime", expires, local_time, priority
        )
        answers = tuple(f"answers.{survey}.{question.id}" for question in questions)
        return StepDraft(
            options,
            arms,
            (trigger,),
            messages=(message,),
            says=True,
            gives={"then": answers},
            may_fail=frozenset(answers),  # a question may be left out
        )

    @staticmethod
    def enter(stand: Stand) -> Move:
        options = _options(stand)
        # what is answered on a page of its own goes by itself
        return Asks(delivery(stand, options, options.via, may_merge=False))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        hold = stand.run.hold
        match given:
            case Delivered():
                return _delivered(stand, given)
            case Reckoned() if hold is not None:
                reckon = stand.reckoning
                renewed = Hold(reckon.since, given.due_at, (_options(stand).trigger,), reckon, given.reads)
                return None if renewed == hold else _wait(stand, renewed, given.where)
            case Fired():
                return _answered(stand, given.data)
            case Resumed() if isinstance(hold, Hold):
                return _answered_since(stand, hold.since)
            case Due():
                text = f"No answer to the survey {_options(stand).survey} came in time."
                return Go("else", Note(stand.at, "passed", stand.node.id, text))
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        survey = _options(stand).survey
        if isinstance(stand.run.hold, Hold):
            return f"an answer to the survey {survey}"
        return f"the survey {survey} to go"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, AskOptions)
        message = program.messages.get(options.message)
        questions = () if message is None else tuple(text_words(question.text) for question in message.questions)
        within = span_words(options.within)
        lines = (
            f"{options.survey} · {', else '.join(options.via)}",
            *timing_words(is_anytime=options.is_anytime, local_time=options.local_time),
            f"at most {within}",
        )
        title = (
            questions[0] if len(questions) == 1 else f"{len(questions)} questions: {questions[0]}" if questions else ""
        )
        arms = {"then": "answered", "else": f"not within {within}"}
        return Label(f"Question{to_words(options.to)}", title or options.survey, lines, arms)


# --- what comes ---------------------------------------------------------------------------------------------------


def _delivered(stand: Stand, given: Delivered) -> Move:
    """The message has gone, or not; an answer may have come before word that it went."""
    options = _options(stand)
    pending = stand.run.hold
    sent = Sent(given.status, given.channel, stand.at)
    stand = replace(stand, run=stand.run.but(sent={**stand.run.sent, options.message: sent}))
    note = _note(stand, given)
    answered = None if pending is None else _answered_since(stand, pending.since)
    if answered is not None:
        return replace(answered, note=note, effects=() if answered.note is None else (answered.note,))
    if given.status in ("skipped", "failed"):
        return Go("else", note, stand.run)
    if options.within.working_days:
        return Asks(Reckon(stand.node.id, stand.at, span=options.within), note, stand.run)
    due = due_after(stand.run, options.within.elapsed)
    return Stay(Hold(stand.at, due, (options.trigger,)), note, stand.run)


def _wait(stand: Stand, hold: Hold, where: str | None) -> Move:
    due = hold.due_at
    until = "" if due is None else f", until {where or f'{due:%A %-d %B %Y, %H:%M} UTC'} at the latest"
    text = f"Waiting for {Ask.waiting_for(stand)}{until}."
    note = Note(stand.at, "waiting", stand.node.id, text, {"until": None if due is None else due.isoformat()})
    return Stay(hold, note)


def _answered_since(stand: Stand, floor: datetime) -> Go | None:
    """On by `then`, where an answer came at this visit while nobody could take it: while the run was held, or before
    word that the message went. The page took it, so it counts.
    """
    seen = stand.run.seen.get(_options(stand).trigger)
    return None if seen is None or seen.last < floor else _answered(stand, seen.data)


def _answered(stand: Stand, given: Json) -> Go:
    """Keep the answers; the journal says how many, and never what."""
    options = _options(stand)
    answers = given if isinstance(given, dict) else {}
    asked = len(stand.program.messages[options.message].questions)
    text = f"The survey {options.survey} was answered: {len(answers)} of {asked} question{'s' if asked != 1 else ''}."
    data: dict[str, Json] = {"survey": options.survey, "answered": len(answers), "asked": asked}
    run = stand.run.but(answers={**stand.run.answers, options.survey: answers})
    return Go("then", Note(stand.at, "answered", stand.node.id, text, data), run)


def _note(stand: Stand, given: Delivered) -> Note:
    options = _options(stand)
    data: dict[str, Json] = {
        "survey": options.survey, "message": options.message, "channel": given.channel, "status": given.status,
        "reason": given.reason,
    }  # fmt: skip
    because = f": {given.reason}" if given.reason else ""
    words = in_which_words(given)
    match given.status:
        case "sent":
            text = f"Asked the survey {options.survey} through {given.channel}{words}."
            return Note(stand.at, "asked", stand.node.id, text, {**data, **words_data(given)})
        case "may_have_gone":
            text = (
                f"The survey {options.survey} may have gone through {given.channel}{words}{because}; "
                "it is not sent again."
            )
            return Note(stand.at, "asked", stand.node.id, text, {**data, **words_data(given)})
        case "skipped":
            return Note(stand.at, "skipped", stand.node.id, f"Did not ask the survey {options.survey}{because}.", data)
        case "failed":
            text = f"The survey {options.survey} failed to go{because}."
            return Note(stand.at, "failed", stand.node.id, text, data)


def _options(stand: Stand) -> AskOptions:
    assert isinstance(stand.node.options, AskOptions)
    return stand.node.options


# --- what was written ---------------------------------------------------------------------------------------------


def _trigger(step: str) -> Trigger:
    """What the answer fires; events of ours reach only the enrolment that they name."""
    when = check(f'event.data.step == "{step}"', scope=Scope.EVENT).expression
    return Trigger(f"{step}.1", (ANSWERED,), when, keeps="answer")


def _questions(given: Cursor) -> tuple[Question, ...]:
    """All questions; none where one is wrong."""
    items = given.items("a list of questions, each {id, text, and scale, choices or text_answer}") or []
    if len(items) > MOST_QUESTIONS:
        detail = f"{len(items)} questions are too many for a short survey"
        given.report("too_many", detail, allowed=(f"at most {MOST_QUESTIONS}",), suggestion="make two surveys of it")
    taken: set[str] = set()
    found = [_question(item, taken) for item in items]
    questions = tuple(question for question in found if question is not None)
    return questions if len(questions) == len(found) <= MOST_QUESTIONS else ()


def _question(given: Cursor, taken: set[str]) -> Question | None:
    fields = given.fields(("id", "text", *_KINDS), required=("id", "text")) or {}
    id_ = fields["id"].word(_ID, _ALLOWED_ID) if "id" in fields else None
    if id_ is not None and id_ in taken:
        fields["id"].report(
            "duplicate_id", f"there are two questions with the id {id_!r}", suggestion="take another one"
        )
    taken.update(() if id_ is None else (id_,))
    text = fields["text"].template(has_link=False) if "text" in fields else None
    kinds = [kind for kind in _KINDS if kind in fields]
    if len(kinds) != 1:
        what = "nothing says how it is answered" if not kinds else f"{' and '.join(kinds)} exclude each other"
        detail = f"a question is answered by one of {', '.join(_KINDS)}: {what}"
        given.report("one_kind", detail, allowed=("scale: [1, 5]", "choices: [yes, no]", "text_answer: true"))
        return None
    scale = _scale(fields["scale"]) if "scale" in fields else None
    choices = _choices(fields["choices"]) if "choices" in fields else ()
    is_text = "text_answer" in fields and _is_text(fields["text_answer"])
    if id_ is None or text is None or not (scale or choices or is_text):
        return None
    return Question(id_, text, scale, choices)


def _scale(given: Cursor) -> tuple[int, int] | None:
    items = given.items("a list of two whole numbers, as [1, 5],") or []
    numbers = [item.integer(0, HIGHEST) for item in items]
    if not items or None in numbers:
        return None
    match numbers:
        case [int(lowest), int(highest)] if lowest < highest:
            return lowest, highest
        case _:
            detail = "a scale has its lowest number and its highest"
            given.report(
                "bad_value", detail, allowed=(f"[1, 5]: two whole numbers from 0 to {HIGHEST}, the lower first",)
            )
            return None


def _choices(given: Cursor) -> tuple[str, ...]:
    items = given.items("a list of choices") or []
    texts = [(item, item.text()) for item in items]
    choices: list[str] = []
    for item, text in texts:
        choice = "" if text is None else " ".join(text.split())
        if choice in choices:
            item.report("duplicate_name", f"the choice {clip(choice)!r} stands here twice", suggestion="leave one out")
        elif choice:
            choices.append(choice)
    if len(items) > MOST_CHOICES:
        given.report("too_many", f"{len(items)} choices are too many", allowed=(f"at most {MOST_CHOICES}",))
    return tuple(choices) if len(choices) == len(items) <= MOST_CHOICES else ()


def _is_text(given: Cursor) -> bool:
    value = given.truth()
    if value is False:
        detail = "`text_answer: false` says nothing: leave it out, and say how the question is answered"
        given.report("bad_value", detail, allowed=("true",))
    return value is True
