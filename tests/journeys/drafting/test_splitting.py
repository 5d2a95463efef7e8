"""Alternatives as a split that can be pasted into a definition."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.compiler import compile_definition
from journeys.drafting.order import DraftText
from journeys.drafting.splitting import Texts, readers_are, split_of
from journeys.program import Draft, Expression
from journeys.source import plain, read_source

DEFINITION: dict[str, Any] = {
    "waymark": 1,
    "journey": "a-journey",
    "title": "A journey",
    "enter": [{"on": "hr.learner.promoted"}],
    "steps": [
        {"wait": "1d"},
        {
            "repeat": {"times": 2, "every": "1d"},
            "do": [{"send": "hello", "id": "greet", "via": ["email"], "at": "09:00"}],
        },
    ],
    "messages": {
        "hello": {
            "subject": "Hello",
            "body": "Hello",
            "webhook": "Hi",
            "draft": {"brief": "Greet her."},
            "languages": {"de": {"subject": "Hallo", "body": "Hallo", "webhook": "Na"}},
        },
        "hello-2": {"subject": "Taken", "body": "Taken"},
    },
}


def alternatives(*bodies: str) -> list[Texts]:
    return [{None: DraftText(f"Subject {place}", body)} for place, body in enumerate(bodies)]


def read(yaml: str) -> Any:
    source = read_source(yaml.encode())
    assert not source.problems, yaml
    return plain(source.root)


def test_each_arm_sends_one_as_the_author_sent_the_message() -> None:
    """With her options, wherever the step stands; under names that are free; the step's own id is not repeated."""
    pasted = split_of(DEFINITION, "hello", alternatives("A", "B"))
    (step,) = read(pasted.to_yaml())["steps"]
    assert "hello-texts" == step["split"]
    assert ["hello-1", "hello-3"] == list(step["arms"])
    assert {"weight": 1, "do": [{"send": "hello-3", "via": ["email"], "at": "09:00"}]} == step["arms"]["hello-3"]


def test_a_message_keeps_what_is_not_its_words() -> None:
    """Its link and its channels' own wordings stay; the draft goes."""
    texts: Texts = {None: DraftText("S", "B"), "de": DraftText("T", "C")}
    said = read(split_of(DEFINITION, "hello", [texts]).to_yaml())["messages"]["hello-1"]
    german = {"subject": "T", "body": "C", "webhook": "Na"}
    assert {"subject": "S", "body": "B", "webhook": "Hi", "languages": {"de": german}} == said


def test_for_some_readers_the_others_get_the_message_as_it_is() -> None:
    """A branch; the step's own condition holds for all of it."""
    definition: dict[str, Any] = {**DEFINITION, "steps": [{"send": "hello", "when": "has(learner.team)"}]}
    pasted = split_of(definition, "hello", alternatives("A", "B"), when='learner.role == "Chef"')
    (step,) = read(pasted.to_yaml())["steps"]
    assert "has(learner.team)" == step["when"]
    assert 'learner.role == "Chef"' == step["branch"][0]["if"]
    assert [{"send": "hello"}] == step["branch"][1]["else"]
    whole = {**definition, "steps": [step], "messages": {**DEFINITION["messages"], **pasted.messages}}
    assert [] == [problem for problem in compile_definition(json.dumps(whole)).problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("per", "condition"),
    [
        (Expression("learner.role", ("learner.role",)), 'learner.role == "A \\"B\\""'),
        (Expression("entry.data.size", ("entry.data.size",)), 'string(entry.data.size) == "A \\"B\\""'),
        (Expression("learner.id", ("learner.id",)), None),
        (None, None),
    ],
)
def test_readers_by_their_value(per: Expression | None, condition: str | None) -> None:
    """As an expression of the language."""
    assert condition == readers_are(Draft("b", per=per), 'A "B"')


@given(st.text(max_size=80), st.text(max_size=30))
def test_every_text_comes_back_from_yaml_as_it_was(body: str, subject: str) -> None:
    """Whatever is in it: quotes, colons, lines, what looks like another type. Controls are left to the terminal."""
    seen = "".join(letter for letter in body if letter.isprintable() or letter == "\n")
    title = "".join(letter for letter in subject if letter.isprintable())
    pasted = split_of(DEFINITION, "hello", [{None: DraftText(title, seen)}])
    said = read(pasted.to_yaml())["messages"]["hello-1"]
    assert (title, seen) == (said["subject"], said["body"])


def test_what_is_no_definition_makes_a_split_all_the_same() -> None:
    """It is the caller's to compile it."""
    assert ["x-1"] == list(split_of(None, "x", alternatives("A")).messages)
