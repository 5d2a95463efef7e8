"""The soak: what it counts beside memory, and a few seconds of it on real servers."""

import pytest

from bench.chaos import soak
from bench.chaos.feed import CHANNEL_OF
from bench.chaos.plan import OURS
from bench.chaos.providers import Letter
from bench.chaos.soak import Said


def letters(learner: str, *messages: str, was_kept: bool = True) -> list[Letter]:
    """What came to one learner."""
    return [Letter(1.0, CHANNEL_OF[name], learner, name, f"d-{name}", was_kept) for name in messages]


def test_who_was_not_told_everything_is_seen() -> None:
    """By what a provider kept, each message of each learner."""
    everything = letters("ann", *CHANNEL_OF)
    assert Said(3, 0, 0) == Said.count(["ann"], everything)
    assert Said(3, 3, 0) == Said.count(["ann", "bob"], everything)
    assert Said(4, 0, 1) == Said.count(["ann"], [*everything, *letters("ann", "two")])
    assert Said(3, 0, 0) == Said.count(["ann"], [*everything, *letters("ann", "two", was_kept=False)])


@pytest.mark.timeout(600)
async def test_a_few_seconds_of_it() -> None:
    """Everybody is told everything, nothing ends, and every process has its memory, ours with a target. Whether
    memory is flat, seconds cannot tell.
    """
    table, _ = await soak.run(on="sqlite", minutes=0.05)
    rows = {row.subject: row.figures for row in table.rows}
    said = {"learners": 6, "messages": 18, "not told": 0, "said twice": 0, "processes that ended": 0}
    assert said == rows["sqlite: all"]
    assert all(rows[f"sqlite: {name}"]["at the end"] > 1 for name in (*OURS, "temporal", "kafka"))
    assert [f"growth of {name}: sqlite" for name in OURS] == [target.figure for target in table.targets[: len(OURS)]]
    assert all(target.is_reached for target in table.targets[len(OURS) :]), str(table)
