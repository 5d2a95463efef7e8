"""The last look at a definition: what only the whole shows. Each case is a warning unless it says otherwise."""

import time

import pytest

from journeys.compiler import Vocabulary, compile_definition
from journeys.problems import Problem

HEAD = "waymark: 1\njourney: a-journey\ntitle: A journey\n"
ENTER = "enter: [{on: hr.learner.promoted}]\n"
STEPS = "steps: [{send: hello}]\n"
MESSAGES = "messages: {hello: {subject: Hello, body: Hello there}}\n"
ASKED = (
    "{ask: pulse, questions: [{id: sure, text: Sure?, scale: [1, 5]}, {id: why, text: Why?, choices: [time, room]}]}"
)


def problems(*parts: str, vocabulary: Vocabulary = Vocabulary()) -> tuple[Problem, ...]:
    """What is found in a journey of these parts; what they lack is the usual."""
    text = HEAD + "".join(part if part.endswith("\n") else part + "\n" for part in parts)
    for key, usual in (("enter:", ENTER), ("steps:", STEPS), ("messages:", MESSAGES)):
        if not any(part.startswith(key) or f"\n{key}" in part for part in parts):
            text += usual
    return compile_definition(text, vocabulary=vocabulary).problems


def found(*parts: str) -> list[tuple[str, str]]:
    """Code and path of each."""
    return [(problem.code, problem.path) for problem in problems(*parts)]


# --- expressions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "code", "path"),
    [
        ("enter: [{on: hr.learner.promoted, when: event.data.to_levl == 'x'}]", "unknown_event_field", "enter[0].when"),
        ("enter: [{on: hr.learner.promoted, key: event.data.positionid}]", "unknown_event_field", "enter[0].key"),
        ("enter: [{on: hr.learner.promoted, when: event.dta.x == 'x'}]", "unknown_field", "enter[0].when"),
        ("exit: [{on: lms.course.completed, when: event.data.score == 'high'}]", "cannot_match", "exit[0].when"),
        ("exit: [{on: lms.course.completed, when: event.data.score > 70}]", "out_of_range", "exit[0].when"),
        ("exit: [{on: [lms.course.completed, lms.course.failed], when: event.type == 'lms.course.faild'}]",
         "cannot_match", "exit[0].when"),
        ("exit: [{on: lms.course.completed, when: event.data.due < '1 May'}]", "cannot_match", "exit[0].when"),
        ("exit: [{on: message.clicked, when: event.data.message == 'helo'}]", "cannot_match", "exit[0].when"),
        ("exit: [{on: message.clicked, when: event.data.enrolment == 'abc'}]", "cannot_match", "exit[0].when"),
        ("exit: [{on: lms.course.completed, when: event.data.course == 'A' && event.data.course == 'B'}]",
         "exit_never_fires", "exit[0].when"),
        ("exit: [{on: lms.course.completed, when: false}]", "exit_never_fires", "exit[0].when"),
        ("audience: learner.country == 'GB' && learner.country == 'IE'", "never_enters", "audience"),
        ("audience: learner.starts_on < '1 May'", "cannot_match", "audience"),
        ("audience: learner.level in ['senior', 3]", "cannot_match", "audience"),
        ("steps: [{send: hello, when: entry.foo == 'x'}]", "unknown_field", "steps[0].when"),
        ("steps: [{send: hello, when: entry.data.to_levl == 'x'}]", "unknown_event_field", "steps[0].when"),
        ("steps: [{send: hello}, {send: hello, when: sent.hello.status == 'gone'}]", "cannot_match", "steps[1].when"),
        ("steps: [{send: hello}, {send: hello, when: sent.hello.stat == 'sent'}]", "unknown_field", "steps[1].when"),
        ("steps: [{send: hello, when: false}]", "never_holds", "steps[0].when"),
        ("steps: [{await: {on: lms.course.started, when: event.data.corse == 'A', within: 1d}}, {send: hello}]",
         "unknown_event_field", "steps[0].await.when"),
        ("steps: [{await: {any: [{on: lms.course.started, when: event.data.passed == true}]}}, {send: hello}]",
         "unknown_event_field", "steps[0].await.any[0].when"),
    ],
)  # fmt: skip
def test_expressions(part: str, code: str, path: str) -> None:
    """Fields that nothing carries, comparisons that cannot match, conditions that exclude themselves."""
    assert [(code, path)] == found(part)


