"""Whether what arrived is what the journey says. Pure.

What arrived is what stands in the mailbox, joined to deliveries by the Message-ID, and the enrolments with their
journals. Compared are, for each enrolment, its outcome and its messages in order: which, with what subject and text,
and when: by the journal to the second, and by the letter's own Date within a moment after it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from journeys.timing import PUNCTUAL
from waymark.demo.cast import Person
from waymark.demo.expecting import Became, Enrolments, Fact, Said
from waymark.demo.postbox import Mail


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that the installation says it sent: which message of which enrolment, and when by the journal."""

    enrolment: str
    message: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An enrolment as the API tells it."""

    id: str
    learner: str
    key: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the story. `sent` is by delivery id; `refused` are the reasons of the dead letters."""

    enrolments: Sequence[Enrolled]
    sent: Mapping[str, Sent]
    mails: Sequence[Mail]
    refused: Sequence[str]


def judge(
    expected: Enrolments, found: Found, *, people: Sequence[Person], facts: Mapping[str, Fact], refused: Sequence[str]
) -> list[str]:
    """Everything that is not as it must be, a sentence each; empty where all is well."""
    became = bring_together(found)
    return [
        *_mails_without_a_home(found),
        *_repeated(found.mails),
        *_at_other_addresses(found, people),
        *_differences(expected, became),
        *(problem for person in people for problem in _against(person, facts[person.id], became)),
        *_letters(found.refused, refused),
    ]


def bring_together(found: Found) -> Enrolments:
    """What arrived, for each enrolment, in the order of the story."""
    by_enrolment: dict[str, list[Said]] = {}
    for mail in sorted(found.mails, key=lambda m: (m.at, m.number)):
        sent = found.sent.get(mail.delivery)
        if sent is not None:
            said = Said(sent.message, mail.subject, mail.text, _instant(mail, sent))
            by_enrolment.setdefault(sent.enrolment, []).append(said)
    return {(e.learner, e.key): Became(e.outcome, tuple(by_enrolment.get(e.id, ()))) for e in found.enrolments}


def _instant(mail: Mail, sent: Sent) -> datetime:
    """The journal's instant where the letter says the same, a moment later at most; else the letter's."""
    is_same = sent.at is not None and timedelta() <= mail.at - sent.at.replace(microsecond=0) <= PUNCTUAL
    return sent.at if is_same and sent.at is not None else mail.at


def _mails_without_a_home(found: Found) -> Iterator[str]:
    for mail in found.mails:
        if mail.delivery not in found.sent:
            yield f"message {mail.number} of the mailbox belongs to no delivery that was sent"
    arrived = {mail.delivery for mail in found.mails}
    missing = [delivery for delivery in found.sent if delivery not in arrived]
    if missing:
        yield f"{len(missing)} deliveries are said to be sent and are not in the mailbox, the first is {missing[0]}"


def _repeated(mails: Sequence[Mail]) -> Iterator[str]:
    for delivery, times in Counter(mail.delivery for mail in mails).items():
        if times > 1:
            yield f"delivery {delivery} arrived {times} times"


def _at_other_addresses(found: Found, people: Sequence[Person]) -> Iterator[str]:
    addresses = {person.id: person.address for person in people}
    learners = {enrolment.id: enrolment.learner for enrolment in found.enrolments}
    for mail in found.mails:
        sent = found.sent.get(mail.delivery)
        if sent is not None and mail.recipient != addresses.get(learners.get(sent.enrolment, "")):
            yield f"message {mail.number} of the mailbox went to another address than its learner's"


def _differences(expected: Enrolments, became: Enrolments) -> Iterator[str]:
    for who in sorted({*expected, *became}):
        name = f"{who[0]} ({who[1]})"
        if who not in became:
            yield f"{name} must be enrolled, and is not"
        elif who not in expected:
            yield f"{name} is enrolled, and must not be"
        else:
            yield from _differ(name, expected[who], became[who])


def _differ(name: str, expected: Became, became: Became) -> Iterator[str]:
    if expected.outcome != became.outcome:
        yield f"{name} must end as {expected.outcome}, and ended as {became.outcome}"
    must, got = [one.message for one in expected.said], [one.message for one in became.said]
    if must != got:
        yield f"{name} must get {', '.join(must) or 'nothing'}, and got {', '.join(got) or 'nothing'}"
        return
    for left, right in zip(expected.said, became.said, strict=True):
        if left.at.replace(microsecond=0) != right.at.replace(microsecond=0):
            yield f"{name} must get {left.message} at {left.at:%F %T}, and got it at {right.at:%F %T}"
        if left.subject != right.subject or not right.text.startswith(left.text):
            yield f"{name} got {left.message} in other words than the journey's"


def _against(person: Person, fact: Fact, became: Enrolments) -> Iterator[str]:
    hers = {key: one for (learner, key), one in became.items() if learner == person.id}
    outcomes = {key: one.outcome for key, one in hers.items()}
    got = {said.message for one in hers.values() for said in one.said}
    about = f"{person.id} ({person.twist}):"
    if outcomes != fact.outcomes:
        yield f"{about} the enrolments must be {dict(fact.outcomes)}, and are {outcomes}"
    for message in sorted(fact.got - got):
        yield f"{about} {message} must come, and did not"
    for message in sorted(fact.never & got):
        yield f"{about} {message} must not come, and did"


def _letters(found: Sequence[str], expected: Sequence[str]) -> Iterator[str]:
    if sorted(found) != sorted(expected):
        yield f"the dead letters must be {', '.join(expected) or 'none'}, and are {', '.join(found) or 'none'}"
