"""Moving a running enrolment to another version of its journey. Pure.

Theory of operation. What is remembered is told by names: a step by its id, an arm by its split and its own name, a
message by its name; a `map` says what is called otherwise now. What stands in the run is carried over by these names:

    the step it stands at   must be there in the new version, and be of the same kind: else the move is refused
    a wait there            keeps its end, where the step reads as before; else it is counted anew, from when the run
                            came to the step, as the new version says it
    a message there         that has not gone goes as the new version has it
    a request there         is under way, and stays what it is
    rounds, arms            must be there: else the move is refused
    visits                  stay, so that no delivery is ever given a key that was used
    vars, answers, sent     stay
    what fired a trigger    stays, where the new version has a trigger that listens to the same; every other trigger is
                            judged anew over all that happened since the entry (`Moved.to_judge`), which is the store's

A run that only waits to begin has nothing to be carried over.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import cast

from journeys.advance import take_up
from journeys.effects import Decide, Deliver, Effect, Enrol, Evaluate, Note, Reckon, Request
from journeys.events import Json
from journeys.problems import did_you_mean
from journeys.program import Node, Program, Trigger
from journeys.run import Hold, Pending, Run


@dataclass(frozen=True, slots=True)
class Moved:
    """The run as the new version has it, and what is kept with it.

    `triggers` are those of the old version that the new one has too, each with its name there; `to_judge` are those of
    the new version that have not been judged yet. `renamed` is a message that has another key now: what waits under
    the old one falls.
    """

    run: Run
    effects: tuple[Effect, ...]
    triggers: Mapping[str, str]
    to_judge: frozenset[str]
    renamed: Deliver | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the run cannot be moved so; everything that is in the way. Each names a step and what to do."""

    reasons: tuple[str, ...]


def move(
    old: Program, new: Program, run: Run, step_map: Mapping[str, str], *, at: datetime, to: str = "another version"
) -> Moved | Refused:
    """The run in the new version. `at` is the instant of the move, `to` how the journal calls the version."""
    moving = _Moving(old, new, run, step_map)
    reasons = tuple(moving.reasons())
    if reasons:
        return Refused(reasons)
    moved, effects, choice = moving.carried()
    note = Note(max(at, run.at), "moved", moved.node, f"Moved to {to}.{choice and ' ' + choice}", moving.data(choice))
    renamed = _pending_message(run)
    if renamed is not None and moving.target(renamed.node) == renamed.node:
        renamed = None
    return Moved(moved, (note, *effects), moving.triggers, moving.to_judge, renamed)