@pytest.mark.parametrize(
    "part",
    [
        "enter: [{on: [hr.learner.promoted, hr.learner.hired], when: event.data.to_level == 'x'}]",
        "enter: [{on: 'hr.*', when: event.data.last_day == '2026-05-01'}]",
        "exit: [{on: lms.course.completed, when: event.data.score > 0.7 && event.data.course != 'A'}]",
        "exit: [{on: message.clicked, when: event.data.message == 'hello'}]",
        "audience: learner.attributes.anything == 3 && learner.starts_on < '2026-05-01'",
        "steps: [{send: hello, when: entry.data.of_our_own == 'x'}]",
        "steps: [{send: hello}, {send: hello, when: 'sent.hello.status == \"clicked\"'}]",
    ],
)
def test_what_is_well(part: str) -> None:
    """A field that one of several types carries, our own events, attributes, fields of one's own in the entry."""
    assert [] == found(part)


def test_places() -> None:
    """The problem stands where the field does, with the fields of that type and what was meant."""
    (problem,) = problems(
        f"exit:\n  - on: lms.certificate.expiring\n    when: event.data.expire_on < '2027-01-01'\n{ENTER}"
    )
    assert ("exit[0].when", 6, 22) == (problem.path, problem.line, problem.column)
    assert ("certificate", "expires_on") == problem.allowed
    assert "did you mean expires_on?" == problem.suggestion
    assert "warning" == problem.severity


def test_a_source_of_ones_own() -> None:
    """The types of a source come with the fields of their data; where it tells none, anything may come."""
    told = Vocabulary(event_types={"crm.won": {"deal": "text", "worth": "number"}, "crm.lost": {}})
    (problem,) = problems("enter: [{on: crm.won, when: event.data.wort > 5}]", vocabulary=told)
    assert ("unknown_event_field", ("deal", "worth")) == (problem.code, problem.allowed)
    (problem,) = problems("enter: [{on: crm.won, when: event.data.worth == 'much'}]", vocabulary=told)
    assert "cannot_match" == problem.code
    assert () == problems("enter: [{on: [crm.won, crm.lost], when: event.data.why == 'price'}]", vocabulary=told)
    assert () == problems("enter: [{on: 'crm.*', when: event.data.worth == 'much'}]", vocabulary=told)


def test_a_kind_that_a_closed_field_has_is_an_error() -> None:
    """What the learner's profile holds is known, so that a wrong comparison stops a publish."""
    (problem,) = problems("audience: learner.country == 3")
    assert ("error", "wrong_types") == (problem.severity, problem.code)


