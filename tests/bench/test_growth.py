"""A tiny run of how cost grows, and the picture that is drawn from it."""

from xml.etree import ElementTree as ET

from bench import growth
from bench.results import table_json
from docs.growth import PANELS, picture

SVG = "{http://www.w3.org/2000/svg}"


async def test_every_point_on_both_databases() -> None:
    """A row for each size of each kind, and one line for each database in each panel of the picture."""
    sizes = growth.Sizes(learners=(10, 20), journeys=(1, 2), steps=(4, 8), her_events=20, sampled=20)
    table = await growth.measure(sizes, on=("sqlite", "postgresql"))
    assert 2 * (2 + 2 * 2 + 2 + 10) == len(table.rows)
    assert all(row.figures["CPU"] > 0 for row in table.rows)
    assert 4 == len(table.targets)
    drawn = ET.fromstring(picture(table_json(table)))
    assert 2 * len(PANELS) == len(drawn.findall(f".//{SVG}polyline"))
    assert len(table.rows) == len(drawn.findall(f".//{SVG}circle"))


def test_the_picture_says_so_where_nothing_was_kept() -> None:
    """A clone without a run."""
    assert "No run of growth has been kept yet" in picture(None)
