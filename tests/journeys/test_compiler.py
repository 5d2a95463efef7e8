"""Definitions: what they compile to, and that every problem comes out at once, in its place."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from journeys.codec import program_from_json, program_to_json
from journeys.compiler import Vocabulary, compile_definition
from journeys.problems import Problem, report_of
from journeys.program import Again, Expression, Objective, Program
from journeys.steps.await_ import AwaitOptions
from journeys.steps.send import SendOptions
from journeys.steps.wait import WaitOptions

EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/**/*journey*.yaml"))

HEAD = """\
waymark: 1
journey: a-journey
title: A journey
enter:
  - on: hr.learner.promoted
"""
MESSAGES = """
messages:
  hello: {subject: Hello, body: Hello there}
  bye: {subject: Bye, body: Bye then}
"""
ORDINARY = HEAD + "steps:\n  - send: hello\n  - send: bye\n" + MESSAGES


def program(steps: str, *, head: str = HEAD, messages: str = MESSAGES) -> Program:
    """The program of these steps."""
    compiled = compile_definition(head + "steps:\n" + steps + messages)
    assert compiled.program is not None, compiled.problems
    return compiled.program


def problems(text: str, vocabulary: Vocabulary = Vocabulary()) -> list[Problem]:
    """Everything that is wrong."""
    return list(compile_definition(text, vocabulary=vocabulary).problems)


def found(text: str) -> list[tuple[str, str]]:
    """Code and path of every problem."""
    return [(problem.code, problem.path) for problem in problems(text)]


# --- what a definition compiles to --------------------------------------------------------------------------------


def test_steps_are_linked() -> None:
    """Nested lists lead on to the step after the step that holds them."""
    made = program("""\
  - send: hello
  - await: {on: lms.course.started, within: 7d}
    then:
      - wait: 1d
    else:
      - branch:
          - if: learner.country == "GB"
            do: [{wait: 2d}]
          - if: learner.country == "DE"
            do: [{end: left}]
  - send: bye
""")
    links = {id_: dict(node.successors) for id_, node in made.nodes.items()}
    wanted = {
        "send-hello": {"next": "await-lms-course-started"},
        "await-lms-course-started": {"then": "wait-1d", "else": "branch"},
        "wait-1d": {"next": "send-bye"},
        "branch": {"arm-0": "wait-2d", "arm-1": "end-left", "else": "send-bye"},
        "wait-2d": {"next": "send-bye"},
        "end-left": {},
        "send-bye": {"next": None},
    }
    assert wanted == links
    assert list(wanted) == list(made.nodes)
    assert made.start == "send-hello"


def test_ids() -> None:
    """Ids are made in document order, numbered where they repeat, and stand back behind those that were written."""
    made = program("""\
  - send: hello
  - send: hello
  - {send: bye, id: send-hello-3}
  - send: hello
  - wait: 1w 2d
  - await: {on: [lms.course.started, lms.course.completed]}
    then: [{await: {on: "lms.*", within: 1d}}]
  - branch: [{if: learner.id == "a", do: [{wait: 1w 2d}]}]
  - branch: [{if: learner.id == "a", do: [{end: goal}]}]
