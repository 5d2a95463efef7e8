"""One budget of attention: who gets a slot, who goes in a digest, who waits, and that nothing is lost by it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.attention import (
    GATHER,
    MOST_IN_A_DIGEST,
    Award,
    Bid,
    Board,
    Judged,
    Late,
    Lead,
    Wait,
    digest_id,
    judge,
    next_in_line,
    postponed,
)
from journeys.policy import Budget

DUBLIN = ZoneInfo("Europe/Dublin")
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def bid(name: str, *, priority: int = 50, placed_at: datetime = MONDAY - DAY, **values: object) -> Bid:
    """A bid that has waited a day for this moment."""
    given = Bid(name, f"enr-{name}", priority, placed_at, eligible_at=MONDAY, asks_at=MONDAY, channel="email")
    return replace(given, **values)  # type: ignore[arg-type]  # fields by name


def ask(budget: Budget, board: Board, asker: Bid, *, now: datetime = MONDAY, has_digest: bool = True) -> Judged:
    """Judge in Dublin."""
    return judge(budget, board, asker, now=now, zone=DUBLIN, has_digest=has_digest)


def test_with_room_for_all_each_goes_by_itself() -> None:
    """Three bids and three slots: the asker goes, and so may the others."""
    bids = [bid("a"), bid("b"), bid("c")]
    judged = ask(Budget(3, 8), Board(bids), bids[2])
    assert Award() == judged.verdict
    assert {"a", "b", "c"} == {b.delivery for b in judged.changed if b.is_awarded}


def test_alone_there_is_nothing_to_keep_but_the_award() -> None:
    """A message whose recipient nobody else wants goes at once, and touches nobody."""
    judged = ask(Budget(3, 8), Board(), bid("a", placed_at=MONDAY))
    assert Award() == judged.verdict
    assert ["a"] == [b.delivery for b in judged.changed]


def test_the_last_slot_becomes_a_digest_of_the_next_best() -> None:
    """With two slots for five the best goes alone, and the second leads all others."""
    bids = [bid(name, priority=90 - 10 * place) for place, name in enumerate("abcde")]
    board = Board(bids)
    assert Award() == ask(Budget(2, 8), board, bids[0]).verdict
    assert Lead(digest_id("b"), ("c", "d", "e")) == ask(Budget(2, 8), board, bids[1]).verdict
    waits = ask(Budget(2, 8), board, bids[4]).verdict
    assert isinstance(waits, Wait)
    assert "it goes to her in one message with others" == waits.because


def test_a_digest_has_at_most_ten_members() -> None:
    """Of thirty, ten go in the only slot, and the others wait for the next day."""
    bids = [bid(f"{n:02}") for n in range(30)]
    lead = ask(Budget(1, 8), Board(bids), bids[0]).verdict
    assert isinstance(lead, Lead)
    assert MOST_IN_A_DIGEST == len(lead.members) + 1
    last = ask(Budget(1, 8), Board(bids), bids[29]).verdict
    assert Wait(
        datetime(2026, 3, 3, tzinfo=UTC),
        "she gets 1 message today, as many as the policy allows; 19 others wait ahead of it",
    ) == last  # fmt: skip


def test_without_a_digest_they_wait() -> None:
    """`digest: false`: the best go, the others wait until the next day."""
    bids = [bid(name, priority=90 - 10 * place) for place, name in enumerate("abc")]
    board = Board(bids)
    assert Award() == ask(Budget(1, 8), board, bids[0], has_digest=False).verdict
    waits = ask(Budget(1, 8), board, bids[1], has_digest=False).verdict
    expected = "she gets 1 message today, as many as the policy allows"
    assert Wait(datetime(2026, 3, 3, tzinfo=UTC), expected) == waits


@pytest.mark.parametrize("channel", ["slack", None])
def test_what_goes_through_another_channel_does_not_merge(channel: str | None) -> None:
    """A digest has one channel; a message that merges with nothing has none."""
    bids = [bid("a"), bid("b", channel=channel), bid("c")]
    assert Lead(digest_id("a"), ("c",)) == ask(Budget(1, 8), Board(bids), bids[0]).verdict
    assert isinstance(ask(Budget(1, 8), Board(bids), bids[1]).verdict, Wait)


def test_two_that_do_not_merge_make_no_digest() -> None:
    """Where nothing goes with it, the last slot is a message by itself."""
    bids = [bid("a"), bid("b", channel="slack")]
    assert Award() == ask(Budget(1, 8), Board(bids), bids[0]).verdict


def test_what_went_today_is_counted_by_her_own_day() -> None:
    """23:30 UTC of the day before is half past midnight in Dublin in summer, and today."""
    summer = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
    asker = bid("a", placed_at=summer)
    spent = [datetime(2026, 7, 5, 23, 30, tzinfo=UTC)]
    in_dublin = judge(Budget(1, 8), Board(spent=spent), asker, now=summer, zone=DUBLIN)
    assert isinstance(in_dublin.verdict, Wait)
    assert Award() == judge(Budget(1, 8), Board(spent=spent), asker, now=summer, zone=UTC).verdict


def test_a_full_week_waits_for_the_first_day_with_room() -> None:
    """Eight went on the last seven days: the first of them must be over."""
    spent = [MONDAY - n * DAY for n in (5, 5, 5, 4, 4, 3, 2, 1)]
    waits = ask(Budget(3, 8), Board(spent=spent), bid("a")).verdict
    assert Wait(
        datetime(2026, 3, 4, tzinfo=UTC), "she gets 8 messages within seven days, as many as the policy allows"
    ) == waits  # fmt: skip


def test_mandatory_messages_are_counted_though_they_take_more_than_there_is() -> None:
    """Five went today where three may: nothing optional goes, and the reason says so."""
    waits = ask(Budget(3, 8), Board(spent=[MONDAY] * 5), bid("a")).verdict
    assert isinstance(waits, Wait)
    assert "she gets 5 messages today, and the policy allows 3" == waits.because


def test_what_is_on_its_way_holds_its_slot() -> None:
    """A delivery under way counts as one that went, once, also where it was awarded."""
    busy = Board([bid("x", is_awarded=True)], in_flight=["x", "y"])
    assert isinstance(ask(Budget(2, 8), busy, bid("a")).verdict, Wait)
    assert Award() == ask(Budget(3, 8), busy, bid("a")).verdict


def test_a_digest_on_its_way_counts_once() -> None:
    """Its delivery, its lead's award and its members are one slot."""
    digest = digest_id("x")
    board = Board([bid("x", is_awarded=True, digest=digest), bid("y", digest=digest)], in_flight=[digest])
    assert Award() == ask(Budget(2, 8), board, bid("a")).verdict


