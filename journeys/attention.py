"""Attention: one budget of optional messages for each recipient, shared by all journeys. Pure.

Theory of operation. A message that is optional bids for one of its recipient's next slots. A bid

    (none) ─> placed ──> awarded ──> gone: the message went, and is counted as spent
                 │  └──> in a digest, which one of them leads (awarded) ─> gone with it
                 └─ put off until a day with room, expired, withdrawn

`judge` is asked for one bid, and divides what is free among *all* that compete at this instant, so that it does not
matter who asks first: what it gave to others stands in the bids it answers (`changed`), and holds its slot until it
went or fell. Where there is room for all, each goes by itself. Where there is not, the last slot becomes one digest of
what would have had it and the next best that go through the same channel.

Who is ahead never changes with time: all wait equally long, and a day of waiting is worth ten points of priority, so
that after ten days any bid is ahead of one just placed. An award counts only while the budget has room for it: where
mandatory messages took the slots meanwhile, the last of the awarded compete again.

Performers read the bids of one recipient, ask, and keep what changed, all under her lock; this module knows no store.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from journeys.effects import Deliver
from journeys.identity import delivery_id
from journeys.policy import Budget

GATHER = timedelta(seconds=2)
"""So long a slot that others may want too is kept open, from the first bid for it."""

A_POINT = timedelta(days=1) / 10
"""What a point of priority is worth in time waited."""

MOST_IN_A_DIGEST = 10
REACHES_BACK = timedelta(days=8)
"""So far back a message that went may count: seven local days, wherever she is."""

_WEEK = timedelta(days=6)
_NEVER = timedelta(days=3650)
_LOTS = 1_000_000

Openings = Callable[[datetime], datetime | None]
"""The first instant from the one given at which the message may go as far as hours and days are concerned; None:
nobody knows.
"""


@dataclass(frozen=True, slots=True)
class Bid:
    """One optional message that wants a slot of its recipient's.

    It competes from `eligible_at` on, until `expires_at`; `asks_at` is when it asks again by itself, and `is_put_off`
    tells that it waits for a slot, not for hours. `channel` is what it would go through (None: it merges with
    nothing), `digest` the delivery of the digest it goes in; the awarded one of these leads it.
    """

    delivery: str
    enrolment: str
    priority: int
    placed_at: datetime
    eligible_at: datetime
    asks_at: datetime
    expires_at: datetime | None = None
    channel: str | None = None
    is_awarded: bool = False
    is_put_off: bool = False
    digest: str | None = None

    @property
    def standing(self) -> tuple[datetime, datetime, str]:
        """What is smaller is ahead: the older, a point of priority counting as so much time; the same for ever."""
        return (self.placed_at - self.priority * A_POINT, self.placed_at, self.delivery)

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired: its last instant is none to wait for."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Board:
    """What concerns one recipient's attention now.

    `bids` are those of enrolments that are active; `spent` the instants at which a message went to her in the last
    eight days, mandatory ones and digests among them; `in_flight` the deliveries that are on their way, which count
    and compete no more; `others` how many other enrolments of hers are active and might bid too.
    """

    bids: Sequence[Bid] = ()
    spent: Sequence[datetime] = ()
    in_flight: Sequence[str] = ()
    others: int = 0


@dataclass(frozen=True, slots=True)
class Award:
    """It may go now, by itself."""


@dataclass(frozen=True, slots=True)
class Lead:
    """It may go now, with these others in one digest, whose delivery this is."""

    digest: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """It waits until then at most (None: nobody knows), because; without personal values. What `is_brief` takes a
    moment.
    """

    until: datetime | None
    because: str
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """It has waited for a slot until it expired."""


Verdict = Award | Lead | Wait | Late

_TOGETHER = "it goes to her in one message with others"


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on the bid that asked; every bid that is not as it was, that one included where it goes on waiting
    or leads; and those others (deliveries) that may go now and would not ask in time by themselves.
    """

    verdict: Verdict
    changed: tuple[Bid, ...] = ()
    woken: tuple[str, ...] = ()


def digest_id(lead: str) -> str:
    """The delivery of the digest that this delivery leads."""
    return delivery_id(lead, "digest", 0, 0)


_MERGED = "merged_into_digest"


def merged_into(digest: str) -> str:
    """Why a message was not sent by itself, as its delivery says it."""
    return f"{_MERGED}: {digest}"


def is_merged(reason: str | None) -> bool:
    """Whether a message went in a digest, by its delivery's reason."""
    return reason is not None and reason.startswith(_MERGED)


def new_bid(deliver: Deliver, *, delivery: str, enrolment: str, channel: str | None, now: datetime) -> Bid:
    """The bid of a message that is asked for now."""
    return Bid(
        delivery=delivery,
        enrolment=enrolment,
        priority=deliver.priority,
        placed_at=now,
        eligible_at=now,
        asks_at=now,
        expires_at=deliver.expires_at,
        channel=channel if deliver.may_merge else None,
    )


