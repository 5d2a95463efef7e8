"""What the compiler hands a step type, and what the step type makes of it: a step before it is linked to the others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from journeys.definition import Cursor
from journeys.program import Trigger
from journeys.source import Scalar


@dataclass(frozen=True, slots=True)
class StepSource:
    """One step as it was written: its word's `value`, the keys beside it, and the id it has."""

    id: str
    value: Cursor
    fields: Mapping[str, Cursor]


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One step, its options compiled (None where they are wrong, which has been reported).

    `arms` are its successors by name: a list of steps, or None for the step that follows. `never` names those that no
    run can take.
    """

    options: object | None
    arms: Mapping[str, Cursor | None] = field(default_factory=dict[str, Cursor | None])
    triggers: tuple[Trigger, ...] = ()
    never: frozenset[str] = frozenset()


ONWARD: Mapping[str, Cursor | None] = {"next": None}
"""The arms of a step that simply goes on."""


def slug(*words: str) -> str:
    """An id made of what was written: a-z, 0-9 and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")[:60].strip("-")


def said(cursor: Cursor) -> str:
    """The text of a value as far as it has one, for a step's own id."""
    return cursor.node.text if isinstance(cursor.node, Scalar) else ""
