"""Whose words a message went in, told in the journal and beside it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from journeys.advance import advance
from journeys.attention import merged_into
from journeys.drafting.telling import Decided, told_of
from journeys.effects import Began, Delivered, FinalStatus, Note
from journeys.events import Json
from tests.support.programs import DAY, MONDAY, chain, fresh, program, send, wait

MODEL = Decided("drf-1", "model", "m-1", None, "Grace", datetime(2026, 3, 2, 9, tzinfo=UTC))


def told(status: FinalStatus, reason: str | None, **words: str) -> tuple[str, dict[str, Json]]:
    """The journal's line, and what it says of the words."""
    journey = program(*chain(send("welcome"), wait(DAY)))
    answer = Delivered(MONDAY, status, "email", reason, **words)
    run, _ = advance(journey, fresh(), Began(MONDAY))
    _, effects = advance(journey, run, answer)
    note = next(effect for effect in effects if isinstance(effect, Note))
    return note.text, {name: value for name, value in note.data.items() if name in ("draft", "undrafted")}


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        ("sent", None, "Sent welcome through email{}."),
        ("may_have_gone", "cut", "welcome may have gone through email{}: cut; it is not sent again by itself."),
        ("skipped", merged_into("dlv-1"), "welcome went in one message with others{}."),
    ],
)
def test_what_went_says_in_which_words(status: FinalStatus, reason: str | None, text: str) -> None:
    """The draft; or why not; or nothing, where the message is not drafted."""
    expected = text.format(" (drafted and approved text)"), {"draft": "drf-1"}
    assert expected == told(status, reason, draft="drf-1")
    expected = text.format(" (in its own words: no approved draft)"), {"undrafted": "no approved draft"}
    assert expected == told(status, reason, undrafted="no approved draft")
    assert (text.format(""), {}) == told(status, reason)


@pytest.mark.parametrize(
    ("status", "text"), [("skipped", "Did not send welcome: why."), ("failed", "welcome failed for good: why.")]
)
def test_what_did_not_go_says_nothing_of_words(status: FinalStatus, text: str) -> None:
    """Whatever an attempt before would have said."""
    assert (text, {}) == told(status, "why", draft="drf-1")


def test_who_wrote_it_and_who_approved_it() -> None:
    """A model drafted it; or a person did, from a text of a model or from none, here or where it is taken from."""

    def said(at: datetime) -> str:
        return f"{at:%-d %B}"

    assert "A language model drafted this text, and Grace approved it on 2 March." == told_of(MODEL, said=said)
    person = replace(MODEL, origin="person", written_by="Max")
    assert told_of(person, said=said) == (
        "Max wrote this text, from what a language model had drafted, and Grace approved it on 2 March."
    )
    assert told_of(replace(person, origin="reuse"), said=said) == told_of(person, said=said)
    alone = replace(person, model=None, approved_by=None)
    assert "Max wrote this text." == told_of(alone, said=said)
    assert "A language model drafted this text." == told_of(replace(MODEL, approved_by=None), said=said)


def test_in_spite_of_what_it_was_approved() -> None:
    """As many hard findings as stood against it then; nothing is said where there were none, or nobody kept it."""

    def said(despite: int | None) -> str:
        return told_of(replace(MODEL, approved_despite=despite), said=str)

    assert said(None) == said(0) == told_of(MODEL, said=str)
    assert said(1).endswith("+00:00, although the rules had 1 hard finding against it.")
    assert said(2).endswith(", although the rules had 2 hard findings against it.")