def test_what_is_on_its_way_wants_no_slot_any_more() -> None:
    """Its bid stands until its attempt has ended, and takes nothing from the others."""
    board = Board([bid("x", priority=90)], in_flight=["x"])
    assert Award() == ask(Budget(2, 8), board, bid("a")).verdict
    waits = ask(Budget(1, 8), board, bid("a")).verdict
    assert isinstance(waits, Wait)
    assert "she gets 1 message today, as many as the policy allows" == waits.because


def test_who_asks_while_its_digest_is_on_its_way_waits_for_it() -> None:
    """A member until it is told; the lead looks after it."""
    digest = digest_id("x")
    lead, member = bid("x", is_awarded=True, digest=digest), bid("y", digest=digest)
    board = Board([lead, member], in_flight=[digest])
    assert Lead(digest, ()) == ask(Budget(1, 8), board, lead).verdict
    waits = ask(Budget(1, 8), board, member).verdict
    because = "it goes to her in one message with others"
    assert Wait(datetime(2026, 3, 3, tzinfo=UTC), because, is_brief=True) == waits


def test_where_others_might_bid_a_slot_is_kept_open_for_a_moment() -> None:
    """One slot, and another enrolment of hers: it waits so long from the first bid, no longer."""
    asker = bid("a", placed_at=MONDAY)
    board = Board(others=1)
    waits = ask(Budget(1, 8), board, asker).verdict
    assert Wait(MONDAY + GATHER, "others may want the same moment", is_brief=True) == waits
    assert Award() == ask(Budget(1, 8), board, asker, now=MONDAY + GATHER).verdict


def test_where_there_is_a_slot_for_each_nothing_is_gathered() -> None:
    """Two others and three slots: nobody could be in the way."""
    asker = bid("a", placed_at=MONDAY)
    assert Award() == ask(Budget(3, 8), Board(others=2), asker).verdict
    assert isinstance(ask(Budget(3, 8), Board(others=3), asker).verdict, Wait)


