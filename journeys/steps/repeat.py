"""`repeat`: repeats `do`, at most `times`, a round beginning `every` so long after the last began.

    - repeat: {every: 7d, times: 4, until: has(vars.done)}
      do:
        - send: weekly

`until` is looked at before each round. A round that took longer than `every` is followed by the next at once. `every`
may be left out where `times` is said: then round follows round.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.definition import Cursor
from journeys.drafts import StepDraft, StepSource, at_least
from journeys.effects import Decide, Decided, Due, Note, Reckon, Reckoned
from journeys.expressions import Scope
from journeys.plain_words import Label, condition_words, every_words
from journeys.program import Expression, Node, Program, Span
from journeys.run import Hold, Round, Run
from journeys.steps.base import Ask, Go, Move, Resuming, Stand, Stay, step_type

MOST_ROUNDS = 1_000


@dataclass(frozen=True, slots=True)
class RepeatOptions:
    """How far apart rounds begin, how many there are at most, and what ends them; `times` or `until` is there."""

    every: Span | None = None
    times: int | None = None
    until: Expression | None = None


@step_type("repeat")
class Repeat:
    """Repeats a list of steps."""

    options = RepeatOptions
    keys: frozenset[str] = frozenset({"do"})
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return "repeat"

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        fields = step.value.fields(("every", "times", "until")) or {}
        every = fields["every"].span() if "every" in fields else None
        times = fields["times"].integer(1, MOST_ROUNDS) if "times" in fields else None
        until = fields["until"].expression(Scope.STEP) if "until" in fields else None
        if step.value.entries() and not {"times", "until"} & fields.keys():
            step.value.report("no_bound", "a `repeat` needs a bound", allowed=("times", "until"))
        elif "times" not in fields and "every" not in fields:
            step.value.report(
                "no_bound", "a `repeat` without `times` needs to know when a round begins", allowed=("every",)
            )
        if "do" not in step.fields:
            step.value.report("missing_key", "the key 'do' is missing: the steps to repeat", allowed=("do",))
        arms = {"do": step.fields.get("do"), "next": None}
        takes = {} if until is not None or times is None else {"next": at_least(every) * (times - 1)}
        return StepDraft(RepeatOptions(every, times, until), arms, loops=frozenset({"do"}), takes=takes)

    @staticmethod
    def enter(stand: Stand) -> Move:
        """The run arrives from the step before, or from the end of a round."""
        options = _options(stand)
        last = stand.run.rounds.get(stand.node.id)
        if last is None:
            return _look(stand)
        if options.times is not None and last.number >= options.times:
            return _over(stand, f"After {_rounds(last.number)}.")
        if options.every is None:
            return _look(stand)
        if options.every.working_days:
            return Ask(Reckon(stand.node.id, last.began_at, span=options.every))
        return _wait(stand, Hold(stand.at, last.began_at + options.every.elapsed))

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        match given:
            case Due():
                return _look(stand)
            case Reckoned():
                reckon = stand.reckoning
                hold = Hold(reckon.since, given.due_at, reckon=reckon, reads=given.reads)
                return None if hold == stand.run.hold else _wait(stand, hold)
            case Decided(choice=None):
                return _begin(stand)
            case Decided():
                until = _options(stand).until
                return _over(stand, f"It is so: {'' if until is None else until.text}")
            case _:
                return None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "the next round" if isinstance(stand.run.hold, Hold) else "a decision"

    @staticmethod
    def label(program: Program, node: Node) -> Label:
        options = node.options
        assert isinstance(options, RepeatOptions)
        times = "" if options.times is None else "once" if options.times == 1 else f"{options.times} times"
        title = (
            f"{times or 'again and again'}{'' if options.every is None else f', every {every_words(options.every)}'}"
        )
        lines = () if options.until is None else (f"until {condition_words(options.until)}",)
        return Label("Repeat", title, lines, {"do": "each round", "next": "then"})


def _wait(stand: Stand, hold: Hold) -> Move:
    due = hold.due_at
    if due is None or due <= stand.at:
        return _look(stand)
    text = f"Waiting for the next round until {due:%A %-d %B %Y, %H:%M} UTC."
    return Stay(hold, Note(stand.at, "waiting", stand.node.id, text, {"until": due.isoformat()}))


def _look(stand: Stand) -> Move:
    """Before each round."""
    until = _options(stand).until
    return _begin(stand) if until is None else Ask(Decide(stand.node.id, (until,)))


def _begin(stand: Stand) -> Move:
    last = stand.run.rounds.get(stand.node.id)
    number = 1 if last is None else last.number + 1
    times = _options(stand).times
    of = "" if times is None else f" of at most {times}"
    note = Note(stand.at, "decided", stand.node.id, f"Round {number}{of}.", {"round": number})
    return Go("do", note, _in_round(stand, Round(number, stand.at)))


def _in_round(stand: Stand, begun: Round) -> Run:
    """In that round; what is repeated inside it begins again."""
    return stand.run.but(rounds={**stand.run.rounds, stand.node.id: begun})


def _over(stand: Stand, why: str) -> Move:
    rounds = {id_: each for id_, each in stand.run.rounds.items() if id_ != stand.node.id}
    note = Note(stand.at, "decided", stand.node.id, f"No further round. {why}")
    return Go(note=note, run=stand.run.but(rounds=rounds))


def _rounds(number: int) -> str:
    return "one round" if number == 1 else f"{number} rounds"


def _options(stand: Stand) -> RepeatOptions:
    assert isinstance(stand.node.options, RepeatOptions)
    return stand.node.options
