"""Reading definitions: where everything stands, and YAML's traps closed."""

import time

import pytest

from journeys.source import DEEPEST, LARGEST, List, Map, Scalar, read_source


def scalars(text: str) -> list[object]:
    """The values of the list under `a`."""
    root = read_source(text).root
    assert isinstance(root, Map)
    node = root.entries["a"]
    assert isinstance(node, List)
    return [item.value for item in node.items if isinstance(item, Scalar)]


def test_core_schema() -> None:
    """Dates, times, `on`, `no` and `1_000` are texts; numbers, truth and null are what YAML 1.2 says."""
    text = "a: [1_000, 2026-01-01, 09:00, on, no, yes, 0o17, 0x1f, 1.5, -3, ~, .inf, 1e400, TRUE, '5', 10%]"
    wanted = [
        "1_000",
        "2026-01-01",
        "09:00",
        "on",
        "no",
        "yes",
        15,
        31,
        1.5,
        -3,
        None,
        ".inf",
        "1e400",
        True,
        "5",
        "10%",
    ]
    assert wanted == scalars(text)


def test_places() -> None:
    """Keys and values know their line and column, from 1."""
    root = read_source('waymark: 1\nsteps:\n  - send: "x"\n').root
    assert isinstance(root, Map)
    assert (2, 1) == root.keys["steps"]
    steps = root.entries["steps"]
    assert isinstance(steps, List)
    step = steps.items[0]
    assert isinstance(step, Map)
    value = step.entries["send"]
    assert (3, 11) == (value.line, value.column)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: &x 1", "yaml_anchor", (1, 4)),
        ("a: *x", "yaml_alias", (1, 4)),
        ("a: !!str 1", "yaml_tag", (1, 4)),
        ("b: 1\n<<: {a: 1}", "yaml_merge", (2, 1)),
        ("%YAML 1.1\n---\na: 1", "yaml_directive", (1, 1)),
        ("# c\n%TAG ! x\n---\na: 1", "yaml_directive", (2, 1)),
        ("a: 1\nb: 2\na: 3", "duplicate_key", (3, 1)),
        ("a: 1\n---\nb: 2", "several_documents", (2, 1)),
        ("? [a]\n: b", "bad_key", (1, 3)),
        ("a:\n\t- b", "yaml_syntax", (2, 1)),
        ("a: {b", "yaml_syntax", (1, 6)),
        ("a: \x00", "bad_character", (1, 4)),
        ('a: "\\0"', "bad_character", (1, 4)),
        ('a: "\\ud800"', "bad_character", (1, 4)),
        ("a: \ud800", "bad_character", (1, 4)),
        (b"a: b\nc: \xff", "bad_encoding", (2, 4)),
        ("when: !has(learner.manager)", "quote_expression", (1, 7)),
        ("when: !x && y", "quote_expression", (1, 7)),
        ("when: !(a || b)", "quote_expression", (1, 7)),
        ("x: {when: !(a || b)}", "quote_expression", (1, 11)),
        ('if: "Sales" == learner.department', "quote_expression", (1, 5)),
        ('when: learner.role == "a: b"', "quote_expression", (1, 7)),
    ],
)
def test_traps(text: str | bytes, code: str, place: tuple[int, int]) -> None:
    """Each trap is a problem with its line and column."""
    found = read_source(text).problems[0]
    assert (code, place) == (found.code, (found.line, found.column))


def test_quoting_is_shown() -> None:
    """The problem says how the expression is written."""
    found = read_source("if: 'a' == learner.role").problems[0]
    assert found.suggestion == "write '''a'' == learner.role'"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("steps:\n  - send: x\n    when: !(a || b)\n", "steps[0].when"),
        ("steps:\n  - await: {on: x, when: !(a || b)}\n", "steps[0].await.when"),
        ("steps:\n  - branch:\n    - if: 'Sales' == learner.department\n      do: []\n", "steps[0].branch[0].if"),
        ("a: {x: 1}\nwhen: learner.role == 'a: b'", "when"),
        ("exit:\n  - on: x\n    when: !has(learner.manager)\n", "exit[0].when"),
    ],
)
def test_quoting_has_a_path(text: str, path: str) -> None:
    """An expression that YAML misreads has its path, also where the text cannot be read at all."""
    assert [("quote_expression", path)] == [(p.code, p.path) for p in read_source(text).problems]


def test_json() -> None:
    """JSON is read alike: tabs, and characters in two escapes, included."""
    assert ["\U0001f600", 1, None] == scalars('{\n\t"a": ["\\ud83d\\ude00", 1, null]\n}')


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        '{"a":' * 100_000,
        "- " * 5_000,
        "{" * 200_000,
        "? " * 50_000,
        "[" + "1," * 200_000 + "]",
        "x: " + "y " * 200_000,
        'x: "' + "y\n" * 200_000 + '"',
        "\n" * 500_000,
        "a: |\n" + "\n" * 500_000,
        "'" * 500_001,
        "!" * 500_000,
        "&a " * 100_000,
        "x" * (LARGEST + 1),
        b"\xff" * 5_000_000,
        "a: " + "9" * 5_000,
        "",
    ],
    ids=lambda text: repr(text[:6]),
)
def test_hostile_text(text: str | bytes) -> None:
    """Text of any size and depth is answered soon, and never by an exception."""
    began = time.process_time()
    read_source(text)
    assert time.process_time() - began < 5  # a second on an idle machine


def test_depth() -> None:
    """What is nested as deep as may be is read; one level more is a problem."""
    assert read_source("[" * DEEPEST + "]" * DEEPEST).problems == ()
    assert read_source("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)).problems[0].code == "too_deep"


@pytest.mark.parametrize("character", ["\u0085", "\u2028", "\u2029"])
def test_breaks_of_older_yaml_are_characters(character: str) -> None:
    """What YAML 1.1 took for the end of a line is a character of the text, and the lines are counted without it."""
    root = read_source(f"a: |\n  x{character}y\nb: 'x{character}y'\nc: 1\n").root
    assert isinstance(root, Map)
    assert [f"x{character}y\n", f"x{character}y"] == [
        node.value for node in (root.entries["a"], root.entries["b"]) if isinstance(node, Scalar)
    ]
    assert (4, 1) == root.keys["c"]


def test_nothing_stands_at_its_key() -> None:
    """A key without a value is told where the key is, not where the next one begins."""
    root = read_source("a:\n\n\nb: {c: , d: 1}\n").root
    assert isinstance(root, Map)
    inner = root.entries["b"]
    assert isinstance(inner, Map)
    assert [(1, 1), (4, 5)] == [(node.line, node.column) for node in (root.entries["a"], inner.entries["c"])]


@pytest.mark.parametrize("expression", ["- 1 == vars.x", "? true : false"])
def test_an_expression_like_a_list_or_a_key_wants_quotes(expression: str) -> None:
    """What begins as YAML's lists and keys do is misread too."""
    (problem,) = read_source(f"a: 1\nwhen: {expression}\n").problems
    assert ("quote_expression", "when", f"write '{expression}'") == (problem.code, problem.path, problem.suggestion)
