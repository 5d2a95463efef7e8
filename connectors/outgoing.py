"""What goes out through a channel, and what comes back for it. Plain records, known to every channel."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutgoingLink:
    """The message's link, rendered."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient, rendered and ready to go.

    `delivery_id` is the key: the same for every attempt, and handed to the provider where it takes one. `learner` is
    the source's id of the learner the message is about; `address` is where it goes (None where the channel needs
    none); `text` is Markdown; `why` is the address of the page that says why it came. `sent_at` is the turn's instant,
    UTC: the time of the story, not of this machine's clock.
    """

    delivery_id: str
    enrolment_id: str
    journey: str
    message: str
    learner: str
    address: str | None
    subject: str
    text: str
    link: OutgoingLink | None
    sent_at: datetime
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took it: its own id of the message where it gave one, and its words (for the store alone)."""

    provider_id: str | None
    words: str
