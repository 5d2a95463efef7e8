"""A tiny run of how cost grows, and the picture that is drawn from it."""

from xml.etree import ElementTree as ET

import pytest

from bench import growth
from bench.end_to_end import APART_SECONDS, WAITS_EACH, Spent, Walk, long_journey, tenths
from bench.results import table_json
from bench.stage import Wrong
from docs.growth import PANELS, picture
from journeys.compiler import compile_definition
from waymark.vocabulary import vocabulary

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.timeout(600)
async def test_every_point_on_both_databases() -> None:
    """A row for each size of each kind, and one line for each database in each panel of the picture; through Kafka a
    row for each tenth of her events, and through Temporal the first and the last tenth of the longest journey, and a
    turn with its workflow at hand and without.
    """
    sizes = growth.Sizes(learners=(10, 20), journeys=(1, 2), steps=(4, 25), her_events=200, sampled=20)
    table = await growth.measure(sizes, on=("sqlite", "postgresql"))
    through = [row for row in table.rows if ", through " in row.subject]
    assert (2 * (2 + 2 + 2 * 2 + 2 + 10), 2 * (10 + 2 + 2)) == (len(table.rows) - len(through), len(through))
    assert all(row.figures["CPU"] > 0 for row in table.rows if row not in through)
    by_temporal = [row for row in through if ", through Temporal" in row.subject]
    assert 2 * (2 + 2) == len(by_temporal)
    assert all(row.figures["CPU"] > row.figures["of it Temporal"] > 0 for row in by_temporal)
    assert all(row.figures["of it the worker"] > 0 for row in by_temporal)
    assert 2 == sum("turns for 80 waits of 4 enrolments" in row.remark for row in through)
    assert 8 == len(table.targets)
    drawn = ET.fromstring(picture(table_json(table)))
    assert 2 * len(PANELS) == len(drawn.findall(f".//{SVG}polyline"))
    assert len(table.rows) - len(through) == len(drawn.findall(f".//{SVG}circle"))


def test_the_picture_says_so_where_nothing_was_kept() -> None:
    """A clone without a run."""
    assert "No run of growth has been kept yet" in picture(None)


def test_the_long_journey_has_as_many_steps_as_it_says() -> None:
    """And it compiles as it is."""
    definition = long_journey(500)
    assert (400, 100) == (definition.count("wait:"), definition.count("send: hello"))
    compiled = compile_definition(definition, vocabulary=vocabulary())
    assert compiled.program is not None, compiled.problems


def test_what_a_turn_costs_in_the_first_tenth_and_in_the_last() -> None:
    """By what was seen at its ends: what was spent before the first turn and after the last is no turn's."""
    cpu = (0.0, 5.0, 5.2, 6.0, 7.0, 8.0, 9.0)
    turns = (3, 3, 5, 13, 21, 23, 23)
    seen = [Spent(number, {"worker": used, "Temporal": 0.0}) for number, used in zip(turns, cpu, strict=True)]
    first, last = tenths(seen)
    assert 100.0 == pytest.approx(first["CPU"])
    assert 500.0 == pytest.approx(last["CPU"])
    with pytest.raises(Wrong, match="take more"):
        tenths([seen[0], seen[1]])


def test_how_late_letters_came_and_that_each_came_once() -> None:
    """A group's letter is due when the last of its waits is over."""
    walk, group = Walk(2, {"ada": 100.0}), WAITS_EACH * APART_SECONDS
    came = [(100.0 + 2 * group + 0.3, "ada"), (100.0 + group + 0.1, "ada"), (1.0, "somebody")]
    assert [[pytest.approx(100.0)], [pytest.approx(300.0)]] == walk.lateness(came)
    for wrong in (came[:1], [*came, came[0]]):
        with pytest.raises(Wrong):
            walk.lateness(wrong)
