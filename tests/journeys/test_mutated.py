"""Whatever happens to a definition, compiling it gives problems or a program: never an exception, and soon."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docs.problems import codes, completed, taught
from journeys.codec import program_from_json, program_to_json
from journeys.compiler import compile_definition
from journeys.source import List, Map, Node, Scalar, read_source

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("examples/**/*journey*.yaml"), *ROOT.glob("tests/golden/**/*.yaml")])
TAUGHT = [completed(text).decode("utf-8", "replace") for one in taught() for text in (one.bad, one.good)]
TEXTS = [text for text in TAUGHT if len(text) < 20_000] + [
    text for path in FILES if path.name != "learners.yaml" for text in [path.read_text("utf-8")] if "waymark:" in text
]
CODES = codes()
SOON = 1.0
"""Seconds of work within which a compilation is over, whatever it is given."""

PIECES = [
    *("&x ", "*x", "!x ", "!!str ", "<<: {a: 1}", "%YAML 1.1\n", "---\n", "\t", "\x00", "\ud800", "\u2028", "{{", "}}"),
    *("{", "}", "[", "]", ": ", "- ", "|", ">", "'", '"', "#", "null", "~", "5", "true", "3d", "2027-01-01", "é" * 50),
    *("send: x", "wait: 5wd", "split: a", "when: a ==", "{% for", "{{ x | y }}", "event.", "learner.x", "(((("),
    *("if: '!a'", "else: []", "then: [{}]", "id: X", "on: x.*", "9" * 400, "1e999", "-.inf", "\\ud800", '"\\0"'),
    *("vars.", "answers.x.y", "sent.x.y", "event.data.x == 1 && ", "repeat: {times: 2}", "ask: x", "set: {a: 1}"),
    *("[" * 120, "{a: " * 120, "- " * 120, "(" * 300, "!" * 300, "a && " * 400, "{{ x }}" * 900, "é\u0301\U0001f600"),
]  # fmt: skip

SCALARS: list[Any] = [
    *(None, True, False, 0, -1, 10**30, 1e308, 0.5, "", " ", "x", "never", "3d", "5wd", "99999999999w", "25:00"),
    *("2026-02-30", "monday 09:00", "{{ learner.x }}", "{{", "event.data.x == 1", "a && (b", "\u2028", "'", "🙂" * 99),
    *("has(vars.x)", "[1, 2].exists(x, x == learner.id)", "0 == 1 && learner.country == 5", "lms.*", "message.*"),
]  # fmt: skip

Edit = Callable[[str], str]


def cut(at: float, length: int) -> Edit:
    """Take some of it away."""
    return lambda text: text[: int(at * len(text))] + text[int(at * len(text)) + length :]


def put(at: float, piece: str) -> Edit:
    """Put something in."""
    return lambda text: text[: int(at * len(text))] + piece + text[int(at * len(text)) :]


def flip(at: float, bit: int) -> Edit:
    """Flip one bit of one character."""

    def flipped(text: str) -> str:
        place = min(int(at * len(text)), len(text) - 1)
        return text and text[:place] + chr(ord(text[place]) ^ (1 << bit)) + text[place + 1 :]

    return flipped


def move_line(source: float, to: float, *, is_kept: bool) -> Edit:
    """A line goes elsewhere, or stands in two places."""

    def moved(text: str) -> str:
        lines = text.splitlines(keepends=True)
        if not lines:
            return text
        place = min(int(source * len(lines)), len(lines) - 1)
        line = lines[place] if is_kept else lines.pop(place)
        lines.insert(int(to * len(lines)), line)
        return "".join(lines)

    return moved


def indent(at: float, by: int) -> Edit:
    """A line stands further in."""

    def indented(text: str) -> str:
        lines = text.splitlines(keepends=True)
        if lines:
            place = min(int(at * len(lines)), len(lines) - 1)
            lines[place] = " " * by + lines[place]
        return "".join(lines)

    return indented


anywhere = st.floats(0, 1)
edits = st.lists(
    st.builds(cut, anywhere, st.integers(1, 200))
    | st.builds(put, anywhere, st.sampled_from(PIECES) | st.text(max_size=5))
    | st.builds(flip, anywhere, st.integers(0, 6))
    | st.builds(move_line, anywhere, anywhere, is_kept=st.booleans())
    | st.builds(indent, anywhere, st.integers(1, 8)),
    min_size=1,
    max_size=4,
)


def look_at(text: str | bytes) -> None:
    """Every problem has a place in the text, a program comes back the same from JSON, and it took no time."""
    began = time.thread_time()
    compiled = compile_definition(text)
    assert time.thread_time() - began < SOON
    assert (compiled.program is None) == any(problem.severity == "error" for problem in compiled.problems)
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).count("\n") + 2
    for problem in compiled.problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.detail
        assert problem.code in CODES
        json.dumps(problem.to_json()).encode()
    if compiled.program is not None:
        assert program_from_json(program_to_json(compiled.program)) == compiled.program


fuzzed = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@fuzzed
@given(st.sampled_from(TEXTS), edits)
def test_edited_texts(text: str, given_edits: Sequence[Edit]) -> None:
    """Every input file of ours, with some of it cut, put in, flipped, moved, doubled or indented."""
    for edit in given_edits:
        text = edit(text)
    look_at(text)


@fuzzed
@given(st.sampled_from(TEXTS), anywhere, st.binary(min_size=1, max_size=6))
def test_edited_bytes(text: str, at: float, noise: bytes) -> None:
    """The same with bytes that need be no text."""
    encoded = text.encode()
    place = int(at * len(encoded))
    look_at(encoded[:place] + noise + encoded[place + 1 :])


@fuzzed
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False), st.integers(1, 4))
def test_edited_values(text: str, chance: Any, number: int) -> None:
    """Every input file of ours, with values replaced, removed, doubled, wrapped, or put in another's place: all of it
    is sound YAML, so that every step type and every message meets values it did not expect.
    """
    tree = plain(read_source(text).root)
    for _ in range(number):
        edit_values(tree, chance)
    look_at(json.dumps(tree))


def edit_values(tree: Any, chance: Any) -> None:
    """One edit at a place by chance."""
    places = list(every_place(tree))
    if not places:
        return
    holder, key = chance.choice(places)
    other_holder, other_key = chance.choice(places)
    match chance.randrange(7):
        case 0:
            holder[key] = chance.choice(SCALARS)
        case 1:
            del holder[key]
        case 2:
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        case 3:
            holder[key] = [holder[key]]
        case 4:
            holder[key] = {chance.choice(["on", "do", "until", "is", "x", ""]): holder[key]}
        case 5 if isinstance(holder, dict):
            holder[chance.choice(WORDS)] = holder.pop(key)
        case _:
            holder[key] = nested(holder[key], chance.choice([3, 30, 90]))


def plain(node: Node | None) -> Any:
    """The tree as JSON has it."""
    match node:
        case Map():
            return {name: plain(value) for name, value in node.entries.items()}
        case List():
            return [plain(value) for value in node.items]
        case Scalar():
            return node.value
        case None:
            return None


WORDS = [
    *("send", "wait", "await", "branch", "split", "repeat", "ask", "practise", "assign", "call", "set", "enrol", "end"),
    *("when", "id", "then", "else", "do", "if", "on", "within", "until", "any", "all", "since", "via", "to", "at"),
    *("expires", "confirm", "priority", "arms", "unit", "choose", "questions", "keep", "body", "languages", "draft"),
]  # fmt: skip


def every_place(tree: Any) -> Any:
    """Each place of a value: what holds it, and under what."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from every_place(value)


def nested(value: Any, depth: int) -> Any:
    """The value, so deep in lists."""
    for _ in range(depth):
        value = [value]
    return value


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise(noise: bytes | str) -> None:
    """Noise is no definition."""
    compiled = compile_definition(noise)
    assert compiled.program is None
    assert compiled.problems
