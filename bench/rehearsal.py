"""How fast the pure core decides: no server, no I/O, one thread.

    python -m bench --only rehearsal

Figures: a rehearsal of so many learners over 90 days, through a journey of this file with no limits and through the
example for first-time managers by the default policy (right time and attention judged), of which the slower is what is
to reach something; `advance` calls a second; how often a second an event is judged for an enrolment that watches it,
where fifty journeys do; a journey of 500 steps compiled, from its text with every check: a third of the steps wait for
an event or choose a branch, each with an expression of its own, and each message is another one; the best of three.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.figures import Column, Row, Table, Target
from journeys.advance import advance
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.effects import Began, Decide, Decided, Deliver, Delivered, Due, Input
from journeys.events import Event, Json
from journeys.expressions import Facts
from journeys.policy import DEFAULT_POLICY
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.routing import Routes, fired
from journeys.run import Hold, Pending, Run

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EXAMPLE = Path(__file__).parents[1] / "examples" / "first-time-manager" / "journey.yaml"
REHEARSED, ADVANCE = "learners rehearsed over 90 days", "advance"
EXAMPLED = "learners through first-time-manager"
JUDGED, COMPILED = "event judged for an enrolment that watches it", "steps compiled, one journey"
COMPILED_TIMES = 3
REACH = {"email": Reach(is_set_up=True, address_field="email")}

DEFINITION = """
waymark: 1
journey: ninety-days
title: Ninety days
audience: learner.country in ["GB", "IE"]
enter:
  - on: hr.learner.promoted
    when: event.data.to_level == "manager"
exit:
  - on: hr.learner.left
    as: left
  - on: lms.course.completed
    when: event.data.course == "MGR-900"
limit: 120d
steps:
  - send: message
  - wait: 3d
  - await: {on: lms.course.started, when: event.data.course == "MGR-101", within: 7d}
    then: [{send: message}]
    else: [{send: message}]
  - wait: 10d
  - branch:
      - if: learner.department == "Sales"
        do: [{send: message}]
      - if: learner.department == "Finance"
        do: [{send: message}]
      - else: [{send: message}]
  - await: {on: lms.course.completed, when: event.data.course == "MGR-101", within: 30d}
    then: [{send: message}]
    else: [{send: message}]
  - wait: 20d
  - send: message
    when: has(learner.manager)
  - wait: 20d
  - send: message
messages:
  message:
    subject: "For you, {{ learner.given_name }}"
    body: "Try one thing this week, {{ learner.given_name }}: **ask one question**."
