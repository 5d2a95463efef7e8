"""The step `call`."""

from datetime import timedelta

import pytest

from journeys.compiler import Vocabulary
from journeys.effects import Answered, Request
from journeys.events import Json
from journeys.steps.call import LARGEST_KEPT
from tests.journeys.steps.systems import HOUR, NOW, Asked, problems

CALL = """\
  - call: crm
    body: {learner: learner.id, tip: vars.tip, round: 2}
    keep: {account: account.id, first: items.0.name}
    within: 2h
"""
SAID: Json = {"account": {"id": "A-7"}, "items": [{"name": "one"}]}


def test_what_is_asked() -> None:
    """The values of `body`, at this moment, until `within` is over."""
    run = Asked(CALL, facts={"id": "ada"}, tip="ask")
    body: dict[str, Json] = {"learner": "ada", "tip": "ask", "round": 2}
    assert Request("call-crm", 1, "call", "crm", body, NOW, NOW + 2 * HOUR) == run.asked
    assert [] == run.texts


def test_an_hour_where_nothing_is_said() -> None:
    """And an empty body: nothing of the learner goes that the body does not name."""
    run = Asked("  - call: crm\n", facts={"id": "ada"})
    assert Request("call-crm", 1, "call", "crm", {}, NOW, NOW + HOUR) == run.asked


def test_what_cannot_be_told_is_left_out() -> None:
    """The journal names the field; the call is made."""
    run = Asked(CALL, facts={"id": "ada"})
    assert isinstance(run.asked, Request)
    assert {"learner": "ada", "round": 2} == run.asked.body
    assert ["Calling crm without tip."] == run.texts
    assert ["tip"] == [str(finding).partition(":")[0] for finding in run.findings]


def test_fields_of_the_answer_are_kept() -> None:
    """By their paths; a number counts in a list."""
    run = Asked(CALL, facts={"id": "ada"}, tip="ask")
    run.give(Answered(NOW, "done", SAID))
    assert {"tip": "ask", "account": "A-7", "first": "one"} == run.run.vars
    assert (["Called crm, kept account, first."], []) == (run.texts, run.findings)
    assert "completed" == run.run.outcome


@pytest.mark.parametrize(
    "said",
    [{}, {"account": None}, {"account": "A-7"}, {"account": {"id": None}}, [], "text", 7, None,
     {"account": {"id": "x" * LARGEST_KEPT}}],
    ids=lambda said: str(said)[:30],
)  # fmt: skip
def test_a_path_that_leads_nowhere_leaves_its_variable_as_it_was(said: Json) -> None:
    """What is missing, null, beneath a text, or too long to be remembered: the journal says so, the journey goes on."""
    run = Asked(CALL, facts={"id": "ada"}, tip="ask", account="before")
    run.give(Answered(NOW, "done", said))
    assert {"tip": "ask", "account": "before"} == run.run.vars
    assert ["account", "first"] == [str(finding).partition(":")[0] for finding in run.findings]
    assert "completed" == run.run.outcome


@pytest.mark.parametrize("index", ["1", "-1", "x", "99999999999999999999", "²"])
def test_an_index_beyond_the_list(index: str) -> None:
    """Leads nowhere."""
    run = Asked(f"  - call: crm\n    keep: {{a: 'items.{index}'}}\n")
    run.give(Answered(NOW, "done", {"items": ["one"]}))
    assert {} == run.run.vars


def test_an_answer_that_is_no_json_is_said_where_something_is_kept() -> None:
    """And nowhere else: nobody wanted it."""
    run = Asked(CALL, facts={"id": "ada"}, tip="ask")
    run.give(Answered(NOW, "done", None, "its answer is no JSON"))
    assert ["its answer is no JSON"] == run.findings
    run = Asked("  - call: crm\n")
    run.give(Answered(NOW, "done", None, "its answer is no JSON"))
    assert (["Called crm."], []) == (run.texts, run.findings)


def test_a_call_that_comes_to_nothing_is_said_and_the_journey_goes_on() -> None:
    """Variables stay as they were."""
    run = Asked(CALL + "  - end: after\n", facts={"id": "ada"}, tip="ask")
    run.give(Answered(NOW + timedelta(seconds=30), "failed", None, "410 gone"))
    assert "after" == run.run.outcome
    (note,) = run.notes
    assert ("called", "failed", "410 gone") == (note.kind, note.data["status"], note.data["reason"])
    assert "The call to crm came to nothing: 410 gone." in note.text


def test_the_journal_holds_no_value() -> None:
    """Neither what was posted nor what was kept."""
    run = Asked(CALL, facts={"id": "ada@example.org"}, tip="private")
    run.give(Answered(NOW, "done", SAID))
    assert not [word for word in ("ada@", "private", "A-7") if word in str(run.notes)]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("call: CRM", [("bad_value", "steps[0].call")]),
        ("call: a_b", [("bad_value", "steps[0].call")]),
        ("call: {name: crm}", [("wrong_type", "steps[0].call")]),
        ("call: crm, boddy: {a: 1}", [("unknown_key", "steps[0].boddy")]),
        ("call: crm, body: {}", [("wrong_type", "steps[0].body")]),
        ("call: crm, body: {a: learner.contry}", [("unknown_field", "steps[0].body.a")]),
        ("call: crm, keep: {my-a: a.b}", [("bad_name", "steps[0].keep.my-a")]),
        ("call: crm, keep: {a: a..b}", [("bad_value", "steps[0].keep.a")]),
        ("call: crm, keep: {a: ' a'}", [("bad_value", "steps[0].keep.a")]),
        ("call: crm, keep: [a]", [("wrong_type", "steps[0].keep")]),
        ("call: crm, within: 5wd", [("bad_duration", "steps[0].within")]),
        ("call: crm, within: 0s", [("bad_duration", "steps[0].within")]),
    ],
)
def test_what_cannot_be_written(step: str, expected: list[tuple[str, str]]) -> None:
    """Each with its code and its path."""
    assert expected == problems(f"  - {{{step}}}\n")


def test_a_webhook_that_is_not_set_up_is_a_warning() -> None:
    """It stops no publish; where nobody knows, nothing is said."""
    step = "  - call: crm\n"
    assert [] == problems(step)
    assert [] == problems(step, Vocabulary(calls_set_up=frozenset({"crm"})))
    assert [("call_not_set_up", "steps[0].call")] == problems(step, Vocabulary(calls_set_up=frozenset({"erp"})))
