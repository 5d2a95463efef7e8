"""The pauses of a whole journey, and what they are to one enrolment.

A journey that is paused touches none of its enrolments: its pauses are kept with the journey, numbered from 1, and each
run takes in those it has not come through yet, in order of time, when it next takes a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from journeys.effects import CatchUp, Paused, Resumed
from journeys.events import Json
from journeys.run import Run


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause of a journey: since when, until when (None: it is paused now), and what becomes of waits after it."""

    since: datetime
    until: datetime | None = None
    catch_up: CatchUp = "continue"


def happenings_of(run: Run, pauses: Sequence[Pause]) -> list[Paused | Resumed]:
    """What of these pauses the run has not come through; a pause that was over by its entry does not concern it."""
    found: list[Paused | Resumed] = []
    for number, pause in enumerate(pauses, start=1):
        is_held = "journey" in run.held_by and number == run.journey_pauses
        if number <= run.journey_pauses and not is_held:
            continue
        if pause.until is not None and pause.until <= run.entered_at:
            continue
        if not is_held:
            found.append(Paused(pause.since, "journey", number))
        if pause.until is not None:
            found.append(Resumed(pause.until, "journey", pause.catch_up, number))
    return found


def pauses_of(kept: Sequence[Json]) -> Sequence[Pause]:
    """The pauses of a journey as its row keeps them."""
    return _PAUSES.validate_python(kept) if kept else ()


_PAUSES = TypeAdapter(tuple[Pause, ...])