def judge(
    budget: Budget,
    board: Board,
    asker: Bid,
    *,
    now: datetime,
    zone: tzinfo,
    has_digest: bool = True,
    opening: Openings = lambda at: at,
) -> Judged:
    """Whether `asker`, whom hours and days let go now, gets a slot; and what that makes of the others.

    `zone` is the recipient's, and says what a day is.
    """
    flying = frozenset(board.in_flight)
    asker = replace(asker, eligible_at=min(asker.eligible_at, now), asks_at=now, is_put_off=False)
    bids = {bid.delivery: bid for bid in board.bids if bid.delivery not in flying and bid.digest not in flying}
    bids[asker.delivery] = asker
    judging = _Judging(budget, board, bids, asker.delivery, now, zone, has_digest, opening)
    return judging.judge() if asker.digest is None or asker.digest not in flying else judging.look(asker.digest)


def postponed(bid: Bid, *, until: datetime) -> Bid:
    """The bid when hours, leave or the like put its message off: what it was given is given back, unless it was given
    for then.
    """
    later = replace(bid, eligible_at=until, asks_at=until, is_put_off=False)
    return later if bid.eligible_at >= until else replace(later, is_awarded=False, digest=None)


def next_in_line(bids: Iterable[Bid], *, now: datetime) -> Bid | None:
    """Who is to be woken where a slot has become free: the first of those that wait for one. It asks, and `judge`
    divides what there is.
    """
    bids = tuple(bids)
    led = {bid.digest for bid in bids if bid.is_awarded}
    free = (bid for bid in bids if not bid.is_awarded and (bid.digest is None or bid.digest not in led))
    waiting = (bid for bid in free if bid.asks_at > now and (bid.is_put_off or bid.eligible_at <= now))
    return min((bid for bid in waiting if not bid.is_over(now)), key=_standing, default=None)


