"""A rehearsal as one page that needs nothing else: the journey drawn, what was done on each of its arms, and each
learner's line in time. Made of values, so that the command line and the API draw alike; every text is escaped.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from journeys.drafting.telling import words_told
from journeys.flow import Arrow, Box, Point, arms_of, flow_of, text_width
from journeys.labels import step_label
from journeys.plain_words import duration_words
from journeys.program import Program
from journeys.timeline import (
    Counts,
    Rehearsal,
    RehearsedEnrolment,
    RehearsedLearner,
    RehearsedMessage,
    TimelineEntry,
    counted,
)

MOST_LINES = 1_000
"""As many learners have a line of their own; the counts are of all."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page may say besides: about each learner (by id), and about what no case reached, with the reason."""

    kicker: str = "Rehearsal"
    learners: Mapping[str, str] | None = None
    unreached: Sequence[tuple[str, str]] = ()
    covered: str | None = None


def page_of(program: Program, rehearsal: Rehearsal, *, told: Told = Told()) -> str:
    """The page as HTML."""
    counts = counted(rehearsal)
    flow = flow_of(program)
    shown = rehearsal.learners[:MOST_LINES]
    scale = _scale(shown)
    kinds = {id_: step_label(program, node).kind for id_, node in program.nodes.items()}
    hues = {node.id: "await" if node.kind == "await" else _hue(node.kind) for node in program.nodes.values()}
    script, style = _file("rehearsal.js"), _file("rehearsal.css")
    return _template().render(
        program=program,
        told=told,
        counts=counts,
        flow=flow,
        boxes=[_box(box, program, counts) for box in flow.boxes],
        arrows=[_arrow(arrow, counts, _busiest(counts)) for arrow in flow.arrows],
        outcomes=_outcomes(counts),
        scale=scale,
        learners=[_line(learner, told, scale, hues, kinds) for learner in shown],
        left_out=len(rehearsal.learners) - len(shown),
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(style),  # noqa: S704 - our own file
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )


@cache
def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("rehearsal.html")


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


# -- the flow ----------------------------------------------------------------------------------------------------------

_HUES: Mapping[str, str] = {
    "send": "message", "wait": "wait", "await": "wait", "branch": "choice", "split": "choice", "repeat": "repeat",
    "ask": "ask", "practise": "ask", "end": "end",
}  # fmt: skip
"""The colour of each kind of step; the others do something elsewhere."""