@dataclass(frozen=True)
class _Moving:
    old: Program
    new: Program
    run: Run
    step_map: Mapping[str, str]

    def target(self, step: str) -> str:
        """What a step of the old version is called in the new one."""
        return self.step_map.get(step, step)

    # what is in the way

    def reasons(self) -> Iterator[str]:
        run = self.run
        if run.has_ended:
            yield f"it has ended, as {run.outcome}: there is nothing to move"
            return
        yield from self._wrong_map()
        if run.node is not None:
            yield from self._wrong_step(run.node)
        for repeat in run.rounds:
            if repeat != run.node:
                yield from self._gone(repeat, "it is in a round of the step")
        for split, arm in run.arms.items():
            yield from self._wrong_arm(split, arm)

    def _wrong_map(self) -> Iterator[str]:
        arms = {f"{split}.{arm}" for split, names in _arms(self.old).items() for arm in names}
        for step, target in self.step_map.items():
            if step not in self.old.nodes and step not in arms:
                hint = _hint(step, [*self.old.nodes, *arms])
                yield f"the map names {step!r}, which is no step of the version it is in{hint}"
            elif step in self.old.nodes and target not in self.new.nodes:
                hint = _hint(target, self.new.nodes)
                yield f"the map leads to {target!r}, which is no step of the new version{hint}"

    def _gone(self, step: str, what: str) -> Iterator[str]:
        target = self.target(step)
        if target in self.new.nodes:
            yield from self._other_kind(step, target)
        elif step not in self.step_map:  # of a wrong map is told already
            ids = ", ".join(self.new.nodes)
            hint = did_you_mean(step, self.new.nodes)
            more = f"{hint} " if hint else ""
            yield f"{what} {step!r}, which is not in the new version: {more}map it to one of {ids}"

    def _other_kind(self, step: str, target: str) -> Iterator[str]:
        was, now = self.old.nodes[step].kind, self.new.nodes[target].kind
        if was != now:
            alike = [id_ for id_, node in self.new.nodes.items() if node.kind == was]
            then = f"map it to one of {', '.join(alike)}" if alike else f"the new version has no `{was}` to map it to"
            yield f"it stands at {step!r}, a `{was}`, and {target!r} of the new version is a `{now}`: {then}"

    def _wrong_step(self, step: str) -> Iterator[str]:
        yield from self._gone(step, "it stands at the step")
        match self.run.hold:
            case Pending(effect=Request()) if self.target(step) != step:
                yield f"a request of {step!r} is under way, which cannot be called otherwise: move it when that is over"
            case _:
                pass

    def _wrong_arm(self, split: str, arm: str) -> Iterator[str]:
        arms = _arms(self.new).get(split)
        mapped = self.step_map.get(f"{split}.{arm}", f"{split}.{arm}").removeprefix(f"{split}.")
        if arms is not None and mapped not in arms:
            yield (
                f"it is in the arm {arm!r} of {split!r}, which is not in the new version: map {split}.{arm} to one of "
                + ", ".join(f"{split}.{name}" for name in arms)
            )

    # what is carried over

    @property
    def triggers(self) -> Mapping[str, str]:
        """The triggers of the old version that listen to the same in the new one, by their names there.

        Those of a step belong to that step; exits are told by what they listen to and end as.
        """
        found: dict[str, str] = {}
        for id_, trigger in self.old.triggers.items():
            same = [t.id for t in self._where(trigger) if _listens_to(t) == _listens_to(trigger)]
            if same:
                found[id_] = same[0]
        return found

    def _where(self, trigger: Trigger) -> Iterable[Trigger]:
        """Where in the new version this trigger may be."""
        if self.old.exit_order(trigger.id) is not None:
            return self.new.exits
        step, _, number = trigger.id.rpartition(".")
        found = self.new.triggers.get(f"{self.target(step)}.{number}")
        return () if found is None or self.new.exit_order(found.id) is not None else (found,)

    @property
    def to_judge(self) -> frozenset[str]:
        """The triggers of the new version that the old one had not."""
        return frozenset(self.new.triggers) - frozenset(self.triggers.values())

    def data(self, choice: str) -> dict[str, Json]:
        """What the journal keeps of the move."""
        data: dict[str, Json] = {"from": self.old.hash, "to": self.new.hash}
        if self.step_map:
            data["map"] = dict(self.step_map)
        if choice:
            data["wait"] = choice
        return data

    def carried(self) -> tuple[Run, tuple[Effect, ...], str]:
        """The run in the new version, what entering its step anew brought, and what was chosen of its wait."""
        run = self._renamed()
        if run.node is None or self.run.node is None or not run.has_begun:
            return run, (), ""
        was, node = self.old.nodes[self.run.node], self.new.nodes[run.node]
        match run.hold:
            case Hold() as hold:
                return self._carried_hold(run, hold, was, node)
            case Pending(effect=Deliver() as deliver) as pending:
                return run.but(hold=replace(pending, effect=self._message(run, deliver))), (), ""
            case Pending(effect=Request() | Enrol()):
                return run, (), ""
            case Pending(effect=Decide(is_guard=is_guard)):
                taken, effects = take_up(self.new, run, with_guard=is_guard)
                return taken, effects, ""
            case Pending(effect=Evaluate() | Reckon()):
                taken, effects = take_up(self.new, run)
                return taken, effects, ""
            case _:
                return run, (), ""

    def _renamed(self) -> Run:
        """The run with the names of the new version."""
        run = self.run
        node = None if run.node is None else self.target(run.node)
        visits = dict(run.visits)
        for step, target in self.step_map.items():
            if step in run.visits and step != target:
                visits[target] = visits.get(target, 0) + run.visits[step]
        seen = {self.triggers[id_]: seen for id_, seen in run.seen.items() if id_ in self.triggers}
        arms = {
            split: self.step_map.get(f"{split}.{arm}", f"{split}.{arm}").removeprefix(f"{split}.")
            for split, arm in run.arms.items()
        }
        rounds = {self.target(repeat): each for repeat, each in run.rounds.items()}
        hold = run.hold
        if isinstance(hold, Pending) and node is not None:
            # the visit stays what it was, unless the step is called otherwise now
            effect = replace(hold.effect, node=node)
            if isinstance(effect, Deliver | Enrol) and node != run.node:
                effect = replace(effect, visit=visits.get(node, 1))
            hold = replace(hold, effect=effect)
        if isinstance(hold, Hold) and hold.reckon is not None and node is not None:
            hold = replace(hold, reckon=replace(hold.reckon, node=node))
        return run.but(node=node, visits=visits, seen=seen, arms=arms, rounds=rounds, hold=hold)

    def _carried_hold(self, run: Run, hold: Hold, was: Node, node: Node) -> tuple[Run, tuple[Effect, ...], str]:
        triggers = tuple(_triggers_of(node.options, self.new)) if hold.triggers else ()
        kept = run.but(hold=replace(hold, triggers=triggers))
        if reads_as_before(self.old, was, self.new, node):
            return kept, (), ""
        anew, _ = take_up(self.new, run.but(at=hold.since))
        match anew.hold:
            case Hold() as begun if anew.node == run.node:
                begun = replace(begun, since=hold.since)
                if begun.due_at == hold.due_at:
                    return replace(kept, hold=begun), (), ""
                text = "Its wait is counted anew from when it began: the step reads otherwise now."
                return replace(kept, hold=begun), (), text
            case Pending(effect=Reckon() as reckon) if anew.node == run.node:
                text = "Its wait is reckoned anew from when it began: the step reads otherwise now."
                pending = Pending(replace(reckon, since=hold.since), hold.since)
                return replace(kept, hold=pending), (), text
            case _:
                return kept, (), "Its wait keeps its end, though the step reads otherwise now."

    def _message(self, run: Run, deliver: Deliver) -> Deliver:
        """The message as the new version has it; asked for when it was asked for."""
        entered, _ = take_up(self.new, run.but(at=deliver.asked_at))
        if not isinstance(entered.hold, Pending) or not isinstance(entered.hold.effect, Deliver):
            return deliver
        via = deliver.via if deliver.leg else entered.hold.effect.via
        return replace(entered.hold.effect, visit=deliver.visit, leg=deliver.leg, via=via)


