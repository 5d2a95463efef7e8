"""What `waymark rehearse` prints: first the counts over all learners, then the lines of some of them; and as JSON."""

from collections.abc import Iterator, Mapping
from typing import cast

from journeys.cases import Cases
from journeys.drafting.telling import words_told
from journeys.events import Event, Json
from journeys.flow import arms_of
from journeys.labels import step_label
from journeys.plain_words import duration_words, trigger_words
from journeys.program import Program
from journeys.routing import event_facts
from journeys.timeline import Counts, Rehearsal, RehearsedLearner, TimelineEntry, counted
from waymark.cli.output import counted_words


def told(
    program: Program, rehearsal: Rehearsal, *, lines: int, names: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The rehearsal in lines of text: at most so many learners; `names` tell what a learner stands for."""
    learners = counted_words(len(rehearsal.learners), "learner" if names is None else "case")
    yield f"{program.title} ({program.journey}), rehearsed for {learners}; times are UTC"
    yield ""
    yield from _summary(program, counted(rehearsal))
    shown = rehearsal.learners[:lines]
    for learner in shown:
        yield ""
        yield _headline(learner, None if names is None else names.get(learner.learner))
        width = max((len(_what(entry)) for entry in learner.timeline), default=0)
        subjects = {(m.at, m.step): m.subject for each in learner.enrolments for m in each.messages}
        for entry in learner.timeline:
            why = _why(entry, subjects.get((entry.at, entry.step or "")) if entry.status == "sent" else None)
            yield f"  {entry.at:%a %d %b %Y %H:%M}  {_what(entry):<{width}}  {why}".rstrip()
    if len(rehearsal.learners) > len(shown):
        yield ""
        left = counted_words(len(rehearsal.learners) - len(shown), "more learner")
        yield f"... and {left}: --lines shows more of them, --html draws them, --json has them all"
    sent = sum(len(each.messages) for learner in rehearsal.learners for each in learner.enrolments)
    enrolled = sum(bool(learner.enrolments) for learner in rehearsal.learners)
    yield ""
    yield f"{counted_words(enrolled, 'learner')} enrolled, {counted_words(sent, 'message')} sent"


def cases_told(program: Program, cases: Cases, *, lines: int) -> Iterator[str]:
    """The cases by name, what none of them reached, and their lines in time."""
    number = counted_words(len(cases.cases), "case")
    yield f"{program.title} ({program.journey}): {number}, made from the journey itself"
    yield covered(cases)
    yield ""
    width = max((len(case.name) for case in cases.cases), default=0)
    for case, learner in zip(cases.cases, cases.rehearsal.learners, strict=True):
        messages = counted_words(sum(len(each.messages) for each in learner.enrolments), "message")
        took = [duration_words(e.ended_at - e.entered_at) for e in learner.enrolments if e.ended_at is not None]
        after = f", after {took[-1]}" if took else ""
        yield f"  {case.name:<{width}}  {learner.outcome or 'does not end'}{after}, {messages}"
    if cases.unreached:
        yield ""
        yield "Not reached:"
        for one in cases.unreached:
            yield f"  {one.what}"
            yield f"      {one.why}"
    if lines:
        yield ""
        names = {case.learner: case.name for case in cases.cases}
        yield from told(program, cases.rehearsal, lines=lines, names=names)


def covered(cases: Cases) -> str:
    """How much of the journey the cases reached, in a sentence."""
    reached = f"They reach {cases.aims - cases.left} of {cases.aims} ways in, arms and ways out"
    return f"{reached}." if not cases.left else f"{reached}; what is left is told with the reason."


def cases_json(cases: Cases) -> dict[str, Json]:
    """The body of `waymark rehearse --cases --json`."""
    told_of = {learner.learner: learner for learner in cases.rehearsal.learners}
    listed = [
        {
            "name": case.name,
            "reaches": [{"kind": aim.kind, "of": aim.of, "arm": aim.arm or None} for aim in case.reaches],
            "profile": dict(case.profile),
            "events": [_event_json(event) for event in case.events],
            **told_of[case.learner].to_json(),
        }
        for case in cases.cases
    ]
    unreached = [
        {"kind": one.aim.kind, "of": one.aim.of, "arm": one.aim.arm or None, "what": one.what, "why": one.why,
         "is_proven": one.is_proven}
        for one in cases.unreached
    ]  # fmt: skip
    counts: dict[str, Json] = {"aims": cases.aims, "reached": cases.aims - cases.left}
    return {"cases": cast("list[Json]", listed), "unreached": cast("list[Json]", unreached), **counts}


def _event_json(event: Event) -> dict[str, Json]:
    """The event as a CloudEvent, so that it can be rehearsed again from a file."""
    return {"specversion": "1.0", **event_facts(event)}


# -- counts ------------------------------------------------------------------------------------------------------------


def _summary(program: Program, counts: Counts) -> Iterator[str]:
    """How many came to each step and which way they went on, then how it ended."""
    rows = [(f"{counts.entries.get(rule.trigger.id, 0):,}", "came in", f"she {trigger_words(rule.trigger)}")
            for rule in program.enter]  # fmt: skip
    rows += [_step_row(program, id_, counts) for id_ in program.nodes]
    rows += [
        (f"{number:,}", "left", f"she {trigger_words(trigger)}")
        for trigger in program.exits
        if (number := counts.exits.get(trigger.id, 0))
    ]
    if late := counts.exits.get("limit", 0):
        rows.append((f"{late:,}", "left", f"{duration_words(program.limit)} were over"))
    wide = max(len(number) for number, _, _ in rows)
    names = max(len(name) for _, name, _ in rows)
    for number, name, what in rows:
        yield f"  {number:>{wide}}  {name:<{names}}  {what}"
    ended = [f"{name} {number:,}" for name, number in sorted(counts.outcomes.items(), key=lambda i: (-i[1], i[0]))]
    still = sum(counts.standing.values())
    ended += [f"still on the way {still:,}"] if still else []
    yield f"  ended as {', '.join(ended)}" if ended else "  nobody came in"


def _step_row(program: Program, id_: str, counts: Counts) -> tuple[str, str, str]:
    node = program.nodes[id_]
    label = step_label(program, node)
    arms = arms_of(node)
    what = f"{label.kind}: {label.title}"
    if len(arms) > 1:
        went = [f"{label.arms.get(arm) or 'on'} {counts.arms.get((id_, arm), 0):,}" for arm in arms]
        what += f" ({', '.join(went)})"
    skipped = _not_sent(id_, counts)
    return f"{counts.arrivals.get(id_, 0):,}", id_, f"{what}{skipped}"


def _not_sent(id_: str, counts: Counts) -> str:
    """Deliveries of the step that did not go."""
    others = [f"{status.replace('_', ' ')} {number:,}" for (step, status), number in sorted(counts.deliveries.items())
              if step == id_ and status != "sent"]  # fmt: skip
    return f": {', '.join(others)}" if others else ""


# -- lines -------------------------------------------------------------------------------------------------------------


def _headline(learner: RehearsedLearner, name: str | None) -> str:
    who = learner.learner if name is None else f"{name} [{learner.learner}]"
    if not learner.enrolments:
        return f"{who}: not enrolled. {learner.reason}"
    last = learner.enrolments[-1]
    ending = f"ends as {last.outcome}" if last.outcome else f"still waits for {last.waiting_for}"
    times = "" if len(learner.enrolments) == 1 else f", enrolled {len(learner.enrolments)} times"
    return f"{who}: {ending}{times}"


def _what(entry: TimelineEntry) -> str:
    if entry.message is None:
        return entry.kind.replace("_", " ")
    through = f" through {entry.channel}" if entry.channel else ""
    return f"{entry.status or entry.kind} {entry.message}{through}"


def _why(entry: TimelineEntry, subject: str | None) -> str:
    said = f'"{subject}"' if subject else entry.reason or ""
    words = words_told(entry)
    said = f"{said} ({words})" if words else said
    return f"{said} [{entry.step}]" if entry.step else said
