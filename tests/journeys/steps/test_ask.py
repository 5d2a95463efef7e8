"""The step `ask`: what may be written, what is asked to be done, and how it goes on."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journeys import codec
from journeys.advance import advance, waiting_for
from journeys.compiler import Vocabulary, compile_definition
from journeys.composing import Composed, Reach, Skip, compose
from journeys.effects import (
    Began,
    Deliver,
    Delivered,
    Due,
    Effect,
    Fired,
    Input,
    Note,
    Paused,
    Reckon,
    Reckoned,
    Resumed,
)
from journeys.events import Event, Json
from journeys.expressions import Facts, holds
from journeys.program import Entry, Program, Question
from journeys.routing import fired, kept
from journeys.run import Hold, Pending, Run

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TRIGGER = "ask-confidence.1"
ANSWER: Json = {"sure": 4, "barrier": "time"}
STEP = """\
  - ask: confidence
    questions:
      - {id: sure, text: How sure are you?, scale: [1, 5]}
      - {id: barrier, text: What stands in the way?, choices: [time, room]}
      - {id: other, text: Anything else?, text_answer: true}
    then: [{end: answered}]
    else: [{end: silent}]
"""


def definition(step: str = STEP, more: str = "") -> str:
    head = "waymark: 1\njourney: j\ntitle: First weeks\nenter: [{on: hr.learner.promoted}]\nsteps:\n"
    return head + step + more


def compiled(step: str = STEP, more: str = "") -> Program:
    result = compile_definition(definition(step, more), vocabulary=Vocabulary())
    assert result.program is not None, result.problems
    return result.program


def problems(step: str, more: str = "") -> list[tuple[str, str]]:
    result = compile_definition(definition(step, more), vocabulary=Vocabulary())
    return [(problem.code, problem.path) for problem in result.problems if problem.severity == "error"]


class Walk:
    """A run, and what came of each thing that happened to it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.run = Run("enr-1", entered_at=NOW, at=NOW)
        self.effects: list[Effect] = []
        self.take(Began(NOW))

    def take(self, *given: Input) -> "Walk":
        for one in given:
            self.run = codec.run_from_json(codec.run_to_json(self.run))  # as the store keeps it
            self.run, effects = advance(self.program, self.run, one)
            self.effects += effects
        return self

    def asked(self) -> "Walk":
        """The message has gone."""
        return self.take(Delivered(NOW, "sent", "email"))

    @property
    def hold(self) -> Hold:
        assert isinstance(self.run.hold, Hold), self.run.hold
        return self.run.hold

    @property
    def deliver(self) -> Deliver:
        assert isinstance(self.run.hold, Pending)
        assert isinstance(self.run.hold.effect, Deliver)
        return self.run.hold.effect

    def notes(self) -> list[Note]:
        return [effect for effect in self.effects if isinstance(effect, Note)]


def answer(at: datetime, data: Json = ANSWER) -> Fired:
    return Fired(at, TRIGGER, "7", "survey.answered", data)


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


# --- what is asked ------------------------------------------------------------------------------------------------


def test_it_asks_for_a_message_with_the_questions() -> None:
    """The message is the step's own, and its questions are those written."""
    walk = Walk(compiled())
    assert ("ask-confidence", 0, ("email",), "learner") == (
        walk.deliver.message, walk.deliver.leg, walk.deliver.via, walk.deliver.to,
    )  # fmt: skip
    assert later(days=7) == walk.deliver.expires_at
    assert (
        Question("sure", "How sure are you?", (1, 5)),
        Question("barrier", "What stands in the way?", None, ("time", "room")),
        Question("other", "Anything else?"),
    ) == walk.program.messages["ask-confidence"].questions
    assert "the survey confidence to go" == waiting_for(walk.program, walk.run)


def test_its_options_are_those_of_a_message() -> None:
    """To whom, through what, when, until when, and how urgent."""
    step = STEP.replace(
        "    questions",
        "    to: manager\n    via: [slack, email]\n    at: '9:30'\n    expires: never\n    priority: 80\n    questions",
    )
    deliver = Walk(compiled(step)).deliver
    assert ("manager", ("slack", "email"), "09:30", None, 80) == (
        deliver.to, deliver.via, deliver.local_time, deliver.expires_at, deliver.priority,
    )  # fmt: skip


def test_a_program_with_a_survey_is_kept_as_json() -> None:
    """And comes back the same."""
    program = compiled()
    assert program == replace(codec.program_from_json(codec.program_to_json(program)), hash=program.hash)


def _composed(program: Program, profile: dict[str, Json]) -> Composed | Skip:
    walk = Walk(program)
    return compose(
        program, walk.deliver, now=NOW, run=walk.run, entry=Entry(NOW.isoformat(), ""), learner=profile,
        learner_id="ada", recipient=profile, recipient_id="ada", reach={"email": Reach(True, "email")},
        page="https://learning.example.org/a/token",
    )  # fmt: skip


