"""Waking enrolments when a transaction is over: at once where Temporal takes it, else it is the sweeper's."""

import contextlib
from collections.abc import Sequence
from typing import Protocol

from workflows.gateway import TryLater


class Poker(Protocol):
    """Wakes enrolments: `workflows.gateway.Gateway`."""

    async def poke(self, enrolments: Sequence[str]) -> Sequence[object]:
        """Answers the refusals; raises TryLater where Temporal wants a pause."""
        ...


async def wake(poker: Poker | None, enrolments: Sequence[str]) -> None:
    """Poke them; what cannot be poked now is the sweeper's."""
    if enrolments and poker is not None:
        with contextlib.suppress(TryLater):
            await poker.poke(list(dict.fromkeys(enrolments)))