""")
    wanted = [
        *("send-hello", "send-hello-2", "send-hello-3", "send-hello-4", "wait-1w-2d"),
        *("await-lms-course-started", "await-lms", "branch", "wait-1w-2d-2", "branch-2", "end-goal"),
    ]
    assert wanted == list(made.nodes)


def test_options() -> None:
    """Each option stands in the node's record; what is not given has its default."""
    made = program("""\
  - send: hello
  - {send: bye, via: [sms, email], at: anytime, expires: never, when: learner.country == "GB"}
  - {send: bye, at: policy, expires: 2h, to: learner}
  - wait: 36h
  - await: {on: [lms.course.started, lms.course.started], when: event.data.course == "A", within: 3d, since: step}
""", messages=MESSAGES.replace("body: Bye then", "body: Bye then, sms: Bye"))  # fmt: skip
    nodes = list(made.nodes.values())
    assert SendOptions("hello", ("email",), "learner", False, timedelta(days=7)) == nodes[0].options
    assert SendOptions("bye", ("sms", "email"), "learner", True, None) == nodes[1].options
    assert Expression('learner.country == "GB"', ("learner.country",)) == nodes[1].guard
    assert SendOptions("bye", ("email",), "learner", False, timedelta(hours=2)) == nodes[2].options
    assert WaitOptions(timedelta(hours=36)) == nodes[3].options
    assert AwaitOptions(("await-lms-course-started.1",), timedelta(days=3), "step") == nodes[4].options
    trigger = made.triggers["await-lms-course-started.1"]
    assert ("lms.course.started",) == trigger.on
    assert trigger.when == Expression('event.data.course == "A"', ("event.data.course",))
    assert made.messages["bye"].channels == {"sms": "Bye"}


def test_journey() -> None:
    """What stands at the top of a definition stands in the program."""
    head = """\
waymark: 1
journey: a-journey
title: A journey
objective: {behaviour: Does it, metric: done, direction: decrease, window: 30d}
audience: learner.country in ["GB"]
enter:
  - {on: [hr.learner.promoted, "lms.*"], when: event.data.level == "m", key: event.data.position_id}
  - on: hr.learner.hired
again: 180d
exit:
  - {on: hr.learner.left, as: left}
  - on: lms.course.completed
limit: 120d
holdout: 0%
priority: 60
mandatory: true
"""
    made = program("  - send: hello\n  - send: bye\n", head=head)
    assert Objective("Does it", "done", "decrease", timedelta(days=30)) == made.objective
    assert ("enter-1", "enter-2") == tuple(rule.trigger.id for rule in made.enter)
    assert Expression("event.data.position_id", ("event.data.position_id",)) == made.enter[0].key
    assert Again("after", timedelta(days=180)) == made.again
    assert [("exit-1", "left"), ("exit-2", "goal")] == [(trigger.id, trigger.outcome) for trigger in made.exits]
    assert set(made.triggers) == {"exit-1", "exit-2"}
    assert (timedelta(days=120), 60, True) == (made.limit, made.priority, made.is_mandatory)


def test_a_guarded_step_can_be_passed_over() -> None:
    """A step with `when` leads on by `next`, whatever its own arms are."""
    made = program("""\
  - {branch: [{if: learner.id == "a", do: [{send: bye}]}], when: learner.country == "GB"}
  - {end: goal, when: learner.country == "GB"}
  - send: hello
""")
    assert [("branch", "end-goal"), ("end-goal", "send-hello")] == [
        (id_, made.nodes[id_].successors["next"]) for id_ in ("branch", "end-goal")
    ]


def test_json_is_the_same() -> None:
    """The same definition as JSON gives the same program, hash included."""
    yaml = HEAD + "steps: [{send: hello}]\nmessages: {hello: {subject: Hello, body: Hi}}\n"
    json = """{"waymark": 1, "journey": "a-journey", "title": "A journey", "enter": [{"on": "hr.learner.promoted"}],
\t"steps": [{"send": "hello"}], "messages": {"hello": {"subject": "Hello", "body": "Hi"}}}"""
    assert compile_definition(yaml).program == compile_definition(json.encode()).program


def test_hash() -> None:
    """The hash names the content: comments and order of keys leave it, a word changes it."""
    one = compile_definition(ORDINARY).program
    assert one is not None
    assert compile_definition("# a comment\n" + ORDINARY).program == one
    other = compile_definition(ORDINARY.replace("Hello there", "Hello you")).program
    assert other is not None
    assert len(one.hash) == 64
    assert other.hash != one.hash


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples(path: Path) -> None:
    """Every example compiles without a warning, and its program comes back the same from JSON."""
    compiled = compile_definition(path.read_bytes())
    assert compiled.problems == ()
    assert compiled.program is not None
    assert program_from_json(program_to_json(compiled.program)) == compiled.program
    again = program_to_json(replace(compiled.program, hash=""))
    assert program_to_json(program_from_json(again)) == again