def test_after_ten_days_any_bid_is_ahead_of_a_fresh_one() -> None:
    """Priority 1 placed ten days ago is ahead of 100 placed now, and was behind the one placed nine days ago."""
    old = bid("old", priority=1, placed_at=MONDAY - 10 * DAY)
    assert old.standing < bid("new", priority=100, placed_at=MONDAY).standing
    assert old.standing > bid("mid", priority=100, placed_at=MONDAY - DAY / 2).standing


def test_an_award_counts_only_while_there_is_room() -> None:
    """Three are awarded and two mandatory messages come between: the two last compete again."""
    bids = [bid(name, priority=90 - 10 * place, is_awarded=True) for place, name in enumerate("abc")]
    board = Board(bids, spent=[MONDAY] * 2)
    assert Award() == ask(Budget(3, 8), board, bids[0], has_digest=False).verdict
    judged = ask(Budget(3, 8), board, bids[2], has_digest=False)
    assert isinstance(judged.verdict, Wait)
    assert {"b", "c"} == {b.delivery for b in judged.changed if not b.is_awarded}


def test_an_award_that_is_put_off_is_given_back() -> None:
    """Her day is over: the slot is free; but an award for that very opening stays."""
    awarded = bid("a", is_awarded=True)
    later = MONDAY + DAY
    assert not postponed(awarded, until=later).is_awarded
    assert later == postponed(awarded, until=later).eligible_at
    assert postponed(awarded, until=MONDAY).is_awarded


def test_a_freed_slot_goes_to_the_first_that_waits_for_one() -> None:
    """Not to what is awarded, goes in a digest, has expired, or waits for her hours."""
    put_off = replace(bid("first"), is_put_off=True, asks_at=MONDAY + DAY, eligible_at=MONDAY + DAY)
    led = digest_id("lead")
    bids = [
        bid("awarded", is_awarded=True),
        bid("hours", asks_at=MONDAY + DAY, eligible_at=MONDAY + DAY),
        replace(put_off, delivery="expired", expires_at=MONDAY - timedelta(hours=1)),
        bid("lead", is_awarded=True, digest=led),
        bid("member", priority=60, digest=led, asks_at=MONDAY + DAY),
        replace(put_off, delivery="second", priority=40),
        put_off,
    ]
    found = next_in_line(bids, now=MONDAY)
    assert found is not None
    assert "first" == found.delivery
    without_lead = [b for b in bids if b.delivery != "lead"]
    freed = next_in_line(without_lead, now=MONDAY)
    assert freed is not None
    assert "member" == freed.delivery


def test_when_its_last_instant_comes_it_is_late() -> None:
    """It waits for a freed slot until it expires, and no longer."""
    expires_at = MONDAY + timedelta(hours=2)
    board = Board(spent=[MONDAY])
    waits = ask(Budget(1, 8), board, bid("a", expires_at=expires_at)).verdict
    assert Wait(expires_at, "she gets 1 message today, as many as the policy allows; it expires then") == waits
    assert Late() == ask(Budget(1, 8), board, bid("a", expires_at=expires_at), now=expires_at).verdict


# -- what always holds -------------------------------------------------------------------------------------------------


