"""From a message of the program to what one recipient would be sent: channel, address, rendered text. Pure.

Both performers use it, so that a rehearsal skips what would be skipped. Personal values are in the returned record
alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol, cast

from journeys.drafting.choosing import NOT_APPROVED, Approved, Drafted
from journeys.effects import Deliver
from journeys.events import Json
from journeys.expressions import Facts, learner_facts, value
from journeys.program import Entry, Expression, Link, Message, Program, Wording
from journeys.routing import entry_facts
from journeys.run import Run
from journeys.sandbox import LANGUAGE
from journeys.templates import Failed, LinkFacts, Missing, Rendered, render

SkipReason = Literal[
    "no_address", "no_channel", "no_recipient", "refused", "variable_missing", "template_failed", "expired", "withheld",
    "withdrawn",
]  # fmt: skip


SAFE_LINKS = ("https://", "http://", "mailto:")
"""What a link may begin with, whatever its template makes of an event's data."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A channel as composing knows it. `address_field` is the field of the profile that is the address; None: none
    needed.
    """

    is_set_up: bool
    address_field: str | None


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a message does not go; `detail` names a variable or a setting, never a personal value."""

    reason: SkipReason
    detail: str | None = None

    @property
    def text(self) -> str:
        """As a delivery's `reason` says it: the code, and after a colon the detail where there is one."""
        return self.reason if self.detail is None else f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as it would go out. `text` is Markdown; `address` is None where the channel needs none.

    `draft` is the approved draft whose text it is; `undrafted` is why a drafted message goes in its own words.
    """

    channel: str
    address: str | None
    subject: str
    text: str
    link: Link | None = None
    draft: str | None = None
    undrafted: str | None = None

    def to_address(self, address: str) -> "Composed":
        """The same message to another address."""
        return replace(self, address=address)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message goes to, by the source's id; None: the learner herself."""

    source_id: str | None


class Addressed(Protocol):
    """What is for somebody."""

    @property
    def to(self) -> Expression | Literal["learner", "manager"]:
        """For whom."""
        ...


def recipient_of(deliver: Addressed, facts: Facts) -> Recipient | Skip:
    """Whom the message goes to: the learner, her manager, or whom an expression names."""
    if deliver.to == "learner":
        return Recipient(None)
    if deliver.to == "manager":
        manager = facts.learner.get("manager")
        found: Json = manager if isinstance(manager, str) else None
        why = "learner.manager is not known"
    else:
        told = value(deliver.to, facts)
        found = told.value
        why = told.finding or f"{deliver.to.text} names nobody"
    if not isinstance(found, str) or not found.strip():
        return Skip("no_recipient", why)
    return Recipient(None if found == facts.learner.get("id") else found)


def unknown_recipient(deliver: Deliver) -> Skip:
    """The recipient is named, and nobody has ever introduced her."""
    who = "learner.manager" if deliver.to == "manager" else "the one that `to` names"
    return Skip("no_recipient", f"{who} is nobody we know: she exists from her first event on")


def compose(
    program: Program,
    deliver: Deliver,
    *,
    now: datetime,
    run: Run,
    entry: Entry,
    learner: Mapping[str, Json],
    learner_id: str,
    recipient: Mapping[str, Json],
    recipient_id: str,
    reach: Mapping[str, Reach],
    page: str | None = None,
    drafted: Drafted = None,
) -> Composed | Skip:
    """The message through the first of `via` that can reach the recipient, or why it cannot go.

    `learner` and `recipient` are profiles, the ids those of the source; `reach` says what is known of each channel by
    name; `page` is the address of the page where a message with questions is answered; `drafted` is the approved text
    of a drafted message, which goes out where all its placeholders can be filled and the channel has no wording of
    its own (`docs/decisions/0018`).
    """
    if deliver.expires_at is not None and now > deliver.expires_at:
        return Skip("expired")
    chosen = _choose(deliver.via, recipient, reach)
    if isinstance(chosen, Skip):
        return chosen
    channel, address = chosen
    message = program.messages[deliver.message]
    tag = best_language(message.languages, recipient.get("language"))
    worded = _worded(message, channel, tag)
    context = context_of(
        run=run, entry=entry, learner=learner, learner_id=learner_id, recipient=recipient, recipient_id=recipient_id
    )
    context[LANGUAGE] = tag
    link = _link_to_page(message, page, context) if message.questions else _link(worded.link, context)
    if isinstance(link, Skip):
        return link
    if link is not None:
        context["link"] = LinkFacts(link.label, link.url)
    said = _said(program, message, channel, worded, drafted, context)
    if isinstance(said, Skip):
        return said
    return Composed(channel, address, " ".join(said.subject.split()), said.text, link, said.draft, said.undrafted)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the recipient reads, and where its words come from."""

    subject: str
    text: str
    draft: str | None = None
    undrafted: str | None = None


def _said(
    program: Program, message: Message, channel: str, worded: Wording, drafted: Drafted, context: Mapping[str, object]
) -> _Said | Skip:
    """The approved draft where it can be said, else the message's own words and why."""
    if message.draft is None:
        return _own(program, worded, context)
    if _has_own_wording(message, channel, context):
        return _own(program, worded, context, why=f"{channel} has a wording of its own")
    if not isinstance(drafted, Approved):
        return _own(program, worded, context, why=NOT_APPROVED if drafted is None else drafted.reason)
    subject, text = _rendered(drafted.text.subject, context), _rendered(drafted.text.body, context)
    unsaid = next((part for part in (subject, text) if isinstance(part, Skip)), None)
    if unsaid is not None:
        return _own(program, worded, context, why=f"the approved draft cannot be said: {unsaid.text}")
    return _Said(cast("str", subject), cast("str", text), draft=drafted.id)


