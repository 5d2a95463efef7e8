"""Small programs, made by hand, for tests of what stands below the language."""

from collections.abc import Sequence
from datetime import timedelta

from journeys.program import EntryRule, Message, Node, Program, Trigger
from journeys.steps.send import SendOptions
from journeys.steps.wait import WaitOptions


def program_of(nodes: Sequence[Node], *, journey: str = "story", exits: Sequence[Trigger] = ()) -> Program:
    """A program of these nodes, entered by `hr.learner.promoted`, whose every message greets by name."""
    names = [node.options.message for node in nodes if isinstance(node.options, SendOptions)]
    return Program(
        journey=journey,
        title="A story",
        enter=(EntryRule(Trigger("enter-1", ("hr.learner.promoted",))),),
        nodes={node.id: node for node in nodes},
        start=nodes[0].id if nodes else None,
        messages={name: Message(name, f"About {name}", "Hello {{ learner.given_name }}") for name in names},
        exits=tuple(exits),
        triggers={trigger.id: trigger for trigger in exits},
        hash=f"hash-of-{journey}",
    )


def send(message: str, *, then: str | None = None, via: tuple[str, ...] = ("email",), **options: object) -> Node:
    """A node that sends."""
    return Node(f"send-{message}", "send", SendOptions(message, via, **options), {"next": then})  # type: ignore[arg-type]


def wait(days: float, *, then: str | None = None) -> Node:
    """A node that waits."""
    return Node(f"wait-{days:g}d", "wait", WaitOptions(timedelta(days=days)), {"next": then})


LEFT = Trigger("exit-1", ("hr.learner.left",), None, "left")