# --- rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ("exit: [{on: hr.learner.left}, {on: hr.learner.left, as: left}]", ["exit[1]"]),
        ("exit: [{on: 'lms.*'}, {on: lms.course.completed, when: event.data.course == 'A', as: a}]", ["exit[1]"]),
        ("exit: [{on: lms.course.completed, when: event.data.course == 'A'}, {on: lms.course.completed}]", []),
        ("exit: [{on: hr.learner.left, when: has(learner.id)}, {on: hr.learner.left, when: has(learner.id), as: b}]",
         ["exit[1]"]),
        ("exit: [{on: lms.course.completed}, {on: [lms.course.completed, lms.course.failed], as: a}]", []),
        ("exit: [{on: hr.learner.promoted}]", []),
        ("exit: [{on: survey.answered}]", ["exit[0]"]),
        (f"exit: [{{on: survey.answered}}]\nsteps: [{ASKED}, {{send: hello}}]", []),
        ("exit: [{on: message.clicked}]", []),
    ],
)  # fmt: skip
def test_exits(part: str, wanted: list[str]) -> None:
    """An exit that an earlier one takes every event of, or whose events nothing here brings about."""
    assert [("exit_never_fires", path) for path in wanted] == found(part)


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ("enter: [{on: hr.learner.promoted}, {on: hr.learner.promoted, when: event.data.level == 'm'}]", ["enter[1]"]),
        ("enter: [{on: 'hr.*'}, {on: hr.learner.hired}]", ["enter[1]"]),
        ("enter: [{on: hr.learner.hired}, {on: hr.learner.hired, key: event.data.team}]", []),
        ("enter: [{on: hr.learner.hired, when: event.data.level == 'm'}, {on: hr.learner.hired}]", []),
    ],
)
def test_entries(part: str, wanted: list[str]) -> None:
    """A rule that adds nobody to those an earlier one takes."""
    assert [("entry_shadowed", path) for path in wanted] == found(part)


def test_everybody_held_out() -> None:
    """A holdout of all is a mistake, one of most is not."""
    assert [("holdout_everybody", "holdout")] == found("holdout: 100%")
    assert [] == found("holdout: 99%")


# --- what is known where ------------------------------------------------------------------------------------------

TIP = "[{set: {tip: 1}}]"
PRINTS = 'messages: {hello: {subject: Hello, body: "{{ vars.tip }}"}}'


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (["steps: [{set: {tip: 1}}, {send: hello}]", PRINTS], []),
        (["steps: [{send: hello}, {set: {tip: 1}}]", PRINTS], [("known_later", "messages.hello.body")]),
        (["steps: [{send: hello}]", PRINTS], [("never_set", "messages.hello.body")]),
        (
            ["steps: [{branch: [{if: has(learner.team), do: [{set: {tip: 1}}]}]}, {send: hello}]", PRINTS],
            [("not_always_set", "messages.hello.body")],
        ),
        (
            [
                f"steps: [{{branch: [{{if: has(learner.id), do: {TIP}}}, {{else: {TIP}}}]}}, {{send: hello}}]",
                PRINTS,
            ],
            [],
        ),
        (["steps: [{set: {tip: 1}, when: has(learner.team)}, {send: hello}]", PRINTS],
         [("not_always_set", "messages.hello.body")]),
        (["steps: [{call: crm, keep: {tip: a.b}}, {send: hello}]", PRINTS],
         [("not_always_set", "messages.hello.body")]),
        (["steps: [{repeat: {every: 7d, times: 2}, do: [{send: hello}, {set: {tip: 1}}]}]", PRINTS],
         [("not_always_set", "messages.hello.body")]),
        (
            ["steps: [{branch: [{if: has(learner.team), do: [{set: {tip: 1}}]}, {else: [{send: hello}]}]}]", PRINTS],
            [("known_later", "messages.hello.body")],
        ),
        (["steps: [{send: hello, when: vars.tipp == 1}, {set: {tip: 1}}]"], [("never_set", "steps[0].when")]),
        (["steps: [{send: hello, when: vars.tip == 1}, {set: {tip: 1}}]"], [("known_later", "steps[0].when")]),
        (["steps: [{set: {tip: 1}}, {send: hello, when: vars.tip == 1}]"], []),
        (["steps: [{set: {tip: 1, next: vars.tip + 1}}, {send: hello}]"], []),
        (["steps: [{repeat: {every: 7d, until: has(vars.done)}, do: [{send: hello}, {set: {done: true}}]}]"], []),
        (["steps: [{send: hello, when: 'sent.hello.status == \"sent\"'}]"], []),
        (
            ["steps: [{wait: 1d, when: has(sent.hello)}, {send: hello}]"],
            [("known_later", "steps[0].when")],
        ),
        ([f"steps: [{ASKED}, {{send: hello, when: answers.pulse.sure < 3}}]"], []),
        ([f"steps: [{ASKED}, {{send: hello, when: answers.puls.sure < 3}}]"], [("unknown_survey", "steps[1].when")]),
        ([f"steps: [{ASKED}, {{send: hello, when: answers.pulse.shure < 3}}]"], [("unknown_survey", "steps[1].when")]),
        ([f"steps: [{ASKED}, {{send: hello, when: answers.pulse.sure > 7}}]"], [("out_of_range", "steps[1].when")]),
        ([f"steps: [{ASKED}, {{send: hello, when: answers.pulse.why == 'x'}}]"], [("cannot_match", "steps[1].when")]),
        ([f"steps: [{{send: hello, when: answers.pulse.sure < 3}}, {ASKED}]"], [("known_later", "steps[0].when")]),
        (
            [
                f"steps: [{ASKED}, {{send: hello}}]",
                'messages: {hello: {subject: Hello, body: "{{ answers.pulse.sure }}"}}',
            ],
            [("not_always_set", "messages.hello.body")],
        ),
        (
            [
                "steps: [{ask: x, questions: [{id: sure, text: 'So {{ vars.tip }}?', scale: [1, 5]}]}, {send: hello}]",
            ],
            [("never_set", "steps[0].questions[0].text")],
        ),
    ],
)  # fmt: skip
def test_what_is_known_where(parts: list[str], wanted: list[tuple[str, str]]) -> None:
    """Variables, answers and what was sent: given by a step before, on every way, or not at all."""
    assert wanted == found(*parts)


