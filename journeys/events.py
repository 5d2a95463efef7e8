"""The canonical event, and what the types of this project's vocabulary carry.

Everything outside is translated into `Event` at the edge; everything inside speaks of nothing else. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import TypeAliasType

Json = TypeAliasType("Json", "bool | int | float | str | list[Json] | dict[str, Json] | None")
"""A JSON value."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one learner.

    `id` and `source` together name it once and for all; `subject` is the learner's id as the source knows it;
    `time` (UTC) is when it happened, `effective` (UTC) when it takes effect, where that is later.
    """

    id: str
    source: str
    type: str
    subject: str | None
    time: datetime
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])
    effective: datetime | None = None

    @property
    def counts_from(self) -> datetime:
        """The instant from which this event counts: its `effective` where that is later than its `time`."""
        return self.time if self.effective is None else max(self.time, self.effective)