def _own(program: Program, worded: Wording, context: Mapping[str, object], *, why: str | None = None) -> _Said | Skip:
    subject = program.title if worded.subject is None else _rendered(worded.subject, context)
    text = _rendered(worded.body or "", context)
    if isinstance(subject, Skip):
        return subject
    if isinstance(text, Skip):
        return text
    return _Said(subject, text, undrafted=why)


def _has_own_wording(message: Message, channel: str, context: Mapping[str, object]) -> bool:
    """Whether the journey words this message for this channel: nobody drafts that."""
    tag = context[LANGUAGE]
    return channel in message.channels or (isinstance(tag, str) and channel in message.languages[tag].channels)


def context_of(
    *,
    run: Run,
    entry: Entry,
    learner: Mapping[str, Json],
    learner_id: str,
    recipient: Mapping[str, Json],
    recipient_id: str,
) -> dict[str, object]:
    """What the templates of a message see, but for its link."""
    return {
        "learner": learner_facts(learner, source_id=learner_id),
        "recipient": learner_facts(recipient, source_id=recipient_id),
        "entry": entry_facts(entry),
        "vars": run.vars,
        "answers": run.answers,
    }


def _choose(
    via: tuple[str, ...], recipient: Mapping[str, Json], reach: Mapping[str, Reach]
) -> tuple[str, str | None] | Skip:
    reason: SkipReason = "no_channel"
    for channel in via:
        known = reach.get(channel)
        if known is None or not known.is_set_up:
            continue
        if known.address_field is None:
            return channel, None
        address = recipient.get(known.address_field)
        if isinstance(address, str) and address.strip():
            return channel, address.strip()
        reason = "no_address"
    return Skip(reason)


def _worded(message: Message, channel: str, tag: str | None) -> Wording:
    """The wording for a channel in a language; what that lacks is the message's own."""
    ours = None if tag is None else message.languages[tag]
    own = message.channels.get(channel) or message.body
    if ours is None:
        return Wording(message.subject, own, message.link)
    return Wording(
        ours.subject or message.subject, ours.channels.get(channel) or ours.body or own, ours.link or message.link
    )


def best_language(offered: Mapping[str, object], wanted: Json) -> str | None:
    """The offered BCP 47 tag for who wants this one, or None for the default: the tag itself, else with its last parts
    taken off one by one (RFC 4647, section 3.4, lookup); case does not matter.
    """
    if not isinstance(wanted, str):
        return None
    by_case = {tag.casefold(): tag for tag in offered}
    parts = wanted.strip().replace("_", "-").casefold().split("-")
    while parts:
        found = by_case.get("-".join(parts))
        if found is not None:
            return found
        parts.pop()
        if parts and len(parts[-1]) == 1:  # a singleton introduces what was taken off
            parts.pop()
    return None


def _link_to_page(message: Message, page: str | None, context: Mapping[str, object]) -> Link | Skip:
    """The link to the page where the questions are answered; a question that cannot be asked is found out here."""
    for question in message.questions:
        text = _rendered(question.text, context)
        if isinstance(text, Skip):
            return text
    count = len(message.questions)
    return Link("Answer one question" if count == 1 else f"Answer {count} questions", page or "")


def _link(given: Link | None, context: Mapping[str, object]) -> Link | Skip | None:
    if given is None:
        return None
    label = _rendered(given.label, context)
    url = _rendered(given.url, context)
    if isinstance(label, Skip):
        return label
    if isinstance(url, Skip):
        return url
    if not url.strip().startswith(SAFE_LINKS):
        return Skip("template_failed", f"the link does not begin with {' or '.join(SAFE_LINKS)}")
    return Link(label.strip(), url.strip())


def _rendered(source: str, context: Mapping[str, object]) -> str | Skip:
    match render(source, context):
        case Rendered(text):
            return text
        case Missing(variable):
            return Skip("variable_missing", variable)
        case Failed(detail):
            return Skip("template_failed", detail)
