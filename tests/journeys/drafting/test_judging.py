"""What is said of a draft beside the other languages of its message."""

from dataclasses import replace

from journeys.drafting.judging import judge, others_of
from journeys.drafting.order import DraftOrder, DraftText, order_for, order_key
from journeys.program import Draft, Expression, Message, Program, Wording
from tests.support.definitions import program_of, send

DRAFT = Draft("Say that the course takes 5 days.", per=Expression("learner.role"))
MESSAGE = Message(
    "The course takes 5 days.",
    "Your course",
    languages={"de": Wording("Ihr Kurs", "Der Kurs dauert 5 Tage."), "nl": Wording("Uw cursus", "Hij duurt 5 dagen.")},
    draft=DRAFT,
)
ENGLISH = DraftText("Your course", "It takes 5 days and it is there for you.")
GERMAN = DraftText("Ihr Kurs", "Er dauert 5 Tage und er ist für Sie da.")
DUTCH = DraftText("Uw cursus", "Hij duurt 5 dagen en hij staat voor u klaar.")


def program() -> Program:
    """A program of one message in three languages."""
    return replace(program_of([send("hello")]), messages={"hello": MESSAGE})


def order(language: str | None = None) -> DraftOrder:
    """The order for nurses."""
    found = order_for(program(), "hello", language=language, value="nurse")
    assert found is not None
    return found


def test_languages_that_say_the_same_have_nothing_to_find() -> None:
    """Each in its own words."""
    assert () == judge(ENGLISH, order(), others={"de": GERMAN, "nl": DUTCH})


def test_what_languages_disagree_about_is_a_finding_of_each() -> None:
    """The same ones, whoever is asked: a person approves neither before they agree."""
    wrong = DraftText("Ihr Kurs", "Der Kurs ist für Sie da.")
    english = judge(ENGLISH, order(), others={"de": wrong, "nl": DUTCH})
    german = judge(wrong, order("de"), others={"nl": DUTCH, None: ENGLISH})
    dutch = judge(DUTCH, order("nl"), others={None: ENGLISH, "de": wrong})

    assert ["agreement"] == [finding.check for finding in english]
    assert english == german == tuple(finding for finding in dutch if finding.is_hard)


def test_a_text_alone_is_judged_by_itself() -> None:
    """As long as another language has no text, nothing can disagree."""
    assert "numbers" in {finding.check for finding in judge(DraftText("Your course", "It takes 9 days."), order())}


def test_the_other_languages_are_known_by_their_keys() -> None:
    """The same message, the same value."""
    others = others_of(program(), order("de"))

    assert [None, "nl"] == [each.order.language for each in others]
    assert [order_key(order()), order_key(order("nl"))] == [each.key for each in others]


def test_a_message_that_is_not_drafted_has_no_other_languages() -> None:
    """Nor one that is not there."""
    assert () == others_of(program_of([send("hello")]), order())