@dataclass(slots=True)
class _Judging:
    """One judgement under way; `bids` as they become."""

    budget: Budget
    board: Board
    bids: dict[str, Bid]
    asker: str
    now: datetime
    zone: tzinfo
    has_digest: bool
    opening: Openings
    _counted: list[date] = field(default_factory=list[date])
    _before: Mapping[str, Bid] = field(default_factory=dict[str, Bid])

    def look(self, digest: str) -> Judged:
        """The digest in which the asker goes is on its way: who leads it looks after it."""
        self._count()
        if self.bids[self.asker].is_awarded:
            return Judged(Lead(digest, ()))
        return self._judged(Wait(self.opening(self._next_day()), _TOGETHER, is_brief=True))

    def judge(self) -> Judged:
        self._count()
        self._honour_awards()
        gathering = self._gathering()
        if gathering is not None:
            return self._judged(gathering)
        self._award()
        return self._judged(self._verdict())

    # what is spent

    def _count(self) -> None:
        self._before = dict(self.bids)
        self._counted = [self._day(at) for at in (*self.board.spent, *(self.now for _ in self.board.in_flight))]

    def _day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    @property
    def _today(self) -> date:
        return self._day(self.now)

    def _free(self) -> int:
        """How many more may go today."""
        per_day, per_week = self.budget.per_day, self.budget.per_week
        of_day = _LOTS if per_day is None else per_day - self._counted.count(self._today)
        of_week = _LOTS if per_week is None else per_week - self._in_week_to(self._today)
        return max(min(of_day, of_week), 0)

    def _in_week_to(self, day: date) -> int:
        return sum(day - _WEEK <= counted <= day for counted in self._counted)

    def _take_slot(self) -> None:
        self._counted.append(self._today)

    # who gets what

    def _honour_awards(self) -> None:
        """The awarded keep their slots as far as there are any, the best first; the others compete again."""
        free = self._free()
        for place, bid in enumerate(sorted((b for b in self.bids.values() if b.is_awarded), key=_standing)):
            if place < free:
                self._take_slot()
            else:
                self._change(bid, is_awarded=False, digest=None)
        led = {bid.digest for bid in self.bids.values() if bid.is_awarded}
        for bid in [b for b in self.bids.values() if b.digest is not None and b.digest not in led]:
            self._change(bid, digest=None)  # nobody leads it any more

    def _competing(self) -> list[Bid]:
        """All that want a slot now, the first ahead."""
        free = (b for b in self.bids.values() if not b.is_awarded and b.digest is None)
        return sorted((b for b in free if b.eligible_at <= self.now and not b.is_over(self.now)), key=_standing)

    def _gathering(self) -> Wait | None:
        """Where others may want the slots too and there is not one for each: a moment, for them to say so."""
        competing, free = self._competing(), self._free()
        bidding = {bid.enrolment for bid in self.bids.values()} - {self.bids[self.asker].enrolment}
        silent = max(self.board.others - len(bidding), 0)
        if free == 0 or len(competing) + silent <= free or not self._competes():
            return None
        until = min(bid.placed_at for bid in competing) + GATHER
        return Wait(until, "others may want the same moment", is_brief=True) if self.now < until else None

    def _competes(self) -> bool:
        asker = self.bids[self.asker]
        return not asker.is_awarded and asker.digest is None and not asker.is_over(self.now)

    def _award(self) -> None:
        """Divide what is free."""
        competing, free = self._competing(), self._free()
        if free == 0:
            return
        if len(competing) > free and (members := self._members(competing[free - 1 :])):
            self._lead(competing[free - 1], members)
            competing = competing[: free - 1]
        for bid in competing[:free]:
            self._change(bid, is_awarded=True)
            self._take_slot()

    def _members(self, ranked: Sequence[Bid]) -> Sequence[Bid]:
        """Which go together with the first of these, in its slot."""
        first, *rest = ranked
        if not self.has_digest or first.channel is None:
            return ()
        return [bid for bid in rest if bid.channel == first.channel][: MOST_IN_A_DIGEST - 1]

    def _lead(self, lead: Bid, members: Sequence[Bid]) -> None:
        digest = digest_id(lead.delivery)
        self._change(lead, is_awarded=True, digest=digest)
        self._take_slot()
        for bid in members:
            self._change(bid, digest=digest)

    # what is said

    def _verdict(self) -> Verdict:
        asker = self.bids[self.asker]
        if asker.is_awarded and asker.digest is not None:
            members = sorted((b for b in self.bids.values() if b.digest == asker.digest), key=_standing)
            return Lead(asker.digest, tuple(b.delivery for b in members if b.delivery != self.asker))
        if asker.is_awarded:
            return Award()
        if asker.is_over(self.now):
            return Late()
        opening = self.opening(self._next_day())
        if asker.digest is not None:
            return Wait(opening, _TOGETHER, is_brief=True)
        self._change(asker, eligible_at=opening or self._next_day(), is_put_off=True)
        return self._wait(opening, self._because(asker))

    def _wait(self, until: datetime | None, because: str) -> Wait:
        """No longer than it is worth sending: a slot may become free until then."""
        expires_at = self.bids[self.asker].expires_at
        if expires_at is not None and (until is None or until > expires_at):
            return Wait(expires_at, f"{because}; it expires then")
        return Wait(until, because)

    def _next_day(self) -> datetime:
        """The beginning of the first local day, after this one, that has room."""
        day = self._today + timedelta(days=1)
        while self.budget.per_week is not None and self._in_week_to(day) >= self.budget.per_week:
            day += timedelta(days=1)
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def _because(self, asker: Bid) -> str:
        today, per_day = self._counted.count(self._today), self.budget.per_day
        if per_day is not None and today >= per_day:
            spent = _spent(today, per_day, "today")
        else:
            spent = _spent(self._in_week_to(self._today), self.budget.per_week or 0, "within seven days")
        waiting = (b for b in self.bids.values() if not b.is_awarded and b.digest is None and not b.is_over(self.now))
        ahead = sum(bid.standing < asker.standing for bid in waiting)
        return spent if ahead == 0 else f"{spent}; {ahead} other{'s wait' if ahead > 1 else ' waits'} ahead of it"

    # what becomes of it

    def _change(self, bid: Bid, **values: object) -> None:
        self.bids[bid.delivery] = replace(self.bids[bid.delivery], **values)  # type: ignore[arg-type]  # fields of Bid, said by name above

    def _judged(self, verdict: Verdict) -> Judged:
        if isinstance(verdict, Wait):
            self._change(self.bids[self.asker], asks_at=verdict.until or self.now + _NEVER)
        changed = tuple(
            bid for key, bid in self.bids.items() if bid != self._before[key] or self._is_news(key, verdict)
        )
        woken = (b for b in changed if b.delivery != self.asker and b.is_awarded and b.asks_at > self.now)
        return Judged(verdict, changed, tuple(b.delivery for b in woken if not self._before[b.delivery].is_awarded))

    def _is_news(self, key: str, verdict: Verdict) -> bool:
        """A bid that goes on waiting is kept in any case: it may be new."""
        return key == self.asker and isinstance(verdict, Wait)


def _standing(bid: Bid) -> tuple[datetime, datetime, str]:
    return bid.standing


def _spent(count: int, allowed: int, period: str) -> str:
    messages = f"{count} message{'' if count == 1 else 's'}"
    if count > allowed:
        return f"she gets {messages} {period}, and the policy allows {allowed}"
    return f"she gets {messages} {period}, as many as the policy allows"
