"""What differs between two versions of a journey: steps, messages, triggers, settings. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from journeys.moving import reads_as_before
from journeys.program import Program, Trigger


@dataclass(frozen=True, slots=True)
class Changes:
    """Names that are new, gone, or stand for something else now."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What is different in `new`. Triggers are told by what they listen to: `exit on hr.learner.left`; settings by
    their key in the definition.
    """

    steps: Changes
    messages: Changes
    triggers: Changes
    settings: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        """Whether the two do the same."""
        nothing = Changes()
        return self.steps == self.messages == self.triggers == nothing and not self.settings


def difference(old: Program, new: Program) -> Difference:
    """What changed from `old` to `new`."""
    steps = _compare(
        old.nodes,
        new.nodes,
        same=lambda name: (
            old.nodes[name].kind == new.nodes[name].kind
            and old.nodes[name].guard == new.nodes[name].guard
            and old.nodes[name].successors == new.nodes[name].successors
            and reads_as_before(old, old.nodes[name], new, new.nodes[name])
        ),
    )
    messages = _compare(old.messages, new.messages, same=lambda name: old.messages[name] == new.messages[name])
    was, now = _triggers(old), _triggers(new)
    triggers = _compare(was, now, same=lambda _name: True)
    settings = tuple(name for name, (before, after) in _settings(old, new).items() if before != after)
    return Difference(steps, messages, triggers, settings)


def _compare(old: Mapping[str, object], new: Mapping[str, object], *, same: Callable[[str], bool]) -> Changes:
    return Changes(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and not same(name)),
    )


def _triggers(program: Program) -> Mapping[str, Trigger]:
    """Every trigger by what it listens to."""
    found: dict[str, Trigger] = {}
    for rule in program.enter:
        key = "" if rule.key is None else f", key {rule.key.text}"
        found[f"enter on {_said(rule.trigger)}{key}"] = rule.trigger
    for id_, trigger in program.triggers.items():
        is_exit = program.exit_order(id_) is not None
        where = f"exit as {trigger.outcome or 'goal'}" if is_exit else id_.rpartition(".")[0]
        found[f"{where} on {_said(trigger)}"] = trigger
    return found


def _said(trigger: Trigger) -> str:
    when = "" if trigger.when is None else f" when {trigger.when.text}"
    return " or ".join(trigger.on) + when


def _settings(old: Program, new: Program) -> Mapping[str, tuple[object, object]]:
    return {
        "title": (old.title, new.title),
        "audience": (old.audience, new.audience),
        "again": (old.again, new.again),
        "limit": (old.limit, new.limit),
        "priority": (old.priority, new.priority),
        "mandatory": (old.is_mandatory, new.is_mandatory),
        "holdout": (old.holdout, new.holdout),
        "objective": (old.objective, new.objective),
        "the first step": (old.start, new.start),
    }