def test_the_survey_that_was_meant() -> None:
    """An unknown survey is an error with the surveys that there are."""
    (problem,) = problems(f"steps: [{ASKED}, {{send: hello, when: answers.puls.sure < 3}}]")
    assert ("error", ("pulse",), "did you mean pulse?") == (problem.severity, problem.allowed, problem.suggestion)


# --- the limit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "steps", "wanted"),
    [
        ("30d", "[{send: hello}, {wait: 29d}, {send: hello}]", []),
        ("30d", "[{send: hello}, {wait: 30d}, {send: hello}]", ["steps[1]"]),
        ("30d", "[{wait: 20d}, {wait: 11d}, {send: hello}]", ["steps[1]"]),
        ("30d", "[{await: {on: lms.course.started, within: 40d}}, {send: hello}]", ["steps[0]"]),
        ("30d", "[{branch: [{if: has(learner.id), do: [{wait: 40d}]}]}, {send: hello}]", ["steps[0].branch[0].do[0]"]),
        ("30d", "[{repeat: {every: 7d, times: 6}, do: [{send: hello}]}, {send: hello}]", ["steps[0]"]),
        ("30d", "[{repeat: {every: 7d, times: 4}, do: [{send: hello}]}, {send: hello}]", []),
        ("30d", "[{wait: 40wd}, {send: hello}]", ["steps[0]"]),
        ("30d", "[{wait: {until: monday}}, {send: hello}]", []),
        ("30d", "[{wait: 40d, when: has(learner.team)}, {send: hello}]", ["steps[0]"]),
    ],
)  # fmt: skip
def test_the_limit(limit: str, steps: str, wanted: list[str]) -> None:
    """A step that the journey's limit cuts off on the quickest way there."""
    assert [("beyond_limit", path) for path in wanted] == [
        (code, path) for code, path in found(f"limit: {limit}", f"steps: {steps}") if code != "unreachable"
    ]