"""


@dataclass(frozen=True)
class Figure:
    """One measurement: so many things in so many seconds."""

    name: str
    number: int
    seconds: float
    remark: str = ""


def table(*, learners: int = 1_000) -> Table:
    """Every figure."""
    figures = list(measure(learners=learners))
    rows = [
        Row(f.name, {"number": f.number, "seconds": f.seconds, "per second": f.number / f.seconds}, f.remark)
        for f in figures
    ]
    columns = (Column("number"), Column("seconds", decimals=2), Column("per second"))
    return Table("rehearsal", title(learners), columns, rows, targets=_targets({f.name: f for f in figures}))


def title(learners: int) -> str:
    """What is measured, and of how many."""
    return f"rehearsal: how fast the pure core decides, {learners:,} learners rehearsed, no server, one thread"


def _targets(figures: Mapping[str, Figure]) -> Sequence[Target]:
    advancing, judging = figures[ADVANCE], figures[JUDGED]
    compiling = figures[COMPILED]
    rehearsing = max(figures[REHEARSED], figures[EXAMPLED], key=lambda figure: figure.seconds)
    return (
        Target("`advance`, calls per second", advancing.number / advancing.seconds, at_least=50_000),
        Target(
            "triggers matched, an event for an enrolment, per second", judging.number / judging.seconds, at_least=50_000
        ),
        Target(f"compile, {compiling.number} steps", compiling.seconds * 1000, "ms", at_most=200),
        Target(
            f"rehearsal, {rehearsing.number:,} learners × 90 days, the slower of two journeys", rehearsing.seconds, "s",
            at_most=10, decimals=1,
        ),
    )  # fmt: skip


def measure(*, learners: int = 1_000) -> Iterator[Figure]:
    """Every figure, as it is taken."""
    program = _compiled(DEFINITION)
    yield from _rehearse(program, learners)
    yield _rehearse_example(learners)
    yield _advance(program)
    yield _match(50)
    yield _compile(500)


def _rehearse(program: Program, learners: int) -> Iterator[Figure]:
    profiles, events = _people(learners), list(_events(learners))
    began = time.perf_counter()
    told = rehearse(program, profiles, events, reach=REACH)
    seconds = time.perf_counter() - began
    enrolments = [each for learner in told.learners for each in learner.enrolments]
    assert enrolments, "somebody is enrolled"
    assert all(each.outcome is not None for each in enrolments), "every enrolment ends"
    messages = sum(len(each.messages) for each in enrolments)
    remark = f"{len(enrolments):,} enrolments, {messages:,} messages, {len(events):,} events"
    yield Figure(REHEARSED, learners, seconds, remark)
    yield Figure("events taken in", len(events), seconds)


def _rehearse_example(learners: int) -> Figure:
    """The journey that the demo plays, as an admin would rehearse it."""
    program = _compiled(EXAMPLE.read_text())
    profiles, events = _people(learners), list(_events(learners))
    began = time.perf_counter()
    told = rehearse(program, profiles, events, reach=REACH, policy=DEFAULT_POLICY)
    seconds = time.perf_counter() - began
    enrolments = [each for learner in told.learners for each in learner.enrolments]
    assert enrolments, "somebody is enrolled"
    assert all(each.outcome is not None for each in enrolments), "every enrolment ends"
    messages = sum(len(each.messages) for each in enrolments)
    remark = f"{len(enrolments):,} enrolments, {messages:,} messages, by the default policy"
    return Figure(EXAMPLED, learners, seconds, remark)


def _compile(steps: int) -> Figure:
    """The best of so many times, each of another text, so that none profits from the one before."""
    taken: list[tuple[float, Program]] = []
    for number in range(COMPILED_TIMES):
        text = long_journey(steps, f"r{number}")
        began = time.perf_counter()
        compiled = _compiled(text)
        taken.append((time.perf_counter() - began, compiled))
        assert steps == len(compiled.nodes)
    seconds, program = min(taken, key=lambda each: each[0])
    expressions = sum(node.kind in {"await", "branch"} for node in program.nodes.values())
    remark = f"{len(program.messages):,} messages, {expressions:,} steps with an expression, best of {COMPILED_TIMES}"
    return Figure(COMPILED, steps, seconds, remark)


def long_journey(steps: int, name: str) -> str:
    """Groups of three in turn: a letter, a wait and an event that is awaited; a branch with a letter on either side.
    `name` is in every text and every expression.
    """
    lines: list[str] = []
    sent: list[str] = []

    def send() -> str:
        sent.append(f"{name}-{len(sent)}")
        return f"{{send: {sent[-1]}, id: send-{len(sent)}}}"

    for n in range(steps // 3):
        if n % 2:
            condition = f'learner.department == "{name}-{n}" && has(learner.manager)'
            lines += [f"branch: [{{if: '{condition}', do: [{send()}]}}, {{else: [{send()}]}}]"]
        else:
            condition = f'event.data.course == "{name}-{n}" && event.data.score > 0.5'
            awaited = f"await: {{on: lms.course.completed, when: '{condition}', within: 5d}}"
            lines += [send(), f"wait: {1 + n % 9}h", awaited]
    lines += ["wait: 1h"] * (steps % 3)
    head = "waymark: 1\njourney: long\ntitle: Long\nenter: [{on: hr.learner.promoted}]\nsteps:\n"
    body = "Dear {{ learner.given_name }}, this is one of many"
    messages = "".join(f'  {each}: {{subject: Letter {each}, body: "{body}: {each}."}}\n' for each in sent)
    return head + "".join(f"  - {line}\n" for line in lines) + f"messages:\n{messages}"


def _advance(program: Program) -> Figure:
    calls = 0
    began = time.perf_counter()
    for number in range(2_000):
        run = Run(enrolment=f"enrolment-{number}", entered_at=START, at=START)
        given: Input = Began(START)
        while True:
            run, _ = advance(program, run, given)
            calls += 1
            if run.has_ended:
                break
            given = _next(run)
    return Figure(ADVANCE, calls, time.perf_counter() - began, "calls, through sends, waits, awaits and a branch")


def _next(run: Run) -> Input:
    """What comes next where nothing happens but time."""
    match run.hold:
        case Hold(due_at=due) if due is not None:
            return Due(due)
        case Pending(effect=Deliver()):
            return Delivered(run.at, "sent", "email")
        case Pending(effect=Decide()):
            return Decided(run.at, 0)
        case _:
            raise AssertionError("the benchmark's journey always waits for an instant or an answer")


def _match(journeys: int) -> Figure:
    program = _compiled(DEFINITION)
    routes = Routes([replace(program, journey=f"journey-{number}") for number in range(journeys)])
    facts = Facts(learner={"country": "GB"}, entry={"key": "", "at": "", "data": {}})
    events = [event for event in _events(20) if event.type.startswith("lms.")] * 5
    pairs = matched = 0
    began = time.perf_counter()
    for event in events:
        for watching in routes.watching(event.type):
            pairs += 1
            matched += len(fired(watching, event, facts, entered_at=START, entry_event=None).triggers)
    seconds = time.perf_counter() - began
    assert matched > 0, "some triggers fire"
    remark = f"{matched:,} triggers fired; {len(events):,} events, {journeys} journeys"
    return Figure(JUDGED, pairs, seconds, remark)


def _compiled(definition: str) -> Program:
    compiled = compile_definition(definition)
    assert compiled.program is not None, compiled.problems
    return compiled.program


def _people(number: int) -> dict[str, dict[str, Json]]:
    departments = ("Sales", "Finance", "Legal")
    return {
        f"learner-{n}": {
            "given_name": f"Learner {n}",
            "email": f"learner-{n}@example.com",
            "country": "GB" if n % 10 else "FR",
            "department": departments[n % 3],
        }
        for n in range(number)
    }


def _events(number: int) -> Iterator[Event]:
    """Each learner is promoted and takes a course; some finish the goal, some leave; noise comes in between."""
    for n in range(number):
        at = START + timedelta(minutes=n)
        story: Sequence[tuple[timedelta, str, dict[str, Json]]] = (
            (timedelta(), "hr.learner.promoted", {"to_level": "manager", "position_id": f"p-{n}"}),
            *((2 * DAY + day * DAY, "lms.course.progressed", {"course": "MGR-101"}) for day in range(10)),
            ((1 + n % 9) * DAY, "lms.course.started", {"course": "MGR-101"}),
            ((15 + n % 30) * DAY, "lms.course.completed", {"course": "MGR-101", "score": 0.9}),
            (50 * DAY, "lms.course.completed", {"course": "MGR-900" if n % 7 == 0 else "OTHER"}),
            (60 * DAY, "hr.learner.left" if n % 11 == 0 else "hr.learner.changed", {"role": "manager"}),
        )
        for place, (after, type_, data) in enumerate(story):
            yield Event(f"{n}-{place}", "/bench", type_, f"learner-{n}", at + after, data)
