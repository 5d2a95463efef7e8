"""Whatever happens to a valid definition, compiling it gives problems or a program, and never an exception."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.codec import program_from_json, program_to_json
from journeys.compiler import compile_definition

EXAMPLE = (Path(__file__).parents[2] / "examples" / "first-time-manager" / "journey.yaml").read_text("utf-8")
LINES = EXAMPLE.splitlines(keepends=True)
PIECES = [
    *("&x ", "*x", "!x ", "!!str ", "<<: {a: 1}", "%YAML 1.1\n", "---\n", "\t", "\x00", "\ud800", "\u2028", "{{", "}}"),
    *("{", "}", "[", "]", ": ", "- ", "|", ">", "'", '"', "#", "null", "~", "5", "true", "3d", "2027-01-01", "é" * 50),
    *(
        "send: x",
        "wait: 5wd",
        "split: a",
        "when: a ==",
        "{% for",
        "{{ x | y }}",
        "event.",
        "learner.x",
        "((((",
        " " * 40,
    ),
    *("if: '!a'", "else: []", "then: [{}]", "id: X", "on: x.*", "9" * 400, "1e999", "-.inf", "\\ud800", '"\\0"'),
]

cuts = st.tuples(st.just("cut"), st.integers(0, len(EXAMPLE)), st.integers(0, 200), st.just(""))
inserts = st.tuples(
    st.just("insert"), st.integers(0, len(EXAMPLE)), st.just(0), st.sampled_from(PIECES) | st.text(max_size=5)
)
swaps = st.tuples(st.just("swap"), st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1), st.just(""))
edits = st.lists(cuts | inserts | swaps, min_size=1, max_size=4)


def edited(text: str, edit: tuple[str, int, int, str]) -> str:
    """The text after one edit."""
    kind, at, more, piece = edit
    if kind == "cut":
        return text[:at] + text[at + more :]
    if kind == "insert":
        return text[:at] + piece + text[at:]
    lines = text.splitlines(keepends=True)
    if lines:
        lines[at % len(lines)], lines[more % len(lines)] = lines[more % len(lines)], lines[at % len(lines)]
    return "".join(lines)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(edits)
def test_mutations(given_edits: list[tuple[str, int, int, str]]) -> None:
    """Cut, insert, swap: every problem has a place in the text, and a program comes back the same from JSON."""
    text = EXAMPLE
    for edit in given_edits:
        text = edited(text, edit)
    compiled = compile_definition(text)
    assert (compiled.program is None) == any(p.severity == "error" for p in compiled.problems)
    assert all(p.line >= 1 and p.column >= 1 and p.detail and p.code for p in compiled.problems)
    if compiled.program is not None:
        assert program_from_json(program_to_json(compiled.program)) == compiled.program


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise(noise: bytes | str) -> None:
    """Noise is no definition."""
    compiled = compile_definition(noise)
    assert compiled.program is None
    assert compiled.problems