def reads_as_before(old: Program, was: Node, new: Program, node: Node) -> bool:
    """Whether the options of a step are the same but for the names of steps and triggers in them."""
    return _without(was.options, old) == _without(node.options, new)


def _pending_message(run: Run) -> Deliver | None:
    match run.hold:
        case Pending(effect=Deliver() as deliver):
            return deliver
        case _:
            return None


def _listens_to(trigger: Trigger) -> tuple[object, ...]:
    when = None if trigger.when is None else trigger.when.text
    return (trigger.on, when, trigger.outcome, trigger.keeps)


def _arms(program: Program) -> Mapping[str, tuple[str, ...]]:
    """The arms of every split, by the split's name: the successors that are called `arm-...`."""
    found: dict[str, tuple[str, ...]] = {}
    for node in program.nodes.values():
        arms = tuple(name.removeprefix("arm-") for name in node.successors if name.startswith("arm-"))
        name = getattr(node.options, "name", None)
        if arms and isinstance(name, str):
            found[name] = arms
    return found


def _leaves(options: object) -> Iterator[object]:
    """Every value in the options of a step."""
    if is_dataclass(options) and not isinstance(options, type):
        for each in fields(options):
            yield from _leaves(getattr(options, each.name))
    elif isinstance(options, tuple | list):
        for item in cast("Iterable[object]", options):
            yield from _leaves(item)
    else:
        yield options


def _triggers_of(options: object, program: Program) -> Iterator[str]:
    """The triggers that the options of a step name, in order."""
    found = (leaf for leaf in _leaves(options) if isinstance(leaf, str) and leaf in program.triggers)
    yield from dict.fromkeys(found)


def _without(options: object, program: Program) -> tuple[object, ...]:
    """The values in the options of a step, without names of triggers and steps."""
    named = program.triggers.keys() | program.nodes.keys()
    return tuple(str(leaf) for leaf in _leaves(options) if not (isinstance(leaf, str) and leaf in named))


def _hint(found: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    suggestion = did_you_mean(found, names)
    return f": {suggestion}" if suggestion else f": there are {', '.join(names)}"