# --- what is wrong ------------------------------------------------------------------------------------------------


def test_all_at_once() -> None:
    """Every problem is found in one go, in the order of the text, with path, line, column, allowed, suggestion."""
    text = """\
waymark: 1
journey: A Journey
enter:
  - on: hr.learner.promotted
    when: event.data.to_level = "manager"
steps:
  - sned: hello
  - wait: 3 days
  - send: helo
    via: [emial]
  - await: {on: lms.course.started, wihtin: 3d}
    then: []
messages:
  hello:
    subject: "{{ learner.givn_name }}"
    body: Hello
"""
    codes = [(p.code, p.path, p.line, p.column) for p in problems(text)]
    wanted = [
        ("missing_key", "", 1, 1),
        ("bad_value", "journey", 2, 10),
        ("unknown_event_type", "enter[0].on", 4, 9),
        ("expression_syntax", "enter[0].when", 5, 31),
        ("unknown_step", "steps[0].sned", 7, 5),
        ("bad_duration", "steps[1].wait", 8, 11),
        ("unknown_message", "steps[2].send", 9, 11),
        ("unknown_channel", "steps[2].via[0]", 10, 11),
        ("unknown_key", "steps[3].await.wihtin", 11, 37),
        ("empty_list", "steps[3].then", 12, 11),
        ("unknown_variable", "messages.hello.subject", 15, 14),
    ]
    assert wanted == codes
    suggestions = {p.code: p.suggestion for p in problems(text) if p.suggestion}
    assert suggestions["unknown_event_type"] == "did you mean hr.learner.promoted?"
    assert suggestions["expression_syntax"] == "two values are compared by =="
    assert suggestions["unknown_step"] == "did you mean send?"
    assert suggestions["unknown_message"] == "did you mean hello?"
    assert suggestions["unknown_channel"] == "did you mean email?"
    assert suggestions["unknown_key"] == "did you mean within?"
    assert suggestions["unknown_variable"] == "did you mean learner.given_name?"
    assert all(p.allowed for p in problems(text) if p.code.startswith("unknown"))


@pytest.mark.parametrize("key", ["waymark", "journey", "title", "enter", "steps"])
def test_required(key: str) -> None:
    """A required key that is missing stands at the document, whose path is empty."""
    lines = ORDINARY.replace("enter:\n  - on: hr.learner.promoted", "enter: [{on: hr.learner.promoted}]")
    lines = lines.replace("steps:\n  - send: hello\n  - send: bye\n", "steps: [{send: hello}, {send: bye}]\n")
    text = "\n".join(line for line in lines.split("\n") if not line.startswith(f"{key}:"))
    assert [("missing_key", "", (key,))] == [(p.code, p.path, p.allowed) for p in problems(text)]