def _hue(kind: str) -> str:
    return _HUES.get(kind, "deed")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A card as the page shows it; `number` is how many arrived."""

    box: Box
    hue: str
    number: int
    whole: str


def _box(box: Box, program: Program, counts: Counts) -> _Drawn:
    whole = ". ".join([f"{box.label.kind} {box.label.title}", *box.label.lines])
    match box.kind:
        case "entry":
            return _Drawn(box, "entry", counts.entries.get(box.of, 0), whole)
        case "exit" | "limit":
            return _Drawn(box, "exit", counts.exits.get(box.of, 0), whole)
        case "outcome":
            at_the_side = box.id.removeprefix("outcome:")
            is_side = at_the_side == "limit" or at_the_side.startswith("exit:")
            number = counts.exits.get(at_the_side.removeprefix("exit:"), 0) if is_side else _ran_out(program, counts)
            return _Drawn(box, f"end is-{_tone(box.of)}", number, whole)
        case "step":
            node = program.nodes[box.of]
            hue = f"end is-{_tone(box.label.title)}" if node.kind == "end" else _hue(node.kind)
            return _Drawn(box, hue, counts.arrivals.get(box.of, 0), f"{whole} [{box.of}]")


def _ran_out(program: Program, counts: Counts) -> int:
    """How many came to the end of the steps."""
    ways = [(id_, arm) for id_, node in program.nodes.items() for arm, to in arms_of(node).items() if to is None]
    return sum(counts.arms.get(way, 0) for way in ways)


def _tone(outcome: str) -> str:
    return {"goal": "good", "completed": "done", "expired": "over", "failed": "over"}.get(outcome, "other")


@dataclass(frozen=True, slots=True)
class _DrawnArrow:
    """An arrow as the page shows it: its path, its weight by how many took it."""

    arrow: Arrow
    path: str
    number: int
    weight: float
    lines: tuple[str, ...]
    label_width: float
    label_height: float


def _arrow(arrow: Arrow, counts: Counts, busiest: int) -> _DrawnArrow:
    kind, _, of = arrow.source.partition(":")
    number = {"entry": counts.entries.get(of, 0), "exit": counts.exits.get(of, 0),
              "limit": counts.exits.get("limit", 0)}.get(kind, counts.arms.get((of, arrow.arm), 0))  # fmt: skip
    weight = 1.5 if not number else 1.7 + 2.6 * number / max(busiest, 1)
    lines = arrow.label
    width = max((_width(line) for line in lines), default=0) + 16
    return _DrawnArrow(arrow, _rounded(arrow.points), number, round(weight, 2), lines, width, 15 * len(lines) + 6)


def _width(line: str) -> float:
    return text_width(line, 12)


def _busiest(counts: Counts) -> int:
    return max([*counts.arms.values(), *counts.entries.values(), 1])


def _rounded(points: Sequence[Point], radius: float = 9) -> str:
    """The way of an arrow with round corners, as SVG writes it."""
    parts = [f"M{_n(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, last = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{_n(first)}Q{_n(corner)} {_n(last)}")
    parts.append(f"L{_n(points[-1])}")
    return "".join(parts)


def _towards(corner: Point, other: Point, radius: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy))
    share = 0 if not length else min(radius, length / 2) / length
    return corner[0] + dx * share, corner[1] + dy * share


def _n(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _outcomes(counts: Counts) -> list[tuple[str, int, str]]:
    found = sorted(counts.outcomes.items(), key=lambda item: (-item[1], item[0]))
    still = sum(counts.standing.values())
    ended = [(name, number, _tone(name)) for name, number in found]
    return [*ended, ("still on the way", still, "way")] if still else ended


# -- lines in time -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """The time that all lines share, and the marks on it: share of the width (percent), text."""

    first: datetime | None
    last: datetime | None
    marks: tuple[tuple[float, str], ...] = ()

    def at(self, instant: datetime) -> float:
        if self.first is None or self.last is None or self.last <= self.first:
            return 0.0
        share = (instant - self.first) / (self.last - self.first)
        return round(100 * min(max(share, 0), 1), 3)


def _scale(learners: Sequence[RehearsedLearner]) -> _Scale:
    instants = [at for learner in learners for at in _instants(learner)]
    if not instants:
        return _Scale(None, None)
    first, last = min(instants), max(instants)
    last = max(last, first + timedelta(hours=1))
    bare = _Scale(first, last)
    return _Scale(first, last, tuple((bare.at(at), text) for at, text in _marks(first, last)))


def _instants(learner: RehearsedLearner) -> Iterator[datetime]:
    for entry in learner.timeline:
        yield entry.at
    for enrolment in learner.enrolments:
        for visit in enrolment.path:
            yield visit.left_at or visit.at
        if enrolment.due_at is not None and enrolment.outcome is None:
            yield enrolment.entered_at


_STEPS = tuple(timedelta(hours=h) for h in (1, 2, 6, 12, 24, 48, 168, 336, 672, 1344, 2688, 8736))


def _marks(first: datetime, last: datetime) -> Iterator[tuple[datetime, str]]:
    step = next((step for step in _STEPS if (last - first) / step <= 9), (last - first) / 8)
    at = first.replace(minute=0, second=0, microsecond=0)
    if step >= timedelta(days=1):
        at = at.replace(hour=0)
    if step >= timedelta(days=7):
        at -= timedelta(days=at.weekday())
    while at <= last:
        if at >= first:
            yield at, f"{at:%-d %b}" if step >= timedelta(days=1) else f"{at:%-d %b %H:%M}"
        at += step


@dataclass(frozen=True, slots=True)
class _Bar:
    x: float
    width: float
    hue: str
    title: str


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class _Lane:
    """One enrolment on its line."""

    key: str
    begin: float
    end: float
    bars: tuple[_Bar, ...]
    dots: tuple[_Dot, ...]
    outcome: str | None
    tone: str


@dataclass(frozen=True, slots=True)
class _Told:
    """One line of the table behind a learner's line."""

    at: datetime
    kind: str
    what: str
    why: str
    step: str | None
    message: RehearsedMessage | None
    words: str


