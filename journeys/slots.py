"""The attention of everybody on the stage of a rehearsal: what the store keeps, in memory. Pure.

The rehearsal's performer asks here as the real one asks `workers.attending`; both leave the judging to
`journeys.attention`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from journeys import attending
from journeys.attention import Award, Bid, Board, Lead, Verdict, next_in_line, postponed
from journeys.effects import Deliver
from journeys.events import Json
from journeys.policy import Budget, Policy


@dataclass(frozen=True, slots=True)
class Gone:
    """The digest in which a message went along, when, and through what."""

    digest: str
    at: datetime


@dataclass(slots=True)
class _Attention:
    """One recipient's."""

    bids: dict[str, Bid] = field(default_factory=dict[str, Bid])
    spent: list[datetime] = field(default_factory=list[datetime])


@dataclass(slots=True)
class Slots:
    """The bids of all; `wake` has the enrolment of a delivery take a turn at this instant."""

    policy: Policy
    wake: Callable[[str, datetime], None]
    _people: dict[str, _Attention] = field(default_factory=dict[str, _Attention])
    _gone: dict[str, Gone] = field(default_factory=dict[str, Gone])
    _recipients: dict[str, str] = field(default_factory=dict[str, str])
    _wanted: set[str] = field(default_factory=set[str])

    def gone_in(self, delivery: str) -> Gone | None:
        """The digest that took this message along, where one did."""
        return self._gone.get(delivery)

    def has_had_no_room(self, recipient: str, delivery: str, *, now: datetime) -> bool:
        """Whether it waited for a slot until it expired."""
        known = self._of(recipient).bids.get(delivery)
        return known is not None and attending.has_had_no_room(known, now=now)

    def postpone(self, recipient: str, bid: Bid, *, until: datetime, now: datetime) -> None:
        """Hours or days put it off until then: it bids for the slot at its opening. What it held goes to the next."""
        known = self._of(recipient).bids.get(bid.delivery)
        later = replace(bid, eligible_at=until, asks_at=until) if known is None else postponed(known, until=until)
        self._keep(recipient, later)
        if bid.delivery in self._wanted or (known is not None and known.is_awarded and not later.is_awarded):
            self._wake_next(recipient, now)
        self._wanted.discard(bid.delivery)

    def ask(
        self,
        recipient: str,
        bid: Bid,
        deliver: Deliver,
        *,
        budget: Budget,
        profile: Mapping[str, Json],
        others: int,
        now: datetime,
    ) -> Verdict:
        """Whether it gets a slot now; what that makes of the other bids is kept, and who won by it is woken."""
        attention = self._of(recipient)
        self._wanted.discard(bid.delivery)
        known = attention.bids.get(bid.delivery)
        asker = bid if known is None else replace(known, channel=bid.channel)
        board = Board(tuple(attention.bids.values()), tuple(attention.spent), others=others)
        judged = attending.ask(budget, board, asker, deliver, recipient=profile, policy=self.policy, now=now)
        for each in judged.changed:
            if each.delivery != bid.delivery or not isinstance(judged.verdict, Award):
                self._keep(recipient, each)
        for delivery in judged.woken:
            self.wake(delivery, now)
        return judged.verdict

    def spend(self, recipient: str, *, at: datetime) -> None:
        """A message goes to her."""
        self._of(recipient).spent.append(at)

    def conclude(self, recipient: str, delivery: str) -> None:
        """It went by itself: its bid has served."""
        self._of(recipient).bids.pop(delivery, None)

    def merge(self, recipient: str, lead: Lead, gone: Iterable[str], *, now: datetime) -> None:
        """These went in the digest, its lead among them; those of it that did not are free again. All are woken."""
        gone = tuple(gone)
        bids = self._of(recipient).bids
        for delivery in gone:
            bids.pop(delivery, None)
            self._gone[delivery] = Gone(lead.digest, now)
        for delivery in lead.members:
            if delivery in bids:
                bids[delivery] = replace(bids[delivery], digest=None)
            self.wake(delivery, now)

    def fall(self, deliveries: Iterable[str], *, now: datetime) -> None:
        """These will not go: what they held goes to the next."""
        for delivery in deliveries:
            recipient = self._recipients.get(delivery)
            fallen = None if recipient is None else self._of(recipient).bids.pop(delivery, None)
            if recipient is not None and fallen is not None and (fallen.is_awarded or delivery in self._wanted):
                self._wake_next(recipient, now)

    def _wake_next(self, recipient: str, now: datetime) -> None:
        following = next_in_line(self._of(recipient).bids.values(), now=now)
        if following is not None:
            self._wanted.add(following.delivery)
            self.wake(following.delivery, now)

    def _of(self, recipient: str) -> _Attention:
        return self._people.setdefault(recipient, _Attention())

    def _keep(self, recipient: str, bid: Bid) -> None:
        self._of(recipient).bids[bid.delivery] = bid
        self._recipients[bid.delivery] = recipient
