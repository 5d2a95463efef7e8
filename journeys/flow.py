"""The journey drawn: where each card stands and which way each arrow goes. Pure geometry, in pixels from the top left.

Theory of operation. A program is made of nested lists, so its graph falls into regions: what a step dominates (comes
to only through it) stands beneath it.

    the step             its arms stand side by side beneath it, each a region of its own;
     ├─ yes ─┐           an arm that goes straight to where all meet is a lane between them;
    card     │ (lane)    what several arms lead to stands beneath all of them, and so on down;
     └───────┤           an arm that ends while the journey goes on stands beside the line that goes on;
    card <───┘           what leads back to a step above it (`repeat`) goes up in a lane on the left.

Arrows leave a card at its foot, run in the channel beneath it to their column, and come in from the channel above the
card they lead to; so no arrow crosses a card. Words are measured by a table of widths, since no font is at hand here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from journeys.labels import entry_label, step_label
from journeys.plain_words import Label, duration_words, trigger_words
from journeys.program import Node, Program
from journeys.steps.await_ import AwaitOptions

Point = tuple[float, float]
BoxKind = Literal["entry", "step", "outcome", "exit", "limit"]

CARD = 240
"""How wide a card is."""
_PAD, _KICKER, _TITLE, _LINE = 14, 16, 18, 15
_GAP, _CHANNEL, _COLUMN, _LANE = 34, 18, 30, 40
_LABEL_LINE, _LABEL_WIDTH = 15, 168
_SIDE = 56
_NUMBER = 20
_BOLD = 1.08
"""How much wider a bold letter is."""


@dataclass(frozen=True, slots=True)
class Box:
    """A card. `of` is the id of the step or trigger it stands for; `title` and `lines` are wrapped to its width."""

    id: str
    kind: BoxKind
    of: str
    label: Label
    title: tuple[str, ...]
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one card to another, by the arm of this name. `label` is wrapped, and centred at `label_at`."""

    source: str
    arm: str
    target: str
    points: tuple[Point, ...]
    label: tuple[str, ...] = ()
    label_at: Point = (0, 0)
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole picture. `side_at` is where the column of exits begins, None where there is nothing in it."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float
    side_at: Point | None = None


END = "outcome:completed"
"""Where a journey comes to that runs out of steps."""


def arms_of(node: Node) -> Mapping[str, str | None]:
    """Where the step leads by each arm that a run may take; `skip` passes over one with a condition of its own."""
    arms = dict(node.successors)
    if node.guard is not None and "skip" not in arms:
        arms["skip"] = arms.get("next")
        if len(arms) > 2 and "do" not in arms:
            del arms["next"]  # of the arms of its own none is called so: it leads past the step
    options = node.options
    if isinstance(options, AwaitOptions) and options.within is None and options.span is None:
        arms.pop("else", None)
    return arms


def step_box(step: str | None) -> str:
    """The id of the card of a step; None is the end of the journey."""
    return END if step is None else f"step:{step}"


def flow_of(program: Program) -> Flow:
    """The journey, laid out."""
    graph = _graph(program)
    cards = _cards(program)
    labels = {id_: _wrapped_arms(program, id_) for id_ in graph.arms}
    placed = _Layout(graph, cards, labels).region(_ROOT)
    entries = _entries(program, placed)
    everything = [*(_moved(cards[id_], at) for id_, at in placed.boxes.items()), *entries]
    arrows = [*_entry_arrows(entries, placed, program), *_arrows(graph, placed, cards, labels)]
    return _framed(everything, arrows, _side(program))


# -- the graph ---------------------------------------------------------------------------------------------------------

_ROOT = "start"


