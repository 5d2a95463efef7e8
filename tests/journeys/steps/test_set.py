"""The step `set`."""

import pytest

from tests.journeys.steps.systems import Asked, problems


def test_values_in_order() -> None:
    """Numbers and true/false as they stand, everything else an expression; what was set before counts."""
    terms = "round: 0, tone: '\"warm\"', next: vars.round + 1, is_new: true, half: 0.5, team: learner.team"
    run = Asked(f"  - set: {{{terms}}}\n", facts={"team": "north"})
    assert {"round": 0, "tone": "warm", "next": 1, "is_new": True, "half": 0.5, "team": "north"} == run.run.vars
    assert ["Set round, tone, next, is_new, half, team."] == run.texts
    assert "completed" == run.run.outcome


def test_one_that_fails_leaves_its_variable_as_it_was() -> None:
    """The others are set, and the journal names the field; what reads it afterwards sees the old value."""
    run = Asked("  - set: {a: learner.team, b: vars.a, c: vars.nothing}\n", a="before")
    assert {"a": "before", "b": "before"} == run.run.vars
    assert ["Set b. Left a, c as before."] == run.texts
    assert ["a", "c"] == [str(finding).partition(":")[0] for finding in run.findings]


def test_only_what_fails() -> None:
    """Then nothing is set, and the journey goes on."""
    run = Asked("  - set: {a: learner.team}\n")
    assert ({}, ["Left a as before."], "completed") == (run.run.vars, run.texts, run.run.outcome)


def test_a_null_is_no_value() -> None:
    """It leaves the variable as it was."""
    run = Asked("  - set: {a: learner.team, b: vars.c, d: 1.0 / 0.0}\n", facts={"team": None}, a=1, c=None)
    assert {"a": 1, "c": None} == run.run.vars
    assert ["a", "b: vars.c is null", "d: 1.0 / 0.0 is no finite number"] == [
        str(f).partition(": learner")[0] for f in run.findings
    ]


def test_the_journal_holds_no_value() -> None:
    """What was set may be personal."""
    run = Asked("  - set: {mail: learner.email}\n", facts={"email": "ada@example.org"})
    assert "ada@example.org" == run.run.vars["mail"]
    assert "ada@" not in str(run.notes)


def test_its_id_names_what_it_sets() -> None:
    """`set-round-next`."""
    assert "set-round-next" == Asked("  - set: {round: 0, next: 1}\n").program.start


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{}", [("wrong_type", "steps[0].set")]),
        ("round", [("wrong_type", "steps[0].set")]),
        ("{my-tone: 1}", [("bad_name", "steps[0].set.my-tone")]),
        ("{2nd: 1}", [("bad_name", 'steps[0].set["2nd"]')]),
        ("{a: }", [("wrong_type", "steps[0].set.a")]),
        ("{a: [1]}", [("wrong_type", "steps[0].set.a")]),
        ("{a: 99999999999999999999}", [("bad_value", "steps[0].set.a")]),
        ("{a: 1 +}", [("expression_syntax", "steps[0].set.a")]),
        ("{a: learner.contry}", [("unknown_field", "steps[0].set.a")]),
        ("{a: event.data.x}", [("unknown_name", "steps[0].set.a")]),
    ],
)
def test_what_cannot_be_written(step: str, expected: list[tuple[str, str]]) -> None:
    """Each with its code and its path."""
    assert expected == problems(f"  - set: {step}\n")