@dataclass
class Market:
    """One recipient, her bids in memory, and a clock that goes from ask to ask; what a performer does, and no more."""

    budget: Budget
    has_digest: bool = True
    bids: dict[str, Bid] = field(default_factory=dict[str, Bid])
    spent: list[datetime] = field(default_factory=list[datetime])
    gone: dict[str, datetime] = field(default_factory=dict[str, datetime])
    merged: dict[str, str] = field(default_factory=dict[str, str])
    fallen: dict[str, str] = field(default_factory=dict[str, str])
    optional: list[datetime] = field(default_factory=list[datetime])
    _plan: list[tuple[datetime, int, str]] = field(default_factory=list[tuple[datetime, int, str]])
    _numbers: "count[int]" = field(default_factory=count)
    known: dict[str, Bid] = field(default_factory=dict[str, Bid])
    withdrawn: set[str] = field(default_factory=set[str])

    def place(self, *bids: Bid) -> None:
        """These messages will be asked for."""
        for each in bids:
            self.known[each.delivery] = each
            self.plan(each.placed_at, each.delivery)

    def plan(self, at: datetime, what: str) -> None:
        heappush(self._plan, (at, next(self._numbers), what))

    def play(self, *, until: datetime | None = None) -> None:
        """Until nothing is planned."""
        while self._plan and (until is None or self._plan[0][0] <= until):
            at, _, what = heappop(self._plan)
            self.happen(what, at)

    def happen(self, what: str, now: datetime) -> None:
        """One thing: `mandatory`, `withdraw:<delivery>`, or a delivery that asks."""
        if what == "mandatory":
            self.spent.append(now)
        elif what.startswith("withdraw:"):
            self.fall(what.removeprefix("withdraw:"), "withdrawn", now)
        elif what not in (self.gone | self.merged | self.fallen):
            self.ask(what, now)

    def ask(self, delivery: str, now: datetime) -> None:
        asker = self.bids.get(delivery, self.known[delivery])
        if asker.is_over(now):
            self.fall(delivery, "expired", now)
            return
        others = len(set(self.known) - set(self.gone) - set(self.merged) - set(self.fallen) - {delivery})
        board = Board(tuple(self.bids.values()), tuple(self.spent), others=others)
        judged = judge(self.budget, board, asker, now=now, zone=DUBLIN, has_digest=self.has_digest)
        self.bids.update({each.delivery: each for each in judged.changed})
        for woken in judged.woken:
            self.plan(now, woken)
        match judged.verdict:
            case Award():
                self.go(delivery, now)
            case Lead(digest, members):
                self.go(delivery, now)
                for each in (delivery, *members):
                    self.merged[each] = digest
                    self.bids.pop(each, None)
            case Wait(until, because):
                assert because
                assert until is not None
                assert until > now
                self.plan(until, delivery)
            case Late():
                self.fall(delivery, "expired", now)

    def go(self, delivery: str, now: datetime) -> None:
        self.spent.append(now)
        self.optional.append(now)
        self.gone[delivery] = now
        self.bids.pop(delivery, None)

    def fall(self, delivery: str, reason: str, now: datetime) -> None:
        if delivery in self.gone or delivery in self.merged or delivery in self.fallen:
            return
        self.fallen[delivery] = reason
        fallen = self.bids.pop(delivery, None)
        following = next_in_line(self.bids.values(), now=now)
        if fallen is not None and fallen.is_awarded and following is not None:
            self.plan(now, following.delivery)

    @property
    def days(self) -> Counter[date]:
        """How many optional messages went on each of her days."""
        return Counter(at.astimezone(DUBLIN).date() for at in self.optional)


def within(budget: Budget, days: Counter[date]) -> bool:
    """Whether every day and every seven days running are within the budget."""
    of_week = [sum(days[day - n * DAY] for n in range(7)) for day in days]
    is_day_good = budget.per_day is None or all(n <= budget.per_day for n in days.values())
    return is_day_good and (budget.per_week is None or all(n <= budget.per_week for n in of_week))


budgets = some.builds(
    Budget, some.none() | some.integers(min_value=1, max_value=4), some.none() | some.integers(min_value=1, max_value=9)
)
moments = some.integers(min_value=0, max_value=60 * 24 * 20).map(lambda minutes: MONDAY + timedelta(minutes=minutes))


@some.composite
def bids_of_weeks(draw: some.DrawFn, *, expire: bool = True) -> list[Bid]:
    """Up to forty messages within three weeks, many of them at one instant."""
    instants = draw(some.lists(moments, min_size=1, max_size=6))
    lives = some.none() | some.integers(min_value=1, max_value=24 * 9).map(lambda hours: timedelta(hours=hours))
    found: list[Bid] = []
    for number in range(draw(some.integers(min_value=1, max_value=40))):
        placed_at = draw(some.sampled_from(instants))
        life = draw(lives) if expire else None
        given = bid(f"d{number}", priority=draw(some.integers(min_value=1, max_value=100)), placed_at=placed_at)
        found.append(
            replace(
                given,
                eligible_at=placed_at,
                asks_at=placed_at,
                expires_at=None if life is None else placed_at + life,
                channel=draw(some.sampled_from(["email", "slack", None])),
            )
        )
    return found


@settings(deadline=None, max_examples=150)
@given(
    budgets, some.booleans(), bids_of_weeks(), some.lists(moments, max_size=12),
    some.lists(some.tuples(moments, some.integers(min_value=0, max_value=39)), max_size=10),
)  # fmt: skip
def test_never_above_the_budget_and_nothing_vanishes(
    budget: Budget, has_digest: bool, bids: list[Bid], mandatory: list[datetime], falls: list[tuple[datetime, int]]
) -> None:
    """Whatever comes, is withdrawn or mandatory: no day and no week has more optional messages than the budget, and
    each message went, went with others, expired or was withdrawn, once.
    """
    market = Market(budget, has_digest)
    market.place(*bids)
    for at in mandatory:
        market.plan(at, "mandatory")
    for at, number in falls:
        if number < len(bids) and at >= bids[number].placed_at:
            market.plan(at, f"withdraw:d{number}")
    market.play()
    assert within(budget, market.days)
    assert {b.delivery for b in bids} == set(market.gone) | set(market.merged) | set(market.fallen)
    assert not (set(market.gone) | set(market.merged)) & set(market.fallen)
    assert {"expired", "withdrawn"} >= set(market.fallen.values())
    assert {} == market.bids


