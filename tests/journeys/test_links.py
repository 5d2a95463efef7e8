"""Signed links: the same again, read as they were made, worth nothing once touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.links import Links, SurveyRef

LINKS = Links("a secret of the tests, of no worth", "https://learning.example.org")
REF = SurveyRef("enr-0123456789abcdef0123456789abcdef", "ask-confidence", 2)
TOKEN = "enr-0123456789abcdef0123456789abcdef.2.ask-confidence.DGML0zTQbxZ62mNI-zUWCBwvlIgUCqAI8pxasr-i_-w"


def test_a_link_is_the_same_again() -> None:
    """A message that is composed twice says the same address, also by another process and another year's code."""
    assert f"https://learning.example.org/a/{TOKEN}" == LINKS.survey(REF.enrolment, REF.node, REF.visit)


def test_a_token_is_read_as_it_was_made() -> None:
    """Enrolment, node and visit come back; nothing else is in it."""
    assert REF == LINKS.read_survey(TOKEN)


@given(at=st.integers(0, len(TOKEN) - 1), by=st.sampled_from("abcXYZ0189-_. %~é\0"))
def test_an_altered_token_is_nobodys(at: int, by: str) -> None:
    """Any one character changed: it is not read, or it says what it said (the last one has bits that do not count)."""
    altered = TOKEN[:at] + by + TOKEN[at + 1 :]
    assert LINKS.read_survey(altered) in (
        (None, REF) if at == len(TOKEN) - 1 else (REF,) if altered == TOKEN else (None,)
    )


@given(st.text(max_size=600))
def test_any_text_may_be_read(text: str) -> None:
    """What nobody made is answered, never raised at."""
    assert LINKS.read_survey(text) is None


@pytest.mark.parametrize("other", [Links("another secret of no worth", LINKS.public_url)])
def test_another_secret_opens_nothing(other: Links) -> None:
    """Another installation's links are not ours."""
    assert other.read_survey(TOKEN) is None


def test_the_visit_is_signed() -> None:
    """The link of one visit opens no other."""
    assert LINKS.read_survey(TOKEN.replace(".2.", ".3.")) is None


def test_the_secret_is_not_shown() -> None:
    """Neither in a log nor in an exception."""
    assert "secret" not in repr(LINKS)


DELIVERY = "dlv-0123456789abcdef0123456789abcdef"
WHY = LINKS.why(DELIVERY) or ""


def test_a_link_to_why_is_the_same_again_and_read_as_it_was_made() -> None:
    """It names the delivery and nothing else."""
    token = "dlv-0123456789abcdef0123456789abcdef._NCnXIdBdzVKfFqIrEi3Pv34Zn1ucxlp2qw6CQ32g54"
    assert f"https://learning.example.org/w/{token}" == WHY
    assert DELIVERY == LINKS.read_why(token)


def test_a_link_opens_what_it_was_made_for_alone() -> None:
    """A survey's token is none of why, and the other way round, whatever is named."""
    assert LINKS.read_why(TOKEN) is None
    assert LINKS.read_survey(LINKS.sign_why(f"{REF.enrolment}.{REF.visit}.{REF.node}")) is None


@pytest.mark.parametrize("text", ["", ".", DELIVERY, f"{DELIVERY}.", f"x{WHY[32:]}", "é" * 600, "\0.\0"])
def test_what_we_have_not_made_says_nothing(text: str) -> None:
    """Neither a bare id, nor half a token, nor what is too long."""
    assert LINKS.read_why(text) is None


@pytest.mark.parametrize("spelt", [f"{WHY[:-1]}5", f"{WHY}=", f"{WHY}\n"])
def test_another_spelling_of_a_signature_is_not_ours(spelt: str) -> None:
    """Of the last character of base64 not every bit counts: whoever changed it has changed the token."""
    assert LINKS.read_why(spelt.removeprefix("https://learning.example.org/w/")) is None


def test_without_an_address_there_is_no_link_to_why() -> None:
    """A link that leads nowhere helps nobody."""
    assert Links("a secret of the tests, of no worth", "").why(DELIVERY) is None