@dataclass(slots=True)
class _Graph:
    """Cards by id, the arms of each in order, and what a layout must know of them."""

    arms: dict[str, dict[str, str]]
    order: dict[str, int] = field(default_factory=dict[str, int])
    before: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    dominator: dict[str, str] = field(default_factory=dict[str, str])
    children: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    size: dict[str, int] = field(default_factory=dict[str, int])
    span: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def is_back(self, source: str, target: str) -> bool:
        """Whether this leads back to something above it."""
        return self.is_beneath(source, target)

    def is_beneath(self, id_: str, other: str) -> bool:
        """Whether `other` dominates `id_`; each dominates itself."""
        first, last = self.span[other]
        return first <= self.span[id_][0] <= last


def _graph(program: Program) -> _Graph:
    arms = {step_box(id_): {arm: step_box(to) for arm, to in arms_of(node).items()}
            for id_, node in program.nodes.items()}  # fmt: skip
    if program.start is None or any(END in targets.values() for targets in arms.values()):
        arms[END] = {}
    heads = {"0": step_box(program.start)}
    reached = _reached(arms, heads.values())
    for id_ in arms:
        if id_ not in reached:
            heads[str(len(heads))] = id_
            reached |= _reached(arms, [id_])
    graph = _Graph({_ROOT: heads, **arms})
    graph.order = {id_: place for place, id_ in enumerate(_reverse_postorder(graph.arms))}
    for id_ in graph.order:
        for target in graph.arms[id_].values():
            graph.before.setdefault(target, []).append(id_)
    _dominate(graph)
    return graph


