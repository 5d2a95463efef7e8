"""How fast one budget of attention is divided among many bids: `journeys.attention` alone, no server, one thread.

    python -m bench --only attention

Every learner has so many bids for one opening, and each bid asks in turn, as their enrolments' turns do: the first ask
divides the slots, the others are told. Then all ask again on the following days, until nothing waits any more.
"""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bench.figures import Column, Row, Table
from journeys.attention import Award, Bid, Board, Lead, Wait, judge
from journeys.policy import Budget

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DUBLIN = ZoneInfo("Europe/Dublin")
BUDGET = Budget(per_day=3, per_week=8)
COLUMNS = (Column("seconds", decimals=2), Column("judgements"), Column("judgements per second"), Column("messages"))


def table(*, learners: int, bids: int = 10) -> Table:
    """A row for each way: with a digest, and without."""
    title = f"attention: {learners:,} learners with {bids} bids each, three a day and eight a week"
    rows = [
        Row("with digests", _measure(learners, bids, has_digest=True)),
        Row("without", _measure(learners, bids, has_digest=False)),
    ]
    return Table("attention", title, COLUMNS, rows)


def _measure(learners: int, bids: int, *, has_digest: bool) -> dict[str, float]:
    boards = [[_bid(learner, number) for number in range(bids)] for learner in range(learners)]
    began, judgements, messages = time.perf_counter(), 0, 0
    for board in boards:
        asked, sent = _divide(board, has_digest=has_digest)
        judgements, messages = judgements + asked, messages + sent
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "judgements": judgements,
        "judgements per second": judgements / seconds,
        "messages": messages,
    }


def _bid(learner: int, number: int) -> Bid:
    placed_at = MONDAY - timedelta(hours=number)
    return Bid(
        f"dlv-{learner}-{number}", f"enr-{learner}-{number}", 1 + (learner * 31 + number * 17) % 100, placed_at,
        eligible_at=MONDAY, asks_at=MONDAY, channel="email",
    )  # fmt: skip


def _divide(waiting: list[Bid], *, has_digest: bool) -> tuple[int, int]:
    """How often one learner's bids ask, and how many messages she gets, until nothing waits."""
    bids = {bid.delivery: bid for bid in waiting}
    spent: list[datetime] = []
    asked = 0
    while bids:
        now = min(bid.asks_at for bid in bids.values())
        for delivery in [bid.delivery for bid in bids.values() if bid.asks_at <= now]:
            if delivery not in bids:
                continue
            asked += 1
            judged = judge(
                BUDGET, Board(tuple(bids.values()), tuple(spent)), bids[delivery], now=now, zone=DUBLIN,
                has_digest=has_digest,
            )  # fmt: skip
            bids.update({bid.delivery: bid for bid in judged.changed})
            match judged.verdict:
                case Award():
                    spent.append(now)
                    del bids[delivery]
                case Lead(members=members):
                    spent.append(now)
                    for each in (delivery, *members):
                        del bids[each]
                case Wait(until=until) if until is not None and until > now:
                    pass
                case _:
                    raise AssertionError("a bid that never expires waits for an instant to come, or goes")
    return asked, len(spent)
