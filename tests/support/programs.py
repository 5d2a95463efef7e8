"""Small programs built by hand, and a performer that answers what a test tells it to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from journeys.effects import Answer, Asking, Decide, Decided, Deliver, Delivered, Effect, End, Fired, Note
from journeys.program import EntryRule, Expression, Message, Node, Program, Trigger
from journeys.run import Run
from journeys.steps.await_ import AwaitOptions
from journeys.steps.branch import BranchOptions
from journeys.steps.end import EndOptions
from journeys.steps.send import SendOptions
from journeys.steps.wait import WaitOptions
from journeys.turn import Interrupted, take_turn

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def send(
    message: str, *, then: str | None = None, name: str | None = None, guard: str | None = None, **options: object
) -> Node:
    return _node(name or f"send-{message}", "send", SendOptions(message, **options), {"next": then}, guard)  # type: ignore[arg-type]


def wait(duration: timedelta, *, name: str = "wait", then: str | None = None, guard: str | None = None) -> Node:
    return _node(name, "wait", WaitOptions(duration), {"next": then}, guard)


def await_(
    *triggers: str,
    name: str = "await",
    within: timedelta | None = None,
    since: str = "entry",
    then: str | None = None,
    otherwise: str | None = None,
) -> Node:
    options = AwaitOptions(triggers, within, since)  # type: ignore[arg-type]
    return _node(name, "await", options, {"then": then, "else": otherwise}, None)


def branch(
    *questions: str, name: str = "branch", arms: Sequence[str | None] = (), otherwise: str | None = None
) -> Node:
    successors = {f"arm-{n}": arm for n, arm in enumerate(arms)} | {"else": otherwise}
    return _node(name, "branch", BranchOptions(tuple(Expression(q) for q in questions)), successors, None)


def end(outcome: str, *, name: str = "end") -> Node:
    return _node(name, "end", EndOptions(outcome), {}, None)


def _node(name: str, kind: str, options: object, successors: Mapping[str, str | None], guard: str | None) -> Node:
    return Node(name, kind, options, successors, None if guard is None else Expression(guard))


def program(
    *nodes: Node,
    awaits: Mapping[str, str] | None = None,
    exits: Sequence[tuple[str, str, str]] = (),
    limit: timedelta = timedelta(days=365),
    start: str | None = None,
) -> Program:
    """A program of these nodes; `awaits` maps trigger ids to event types, exits are (id, type, outcome)."""
    leaving = tuple(Trigger(name, (type_,), outcome=outcome) for name, type_, outcome in exits)
    waiting = {name: Trigger(name, (type_,)) for name, type_ in (awaits or {}).items()}
    return Program(
        journey="tested",
        title="Tested",
        enter=(EntryRule(Trigger("enter-1", ("hr.learner.promoted",))),),
        nodes={node.id: node for node in nodes},
        start=start or (nodes[0].id if nodes else None),
        messages={n.options.message: Message(n.options.message) for n in nodes if isinstance(n.options, SendOptions)},
        exits=leaving,
        triggers={**{t.id: t for t in leaving}, **waiting},
        limit=limit,
    )


def chain(*nodes: Node) -> list[Node]:
    """The nodes, each leading to the one after it by `next`."""
    following = [*(node.id for node in nodes[1:]), None]
    return [
        replace(node, successors={**node.successors, "next": after})
        for node, after in zip(nodes, following, strict=True)
    ]


def fresh(at: datetime = MONDAY) -> Run:
    """A run that has not begun."""
    return Run(enrolment="tested-enrolment", entered_at=at, at=at)


def fired(trigger: str, at: datetime, *, event: str | None = None) -> Fired:
    return Fired(at, trigger, event or f"event of {trigger} at {at.isoformat()}", "tested.event")


Answering = Callable[[Run, Asking], Answer | Interrupted]


@dataclass
class Told:
    """A performer that answers what it is told: `now` for a message sent, the first question for a decision."""

    now: datetime = MONDAY
    inbox: list[Fired] = field(default_factory=list)
    answering: Answering | None = None
    effects: list[Effect] = field(default_factory=list)
    asked: list[Asking] = field(default_factory=list)

    async def unread(self) -> Sequence[Fired]:
        unread, self.inbox = tuple(self.inbox), []
        return unread

    def keep(self, effects: Sequence[Effect]) -> None:
        self.effects += effects

    async def perform(self, run: Run, effect: Asking) -> Answer | Interrupted:
        self.asked.append(effect)
        if self.answering is not None:
            return self.answering(run, effect)
        if isinstance(effect, Decide):
            return Decided(run.at, 0)
        assert isinstance(effect, Deliver), "these programs ask for nothing else"
        return Delivered(self.now, "sent", effect.via[0])

    async def turn(self, program: Program, run: Run, *, now: datetime, inbox: Sequence[Fired] = ()) -> Run:
        """Take one turn at `now`, with these in the inbox."""
        self.now = now
        self.inbox += inbox
        return await take_turn(program, run, now=now, performer=self)

    @property
    def notes(self) -> list[Note]:
        return [effect for effect in self.effects if isinstance(effect, Note)]

    def sent(self) -> list[tuple[str, datetime]]:
        """Messages that went, and the run's instant at which they did."""
        return [(str(n.data["message"]), n.at) for n in self.notes if n.kind == "sent"]

    def ends(self) -> list[End]:
        return [effect for effect in self.effects if isinstance(effect, End)]