@dataclass(frozen=True, slots=True)
class _Line:
    learner: str
    about: str | None
    outcome: str | None
    tone: str
    reason: str | None
    lanes: tuple[_Lane, ...]
    rows: tuple[_Told, ...]
    steps: str
    found_by: str


def _line(
    learner: RehearsedLearner, told: Told, scale: _Scale, hues: Mapping[str, str], kinds: Mapping[str, str]
) -> _Line:
    steps = dict.fromkeys(visit.step for each in learner.enrolments for visit in each.path)
    ways = dict.fromkeys(each.left_by for each in learner.enrolments if each.left_by)
    about = (told.learners or {}).get(learner.learner)
    sent = [message.message for each in learner.enrolments for message in each.messages]
    status = learner.outcome or ("on the way" if learner.enrolments else "not enrolled")
    found_by = " ".join(filter(None, [learner.learner, about, status, *dict.fromkeys(sent)])).lower()
    return _Line(
        learner=learner.learner,
        about=about,
        outcome=status,
        tone=_tone(status) if learner.outcome else "way",
        reason=learner.reason,
        lanes=tuple(_lane(each, scale, hues, kinds) for each in learner.enrolments),
        rows=tuple(_rows(learner)),
        steps=" ".join([*(f"step:{step}" for step in steps), *(f"exit:{way}" for way in ways)]),
        found_by=found_by,
    )


def _lane(enrolment: RehearsedEnrolment, scale: _Scale, hues: Mapping[str, str], kinds: Mapping[str, str]) -> _Lane:
    end = enrolment.ended_at or max(
        [visit.left_at or visit.at for visit in enrolment.path] + [entry.at for entry in enrolment.timeline],
        default=enrolment.entered_at,
    )
    bars: list[_Bar] = []
    for visit in enrolment.path:
        until = visit.left_at or (end if enrolment.outcome else scale.last) or end
        if until > visit.at:
            x, last = scale.at(visit.at), scale.at(until)
            title = f"{kinds.get(visit.step, visit.step)}: {visit.step}, {duration_words(until - visit.at)}"
            bars.append(_Bar(x, round(last - x, 3), hues.get(visit.step, "wait"), title))
    is_over = enrolment.outcome is not None
    return _Lane(
        enrolment.key, scale.at(enrolment.entered_at), scale.at(end) if is_over or scale.last is None else 100.0,
        tuple(bars), tuple(_dots(enrolment, scale)), enrolment.outcome, _tone(enrolment.outcome or ""),
    )  # fmt: skip


def _dots(enrolment: RehearsedEnrolment, scale: _Scale) -> Iterator[_Dot]:
    subjects = {(message.at, message.step): message.subject for message in enrolment.messages}
    for entry in enrolment.timeline:
        kind = _DOTS.get(entry.status or entry.kind)
        if kind is not None:
            subject = subjects.get((entry.at, entry.step or "")) if entry.status == "sent" else entry.reason
            what = f"{entry.status} {entry.message}" if entry.message else entry.kind
            through = f" through {entry.channel}" if entry.channel else ""
            title = f"{_when(entry.at)} · {what}{through}"
            yield _Dot(scale.at(entry.at), kind, f"{title}: {subject}" if subject else title)


_DOTS: Mapping[str, str] = {
    "sent": "sent", "may_have_gone": "sent", "skipped": "skipped", "failed": "failed", "deferred": "deferred",
    "event": "event", "answered": "event", "moved": "event", "paused": "event", "resumed": "event",
}  # fmt: skip


def _rows(learner: RehearsedLearner) -> Iterator[_Told]:
    messages = {(message.at, message.step): message for each in learner.enrolments for message in each.messages}
    for entry in learner.timeline:
        message = messages.get((entry.at, entry.step or "")) if entry.status == "sent" else None
        why = message.subject if message else entry.reason or ""
        yield _Told(entry.at, entry.status or entry.kind, _what(entry), why, entry.step, message, words_told(entry))


def _what(entry: TimelineEntry) -> str:
    if entry.message is None:
        return entry.kind.replace("_", " ")
    through = f" through {entry.channel}" if entry.channel else ""
    return f"{(entry.status or entry.kind).replace('_', ' ')} {entry.message}{through}"


def _when(at: datetime) -> str:
    return f"{at:%a %-d %b %Y, %H:%M} UTC"
