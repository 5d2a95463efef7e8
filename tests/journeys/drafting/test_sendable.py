"""What can be sent at all, whatever a person overlooks."""

import pytest

from journeys.drafting.order import DraftOrder, DraftText
from journeys.drafting.sendable import unsendable
from journeys.program import Draft, Link, Wording

ORDER = DraftOrder(
    "a-journey", "reminder", None, None, Draft("Remind her.", uses=("learner.role", "entry.data.starts_on")),
    Wording("Your course", "It waits", Link("Start", "https://l.example")),
)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "It waits",
        "It waits, {{ learner.role }}, since {{ entry.data.starts_on | date }}: {{ link }}",
        "[{{ link.label }}]({{ link.url }})",
        "{{ learner.role | default('you') }}",
        "{% if learner.role %}It waits{% endif %}",
    ],
)
def test_what_uses_what_the_brief_allows_can_be_sent(body: str) -> None:
    """Placeholders, and the link where the message has one."""
    assert () == unsendable(DraftText("Your course", body), ORDER)


@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        ("", "It waits", "the subject is empty"),
        ("Your course", " \n", "the body is empty"),
        ("Your course", "{{ learner.email }}", "the body uses {{ learner.email }}"),
        ("{{ learner.given_name }}", "It waits", "the subject uses {{ learner.given_name }}"),
        ("Your course", "{{ learner }}", "{{ learner }}"),
        ("Your course", "{{ learner.role.name }}", "{{ learner.role.name }}"),
        ("Your course", "{% if learner.email %}It waits{% endif %}", "{{ learner.email }}"),
        ("Your course", "It waits\n{{ learner.role", "the body, line 2"),
        ("Your course", "{{ learner.role | nonsense }}", "nonsense"),
        ("Your course", "{% for a in learner.role %}{% include a %}{% endfor %}", "include"),
        ("Your course", "{{ cycler('a') }}", "a call"),
        ("Your course", "a" * 20_001, "20001 characters"),
    ],
)
def test_what_cannot_be_sent_is_said(subject: str, body: str, said: str) -> None:
    """Where, and what is allowed."""
    (first, *_) = unsendable(DraftText(subject, body), ORDER)
    assert said in first


def test_a_link_is_for_messages_that_have_one() -> None:
    """Elsewhere nothing stands behind it."""
    without = DraftOrder("a-journey", "reminder", None, None, Draft("Remind her."), Wording("Your course", "It waits"))
    assert 1 == len(unsendable(DraftText("Your course", "{{ link }}{{ link }}"), without))