@settings(deadline=None, max_examples=100)
@given(budgets, some.booleans(), bids_of_weeks(expire=False))
def test_what_never_expires_never_starves(budget: Budget, has_digest: bool, bids: list[Bid]) -> None:
    """Without mandatory messages each goes, as soon as the budget lets through what was ahead of it."""
    market = Market(budget, has_digest)
    market.place(*bids)
    market.play()
    assert {b.delivery for b in bids} == set(market.gone) | set(market.merged)


def test_a_message_of_no_priority_comes_through_a_stream_of_urgent_ones() -> None:
    """Two of priority 100 every day for one slot a day: the one of priority 1 goes after ten days and not before."""
    market = Market(Budget(1, None), has_digest=False)
    market.place(bid("least", priority=1, placed_at=MONDAY, eligible_at=MONDAY, asks_at=MONDAY))
    for day in range(30):
        at = MONDAY + day * DAY
        market.place(*(bid(f"u{day}-{n}", priority=100, placed_at=at, eligible_at=at, asks_at=at) for n in range(2)))
    market.play()
    waited = market.gone["least"] - MONDAY
    assert timedelta(days=9) <= waited <= timedelta(days=21)


@settings(deadline=None, max_examples=100)
@given(budgets, some.booleans(), bids_of_weeks(), some.randoms(use_true_random=False))
def test_it_does_not_matter_who_asks_first(
    budget: Budget,
    has_digest: bool,
    bids: list[Bid],
    chance: "some.Random",  # type: ignore[name-defined]
) -> None:
    """All bid for one instant: in whatever order they ask, the same go, the same go together, the same wait."""
    opening = MONDAY + 30 * DAY
    waiting = [replace(b, eligible_at=opening, asks_at=opening, expires_at=None) for b in bids]
    outcomes: list[tuple[object, ...]] = []
    for _ in range(3):
        market = Market(budget, has_digest)
        market.known = {b.delivery: b for b in waiting}
        market.bids = dict(market.known)
        order: Sequence[str] = list(market.known)
        chance.shuffle(order)  # type: ignore[arg-type]
        for delivery in order:
            market.plan(opening, delivery)
        market.play(until=opening)
        outcomes.append((set(market.gone), dict(market.merged), set(market.bids)))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("has_digest", [True, False])
def test_two_hundred_journeys_for_one_learner_at_one_instant(has_digest: bool) -> None:
    """Eight in the first week and three on the eighth day; every one goes, goes with others or expires."""
    budget = Budget(3, 8)
    market = Market(budget, has_digest)
    week = MONDAY + 7 * DAY
    market.place(*(
        bid(f"j{n}", priority=1 + n % 100, placed_at=MONDAY, eligible_at=MONDAY, asks_at=MONDAY, expires_at=week)
        for n in range(200)
    ))  # fmt: skip
    market.play()
    assert within(budget, market.days)
    assert 3 + 3 + 2 + 3 == len(market.optional)
    assert 200 == len({*market.gone, *market.merged, *market.fallen})
    went = len({*market.gone, *market.merged})
    assert (12 + 12 + 11 + 12 if has_digest else 11) == went


def test_what_a_winner_that_falls_away_frees_goes_to_the_next() -> None:
    """The awarded one is withdrawn before it went: the first of those that waited goes the same day."""
    market = Market(Budget(1, 8), has_digest=False)
    opening = MONDAY + DAY
    for name, priority in (("best", 90), ("next", 50), ("last", 10)):
        waiting = bid(name, priority=priority, placed_at=MONDAY, eligible_at=opening, asks_at=opening)
        market.known[name] = market.bids[name] = waiting
    market.ask("last", opening)
    market.ask("next", opening)
    assert market.bids["best"].is_awarded
    market.fall("best", "withdrawn", opening + timedelta(minutes=5))
    market.play(until=opening + timedelta(hours=1))
    assert {"next": opening + timedelta(minutes=5)} == market.gone