def test_the_message_leads_to_the_page() -> None:
    """Its link is the page, and says how many questions wait there."""
    composed = _composed(compiled(), {"email": "ada@example.org"})
    assert isinstance(composed, Composed)
    assert composed.link is not None
    assert ("Answer 3 questions", "https://learning.example.org/a/token") == (composed.link.label, composed.link.url)
    assert ("First weeks", "May we ask you something? It takes a minute.") == (composed.subject, composed.text)


@pytest.mark.parametrize("where", ["    intro: Hello {{ learner.given_name }}\n    questions", "QUESTION"])
def test_a_survey_with_a_gap_is_not_sent(where: str) -> None:
    """A variable that is missing in the intro or in a question skips the message, by its name."""
    step = STEP.replace("    questions", where) if where != "QUESTION" else STEP.replace(
        "text: How sure are you?", 'text: "How sure is {{ learner.given_name }}?"'
    )  # fmt: skip
    assert Skip("variable_missing", "learner.given_name") == _composed(compiled(step), {"email": "ada@example.org"})
    assert isinstance(_composed(compiled(step), {"email": "ada@example.org", "given_name": "Ada"}), Composed)


# --- how it goes on -----------------------------------------------------------------------------------------------


def test_it_waits_for_the_answer() -> None:
    """Seven days from the message, where nothing is said."""
    walk = Walk(compiled()).asked()
    assert Hold(NOW, later(days=7), (TRIGGER,)) == walk.hold
    assert "an answer to the survey confidence" == waiting_for(walk.program, walk.run)
    assert ["entered", "asked"] == [note.kind for note in walk.notes()]


def test_an_answer_in_time_is_kept() -> None:
    """The journey takes `then`, and expressions see what was said."""
    walk = Walk(compiled()).asked().take(answer(later(days=2)))
    assert "answered" == walk.run.outcome
    assert {"confidence": ANSWER} == walk.run.answers
    assert "sent" == walk.run.sent["ask-confidence"].status


def test_no_answer_takes_else() -> None:
    """When the time is over; then nothing stands in `answers`."""
    walk = Walk(compiled()).asked().take(Due(later(days=7)))
    assert ("silent", {}) == (walk.run.outcome, walk.run.answers)


def test_an_answer_after_the_step_changes_nothing() -> None:
    """Once `else` was taken, a late answer neither moves the run nor stands in `answers`."""
    walk = Walk(compiled(STEP.replace("else: [{end: silent}]", "else: [{wait: 3d}]"))).asked()
    walk.take(Due(later(days=7)), answer(later(days=8)))
    assert ("wait-3d", {}) == (walk.run.node, walk.run.answers)


@pytest.mark.parametrize("status", ["skipped", "failed"])
def test_a_survey_that_does_not_go_takes_else(status: Any) -> None:
    """Nobody waits for an answer to what was not asked."""
    walk = Walk(compiled()).take(Delivered(NOW, status, None, "no_address"))
    assert "silent" == walk.run.outcome
    assert [status] == [note.kind for note in walk.notes() if note.data.get("status")]


def test_what_may_have_gone_may_be_answered() -> None:
    """A message in doubt is waited for like one that went."""
    walk = Walk(compiled()).take(Delivered(NOW, "may_have_gone", "email", "no answer"))
    assert later(days=7) == walk.hold.due_at
    assert "answered" == walk.take(answer(later(days=1))).run.outcome


def test_an_answer_before_word_that_the_message_went() -> None:
    """She may be faster than the provider's answer; both are told, in order."""
    walk = Walk(compiled()).take(answer(later(seconds=30)), Delivered(later(seconds=40), "sent", "email"))
    assert ("answered", {"confidence": ANSWER}) == (walk.run.outcome, walk.run.answers)
    assert ["entered", "asked", "answered", "ended"] == [note.kind for note in walk.notes()]


def test_an_answer_while_the_run_is_paused() -> None:
    """It waits, and counts when the run goes on, also where the time would be over."""
    for catch_up in ("continue", "skip", "restart_wait"):
        walk = Walk(compiled()).asked().take(Paused(later(days=1), "admin"), answer(later(days=6)))
        assert walk.run.outcome is None
        walk.take(Resumed(later(days=9), "admin", catch_up))  # type: ignore[arg-type]  # one of the three
        assert ("answered", {"confidence": ANSWER}) == (walk.run.outcome, walk.run.answers)


