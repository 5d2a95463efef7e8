"""What changed from one text to another."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from journeys.drafting.comparing import MOST_PIECES, compare


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("It waits", "It waits", "It waits"),
        ("It waits for you", "It waits", "It waits[- for you-]"),
        ("one two three", "one four five three", "one [-two-]{+four five+} three"),
        ("{{ learner.role }}, go.", "{{ learner.team }}, go.", "[-{{ learner.role }}-]{+{{ learner.team }}+}, go."),
        ("don't", "do not", "[-don't-]{+do not+}"),
        ("", "new", "{+new+}"),
        ("old", "", "[-old-]"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_changes_are_told_in_whole_words(old: str, new: str, expected: str) -> None:
    """A placeholder is one word, and words that changed together are one change."""
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    assert expected == "".join(marks[change.kind].format(change.text) for change in compare(old, new))


_texts = some.lists(some.sampled_from(["it", "waits", " ", "  ", "\n", "{{ link }}", ".", "a b", "{", "ü"])).map(
    "".join
)


@given(_texts, _texts)
def test_both_texts_can_be_read_from_the_changes(old: str, new: str) -> None:
    """Nothing is lost and nothing is told twice; no change is empty."""
    changes = compare(old, new)
    assert old == "".join(change.text for change in changes if change.kind != "added")
    assert new == "".join(change.text for change in changes if change.kind != "removed")
    assert all(change.text for change in changes)


def test_long_texts_are_told_as_a_whole() -> None:
    """To compare them word by word would take too long."""
    old, new = "a b " * MOST_PIECES, "b a " * MOST_PIECES
    begun = time.process_time()
    assert [("removed", old), ("added", new)] == [(change.kind, change.text) for change in compare(old, new)]
    assert time.process_time() - begun < 1