@pytest.mark.parametrize(
    ("step", "path", "name"),
    [
        ("practise: basics", "practise", "practise"),
        ("{split: a, choose: bandit, arms: {x: {do: [{send: hello}]}, y: {do: [{send: bye}]}}}", "choose", "bandit"),
    ],
)
def test_not_supported_yet_in_steps(step: str, path: str, name: str) -> None:
    """What the language has and this version does not is refused by name, and by nothing else."""
    errors = [p for p in problems(f"{HEAD}steps:\n  - {step}\n{MESSAGES}") if p.severity == "error"]
    assert [("not_supported_yet", f"steps[0].{path}")] == [(p.code, p.path) for p in errors]
    assert name in errors[0].detail


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("waymark: 1", "waymark: 2", "bad_version", "waymark"),
        ("waymark: 1", "waymark: '1'", "bad_version", "waymark"),
        ("waymark: 1", "waymark: true", "bad_version", "waymark"),
        ("title: A journey", "title: 2026", "wrong_type", "title"),
        ("title: A journey", "title: ' '", "empty", "title"),
        ("title: A journey", "title: A journey\nagian: never", "unknown_key", "agian"),
        ("title: A journey", "title: A journey\nagain: sometimes", "bad_value", "again"),
        ("title: A journey", "title: A journey\nlimit: 0d", "bad_duration", "limit"),
        ("title: A journey", "title: A journey\npriority: 101", "bad_value", "priority"),
        ("title: A journey", "title: A journey\npriority: high", "wrong_type", "priority"),
        ("title: A journey", "title: A journey\nmandatory: yes", "wrong_type", "mandatory"),
        ("title: A journey", "title: A journey\nholdout: some", "bad_value", "holdout"),
        ("title: A journey", "title: A journey\naudience: learner.contry == 'x'", "unknown_field", "audience"),
        ("title: A journey", "title: A journey\naudience: event.type == 'x'", "unknown_name", "audience"),
        ("title: A journey", "title: A journey\naudience: !x && y", "quote_expression", "audience"),
        ("title: A journey", "title: A journey\nobjective: {behaviour: x, direction: up}", "missing_key", "objective"),
        ("title: A journey", "title: A journey\ntitle: B", "duplicate_key", "title"),
        ("- send: hello", "- {send: hello, at: &x policy}", "yaml_anchor", "steps[0].at"),
        ("- send: hello", "- {send: hello, send: bye}", "duplicate_key", "steps[0].send"),
        ("- send: hello", "- {send: hello, 'a.b': 5}", "unknown_key", 'steps[0]["a.b"]'),
        ("title: A journey", "title: A journey\nexit: []", "empty_list", "exit"),
        ("title: A journey", "title: A journey\nexit: [{on: hr.learner.left, as: Left!}]", "bad_value", "exit[0].as"),
        ("title: A journey", "title: A journey\nexit: [{when: event.data.x == 1}]", "missing_key", "exit[0]"),
        ("on: hr.learner.promoted", "on: hrx.*", "unknown_event_type", "enter[0].on"),
        ("on: hr.learner.promoted", "on: 5", "wrong_type", "enter[0].on"),
        ("on: hr.learner.promoted", "{on: hr.learner.left, key: learner.x}", "unknown_field", "enter[0].key"),
        ("- send: hello", "- 7", "wrong_type", "steps[0]"),
        ("- send: hello", "- {send: hello, wait: 3d}", "two_steps", "steps[0].wait"),
        ("- send: hello", "- {send: hello, id: Hello}", "bad_value", "steps[0].id"),
        ("- send: hello", "- {send: hello, via: []}", "empty_list", "steps[0].via"),
        ("- send: hello", "- {send: hello, via: email}", "wrong_type", "steps[0].via"),
        ("- send: hello", "- {send: hello, at: noon}", "bad_value", "steps[0].at"),
        ("- send: hello", "- {send: hello, when: sent.helo.status == 'sent'}", "unknown_message", "steps[0].when"),
        ("- send: hello", "- {send: hello, when: event.type == 'x'}", "unknown_name", "steps[0].when"),
        ("- send: hello", "- send: hello\n  - branch: []", "empty_list", "steps[1].branch"),
        ("- send: hello", "- send: hello\n  - branch: [{else: [{wait: 1d}]}]", "no_condition", "steps[1].branch"),
        ("- send: hello", "- send: hello\n  - branch: [{if: true}]", "missing_key", "steps[1].branch[0]"),
        ("- send: hello", "- send: hello\n  - wait: 5", "wrong_type", "steps[1].wait"),
        ("- send: hello", "- send: hello\n  - wait: {untill: x}", "unknown_key", "steps[1].wait.untill"),
        (
            "- send: hello",
            "- branch: [{if: true, do: [{send: hello}], else: [{wait: 1d}]}]",
            "else_in_arm",
            "steps[0].branch[0].else",
        ),
        ("- send: hello", "- send: hello\n  - end: ''", "empty", "steps[1].end"),
        ("body: Hello there", "boddy: Hello there", "unknown_key", "messages.hello.boddy"),
        ("body: Hello there", "sms: Hello there", "missing_key", "messages.hello"),
        ("body: Hello there", "body: '{{ x'", "template_syntax", "messages.hello.body"),
        ("body: Hello there", "body: '{{ link }}'", "unknown_variable", "messages.hello.body"),
        ("body: Hello there", "body: '{{ learner.email.x }}'", "unknown_variable", "messages.hello.body"),
        ("body: Hello there", "body: '{{ entry.starts_on }}'", "unknown_variable", "messages.hello.body"),
        ("body: Hello there", "body: '{{ event.data.x }}'", "unknown_variable", "messages.hello.body"),
        ("body: Hello there", "body: x, link: {url: 'https://x'}", "missing_key", "messages.hello.link"),
        ("body: Hello there", "body: x, link: {label: x, url: 'javascript:x'}", "bad_value", "messages.hello.link.url"),
    ],
)
def test_errors(old: str, new: str, code: str, path: str) -> None:
    """Each mistake gives its problem at its path."""
    assert old in ORDINARY
    text = ORDINARY.replace(old, new, 1)
    assert (code, path) in [(p.code, p.path) for p in problems(text) if p.severity == "error"]
    assert compile_definition(text).program is None