def test_each_round_has_its_own_answer() -> None:
    """In a `repeat`, what was said in the first round does not answer the second."""
    step = """\
  - repeat: {every: 7d, times: 2}
    do:
      - ask: pulse
        within: 2d
        questions: [{id: mood, text: How is it?, scale: [0, 10]}]
"""
    walk = Walk(compiled(step)).asked()
    walk.take(Fired(later(days=1), "ask-pulse.1", "7", "survey.answered", {"mood": 3}))
    assert {"pulse": {"mood": 3}} == walk.run.answers
    walk.take(Due(later(days=7)), Delivered(later(days=7), "sent", "email"))
    assert ("ask-pulse", 2, later(days=9)) == (walk.run.node, walk.run.visits["ask-pulse"], walk.hold.due_at)
    walk.take(Fired(later(days=8), "ask-pulse.1", "9", "survey.answered", {"mood": 7}))
    assert {"pulse": {"mood": 7}} == walk.run.answers


def test_within_may_count_working_days() -> None:
    """Then the instant is reckoned where she works, and again when that changes."""
    walk = Walk(compiled(STEP.replace("    questions", "    within: 5wd\n    questions"))).asked()
    assert isinstance(walk.run.hold, Pending)
    assert isinstance(walk.run.hold.effect, Reckon)
    assert 5 == (walk.run.hold.effect.span and walk.run.hold.effect.span.working_days)
    walk.take(Reckoned(NOW, later(days=7), None, "Monday 09:00 in Dublin", ("zone",)))
    assert (later(days=7), ("zone",), (TRIGGER,)) == (walk.hold.due_at, walk.hold.reads, walk.hold.triggers)
    walk.take(Reckoned(NOW, later(days=8), None, "Tuesday 09:00 in Dublin", ("zone",)))
    assert later(days=8) == walk.hold.due_at
    assert "answered" == walk.take(answer(later(days=2))).run.outcome


def test_no_answer_is_told_by_the_journal() -> None:
    """What she said, in her own words least of all, stands in no line of it, nor in what the run waits for."""
    walk = Walk(compiled()).asked().take(answer(later(days=1), {"other": "My manager is a fool", "sure": 1}))
    told = " ".join(f"{note.text} {note.data}" for note in walk.notes())
    assert "fool" not in told
    assert "2 of 3 questions" in told


def test_the_trigger_takes_its_own_answers_only() -> None:
    """The event of this step fires it, and brings the answers along; another step's does not."""
    program = compiled()
    trigger = program.triggers[TRIGGER]
    assert (("survey.answered",), "answer") == (trigger.on, trigger.keeps)
    for step, expected in (("ask-confidence", (TRIGGER,)), ("ask-confidence-2", ())):
        event = Event("e", "waymark", "survey.answered", "ada", later(days=1), {"step": step, "answer": ANSWER})
        assert expected == fired(program, event, Facts(), entered_at=NOW, entry_event=None).triggers


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"item": "confidence", "answer": ANSWER}, ANSWER),
        ({"item": "sure", "answer": 4}, {"sure": 4}),
        ({"item": "barrier", "answer": "time"}, {"barrier": "time"}),
        ({"answer": 4}, 4),
        ({"item": "sure"}, None),
    ],
)
def test_one_answer_may_come_as_itself(data: dict[str, Json], expected: Json) -> None:
    """From another program: the question as `item`, and its value; what names no question is no answer to one."""
    event = Event("e", "lms", "survey.answered", "ada", later(days=1), {"step": "ask-confidence", **data})
    assert expected == kept(compiled(), TRIGGER, event)


def test_answers_are_seen_by_expressions() -> None:
    """`answers.<survey>.<question>`, and only those that were given."""
    program = compiled(
        _going_on(),
        "  - branch:\n"
        "      - if: answers.confidence.sure < 3\n        do: [{wait: 1d}]\n"
        "      - if: has(answers.confidence.other)\n        do: [{wait: 2d}]\n",
    )
    branch = program.nodes["branch"].options
    first, second = branch.questions  # type: ignore[attr-defined]  # a branch's
    said = Facts(answers={"confidence": {"sure": 2}})
    assert (True, False) == (holds(first, said).holds, holds(second, said).holds)


# --- what may be written ------------------------------------------------------------------------------------------