# --- unreachable steps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("[{send: hello}, {end: goal}, {wait: 1d}]", ["steps[2]"]),
        ("[{await: {on: lms.course.started}, else: [{wait: 1d}]}, {send: hello}]", ["steps[0].else[0]"]),
        ("[{branch: [{if: 1 == 1, do: [{send: hello}]}, {if: has(learner.team), do: [{wait: 1d}]}]}]",
         ["steps[0].branch[1].do[0]"]),
        ("[{split: x, arms: {a: {weight: 1, do: [{send: hello}]}, b: {weight: 0, do: [{wait: 1d}]}}}]",
         ["steps[0].arms.b.do[0]"]),
        ("[{repeat: {every: 1d, times: 2}, do: [{send: hello}, {end: goal}]}, {wait: 1d}]", []),
        ("[{split: x, arms: {a: {do: [{end: goal}]}, b: {do: [{end: left}]}}}, {send: hello}]", ["steps[1]"]),
    ],
)  # fmt: skip
def test_unreachable(steps: str, wanted: list[str]) -> None:
    """Behind an end, a condition that always holds, an arm without weight, a time-out that never comes."""
    assert [("unreachable", path) for path in wanted] == [
        (code, path) for code, path in found(f"steps: {steps}") if code != "sends_nothing"
    ]


# --- languages ----------------------------------------------------------------------------------------------------


def test_languages() -> None:
    """Each message in each language, and wholly: a channel's own wording too."""
    two = """\
steps: [{send: hello}, {send: bye}]
messages:
  hello: {subject: Hello, body: Hello, sms: Hi, languages: {de: {subject: Hallo, body: Hallo}}}
  bye: {subject: Bye, body: Bye, languages: {fr: {subject: Adieu, body: Adieu}}}
"""
    wanted = [
        ("missing_language", "messages.hello", ("fr",)),
        ("half_translated", "messages.hello.languages.de", ("sms",)),
        ("missing_language", "messages.bye", ("de",)),
    ]
    assert wanted == [(p.code, p.path, p.allowed) for p in problems(two)]


# --- times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "named"),
    [
        ("2027-02-30", "2027-02-30"),
        ("25:00", "25:00"),
        ("mondya 09:00", "monday"),
        ("monday 9:75", "9:75"),
        ("2027-13-01 09:00", "2027-13-01"),
        ("tomorow 09:00", "tomorrow"),
    ],
)
def test_times_that_cannot_come(until: str, named: str) -> None:
    """A day that does not exist, an hour that does not, a word that is no weekday."""
    (problem,) = problems(f"steps: [{{wait: {{until: '{until}'}}}}, {{send: hello}}]")
    assert ("error", "steps[0].wait.until") == (problem.severity, problem.path)
    assert named in f"{problem.detail} {problem.suggestion}"


# --- all of it ----------------------------------------------------------------------------------------------------


def test_warnings_come_beside_errors() -> None:
    """What can be told without the whole is told beside the errors, in the order of the text."""
    parts = "exit: [{on: lms.course.completed, when: event.data.corse == 'A'}]", "steps: [{sned: hello}, {send: hello}]"
    assert [("unknown_event_field", "exit[0].when"), ("unknown_step", "steps[0].sned")] == found(*parts)


def test_five_hundred_steps() -> None:
    """The whole look at five hundred steps, their conditions and their ways takes little more than the rest."""
    step = """\
  - {send: hello, when: learner.country == "GB" && has(vars.tip)}
  - set: {tip: '"one"'}
  - await: {on: lms.course.started, when: event.data.course == "A" && event.data.score > 0.5, within: 1h}
    then: [{wait: 1h}]
    else: [{send: hello}]
"""
    text = HEAD + ENTER + "steps:\n" + step * 100 + 'messages: {hello: {subject: Hello, body: "{{ vars.tip }}"}}\n'
    began = time.thread_time()
    compiled = compile_definition(text)
    assert time.thread_time() - began < 1
    assert compiled.program is not None
    assert 500 == len(compiled.program.nodes)


def test_thousands_of_rules() -> None:
    """What grows with the square of the rules would be felt here."""
    rules = ", ".join(f"{{on: lms.course.completed, when: event.data.course == 'C{n}', as: a}}" for n in range(1_500))
    began = time.thread_time()
    assert [] == found(f"exit: [{rules}]")
    assert time.thread_time() - began < 2
