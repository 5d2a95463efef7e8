"""The judge finds whatever is not as the journey says; where all is well it finds nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from journeys.composing import Reach
from tests.support.compiling import compiled
from waymark.demo.cast import CAST
from waymark.demo.expecting import FACTS, Enrolments, expect
from waymark.demo.judging import Enrolled, Found, Sent, judge
from waymark.demo.postbox import Mail
from waymark.demo.story import tell
from waymark.demo.tour import JOURNEY, REFUSED

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
REACH = {"email": Reach(is_set_up=True, address_field="email"), "webhook": Reach(is_set_up=False, address_field=None)}


@pytest.fixture(scope="module")
def expected() -> Enrolments:
    """What the rehearsal says."""
    return expect(compiled(JOURNEY.read_text()), tell(MONDAY), reach=REACH, drafts={})


@pytest.fixture
def found(expected: Enrolments) -> Found:
    """What would be found if everything went well."""
    addresses = {person.id: person.address for person in CAST}
    enrolments: list[Enrolled] = []
    sent: dict[str, Sent] = {}
    mails: list[Mail] = []
    for number, ((learner, key), became) in enumerate(expected.items()):
        enrolments.append(Enrolled(f"enr-{number}", learner, key, became.outcome))
        for said in became.said:
            delivery = f"dlv-{len(mails)}"
            sent[delivery] = Sent(f"enr-{number}", said.message, said.at)
            mails.append(Mail(len(mails) + 1, delivery, addresses[learner], said.subject, said.text, said.at))
    return Found(enrolments, sent, mails, REFUSED)


def _judged(expected: Enrolments, found: Found) -> list[str]:
    return judge(expected, found, people=CAST, facts=FACTS, refused=REFUSED)


def test_the_rehearsal_and_the_facts_agree(expected: Enrolments, found: Found) -> None:
    """What the rehearsal says of everybody is what a reader of the journey would say."""
    assert [] == _judged(expected, found)
    assert 24 == len(expected)


def _first(found: Found, **change: object) -> Found:
    return replace(found, mails=[replace(found.mails[0], **change), *found.mails[1:]])  # type: ignore[arg-type]


_FAULTS: dict[str, tuple[Callable[[Found], Found], str]] = {
    "a message is lost": (lambda f: replace(f, mails=f.mails[1:]), "not in the mailbox"),
    "a message comes twice": (lambda f: replace(f, mails=[*f.mails, f.mails[3]]), "arrived 2 times"),
    "a message nobody sent": (lambda f: _first(f, delivery="dlv-other"), "belongs to no delivery"),
    "a message at another address": (lambda f: _first(f, recipient=f.mails[-1].recipient), "another address"),
    "other words": (lambda f: _first(f, text="Something else."), "in other words"),
    "another subject": (lambda f: _first(f, subject="Something else"), "in other words"),
    "an hour late": (lambda f: _first(f, at=f.mails[0].at + timedelta(hours=1)), "and got it at"),
    "a second early": (lambda f: _first(f, at=f.mails[0].at - timedelta(seconds=1)), "and got it at"),
    "another outcome": (
        lambda f: replace(f, enrolments=[replace(f.enrolments[0], outcome="expired"), *f.enrolments[1:]]),
        "and ended as expired",
    ),
    "an enrolment too few": (lambda f: replace(f, enrolments=f.enrolments[1:]), "must be enrolled, and is not"),
    "an enrolment too many": (
        lambda f: replace(f, enrolments=[*f.enrolments, Enrolled("enr-x", "maya.singh", "E-33", "goal")]),
        "is enrolled, and must not be",
    ),
    "a dead letter too many": (lambda f: replace(f, refused=[*f.refused, "not_json"]), "the dead letters must be"),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_every_fault_is_found(expected: Enrolments, found: Found, fault: str) -> None:
    """One thing is not as it must be: the judge says so."""
    spoil, sentence = _FAULTS[fault]
    problems = _judged(expected, spoil(found))
    assert any(sentence in problem for problem in problems), problems


def test_a_wrong_rehearsal_does_not_excuse(expected: Enrolments, found: Found) -> None:
    """Where both performers are wrong together, the facts written by hand still say so."""
    without = {who: one for who, one in expected.items() if who[0] != "yusuf.demir"}
    enrolments = [one for one in found.enrolments if one.learner != "yusuf.demir"]
    ids = {one.id for one in enrolments}
    sent = {delivery: one for delivery, one in found.sent.items() if one.enrolment in ids}
    mails = [mail for mail in found.mails if mail.delivery in sent]
    problems = _judged(without, Found(enrolments, sent, mails, found.refused))
    assert any(problem.startswith("yusuf.demir (an ordinary eight weeks)") for problem in problems), problems
