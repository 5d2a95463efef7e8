"""Several messages in one: nothing of them is lost, and nothing is added."""

import pytest

from connectors.mail.wording import text_part
from journeys.composing import Composed
from journeys.digest import LONGEST_SUBJECT, digest_of, merges
from journeys.program import Link


def message(subject: str = "First lesson", text: str = "It takes ten minutes.", link: Link | None = None) -> Composed:
    return Composed("email", "ada@example.com", subject, text, link)


def test_one_alone_stays_as_it_is() -> None:
    """A digest of one is that message."""
    assert message() == digest_of([message()])


def test_each_comes_with_its_subject_its_text_and_its_link() -> None:
    """In the order given."""
    guide = Link("Read it", "https://learn.example.com/guide")
    digest = digest_of([message("Welcome", "Good to have you.", guide), message()])
    assert "Welcome · First lesson" == digest.subject
    assert (
        "**Welcome**\n\nGood to have you.\n\n[Read it](https://learn.example.com/guide)\n\n---\n\n"
        "**First lesson**\n\nIt takes ten minutes."
    ) == digest.text
    assert ("email", "ada@example.com", None) == (digest.channel, digest.address, digest.link)


def test_a_link_that_the_text_holds_already_is_not_said_twice() -> None:
    """A message may have `{{ link }}` in its text."""
    link = Link("Start", "https://lms.example.com/1")
    digest = digest_of([message("A", "Here: https://lms.example.com/1", link), message("B")])
    assert 1 == digest.text.count("https://lms.example.com/1")


def test_where_it_would_be_too_long_the_subjects_and_links_stand_alone() -> None:
    """Rather short than cut off."""
    long = message("Long", "word " * 100, Link("Read [all]", "https://learn.example.com/a b"))
    digest = digest_of([long, message("B_*")], longest=300)
    assert "- Long: [Read (all)](<https://learn.example.com/a b>)\n- B\\_\\*" == digest.text


def test_subjects_that_do_not_fit_are_counted() -> None:
    """The subject of a digest has a length; what is left out is a number."""
    digest = digest_of([message(f"Subject number {n} of ten") for n in range(10)])
    assert len(digest.subject) <= LONGEST_SUBJECT
    assert digest.subject.startswith("Subject number 0 of ten · Subject number 1 of ten")
    assert digest.subject.endswith(" · +6")
    alone = digest_of([message("x" * 300), message("y" * 300)]).subject
    assert LONGEST_SUBJECT == len(alone)
    assert alone.endswith("x… · +1")


def test_a_subject_is_text_and_no_markdown() -> None:
    """What a subject says is shown as it is said, also by mail."""
    digest = digest_of([message("2 * 3 <b> [x]"), message("B")])
    assert "2 * 3 <b> [x]" in text_part(digest.text, None)


@pytest.mark.parametrize(("channel", "address"), [("slack", "ada@example.com"), ("email", "grace@example.com")])
def test_only_one_channel_and_address_merge(channel: str, address: str) -> None:
    """Two people, or two channels, are two messages."""
    assert merges(message("A"), message("B"))
    assert not merges(message(), Composed(channel, address, "A", "B"))
