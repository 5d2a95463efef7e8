"""`wait`: the run stays here for a duration.

    - wait: 3d

`3d` is 72 hours: elapsed time, never wall-clock time. It begins when the step before it really ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from journeys.definition import Cursor
from journeys.drafts import ONWARD, StepDraft, StepSource, said, slug
from journeys.effects import Due, Note
from journeys.run import Hold
from journeys.source import Map
from journeys.steps.base import Go, Move, Resuming, Stand, Stay, step_type
from journeys.timing import due_after


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """How long to wait."""

    duration: timedelta


@step_type("wait")
class Wait:
    """Waits for a duration."""

    options = WaitOptions
    keys: frozenset[str] = frozenset()
    later: Mapping[str, str] = {}

    @staticmethod
    def name(value: Cursor) -> str:
        return slug("wait", said(value))

    @staticmethod
    def compile(step: StepSource) -> StepDraft:
        if isinstance(step.value.node, Map):
            if step.value.fields(("until", "before"), required=("until",)) and "until" in step.value.entries():
                step.value.not_supported("`wait` with `until`")
            return StepDraft(None, ONWARD)
        duration = step.value.duration(may_be_nothing=True)
        return StepDraft(None if duration is None else WaitOptions(duration), ONWARD)

    @staticmethod
    def enter(stand: Stand) -> Move:
        due = due_after(stand.run, _options(stand).duration)
        text = f"Waiting until {due:%A %-d %B %Y, %H:%M} UTC."
        note = Note(stand.at, "waiting", stand.node.id, text, {"until": due.isoformat()})
        return Stay(Hold(stand.at, due), note)

    @staticmethod
    def resume(stand: Stand, given: Resuming) -> Move | None:
        return Go() if isinstance(given, Due) else None

    @staticmethod
    def waiting_for(stand: Stand) -> str:
        return "time to pass"


def _options(stand: Stand) -> WaitOptions:
    assert isinstance(stand.node.options, WaitOptions)
    return stand.node.options