def _one(question: str) -> str:
    return f"  - ask: s\n    questions:\n      - {question}\n"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("{id: a, text: A}", [("one_kind", "steps[0].questions[0]")]),
        ("{id: a, text: A, scale: [1, 5], choices: [x]}", [("one_kind", "steps[0].questions[0]")]),
        ("{id: a, text: A, text_answer: false}", [("bad_value", "steps[0].questions[0].text_answer")]),
        ("{id: a, text: A, scale: [5, 1]}", [("bad_value", "steps[0].questions[0].scale")]),
        ("{id: a, text: A, scale: [3, 3]}", [("bad_value", "steps[0].questions[0].scale")]),
        ("{id: a, text: A, scale: [1, 2, 3]}", [("bad_value", "steps[0].questions[0].scale")]),
        ("{id: a, text: A, scale: [0, 11]}", [("bad_value", "steps[0].questions[0].scale[1]")]),
        ("{id: a, text: A, scale: [1, x]}", [("wrong_type", "steps[0].questions[0].scale[1]")]),
        ("{id: a, text: A, scale: 5}", [("wrong_type", "steps[0].questions[0].scale")]),
        ("{id: a, text: A, choices: []}", [("empty_list", "steps[0].questions[0].choices")]),
        ("{id: a, text: A, choices: [x, y, x]}", [("duplicate_name", "steps[0].questions[0].choices[2]")]),
        ("{id: a, text: A, choices: [1, 2]}", [("wrong_type", f"steps[0].questions[0].choices[{n}]") for n in (0, 1)]),
        ("{id: A b, text: A, text_answer: true}", [("bad_value", "steps[0].questions[0].id")]),
        ("{text: A, text_answer: true}", [("missing_key", "steps[0].questions[0]")]),
        ("{id: a, text_answer: true}", [("missing_key", "steps[0].questions[0]")]),
        ("{id: a, text: A, texts: 1, text_answer: true}", [("unknown_key", "steps[0].questions[0].texts")]),
        ("{id: a, text: '{{ lerner.id }}', text_answer: true}", [("unknown_variable", "steps[0].questions[0].text")]),
        ("{id: a, text: '{{ link }}', text_answer: true}", [("unknown_variable", "steps[0].questions[0].text")]),
        ("{id: a, text: A, text_answer: true}\n      - {id: a, text: B, text_answer: true}",
         [("duplicate_id", "steps[0].questions[1].id")]),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked(question: str, expected: list[tuple[str, str]]) -> None:
    """Each is told with its path, and none stops the others from being found."""
    assert expected == problems(_one(question))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("  - ask: s\n", [("missing_key", "steps[0].ask")]),
        ("  - ask: s\n    questions: []\n", [("empty_list", "steps[0].questions")]),
        ("  - ask: Two words\n    questions: [{id: a, text: A, text_answer: true}]\n", [("bad_value", "steps[0].ask")]),
        (STEP.replace("then:", "than:"), [("unknown_key", "steps[0].than")]),
        (STEP.replace("    questions", "    within: 0d\n    questions"), [("bad_duration", "steps[0].within")]),
        (STEP.replace("    questions", "    via: [fax]\n    questions"), [("unknown_channel", "steps[0].via[0]")]),
        (STEP.replace("    questions", "    to: lerner.id\n    questions"), [("unknown_name", "steps[0].to")]),
        (STEP.replace("    questions", "    intro: '{{ learner.nam }}'\n    questions"),
         [("unknown_variable", "steps[0].intro")]),
    ],
)  # fmt: skip
def test_a_survey_that_cannot_be_asked(step: str, expected: list[tuple[str, str]]) -> None:
    """The step's own options, checked as those of `send` are."""
    assert expected == problems(step)


def test_a_survey_has_an_end() -> None:
    """It is short: so many questions, so many choices."""

    def asked(count: int) -> str:
        listed = "".join(f"      - {{id: q{n}, text: A, text_answer: true}}\n" for n in range(count))
        return f"  - ask: s\n    questions:\n{listed}"

    assert [] == problems(asked(20))
    assert [("too_many", "steps[0].questions")] == problems(asked(21))
    choices = ", ".join(f"c{n}" for n in range(51))
    assert [("too_many", "steps[0].questions[0].choices")] == problems(
        _one(f"{{id: a, text: A, choices: [{choices}]}}")
    )


def test_two_surveys_of_one_name_are_two_steps() -> None:
    """The same survey may be asked again: the step, its message and its trigger have names of their own."""
    program = compiled(STEP.replace("    then: [{end: answered}]\n    else: [{end: silent}]\n", "") * 2)
    assert {"ask-confidence", "ask-confidence-2"} == set(program.messages)
    assert {"ask-confidence.1", "ask-confidence-2.1"} == set(program.triggers)


def test_a_message_of_the_same_name_is_told() -> None:
    """Where the definition has a message called like the survey's own."""
    more = "messages:\n  ask-confidence: {subject: S, body: B}\n"
    assert ("duplicate_name", "steps[0].ask") in problems(STEP, more)


def test_an_unknown_answer_is_told() -> None:
    """A survey that nobody asks, or a question that it does not have."""
    for read in ("answers.confidense.sure", "answers.confidence.shure"):
        more = f"  - branch:\n      - if: {read} > 2\n        do: [{{wait: 1d}}]\n"
        assert ["unknown_survey"] == [code for code, _ in problems(_going_on(), more)]


def _going_on() -> str:
    return "".join(_lines_without(STEP, ("then:", "else:")))


def _lines_without(text: str, words: Iterable[str]) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if not line.strip().startswith(tuple(words))]
