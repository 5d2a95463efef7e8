"""Tells the reviewers that drafted texts wait for them: how many, and where. Never a text of a draft.

At most one message in `REST`, each proposed draft once. A claim in the store comes first, by the instant of the
workflow, so that a second attempt knows the first one's; who was not reached is tried again, and nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connectors.channels.base import Channel
from connectors.errors import ConnectorError, InDoubt, Retryable
from connectors.outgoing import Outgoing, OutgoingLink
from journeys.composing import Composed, Skip
from journeys.identity import notice_id
from journeys.program import Link
from store.database import Database
from store.queries import drafting, drafts
from store.queries.drafting import Waiting
from workers.delivering import DeliverRule
from workflows.contracts import TellOrder, Told

REST = timedelta(minutes=15)
"""How long the reviewers are left in peace after a message."""

AGAIN = timedelta(minutes=1)
"""When somebody who could not be reached is tried again, where the provider does not say."""

PATIENCE = timedelta(days=1)
"""After so long without reaching somebody nobody tries any more."""

MESSAGE = "drafts"
"""What the message is called where channels name it."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Reviewer:
    """Somebody who is told, by a channel and, where it needs one, an address of it."""

    channel: str
    address: str | None = None


@dataclass(frozen=True)
class Reviewers:
    """Tells them. `rest` is how long they are left in peace, `page` is where drafts are looked at."""

    database: Database
    reviewers: Sequence[Reviewer]
    channels: Mapping[str, Channel]
    rule: DeliverRule
    page: str
    rest: timedelta = REST
    again: timedelta = AGAIN

    async def tell(self, order: TellOrder) -> Told:
        """Tell them of this draft, and of all others of which nobody was told."""
        claimed_at = order.claimed_at
        if claimed_at is None:
            claimed = await self._claim(order)
            if isinstance(claimed, Told):
                return claimed
            claimed_at = claimed
        async with self.database.read() as session:
            waiting = await drafting.count_waiting(session, claimed_at=claimed_at)
        if waiting.number == 0 or order.now > claimed_at + PATIENCE:
            return Told()
        places = order.left if order.claimed_at is not None else range(len(self.reviewers))
        return await self._tell(waiting, [place for place in places if place < len(self.reviewers)], claimed_at, order)

    async def _claim(self, order: TellOrder) -> datetime | Told:
        """The instant of the claim; Told where there is nothing to tell, or it is too soon."""
        if not self.reviewers:
            return Told()
        async with self.database.write() as session:
            row = await drafts.find(session, order.draft)
            if row is not None and row.told_at == order.now:
                return order.now  # an earlier attempt came so far
            if row is None or row.told_at is not None or row.state != "proposed":
                return Told()
            too_soon = await drafting.claim_untold(session, at=order.now, rest=self.rest)
        return order.now if too_soon is None else Told(too_soon)

    async def _tell(self, waiting: Waiting, places: Sequence[int], claimed_at: datetime, order: TellOrder) -> Told:
        left: list[int] = []
        after = self.again
        for place in places:
            try:
                await self._send(self.reviewers[place], place, waiting, claimed_at)
            except Retryable as error:
                left.append(place)
                after = max(after, error.after or after)
            except InDoubt:
                log.warning("reviewer_may_not_know", place=place, channel=self.reviewers[place].channel)
            except ConnectorError as error:
                log.error("reviewer_not_told", place=place, channel=self.reviewers[place].channel, why=str(error))
        return Told(order.now + after, claimed_at, left) if left else Told()

    async def _send(self, reviewer: Reviewer, place: int, waiting: Waiting, claimed_at: datetime) -> None:
        said = self.rule.judge(_composed(reviewer, waiting, page=self.page))
        if isinstance(said, Skip):
            log.info("reviewer_not_told", place=place, channel=reviewer.channel, why=said.text)
            return
        await self.channels[reviewer.channel].send(
            Outgoing(
                delivery_id=notice_id(claimed_at.isoformat(), str(place)),
                enrolment_id="", journey="", message=MESSAGE, learner="", address=said.address, subject=said.subject,
                text=said.text, link=None if said.link is None else OutgoingLink(said.link.label, said.link.url),
                sent_at=claimed_at,
            )
        )  # fmt: skip


def _composed(reviewer: Reviewer, waiting: Waiting, *, page: str) -> Composed:
    number = waiting.number
    are = "text waits" if number == 1 else "texts wait"
    new = "" if waiting.new in (0, number) else f" ({waiting.new} of them new)"
    lines = [f"- {journey}: {count}" for journey, count in waiting.journeys.items()]
    text = "\n\n".join(
        [
            "A language model has drafted texts of messages. None of them goes to anybody before a person approves it.",
            "\n".join(lines),
        ]
    )
    return Composed(
        channel=reviewer.channel,
        address=reviewer.address,
        subject=f"{number} drafted {are} for approval{new}",
        text=text,
        link=Link("Look at the drafts", page),
    )
