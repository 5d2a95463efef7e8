"""The journey drawn: every card and every arrow once, no card upon another, no arrow through one."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings

from journeys.flow import END, Arrow, Box, Flow, arms_of, flow_of, step_box, text_width, wrapped
from journeys.program import Program
from tests.support.compiling import compiled
from tests.support.random_journeys import definitions

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/journey.yaml"))


def journey(steps: str) -> Program:
    messages = "".join(f"      {name}: {{subject: Subject, body: Body.}}\n" for name in "abcdef")
    return compiled(
        "    waymark: 1\n    journey: drawn\n    title: Drawn\n    enter: [{on: hr.learner.hired}]\n    steps:\n"
        + "".join(f"      {line}\n" for line in steps.strip("\n").split("\n"))
        + f"    messages:\n{messages}"
    )


def box(flow: Flow, step: str) -> Box:
    return next(each for each in flow.boxes if each.id == step_box(step))


def arrow(flow: Flow, source: str, arm: str) -> Arrow:
    return next(each for each in flow.arrows if (each.source, each.arm) == (step_box(source), arm))


def assert_well_drawn(program: Program) -> None:
    """Everything once, nothing upon another, every arrow from its card to its card."""
    flow = flow_of(program)
    assert_complete(program, flow)
    boxes = {each.id: each for each in flow.boxes}
    for one in flow.boxes:
        assert 0 <= one.x
        assert one.x + one.width <= flow.width
        assert 0 <= one.y
        assert one.y + one.height <= flow.height
        for other in flow.boxes:
            assert one is other or not _overlap(one, other), (one.id, other.id)
    for each in flow.arrows:
        _assert_leads(each, boxes)
        _assert_passes_beside(each, flow.boxes)


def assert_complete(program: Program, flow: Flow) -> None:
    """Each step, entry, exit and arm once."""
    steps = [each.of for each in flow.boxes if each.kind == "step"]
    assert Counter(program.nodes.keys()) == Counter(steps)
    entries = [each.of for each in flow.boxes if each.kind == "entry"]
    assert [rule.trigger.id for rule in program.enter] == entries
    assert [trigger.id for trigger in program.exits] == [each.of for each in flow.boxes if each.kind == "exit"]
    assert 1 == sum(each.kind == "limit" for each in flow.boxes)
    arms = [
        (step_box(id_), arm, step_box(to)) for id_, node in program.nodes.items() for arm, to in arms_of(node).items()
    ]
    drawn = [(each.source, each.arm, each.target) for each in flow.arrows if each.source.startswith("step:")]
    assert Counter(arms) == Counter(drawn)


def _overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def _assert_leads(drawn: Arrow, boxes: dict[str, Box]) -> None:
    source, target = boxes[drawn.source], boxes[drawn.target]
    assert (source.x + source.width / 2, source.y + source.height) == pytest.approx(drawn.points[0])
    x, y = drawn.points[-1]
    if drawn.is_back:
        assert (target.x, target.y + target.height / 2) == pytest.approx((x, y))
    else:
        assert (target.x + target.width / 2, target.y) == pytest.approx((x, y))
    for (ax, ay), (bx, by) in zip(drawn.points, drawn.points[1:], strict=False):
        assert ax == pytest.approx(bx) or ay == pytest.approx(by), "a line is level or upright"


def _assert_passes_beside(drawn: Arrow, boxes: tuple[Box, ...]) -> None:
    for (ax, ay), (bx, by) in zip(drawn.points, drawn.points[1:], strict=False):
        for each in boxes:
            is_across = min(ax, bx) < each.x + each.width - 1 and max(ax, bx) > each.x + 1
            is_along = min(ay, by) < each.y + each.height - 1 and max(ay, by) > each.y + 1
            assert not (is_across and is_along), (drawn.source, drawn.arm, each.id)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_every_example_is_well_drawn(file: Path) -> None:
    """As they stand."""
    assert_well_drawn(compiled(file.read_text("utf-8")))


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_every_journey_is_well_drawn(definition: str) -> None:
    """Whatever is nested in what."""
    assert_well_drawn(compiled(definition))


def test_a_line_of_steps_stands_in_one_line() -> None:
    """One beneath the other, in order, and the end of the journey last."""
    flow = flow_of(journey("- send: a\n- wait: 1d\n- send: b"))
    cards = [box(flow, "send-a"), box(flow, "wait-1d"), box(flow, "send-b")]
    assert 1 == len({card.x for card in cards})
    assert [card.y for card in cards] == sorted(card.y for card in cards)
    end = next(each for each in flow.boxes if each.id == END)
    assert end.y > cards[-1].y


def test_arms_stand_side_by_side_and_meet_beneath() -> None:
    """In the order of the definition; what follows stands beneath the middle."""
    flow = flow_of(
        journey("- branch:\n    - if: has(learner.team)\n      do: [{send: a}]\n    - else: [{send: b}]\n- send: c")
    )
    a, b, c = box(flow, "send-a"), box(flow, "send-b"), box(flow, "send-c")
    assert a.y == b.y
    assert a.x < b.x
    assert c.y > a.y
    assert c.x == pytest.approx((a.x + b.x) / 2)


def test_a_repeat_leads_back_on_the_left() -> None:
    """Up to the side of its card; what comes after it stands beneath what is repeated."""
    flow = flow_of(journey("- repeat: {every: 7d, times: 3}\n  do: [{send: a}, {send: b}]\n- send: c"))
    back = arrow(flow, "send-b", "next")
    assert back.is_back
    assert min(x for x, _ in back.points) < box(flow, "repeat").x
    assert box(flow, "send-c").y > box(flow, "send-b").y
    assert [("step:send-b", "next")] == [(each.source, each.arm) for each in flow.arrows if each.is_back]


def test_an_arm_that_ends_stands_beside_the_line_that_goes_on() -> None:
    """The journey itself does not drift to the side."""
    early = "- branch:\n    - if: has(learner.team)\n      do: [{end: early}]\n"
    flow = flow_of(journey(early + "- send: a\n- wait: 1d\n- send: b\n- wait: 2d\n- send: c"))
    assert box(flow, "branch").x == box(flow, "send-a").x == box(flow, "send-c").x
    assert box(flow, "end-early").x != box(flow, "branch").x


def test_steps_that_nobody_comes_to_are_drawn_too() -> None:
    """Beside the rest, so that they are seen."""
    assert_well_drawn(journey("- send: a\n- end: done\n- send: b\n- send: c"))


def test_five_hundred_steps_are_laid_out() -> None:
    """A long line is no recursion."""
    arms = "\n".join(
        f"- branch:\n    - if: has(learner.team)\n      do: [{{end: early-{n}}}]\n- send: a" for n in range(250)
    )
    assert_complete(program := journey(arms), flow_of(program))


def test_an_arm_has_its_words_beside_it() -> None:
    """Wrapped, and left out where there is one way on."""
    flow = flow_of(journey("- await: {on: lms.course.started, within: 2d}\n  then: [{send: a}]\n- send: b"))
    assert ("yes",) == arrow(flow, "await-lms-course-started", "then").label
    assert () == arrow(flow, "send-a", "next").label


def test_words_are_wrapped_to_the_width_and_clipped_at_the_end() -> None:
    """A word that is longer than a line is broken; what is left out is marked."""
    lines = wrapped("one two three four five six seven", width=60, size=12, most=2)
    assert 2 == len(lines)
    assert lines[-1].endswith("…")
    assert all(text_width(line, 12) <= 60 for line in lines)
    assert "x" * 40 == "".join(wrapped("x" * 40, width=60, size=12, most=10))
    assert () == wrapped("", width=60, size=12, most=2)
