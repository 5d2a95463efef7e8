"""The page on growth reckons with the figures that were kept."""

from docs.growing import ROW, page

KEPT = {
    "throughput": {"rows": {ROW: {"worker": 9.0, "bridge": 2.0, "of it Temporal": 7.0, "database": 2.5}}},
    "sleepers": {"rows": {ROW: {"Temporal's bytes each": 20_000.0, "Waymark's bytes each": 6_000.0}}},
    "ingest": {"rows": {f"{ROW}: profile updates": {"events per second": 4_000.0}}},
}


def test_the_arithmetic_is_right() -> None:
    """417 messages a second at 9 ms, by processes that may be busy for 60 % of their time, are seven of them."""
    told = page(KEPT)
    assert "| 417/s |" in told
    assert "| worker processes | 417/s × 9.0 ms ÷ 0.6 | 7 |" in told
    assert "| bridges | 5,208/s ÷ (4,000/s × 0.6) | 3 |" in told
    assert "| Temporal's database, everybody asleep | 10,000,000 × 20,000 bytes a sleeper | 200 GB |" in told


def test_without_figures_there_is_no_arithmetic() -> None:
    """And the page says how to get it."""
    assert "have not been kept yet" in page({"throughput": KEPT["throughput"]})
    assert "÷" not in page({})
