"""The demo's story: deterministic, in working hours, and a way of her own for each of the twenty-five."""

from datetime import UTC, datetime, timedelta

from waymark.demo.cast import CAST
from waymark.demo.expecting import FACTS
from waymark.demo.story import next_monday, tell

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_story_is_the_same_again() -> None:
    """Told twice, it is the same; told for a later week, it is the same so much later."""
    assert tell(MONDAY) == tell(MONDAY)
    later = tell(MONDAY + timedelta(weeks=3))
    assert [a.at + timedelta(weeks=3) for a in tell(MONDAY).arrivals] == [a.at for a in later.arrivals]


def test_it_begins_ahead_of_every_clock() -> None:
    """The Monday is after now, also on a Monday, and a midnight."""
    for now in (MONDAY, MONDAY + timedelta(hours=5), MONDAY + timedelta(days=6, hours=23)):
        assert MONDAY + timedelta(weeks=1) == next_monday(now)


def test_nothing_happens_near_a_midnight() -> None:
    """Everything arrives between six and twenty o'clock, so that the clocks may be moved to midnights."""
    assert all(6 <= arrival.at.hour < 20 for arrival in tell(MONDAY).arrivals)


def test_everybody_is_different() -> None:
    """Twenty-five people, each with a twist of her own and facts that must hold of her."""
    assert 25 == len(CAST) == len({person.twist for person in CAST}) == len({person.id for person in CAST})
    assert set(FACTS) == {person.id for person in CAST}


def test_there_are_a_repeated_event_and_one_out_of_order() -> None:
    """One event arrives twice, one after another that happened later, one takes effect later."""
    story = tell(MONDAY)
    ids = [arrival.event.id for arrival in story.arrivals]
    assert 1 == len(ids) - len(set(ids)) == sum(arrival.is_repeated for arrival in story.arrivals)
    times = [arrival.event.time for person in story.people if person.id == "ivy.chen" for arrival in story.of(person)]
    assert times != sorted(times)
    assert 1 == sum(arrival.event.effective is not None for arrival in story.arrivals)


def test_all_of_it_is_over_at_its_end() -> None:
    """Nothing arrives before its beginning or after its end."""
    story = tell(MONDAY)
    assert all(story.starts_at <= arrival.at < story.ends_at for arrival in story.arrivals)
