"""What a pause is judged by: the letters around its call, and those that it held."""

import pytest

from bench.goals import Pause
from bench.stage import Wrong

AWAITED = {"ada", "eve", "grace"}
CAME = (("ada", 99.5), ("joan", 99.8), ("eve", 100.3), ("grace", 110.0))
PAUSE = Pause(called_at=100.0, answered_at=100.1, resumed_at=108.0, came=CAME)


def test_the_last_letter_before_the_journey_goes_on_is_the_figure() -> None:
    """Those that it held do not count, and one that came seconds after the call does."""
    assert (3, 1) == (PAUSE.figures()["number"], PAUSE.figures()["letters after the call"])
    assert PAUSE.figures()["the longest"] == pytest.approx(0.3)
    late = Pause(100.0, 100.1, 108.0, (*CAME, ("mary", 105.0)))
    assert late.figures()["the longest"] == pytest.approx(5.0)


def test_a_pause_that_comes_when_nothing_goes_says_nothing() -> None:
    """A letter is required in the second before it; where none came after it, the figure is below nothing."""
    assert Pause(100.0, 100.1, 108.0, CAME[:2]).figures()["the longest"] == pytest.approx(-0.2)
    with pytest.raises(Wrong, match="last second"):
        Pause(100.0, 100.1, 108.0, (("ada", 98.9), *CAME[2:])).figures()


def test_a_pause_as_it_should_be() -> None:
    """All came once; she who entered before it was in force, too."""
    PAUSE.check(AWAITED, {"joan": 99.7})


@pytest.mark.parametrize(
    ("came", "entered"),
    [
        (CAME[:3], {"joan": 99.7}),
        ((*CAME, CAME[0]), {"joan": 99.7}),
        (CAME, {}),
        (CAME, {"joan": 100.2}),
        (CAME, {"joan": 99.7, "mary": 99.9}),
        (tuple((name, min(at, 101.0)) for name, at in CAME), {"joan": 99.7}),
    ],
    ids=["lost", "twice", "strange", "too late", "entered without a letter", "nothing was held"],
)
def test_what_a_pause_must_not_do(came: tuple[tuple[str, float], ...], entered: dict[str, float]) -> None:
    """A figure of such a run is none."""
    with pytest.raises(Wrong):
        Pause(100.0, 100.1, 108.0, came).check(AWAITED, entered)
