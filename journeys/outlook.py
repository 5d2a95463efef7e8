"""What an enrolment waits for and what comes then, in plain words: *she would be reminded then unless she starts
MGR-101*. Pure; nothing personal is in it, and nothing is promised: it says what the program does from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from journeys.advance import waiting_for
from journeys.effects import Deliver, Request
from journeys.events import Json
from journeys.labels import step_label
from journeys.plain_words import Label, trigger_words
from journeys.program import Node, Program
from journeys.run import Hold, Pending, Run

Said = Callable[[datetime], str]
"""An instant as it is said where the learner is."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """`now` says what is awaited, and why; `then` what follows, one line for each way it can go; `ends` what would end
    the enrolment at once.
    """

    now: str
    then: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """As the API shows it."""
        return {"now": self.now, "then": list(self.then), "ends": list(self.ends)}


def outlook(program: Program, run: Run, *, said: Said) -> Outlook:
    """What comes next for this run."""
    if run.outcome is not None:
        return Outlook(f"It has ended as {run.outcome}.")
    ends = _ends(program, run, said)
    if not run.has_begun or run.node is None:
        begins = run.begins_at or run.entered_at
        return Outlook(f"It begins on {said(begins)}.", _following(program, program.start, "Then"), ends)
    node = program.nodes[run.node]
    now = _now(program, run, said)
    if run.is_held:
        since = "" if run.held_since is None else f" since {said(run.held_since)}"
        now = f"Paused{since}: nothing is sent until it is resumed. {now}"
    return Outlook(now, _then(program, node), ends)


def _now(program: Program, run: Run, said: Said) -> str:
    match run.hold:
        case Hold(due_at=due, triggers=triggers):
            return _holding(program, triggers, due, said)
        case Pending(effect=Deliver(message=message), until=until, because=because):
            when = "" if until is None else f" until {said(until)}"
            why = f": {because}" if because else ""
            return (
                f"The message {message} waits{when}{why}." if because or until else f"The message {message} goes now."
            )
        case Pending(effect=Request(target=target), because=because):
            return f"Waiting for an answer of {target}{f': {because}' if because else ''}."
        case _:
            return f"Waiting for {waiting_for(program, run)}." if waiting_for(program, run) else "It goes on now."


def _holding(program: Program, triggers: tuple[str, ...], due: datetime | None, said: Said) -> str:
    awaited = " or ".join(dict.fromkeys(trigger_words(program.triggers[t]) for t in triggers if t in program.triggers))
    if not awaited:
        return "Waiting." if due is None else f"Waiting until {said(due)}."
    return f"Waiting until she {awaited}{'' if due is None else f', at most until {said(due)}'}."


def _then(program: Program, node: Node) -> tuple[str, ...]:
    """One line for each way on from this step."""
    arms = step_label(program, node).arms
    ways = {name: to for name, to in node.successors.items() if name != "skip" and not _is_guard(node, name)}
    if len(ways) == 1:
        return _following(program, next(iter(ways.values())), "Then")
    lines: list[str] = []
    for name, to in ways.items():
        lines.extend(_following(program, to, _when(name, arms)))
    return tuple(lines)


def _is_guard(node: Node, name: str) -> bool:
    """Whether this way is taken by the step's guard alone, which has been asked already."""
    return name == "next" and node.guard is not None and len(node.successors) > 1


def _when(name: str, arms: Mapping[str, str]) -> str:
    said = arms.get(name, "")
    match name:
        case "then":
            return "If so"
        case "else":
            return "If not"
        case _:
            return f"If {said}" if said else "Then"


def _following(program: Program, to: str | None, when: str) -> tuple[str, ...]:
    if to is None:
        return (f"{when}: it ends as completed.",)
    label = step_label(program, program.nodes[to])
    return (f"{when}: {_spoken(label)} ({to}).",)


def _spoken(label: Label) -> str:
    words = f"{label.kind[:1].lower()}{label.kind[1:]}"
    if label.kind.startswith(("Message", "Question")):
        return f"the {words} “{label.title}”"
    return f"{words} {label.title}".strip()


def _ends(program: Program, run: Run, said: Said) -> tuple[str, ...]:
    exits = [f"As {exit_.outcome or 'goal'}, as soon as she {trigger_words(exit_)}." for exit_ in program.exits]
    return (*exits, f"As expired on {said(run.entered_at + program.limit)}, at the latest.")


def localised(text: str, data: Mapping[str, Json], *, said: Said) -> str:
    """A line of the journal with its instant as it is said where the learner is: `advance`, which does not know that,
    writes it in UTC.
    """
    until = data.get("until")
    if not isinstance(until, str):
        return text
    at = datetime.fromisoformat(until)
    return text.replace(f"{at.astimezone(UTC):%A %-d %B %Y, %H:%M} UTC", said(at))