def test_duplicate_id() -> None:
    """An id stands once; the problem names the line of the first."""
    text = ORDINARY.replace("- send: hello", "- {send: hello, id: x}").replace("- send: bye", "- {send: bye, id: x}")
    assert [("duplicate_id", "steps[1].id", "the id 'x' stands in line 7 too")] == [
        (p.code, p.path, p.detail) for p in problems(text)
    ]


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("[{end: goal}, {send: hello}, {send: bye}]", [("sends_nothing", ""), ("unreachable", "steps[1]")]),
        ("[{send: hello}]", [("unsent_message", "messages.bye")]),
        ("[{wait: 1d}, {send: bye, id: x}, {end: goal}]", [("unsent_message", "messages.hello")]),
        (
            "[{await: {on: lms.course.started}, else: [{send: hello}]}, {send: bye}]",
            [("unreachable", "steps[0].else[0]")],
        ),
        (
            "[{branch: [{if: true, do: [{end: goal}]}, {else: [{end: goal}]}]}, {send: hello}, {send: bye}]",
            [("sends_nothing", ""), ("unreachable", "steps[0].branch[1].else[0]"), ("unreachable", "steps[1]")],
        ),
        ("[{end: goal, when: learner.id == 'x'}, {send: hello}, {send: bye}]", []),
    ],
)  # fmt: skip
def test_warnings(steps: str, wanted: list[tuple[str, str]]) -> None:
    """What is only odd warns, and does not stop a publish."""
    compiled = compile_definition(f"{HEAD}steps: {steps}\n{MESSAGES}")
    assert wanted == sorted((p.code, p.path) for p in compiled.problems)
    assert compiled.program is not None
    assert report_of(compiled.problems)["ok"] is True


def test_an_entry_by_our_own_events() -> None:
    """Events that name a running enrolment start none."""
    assert [("never_enters", "enter[0].on")] == found(ORDINARY.replace("hr.learner.promoted", "survey.answered"))


def test_variables_that_no_step_sets() -> None:
    """A variable nobody sets is fine with a default and a warning without."""
    text = ORDINARY.replace("Hello there", "'{{ vars.a | default(1) }}{{ vars.b }}'")
    assert [("never_set", "messages.hello.body")] == found(text)
    assert compile_definition(text).program is not None


