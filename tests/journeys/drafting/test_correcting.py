"""Whether a text is sent back to the writer, proposed, or given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.drafting.correcting import ANSWER, Ask, Fail, NoText, Propose, Stand, next_move, stays, taken
from journeys.drafting.findings import Finding
from journeys.drafting.order import DraftText

HARD, SOFT = Finding("links", "hard", "no links"), Finding("reading", "soft", "long sentences")
FIRST, SECOND, THIRD = (DraftText(word, f"The {word} text.") for word in ("first", "second", "third"))
DECLINED = NoText("refused", "the model declined to write this")
NO_JSON = NoText("no_json", "the answer is not JSON")

Answer = tuple[DraftText | NoText, tuple[Finding, ...]]


def after(*answers: Answer) -> Stand:
    stand = Stand()
    for answer, findings in answers:
        stand = taken(stand, answer, findings)
    return stand


def test_at_first_it_is_asked_and_told_nothing() -> None:
    """No call has been made."""
    assert Ask() == next_move(Stand())


@pytest.mark.parametrize("findings", [(), (SOFT,)])
def test_a_text_without_a_hard_finding_is_proposed(findings: tuple[Finding, ...]) -> None:
    """With its soft findings, which a person reads."""
    assert Propose(FIRST, findings) == next_move(after((FIRST, findings)))


def test_a_hard_finding_is_sent_back_with_all_findings_at_most_twice() -> None:
    """Then the text is left to the person, as it is."""
    bad = (HARD, SOFT)
    assert Ask(bad) == next_move(after((FIRST, bad)))
    assert Ask((HARD,)) == next_move(after((FIRST, bad), (SECOND, (HARD,))))
    assert Propose(SECOND, ()) == next_move(after((FIRST, bad), (SECOND, ())))
    assert Propose(THIRD, (HARD,)) == next_move(after((FIRST, bad), (SECOND, bad), (THIRD, (HARD,))))


def test_of_texts_with_hard_findings_the_one_with_fewest_is_kept() -> None:
    """What a correction made worse is told to the writer, and not proposed."""
    worse = after((FIRST, (HARD,)), (SECOND, (HARD, HARD)))
    assert Ask((HARD, HARD)) == next_move(worse)
    assert Propose(FIRST, (HARD,)) == next_move(taken(worse, THIRD, (HARD, HARD)))


def test_what_is_told_of_a_text_is_told_of_the_one_that_is_kept() -> None:
    """By an answer that is better, or as good, it changes; by one that is worse, or none, it stays."""
    before = after((FIRST, (HARD,)))
    assert not stays(before, taken(before, SECOND, (HARD,)))
    assert stays(before, taken(before, SECOND, (HARD, HARD)))
    assert stays(before, taken(before, NO_JSON))
    assert not stays(Stand(), taken(Stand(), NO_JSON))
    assert not stays(Stand(), taken(Stand(), FIRST))


def test_an_answer_that_is_no_text_counts_as_a_try() -> None:
    """Its reason is the correction; where three answers were none, there is nothing to propose."""
    once = after((NO_JSON, ()))
    assert Ask((Finding(ANSWER, "hard", "the answer is not JSON"),)) == next_move(once)
    assert Fail("no_json: the answer is not JSON") == next_move(after((NO_JSON, ()), (NO_JSON, ()), (NO_JSON, ())))
    assert Propose(FIRST, (HARD,)) == next_move(after((FIRST, (HARD,)), (NO_JSON, ()), (NO_JSON, ())))


def test_a_model_that_declines_is_asked_once_more() -> None:
    """The second time it is believed; a text that it wrote before is proposed."""
    assert isinstance(next_move(after((DECLINED, ()))), Ask)
    assert Fail("refused: the model declined to write this") == next_move(after((DECLINED, ()), (DECLINED, ())))
    assert Propose(FIRST, (HARD,)) == next_move(after((FIRST, (HARD,)), (DECLINED, ())))
    assert Propose(FIRST, ()) == next_move(after((DECLINED, ()), (FIRST, ())))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([FIRST, SECOND, THIRD]), st.lists(st.sampled_from([HARD, SOFT])).map(tuple)),
            st.tuples(st.sampled_from([DECLINED, NO_JSON]), st.just(())),
        ),
        min_size=3,
        max_size=3,
    )
)
def test_it_ends_after_three_answers_whatever_they_are(answers: list[Answer]) -> None:
    """And never fails where there is a text."""
    end = next_move(after(*answers))
    assert not isinstance(end, Ask)
    assert isinstance(end, Propose) == any(isinstance(answer, DraftText) for answer, _ in answers)
