"""A tiny run of the division of attention."""

from bench import attention


def test_every_bid_goes_and_no_day_has_more_than_its_budget() -> None:
    """Ten bids for three a day: with digests three messages, without ten."""
    together, alone = attention.table(learners=2).rows
    assert 2 * 3 == together.figures["messages"]
    assert 2 * 10 == alone.figures["messages"]
    assert together.figures["judgements"] < alone.figures["judgements"]