def test_vocabulary() -> None:
    """Channels and event types of the installation are known; one that is not set up anywhere warns."""
    text = ORDINARY.replace("- send: hello", "- {send: hello, via: [pigeon]}").replace("hr.learner.promoted", "crm.won")
    assert [("unknown_event_type", "enter[0].on"), ("unknown_channel", "steps[0].via[0]")] == found(text)
    known = Vocabulary(frozenset({"pigeon"}), None, {"crm.won": {}})
    assert problems(text, known) == []
    warned = problems(text, replace(known, set_up=frozenset({"email"})))
    assert [("warning", "channel_not_set_up")] == [(p.severity, p.code) for p in warned]


def test_named_channels_are_known() -> None:
    """A channel the language names is known, set up or not."""
    text = ORDINARY.replace("- send: hello", "- {send: hello, via: [slack, teams, sms, webhook, email]}")
    assert problems(text) == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "5", "text", "null", "---\n...\n"])
def test_no_map(text: str) -> None:
    """A text that is no map is one problem of the document as a whole."""
    assert [("error", "")] == [(p.severity, p.path) for p in problems(text)]


def test_is_fast() -> None:
    """A journey of five hundred steps compiles in a moment, on a busy machine too."""
    step = """\
  - {send: hello, when: learner.country == "GB"}
  - await: {on: lms.course.started, when: event.data.course == "A", within: 7d}
    then: [{wait: 3d}]
    else: [{send: bye}]
"""
    began = time.process_time()
    made = program(step * 125)
    assert time.process_time() - began < 1
    assert len(made.nodes) == 500


def test_report() -> None:
    """The report has the shape that the API gives."""
    report = report_of(problems("waymark: 1\njourney: x\ntitle: x\nenter: [{on: hr.learner.hired}]\n"))
    assert {
        "ok": False,
        "problems": [
            {
                "severity": "error",
                "code": "missing_key",
                "path": "",
                "line": 1,
                "column": 1,
                "detail": "the key 'steps' is missing",
                "allowed": ["steps"],
                "suggestion": None,
            }
        ],
    } == report


def test_an_email_without_a_subject() -> None:
    """It may go, with the journey's title; the page asks for no subject, so this only warns."""
    text = ORDINARY.replace("subject: Hello, ", "")
    assert [("warning", "no_subject", "messages.hello")] == [(p.severity, p.code, p.path) for p in problems(text)]
    assert compile_definition(text).program is not None


@pytest.mark.parametrize(
    "url", ["https://x", "http://x", "mailto:a@example.com", "{{ entry.data.url }}", "{% if 1 %}x{% endif %}"]
)
def test_links(url: str) -> None:
    """What may be a link when a message goes may be one in a definition."""
    assert problems(ORDINARY.replace("body: Hello there", f"body: x, link: {{label: x, url: '{url}'}}")) == []


@pytest.mark.parametrize("outcome", ["withdrawn", "expired", "holdout", "erased", "failed"])
def test_outcomes_of_our_own(outcome: str) -> None:
    """A word that Waymark itself uses warns, in an `end` and in an exit."""
    text = ORDINARY.replace("steps:", f"exit: [{{on: hr.learner.left, as: {outcome}}}]\nsteps:")
    text = text.replace("- send: bye", f"- send: bye\n  - end: {outcome}")
    assert [("reserved_outcome", "exit[0].as"), ("reserved_outcome", "steps[2].end")] == found(text)
    assert compile_definition(text).program is not None


@pytest.mark.parametrize(
    ("old", "new", "suggestion"),
    [
        ("- send: hello", "- {send: hello, via: email}", "write [email]"),
        ("\n  - on: hr.learner.promoted", " {on: hr.learner.promoted}", "begin it with `- `: a list of one"),
        ("- send: hello", "- wait: 5", "did you mean 5d?"),
    ],
)
def test_suggestions(old: str, new: str, suggestion: str) -> None:
    """What was probably meant stands with the problem."""
    assert suggestion in [p.suggestion for p in problems(ORDINARY.replace(old, new))]
