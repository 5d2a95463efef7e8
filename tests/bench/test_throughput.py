"""A tiny burst: the benchmark works, counts what it says it counts, and notices when something is missing."""

import pytest

from bench import floor, throughput
from bench.figures import percentile
from bench.stage import FLOOR, POSTGRESQL, SQLITE, Wrong
from bench.throughput import SUBJECTS, WAIT_SECONDS, Arrival, Burst, targets_of


@pytest.mark.timeout(600)
async def test_a_burst_on_real_servers() -> None:
    """Every subject has every figure, and they hang together; that each message came once is checked by the run."""
    table = await throughput.measure(entries=4)
    assert [FLOOR, SQLITE, POSTGRESQL] == [row.subject for row in table.rows]
    assert floor.MESSAGES == len(SUBJECTS)
    for row in table.rows:
        figures = row.figures
        assert 0 < figures["messages per second"] <= 4 * len(SUBJECTS) / (2 * WAIT_SECONDS)
        assert 0 < figures["first p50"] <= figures["first p99"]
        assert -0.1 < figures["later p50"] <= figures["later p99"]
        assert figures["CPU a message"] >= figures["of it Temporal"] + figures["worker"] > 0
        assert figures["messages per second"] / table.rows[0].figures["messages per second"] == pytest.approx(
            figures["share of the floor"]
        )
    assert "database" in table.rows[2].figures


def _burst(*arrivals: Arrival) -> Burst:
    instants = {("ada", place): 100.0 + place * (WAIT_SECONDS + 1) for place in range(len(SUBJECTS))}
    return Burst({"ada": 99.0}, arrivals, instants, {"Temporal": 0.3, "worker": 0.6})


ALL = (Arrival("ada", 0, 101.0), Arrival("ada", 1, 103.5), Arrival("ada", 2, 106.0))


def test_figures_of_a_burst() -> None:
    """The first message counts from the event, a later one from the instant before it and the wait."""
    figures = _burst(*ALL).figures()
    assert (2.0, 2.0) == (figures["first p50"], figures["first p99"])
    assert (1.0, 1.5) == (figures["later p50"], figures["later p99"])
    assert 3 / 7 == pytest.approx(figures["messages per second"])
    assert [300.0, 100.0, 200.0] == pytest.approx(
        [figures[name] for name in ("CPU a message", "of it Temporal", "worker")]
    )


@pytest.mark.parametrize(
    "arrivals", [ALL[:2], (*ALL, ALL[1]), (*ALL, Arrival("eve", 0, 101.0))], ids=["missing", "twice", "strange"]
)
def test_what_is_not_as_the_journey_says_is_refused(arrivals: tuple[Arrival, ...]) -> None:
    """A figure of a run that lost or repeated something is none."""
    _burst(*ALL).check()
    with pytest.raises(Wrong):
        _burst(*arrivals).check()


def test_both_databases_have_the_slowest_first_message_to_reach() -> None:
    """Beside the floor of the same run; where that was not taken, nobody has anything to reach."""
    figures = {
        FLOOR: {"first p99": 2.0}, SQLITE: {"first p99": 2.9, "share of the floor": 0.71},
        POSTGRESQL: {"first p99": 3.1, "share of the floor": 0.5},
    }  # fmt: skip
    slowest = {target.subject: target for target in targets_of(figures) if "p99" in target.figure}
    assert {SQLITE: True, POSTGRESQL: False} == {subject: target.is_reached for subject, target in slowest.items()}
    assert {3.0} == {target.at_most for target in slowest.values()}
    assert 2 == len({target.figure for target in slowest.values()})
    assert [POSTGRESQL] == [each.subject for each in targets_of({k: v for k, v in figures.items() if k != SQLITE})]
    assert () == tuple(targets_of({k: v for k, v in figures.items() if k != FLOOR}))


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank: no mean of two."""
    values = [float(number) for number in range(1, 101)]
    assert [50.0, 99.0, 100.0, 1.0] == [percentile(values, share) for share in (0.5, 0.99, 1.0, 0.0)]
    assert 7.0 == percentile([7.0], 0.99)
