"""Why somebody got a message, in plain words for the one who got it. Pure.

program, delivery, what began it, the journal ─> Reasons: sentences, and the names of the data that were used

Said are rules and names, never values: who forwards a letter must not tell more by its link than by its text. So a
condition is told by what it looks at and not by what it wants; what began it, by its kind. Who gets a message about
somebody else is told still less: not what happened to the other, nor what was waited for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Literal, Protocol, cast, runtime_checkable

from journeys.holdout import HOLDOUT
from journeys.labels import step_label
from journeys.plain_words import either, field_words, span_words
from journeys.program import Expression, Message, Node, Program, Span, Wording
from journeys.templates import check

HAPPENINGS: Mapping[str, str] = {
    "hr.learner.hired": "a start in the organisation",
    "hr.learner.changed": "a change in the personnel record",
    "hr.learner.promoted": "a promotion",
    "hr.learner.moved": "a move within the organisation",
    "hr.learner.manager_changed": "a change of manager",
    "hr.learner.leave_started": "the beginning of a leave",
    "hr.learner.leave_ended": "the return from a leave",
    "hr.learner.left": "a departure from the organisation",
    "lms.course.assigned": "the assignment of a course",
    "lms.course.started": "the start of a course",
    "lms.course.progressed": "progress in a course",
    "lms.course.completed": "the completion of a course",
    "lms.course.failed": "a course that was not passed",
    "lms.course.overdue": "a course that is overdue",
    "lms.assessment.scored": "the result of an assessment",
    "lms.certificate.expiring": "a certificate that runs out",
    "performance.measured": "a figure that was measured",
    "message.delivered": "a message that arrived",
    "message.clicked": "a click in a message",
    "message.replied": "a reply to a message",
    "message.bounced": "a message that did not arrive",
    "practice.answered": "an answer to a practice question",
    "survey.answered": "an answer to a survey",
}
"""What happened, by the type of the event, without saying to whom."""

MOST_STEPS = 8
"""As many steps before the message are told, the last ones."""

WHEN_FIELDS = ("zone", "country", "site", "working_days", "working_hours", "leave")
"""What the calendar looks at of who gets a message."""


class Line(Protocol):
    """A line of the journal, as far as it says how the message was come to."""

    @property
    def at(self) -> datetime:
        """When."""
        ...

    @property
    def kind(self) -> str:
        """Of what kind (`journeys.effects.NoteKind`)."""
        ...

    @property
    def step(self) -> str | None:
        """At which step."""
        ...


@dataclass(frozen=True, slots=True)
class Began:
    """The event that began an enrolment: its type, its source, and when it happened."""

    type: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Drafted:
    """Whose the words are, where a draft went: `origin`, `model`, `written_by` as in the store; who approved it,
    and how many hard findings stood against it then (None: that was not kept).
    """

    origin: str
    model: str | None
    written_by: str | None
    approved_by: str | None
    approved_at: datetime | None
    subject: str
    body: str
    approved_despite: int | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """One message that came, and all that is known of how: `began` is None where somebody entered her without an event.

    `is_about_another`: who got it is not the learner. `address_field` is the field of the profile that its channel
    goes by; `splits` are those in which chance has decided about this enrolment.
    """

    program: Program
    node: str
    message: str
    began: Began | None
    entered_at: datetime
    sent_at: datetime | None
    channel: str | None
    journal: Sequence[Line]
    splits: Sequence[str] = ()
    address_field: str | None = None
    is_about_another: bool = False
    draft: Drafted | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """Names of data, and where they come from."""

    of: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reasons:
    """What the page says of one message: sentences, and data by name."""

    journey: str
    began: tuple[str, ...]
    led: tuple[str, ...]
    rule: tuple[str, ...]
    used: tuple[Used, ...]
    unused: tuple[str, ...]
    words: tuple[str, ...]
    experiment: tuple[str, ...]


@runtime_checkable
class Sends(Protocol):
    """Options of a step that brings a message to somebody."""

    @property
    def to(self) -> Expression | Literal["learner", "manager"]: ...

    @property
    def is_anytime(self) -> bool: ...

    @property
    def local_time(self) -> str | None: ...


@runtime_checkable
class _Listens(Protocol):
    """Options of a step that waits for events."""

    @property
    def triggers(self) -> tuple[str, ...]: ...


def reasons_for(came: Came) -> Reasons:
    """Why this message came."""
    path = _path(came)
    return Reasons(
        journey=came.program.title,
        began=tuple(_began(came)),
        led=() if came.is_about_another else _led(came, path),
        rule=tuple(_rule(came, path)),
        used=tuple(_used(came, path)),
        unused=tuple(_unused(came)),
        words=tuple(_words(came)),
        experiment=tuple(_experiment(came)),
    )


def happening_words(event_type: str) -> str:
    """What happened, without saying to whom; where nobody has words for it, its type."""
    return HAPPENINGS.get(event_type, f"an event of the kind “{event_type}”")


# -- what began it -----------------------------------------------------------------------------------------------------


def _began(came: Came) -> Iterator[str]:
    if came.is_about_another:
        yield (
            "It is about somebody else: a colleague who takes part in this journey, and for whom its rules name you as "
            f"the one to write to. The journey began for that person on {day(came.entered_at)}."
        )
        return
    if came.began is None:
        yield f"Somebody who runs this journey, or another journey, took you in on {day(came.entered_at)}."
        return
    what, when = happening_words(came.began.type), day(came.began.at)
    yield f"It began for you because of {what} on {when}, which reached us from the source “{came.began.source}”."
    audience = came.program.audience
    if audience is not None:
        yield f"The journey is for a certain group; whether you belong to it was judged by {_names(audience)}."


# -- how the journey came to it ----------------------------------------------------------------------------------------

_GONE = ("sent", "asked", "skipped", "failed")


def _path(came: Came) -> tuple[Line, ...]:
    """The lines of the journal that led to the message."""
    path: list[Line] = []
    for line in came.journal:
        if came.sent_at is not None and line.at > came.sent_at:
            break
        if line.step == came.node and line.kind in _GONE and (came.sent_at is None or line.at >= came.sent_at):
            break
        path.append(line)
    return tuple(path)


def _led(came: Came, path: Sequence[Line]) -> tuple[str, ...]:
    told: list[str] = []
    for line in path:
        node = None if line.step is None else came.program.nodes.get(line.step)
        says = (
            _said(came.program, node, line.kind) if line.step != came.node or line.kind in ("event", "passed") else None
        )
        if says is not None and (not told or told[-1] != says):
            told.append(says)
    return tuple(told[-MOST_STEPS:])


_SAID: Mapping[str, str] = {
    "sent": "An earlier message of this journey went to you.",
    "asked": "You were asked some questions.",
    "answered": "An answer to them came.",
    "called": "Another system was asked for something.",
    "assigned": "A course was assigned.",
    "enrolled": "Another journey was started.",
    "moved": "The journey was changed to another version.",
}


def _said(program: Program, node: Node | None, kind: str) -> str | None:
    """What a line of the journal says to the learner; None where it is of no weight to her."""
    if node is None:
        return _SAID.get(kind) if kind == "moved" else None
    match kind:
        case "waiting":
            return _waited(program, node)
        case "event":
            return f"What it waited for came: {_awaited(program, node)}."
        case "passed" if isinstance(node.options, _Listens) and node.options.triggers:
            return "That had not come in time."
        case "passed" if node.guard is not None:
            return f"A step was passed over; that was judged by {_names(node.guard)}."
        case "decided":
            return _decided(program, node)
        case _:
            return _SAID.get(kind)


def _waited(program: Program, node: Node) -> str:
    if isinstance(node.options, _Listens) and node.options.triggers:
        span = _longest(node.options)
        return f"The journey waited for {_awaited(program, node)}{'' if span is None else f', at most {span}'}."
    label = step_label(program, node)
    if label.kind.startswith("Wait"):
        return f"The journey waited {label.kind.removeprefix('Wait').strip()} {label.title}.".replace("  ", " ")
    return "The journey waited."


def _longest(options: object) -> str | None:
    span = getattr(options, "span", None) or getattr(options, "within", None)
    return None if span is None else span_words(cast("Span", span))


def _awaited(program: Program, node: Node) -> str:
    """What a step waits for, by the kinds of events alone."""
    ids = node.options.triggers if isinstance(node.options, _Listens) else ()
    types = dict.fromkeys(type_ for id_ in ids if id_ in program.triggers for type_ in program.triggers[id_].on)
    return either([happening_words(type_) for type_ in types]) if types else "an answer"


def _decided(program: Program, node: Node) -> str | None:
    names = _names(*_expressions(node.options))
    match step_label(program, node).kind:
        case "Experiment":
            return "Chance decided which of several ways it took."
        case "Choice":
            return f"It was decided how to go on, judged by {names}." if names else "It was decided how to go on."
        case _:
            return "A part of it that is repeated began anew."


# -- the rule that sent it ---------------------------------------------------------------------------------------------


def _rule(came: Came, path: Sequence[Line]) -> Iterator[str]:
    node = came.program.nodes.get(came.node)
    if came.is_about_another:
        yield "A rule of the journey sent it to you."
    else:
        yield f"A rule of the journey sent it: its step “{came.node}”."
    if node is None:
        return
    if not came.is_about_another and node.guard is not None:
        yield f"The step has a condition of its own, judged by {_names(node.guard)}."
    options = node.options
    if isinstance(options, Sends):
        yield _hours(options)
    if any(line.kind == "deferred" and line.step == came.node for line in path):
        yield "It was put off for a while, until it could go at a fit time and not too much went at once."
    if any(line.kind == "resent" for line in came.journal):
        yield "Somebody who runs the journey has had a message of it sent once more."


def _hours(options: Sends) -> str:
    if options.local_time is not None:
        return f"It goes at {options.local_time}, by the clock where you are."
    if options.is_anytime:
        return "It goes at any hour, because it is wanted at once."
    return "It goes when the rules for working hours let it."


# -- data --------------------------------------------------------------------------------------------------------------


def _used(came: Came, path: Sequence[Line]) -> Iterator[Used]:
    read = dict.fromkeys((*_conditions(came, path), *_said_with(came)))
    hers = [_name(each) for each in read if _root(each) == "learner"]
    mine = [_name(each) for each in read if _root(each) == "recipient"]
    if came.is_about_another:
        yield from _group("From the record of the person it is about", hers)
        yield from _group("From your record", mine)
    else:
        yield from _group("From your record", (*hers, *mine))
    yield from _group("From the events", [_name(each) for each in read if _root(each) in ("event", "entry")])
    others = [_name(each) for each in read if _root(each) in ("answers", "sent", "vars")]
    yield from _group("From the journey itself", others)
    yield from _group("To bring it to you", [_name(f"learner.{each}") for each in _bringing(came)])


def _group(of: str, names: Sequence[str]) -> Iterator[Used]:
    told = tuple(dict.fromkeys(names))
    if told:
        yield Used(of, told)


def _conditions(came: Came, path: Sequence[Line]) -> Iterator[str]:
    """What the conditions read that had to do with it: of who comes in, of the steps before, of its own."""
    program = came.program
    began = "" if came.began is None else came.began.type
    rules = [rule for rule in program.enter if rule.trigger.accepts(began)]
    steps = dict.fromkeys([*(line.step for line in path if line.step is not None), came.node])
    nodes = [program.nodes[step] for step in steps if step in program.nodes]
    told: list[Expression | None] = [program.audience, *(each for r in rules for each in (r.trigger.when, r.key))]
    for node in nodes:
        told += [node.guard, *_expressions(node.options)]
        if isinstance(node.options, _Listens):
            told += [program.triggers[id_].when for id_ in node.options.triggers if id_ in program.triggers]
    yield from (name for each in told if each is not None for name in each.reads)


def _said_with(came: Came) -> Iterator[str]:
    """What the texts read, and what chose among them."""
    message = came.program.messages.get(came.message)
    if message is None:
        return
    per = None if message.draft is None else message.draft.per
    yield from () if per is None else per.reads
    for text in _texts(message, came):
        yield from (variable.name for variable in check(text).variables)


def _texts(message: Message, came: Came) -> Iterator[str]:
    """Every text that can have gone: of a draft its own, else those of the message in any of its languages."""
    own = Wording(message.subject, message.body, message.link, message.channels)
    for wording in (own, *message.languages.values()):
        if wording.link is not None:
            yield wording.link.label
            yield wording.link.url
        if came.draft is None:
            yield from (
                each for each in (wording.subject, wording.body, wording.channels.get(came.channel or "")) if each
            )
    if came.draft is not None:
        yield came.draft.subject
        yield came.draft.body
    yield from (question.text for question in message.questions)


def _bringing(came: Came) -> Iterator[str]:
    """What was looked at to bring it to who got it: her address, her language, her hours."""
    message, node = came.program.messages.get(came.message), came.program.nodes.get(came.node)
    if came.address_field is not None:
        yield came.address_field
    if message is not None and message.languages:
        yield "language"
    options = None if node is None else node.options
    if isinstance(options, Sends) and not options.is_anytime:
        yield from WHEN_FIELDS


def _names(*expressions: Expression) -> str:
    """What conditions look at, in words and by name; what they want of it is not told."""
    names = [f"“{_name(path)}”" for each in expressions for path in each.reads if _root(path) in _TOLD]
    told = list(dict.fromkeys(names))
    return f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else "".join(told)


_TOLD = frozenset({"learner", "recipient", "event", "entry", "vars", "answers", "sent"})


def _name(path: str) -> str:
    match path.split("."):
        case ["recipient", *rest]:
            return field_words(["learner", *rest])
        case ["entry", "at"]:
            return "when it began"
        case ["entry", "key"]:
            return "what it began for"
        case ["learner" | "recipient", "zone"]:
            return "time zone"
        case ["entry" | "event", "data"]:
            return "what the event tells"
        case parts:
            return field_words(parts)


def _root(path: str) -> str:
    return path.split(".", maxsplit=1)[0]


def _expressions(value: object) -> Iterator[Expression]:
    """Every expression that stands in the options of a step."""
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in cast("Sequence[object]", value):
            yield from _expressions(each)
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, object]", value).values():
            yield from _expressions(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _expressions(cast("object", getattr(value, each.name)))


# -- what was not used -------------------------------------------------------------------------------------------------

REACTIONS = ("message.clicked", "message.replied")


def _unused(came: Came) -> Iterator[str]:
    yield "Whether and when you open a message: nothing here records that."
    if not _listens_to(came.program, REACTIONS):
        yield "Whether you click on a link in it, or reply: this journey does not look at that."
    if not any(_root(path) == "answers" for path in _all_reads(came.program)):
        yield "What you answer, where this journey asks you something: no rule of it reads your answers."
    yield "Any judgement of a language model: none decides who gets a message, when, or whether."


def _listens_to(program: Program, types: Sequence[str]) -> bool:
    triggers = (*program.exits, *program.triggers.values(), *(rule.trigger for rule in program.enter))
    return any(trigger.accepts(type_) for trigger in triggers for type_ in types)


def _all_reads(program: Program) -> Iterator[str]:
    """What any condition of the journey reads."""
    told = [
        program.audience,
        *(each for node in program.nodes.values() for each in (node.guard, *_expressions(node.options))),
    ]
    triggers = (*program.exits, *program.triggers.values(), *(rule.trigger for rule in program.enter))
    yield from (
        path for each in (*told, *(trigger.when for trigger in triggers)) if each is not None for path in each.reads
    )


# -- whose words they are ----------------------------------------------------------------------------------------------


def _words(came: Came) -> Iterator[str]:
    draft = came.draft
    if draft is None:
        yield "They are the journey’s own words: a person published them. No draft of a language model went here."
        return
    if draft.written_by is not None or draft.origin == "person":
        began = "" if draft.model is None else ", from a draft of a language model"
        yield f"A person{_by(draft.written_by)} wrote these words{began}."
    else:
        yield "A language model drafted these words, as a person had ordered them; it was not told who you are."
    yield from _approved(draft)
    yield "Names and the like were filled in afterwards, when it was sent."


def _approved(draft: Drafted) -> Iterator[str]:
    who, when = _by(draft.approved_by), _on(draft.approved_at)
    if not draft.approved_despite:
        yield f"Rules checked them, and a person{who} read and approved them{when}."
        return
    objections = "one objection" if draft.approved_despite == 1 else f"{draft.approved_despite} objections"
    yield f"Rules checked them and had {objections}; a person{who} read and approved them all the same{when}."


def _by(who: str | None) -> str:
    return "" if not who else f" (“{who}”)"


def _on(at: datetime | None) -> str:
    return "" if at is None else f" on {day(at)}"


# -- experiments -------------------------------------------------------------------------------------------------------


def _experiment(came: Came) -> Iterator[str]:
    who = "the person it is about" if came.is_about_another else "you"
    if HOLDOUT in came.splits:
        yield (
            "Whether this journey helps is measured: chance decides that some people get it and some do not, and the "
            f"two are compared. Chance decided that {who} get{'s' if came.is_about_another else ''} it."
        )
    if any(split != HOLDOUT for split in came.splits):
        yield f"It is part of an experiment: chance decided which of several ways the journey takes for {who}."


def day(at: datetime) -> str:
    """`2 March 2026` (UTC)."""
    return f"{at:%-d %B %Y}"