def _reached(arms: Mapping[str, Mapping[str, str]], heads: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    ahead = list(heads)
    while ahead:
        id_ = ahead.pop()
        if id_ not in reached:
            reached.add(id_)
            ahead.extend(arms[id_].values())
    return reached


def _reverse_postorder(arms: Mapping[str, Mapping[str, str]]) -> list[str]:
    done: list[str] = []
    seen = {_ROOT}
    ahead = [(_ROOT, iter(list(arms[_ROOT].values())[::-1]))]
    while ahead:
        id_, targets = ahead[-1]
        following = next((target for target in targets if target not in seen), None)
        if following is None:
            done.append(id_)
            ahead.pop()
        else:
            seen.add(following)
            ahead.append((following, iter(list(arms[following].values())[::-1])))
    return done[::-1]


def _dominate(graph: _Graph) -> None:
    """Immediate dominators (Cooper, Harvey, Kennedy 2001, figure 3), the tree of them, and its sizes."""
    dominator = {_ROOT: _ROOT}
    has_changed = True
    while has_changed:
        has_changed = False
        for id_ in graph.order:
            if id_ == _ROOT:
                continue
            known = [before for before in graph.before[id_] if before in dominator]
            found = known[0]
            for other in known[1:]:
                found = _common(found, other, dominator, graph.order)
            if dominator.get(id_) != found:
                dominator[id_] = found
                has_changed = True
    graph.dominator = dominator
    for id_ in graph.order:
        graph.children.setdefault(id_, [])
        if id_ != _ROOT:
            graph.children.setdefault(dominator[id_], []).append(id_)
    _number(graph)


def _common(a: str, b: str, dominator: Mapping[str, str], order: Mapping[str, int]) -> str:
    while a != b:
        while order[a] > order[b]:
            a = dominator[a]
        while order[b] > order[a]:
            b = dominator[b]
    return a


def _number(graph: _Graph) -> None:
    """Numbers in the tree of dominators, so that *beneath* is a comparison."""
    preorder: list[str] = []
    ahead = [_ROOT]
    while ahead:
        id_ = ahead.pop()
        preorder.append(id_)
        ahead.extend(reversed(graph.children[id_]))
    place = {id_: number for number, id_ in enumerate(preorder)}
    for id_ in reversed(preorder):
        graph.size[id_] = 1 + sum(graph.size[child] for child in graph.children[id_])
        graph.span[id_] = (place[id_], place[id_] + graph.size[id_] - 1)


# -- the cards ---------------------------------------------------------------------------------------------------------


def _cards(program: Program) -> dict[str, Box]:
    """Every card of the flow, its words wrapped, not placed yet."""
    cards = {step_box(id_): _card(step_box(id_), "step", id_, step_label(program, node))
             for id_, node in program.nodes.items()}  # fmt: skip
    cards[END] = _card(END, "outcome", "completed", Label("Ends as", "completed"))
    return cards


def _card(id_: str, kind: BoxKind, of: str, label: Label) -> Box:
    title = wrapped(label.title, width=CARD - 2 * _PAD, size=14.5 * _BOLD, most=3)
    lines = tuple(line for text in label.lines for line in wrapped(text, width=CARD - 2 * _PAD, size=12, most=3))
    height = 2 * _PAD - 6 + _KICKER + _TITLE * len(title) + _LINE * len(lines) + (3 if lines else 0)
    return Box(id_, kind, of, label, title, lines, 0, 0, CARD, height)


def _moved(box: Box, at: Point) -> Box:
    """The card with its foot's middle's `x` and its `y` there."""
    return Box(box.id, box.kind, box.of, box.label, box.title, box.lines, at[0] - box.width / 2, at[1], box.width,
               box.height)  # fmt: skip


def _wrapped_arms(program: Program, id_: str) -> Mapping[str, tuple[str, ...]]:
    node = program.nodes.get(id_.removeprefix("step:")) if id_.startswith("step:") else None
    if node is None:
        return {}
    said = step_label(program, node).arms
    return {arm: wrapped(said.get(arm, ""), width=_LABEL_WIDTH, size=12, most=3) for arm in arms_of(node)}


# -- the layout --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """Something laid out around an anchor: `x` from its line, `y` from its top. `left` is not positive, `right` not
    negative.
    """

    boxes: dict[str, Point] = field(default_factory=dict[str, Point])
    lanes: dict[tuple[str, str], Point] = field(default_factory=dict[tuple[str, str], Point])
    labels: dict[tuple[str, str], Point] = field(default_factory=dict[tuple[str, str], Point])
    loops: dict[str, Point] = field(default_factory=dict[str, Point])
    left: float = 0
    right: float = 0
    height: float = 0

    def take(self, other: "_Part", x: float, y: float) -> None:
        """Put the other part here."""
        for mine, theirs in (
            (self.boxes, other.boxes),
            (self.lanes, other.lanes),
            (self.labels, other.labels),
            (self.loops, other.loops),
        ):
            for key, at in theirs.items():
                mine[key] = (at[0] + x, at[1] + y)  # type: ignore[index] - keys go with their own kind of map
        self.widen(x + other.left, x + other.right)
        self.height = max(self.height, y + other.height)

    def widen(self, left: float, right: float) -> None:
        self.left, self.right = min(self.left, left), max(self.right, right)


@dataclass(slots=True)
class _Column:
    """One arm beneath its step: a region, or a lane to somewhere further down (or back up)."""

    arm: str
    part: _Part | None
    label: tuple[str, ...]
    is_onward: bool = False

    @property
    def left(self) -> float:
        return min(self._own()[0], -self._label_width / 2)

    @property
    def right(self) -> float:
        return max(self._own()[1], self._label_width / 2)

    @property
    def _label_width(self) -> float:
        return max((text_width(line, 12) for line in self.label), default=0) + (2 * _NUMBER if self.label else 0)

    def _own(self) -> tuple[float, float]:
        return (-_LANE / 2, _LANE / 2) if self.part is None else (self.part.left, self.part.right)


@dataclass(slots=True)
class _Layout:
    """Lays out region by region; a long line of steps is no recursion."""

    graph: _Graph
    cards: Mapping[str, Box]
    labels: Mapping[str, Mapping[str, tuple[str, ...]]]

    def region(self, id_: str) -> _Part:
        """Everything that this dominates, with itself on top."""
        part = _Part()
        y = 0.0
        following: str | None = id_
        while following is not None:
            current = following
            card = self.cards.get(current)
            if card is not None:
                part.boxes[current] = (0, y)
                part.widen(-card.width / 2, card.width / 2)
                y += card.height
            columns, beneath = self._columns(current)
            y = self._block(part, current, columns, y)
            for other in beneath[:-1]:
                inner = self.region(other)
                part.take(inner, 0, y)
                y += inner.height + _GAP
            following = beneath[-1] if beneath else None
        part.height = max(part.height, y)
        return part

    def _columns(self, id_: str) -> tuple[list[_Column], list[str]]:
        """The arms that stand side by side, and what stands beneath them all."""
        graph, arms = self.graph, self.graph.arms[id_]
        children = graph.children[id_]
        own = [child for child in children if self._is_arm(id_, child)]
        onward = self._onward(id_, own)
        beside = [child for child in own if child not in onward]
        if len(arms) == 1 and beside == list(arms.values()):
            onward, beside = set(beside), []
        beneath = [child for child in children if child not in beside]
        said = self.labels.get(id_, {})
        columns = [
            _Column(arm, self.region(to) if to in beside else None, said.get(arm, ()), is_onward=to in onward)
            for arm, to in arms.items()
        ]
        return columns, beneath

    def _is_arm(self, id_: str, child: str) -> bool:
        """Whether there is one way to it, from here; ways back to it do not count."""
        ways = [before for before in self.graph.before[child] if not self.graph.is_back(before, child)]
        return ways == [id_]

    def _onward(self, id_: str, own: Sequence[str]) -> set[str]:
        """Of a step's own arms those that stand beneath the others: after a loop, or the journey itself where the
        others end early.
        """
        backs = [before for before in self.graph.before.get(id_, ()) if self.graph.is_back(before, id_)]
        if backs:
            return {child for child in own if not any(self.graph.is_beneath(b, child) for b in backs)}
        if len(self.graph.arms[id_]) < 2 or not own or id_ == _ROOT:
            return set()
        last = max(own, key=lambda child: list(self.cards).index(child) if child in self.cards else -1)
        others = [self.graph.size[child] for child in own if child != last]
        is_all = set(self.graph.children[id_]) == set(own)
        if is_all and len(own) == len(set(self.graph.arms[id_].values())) and others:
            return {last} if self.graph.size[last] > 2 * max(others) else set()
        return set()

    def _block(self, part: _Part, id_: str, columns: Sequence[_Column], y: float) -> float:
        """Place the columns beneath a card whose foot is at `y`; answers where the next card may begin."""
        if not columns:
            return y
        if len(columns) == 1 and columns[0].part is None and not self._leads_back(id_, columns[0].arm):
            part.lanes[id_, columns[0].arm] = (0, y)
            return y + (_GAP if id_ != _ROOT else 0)
        is_loop = any(self._is_looped(id_))
        xs, left, right = _spread(columns, is_loop=is_loop)
        rows = max(len(column.label) for column in columns)
        top = y + _CHANNEL + (_LABEL_LINE * rows + 22 if rows else 10)
        bottom = top
        for column, x in zip(columns, xs, strict=True):
            part.labels[id_, column.arm] = (x, y + _CHANNEL + 8 + _LABEL_LINE * rows / 2)
            part.lanes[id_, column.arm] = (x, top)
            if column.part is not None:
                part.take(column.part, x, top)
                bottom = max(bottom, top + column.part.height)
        if is_loop:
            left -= _LANE
            bottom += _CHANNEL
            part.loops[id_] = (left + _LANE / 2, bottom)
        part.widen(left, right)
        return bottom + _GAP + (0 if id_ == _ROOT else 4)

    def _leads_back(self, id_: str, arm: str) -> bool:
        return self.graph.is_back(id_, self.graph.arms[id_][arm]) and id_ == self.graph.arms[id_][arm]

    def _is_looped(self, id_: str) -> Iterable[bool]:
        return (self.graph.is_back(before, id_) for before in self.graph.before.get(id_, ()))


def _spread(columns: Sequence[_Column], *, is_loop: bool) -> tuple[list[float], float, float]:
    """Columns side by side: the line of each, and how far all reach, from the line of their step."""
    xs: list[float] = []
    edge = 0.0
    for column in columns:
        xs.append(edge - column.left)
        edge = xs[-1] + column.right + _COLUMN
    edge -= _COLUMN
    regions = [x for column, x in zip(columns, xs, strict=True) if column.part is not None]
    onward = [x for column, x in zip(columns, xs, strict=True) if column.is_onward]
    if onward and not is_loop:
        anchor = onward[0]
    elif not regions:
        anchor = xs[0]
    else:
        anchor = (regions[0] + regions[-1]) / 2
    return [x - anchor for x in xs], -anchor, edge - anchor


# -- arrows ------------------------------------------------------------------------------------------------------------


def _arrows(
    graph: _Graph,
    placed: _Part,
    cards: Mapping[str, Box],
    labels: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> Iterable[Arrow]:
    for source, arms in graph.arms.items():
        if source == _ROOT:
            continue
        x, top = placed.boxes[source]
        foot = top + cards[source].height
        for arm, target in arms.items():
            lane = placed.lanes[source, arm]
            label = labels[source].get(arm, ())
            at = placed.labels.get((source, arm), (x, foot + _GAP / 2))
            is_back = graph.is_back(source, target)
            begin = [(x, foot), (x, foot + _CHANNEL), (lane[0], foot + _CHANNEL), (lane[0], lane[1])]
            end = _back(placed, cards, target, lane[0]) if is_back else _down(placed, target, lane[0])
            yield Arrow(source, arm, target, _straightened([*begin, *end]), label, at, is_back)


def _down(placed: _Part, target: str, x: float) -> list[Point]:
    """In from the channel above the card."""
    at, top = placed.boxes[target]
    return [(x, top - _CHANNEL + 2), (at, top - _CHANNEL + 2), (at, top)]


def _back(placed: _Part, cards: Mapping[str, Box], target: str, x: float) -> list[Point]:
    """Round by the left, up to the card's side."""
    lane, channel = placed.loops[target]
    at, top = placed.boxes[target]
    middle = top + cards[target].height / 2
    return [(x, channel), (lane, channel), (lane, middle), (at - cards[target].width / 2, middle)]


def _straightened(points: Sequence[Point]) -> tuple[Point, ...]:
    """Without points where nothing turns."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)


# -- ways in, ways out -------------------------------------------------------------------------------------------------


def _entries(program: Program, placed: _Part) -> list[Box]:
    """The ways in, side by side above the first step."""
    cards = [_card(f"entry:{rule.trigger.id}", "entry", rule.trigger.id, entry_label(program, rule))
             for rule in program.enter]  # fmt: skip
    tallest = max((card.height for card in cards), default=0)
    x = placed.boxes[step_box(program.start)][0] - (len(cards) - 1) * (CARD + _COLUMN) / 2
    top = placed.boxes[step_box(program.start)][1] - _GAP - 8
    boxes: list[Box] = []
    for place, card in enumerate(cards):
        boxes.append(_moved(card, (x + place * (CARD + _COLUMN), top - tallest)))
    return boxes


def _entry_arrows(entries: Sequence[Box], placed: _Part, program: Program) -> Iterable[Arrow]:
    target = step_box(program.start)
    for box in entries:
        x = box.x + box.width / 2
        points = _straightened([(x, box.y + box.height), *_down(placed, target, x)])
        yield Arrow(box.id, "enter", target, points)


def _side(program: Program) -> list[tuple[Box, Box]]:
    """Ways out that hold wherever she is: each with what it ends as."""
    cards = [
        _card(f"exit:{trigger.id}", "exit", trigger.id, Label("As soon as she", trigger_words(trigger)))
        for trigger in program.exits
    ]
    outcomes = [trigger.outcome or "goal" for trigger in program.exits]
    limit = Label("At the latest", f"{duration_words(program.limit)} after she came in")
    cards.append(_card("limit", "limit", "limit", limit))
    outcomes.append("expired")
    return [
        (card, _card(f"outcome:{card.id}", "outcome", outcome, Label("Ends as", outcome)))
        for card, outcome in zip(cards, outcomes, strict=True)
    ]


def _framed(boxes: Sequence[Box], arrows: Sequence[Arrow], side: Sequence[tuple[Box, Box]]) -> Flow:
    """Everything moved so that it begins at the top left, with the ways out on the right."""
    margin = 16.0
    bends = [point for arrow in arrows for point in arrow.points]
    left = min([box.x for box in boxes] + [x for x, _ in bends] + [_label_reach(a, -1) for a in arrows]) - margin
    top = min(box.y for box in boxes) - margin
    right = max([box.x + box.width for box in boxes] + [x for x, _ in bends] + [_label_reach(a, 1) for a in arrows])
    moved = [_moved(box, (box.x + box.width / 2 - left, box.y - top)) for box in boxes]
    drawn = [_arrow_moved(arrow, -left, -top) for arrow in arrows]
    x = right - left + _SIDE + CARD / 2
    y = margin + 30
    for card, outcome in side:
        moved += [_moved(card, (x, y)), _moved(outcome, (x, y + card.height + _GAP))]
        foot = y + card.height
        drawn.append(Arrow(card.id, "end", outcome.id, ((x, foot), (x, foot + _GAP))))
        y = foot + _GAP + outcome.height + _GAP
    width = max(box.x + box.width for box in moved) + margin
    height = max(box.y + box.height for box in moved) + margin
    return Flow(tuple(moved), tuple(drawn), width, height, (x - CARD / 2, margin))


def _label_reach(arrow: Arrow, side: int) -> float:
    """How far the words beside an arrow reach to the left (-1) or the right (1), with a number behind them."""
    if not arrow.label:
        return arrow.points[0][0]
    return arrow.label_at[0] + side * (max(text_width(line, 12) for line in arrow.label) / 2 + _NUMBER)


def _arrow_moved(arrow: Arrow, x: float, y: float) -> Arrow:
    points = tuple((px + x, py + y) for px, py in arrow.points)
    at = (arrow.label_at[0] + x, arrow.label_at[1] + y)
    return Arrow(arrow.source, arrow.arm, arrow.target, points, arrow.label, at, arrow.is_back)


# -- words -------------------------------------------------------------------------------------------------------------

_NARROW = frozenset("iIl|.,:;!'`·‹›()[]fjtr -")
_WIDE = frozenset("mwMW@%")


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a wide sans-serif font of this size: it fits in the narrow ones too."""
    return size * sum(_width_of(character) for character in text)


def _width_of(character: str) -> float:
    if character in _NARROW:
        return 0.4
    if character in _WIDE or ord(character) > 0x2E7F:
        return 1.05
    return 0.76 if character.isupper() else 0.63


def wrapped(text: str, *, width: float, size: float, most: int) -> tuple[str, ...]:
    """The text in lines of this width, at most so many; the last ends in an ellipsis where something is left out."""
    lines: list[str] = []
    for word in text.split():
        for piece in _pieces(word, width, size):
            if lines and text_width(f"{lines[-1]} {piece}", size) <= width:
                lines[-1] = f"{lines[-1]} {piece}"
            elif len(lines) < most:
                lines.append(piece)
            else:
                return (*lines[:-1], _clipped(lines[-1], width, size))
    return tuple(lines)


def _pieces(word: str, width: float, size: float) -> Iterable[str]:
    """A word that is longer than a line, in pieces that fit."""
    piece = ""
    for character in word:
        if text_width(piece + character, size) > width:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _clipped(line: str, width: float, size: float) -> str:
    while line and text_width(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line.rstrip()}…"
