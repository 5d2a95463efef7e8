"""A drafted text as somebody would read it."""

from journeys.drafting.order import DraftOrder, DraftText
from journeys.drafting.previewing import preview
from journeys.program import Draft, Expression, Link, Wording

USES = ("learner.role", "learner.starts_on", "entry.data.score", "entry.data.title", "vars.tip", "learner.attributes.x")


def order(*, language: str | None = None, value: str | None = None, per: str = "learner.role") -> DraftOrder:
    """An order with a link whose address holds an id."""
    link = Link("Start", "https://l.example/{{ learner.id }}")
    return DraftOrder(
        "a-journey", "reminder", language, value, Draft("Remind her.", uses=USES, per=Expression(per)),
        Wording("Your course", "It waits", link),
    )  # fmt: skip


def test_placeholders_are_filled_with_made_up_values() -> None:
    """Names, dates and numbers as they may be; what nobody knows is named."""
    text = DraftText(
        "For {{ learner.role }}",
        "Since {{ learner.starts_on | date }}: {{ entry.data.score }}, {{ entry.data.title }}, {{ vars.tip }}, "
        "{{ learner.attributes.x }}: {{ link }}",
    )
    seen = preview(text, order())
    assert "For analyst" == seen.subject
    assert "Since 2 March 2026: 0.8, ‹title›, ‹tip›, ‹x›: https://l.example/ada" == seen.text
    assert (Link("Start", "https://l.example/ada"), None) == (seen.link, seen.problem)
    assert {"learner.id", *USES} == set(seen.values)


def test_the_value_of_per_is_its_own() -> None:
    """A text for nurses is shown as a nurse reads it; her id where it is for one alone is not shown."""
    text = DraftText("For {{ learner.role }}", "It waits")
    assert "For nurse" == preview(text, order(value="nurse")).subject
    assert "For analyst" == preview(text, order(value="lrn-1", per="learner.id")).subject


def test_dates_are_written_in_the_language() -> None:
    """As in the message."""
    assert "2. März 2026" == preview(DraftText("a", "{{ learner.starts_on | date }}"), order(language="de")).text


def test_what_cannot_be_rendered_says_why() -> None:
    """It is for the person who is to approve it."""
    for body, why in (("{{ link", "template"), ("{{ learner.role | date }}", "template")):
        seen = preview(DraftText("a", body), order())
        assert ("", "") == (seen.subject, seen.text)
        assert why in (seen.problem or "")
