"""A tiny run of the turns alone, on both databases."""

from bench import turns
from bench.stage import POSTGRESQL, SQLITE


async def test_turns_without_temporal() -> None:
    """Every enrolment ends after three turns with a message each, or the run refuses; each row has every figure."""
    table = await turns.measure(entries=3, on=["sqlite", "postgresql"])
    assert [SQLITE, POSTGRESQL] == [row.subject for row in table.rows]
    assert all(row.figures.keys() == {column.name for column in table.columns} for row in table.rows)
    assert all(figure > 0 for row in table.rows for figure in row.figures.values())
