"""Programs at hand: those of the live journeys, and any other by its hash. One for each process.

A program never changes, so what has been read is kept; which versions are live is asked of the database each time (one
small query), so that an event that follows a publish, in whatever process, never meets an older state of things.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.program import Program
from journeys.routing import Routes
from store.queries import programs


class UnknownProgram(LookupError):
    """No version has this hash: the database is not the one this enrolment was made in."""


@dataclass(frozen=True, slots=True)
class LiveJourney:
    """A journey that takes entries: its program, its version's number, and since when it has taken entries."""

    program: Program
    version: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Live:
    """All journeys that take entries, by name, and the index over their programs."""

    routes: Routes
    journeys: Mapping[str, LiveJourney]


class Programs:
    """Reads programs and keeps the last `keep` of them."""

    def __init__(self, *, keep: int = 512) -> None:
        self._keep = keep
        self._by_hash: OrderedDict[str, Program] = OrderedDict()
        self._versions: Sequence[programs.LiveVersion] | None = None
        self._live = Live(Routes(()), {})

    async def by_hash(self, session: AsyncSession, hash_: str) -> Program:
        """The program of this hash; raises UnknownProgram."""
        known = self._by_hash.get(hash_)
        if known is not None:
            self._by_hash.move_to_end(hash_)
            return known
        text = await programs.find_program(session, hash_)
        if text is None:
            raise UnknownProgram(f"no version has the program {hash_}: is this the database of these enrolments?")
        program = replace(codec.program_from_json(text), hash=hash_)
        self._by_hash[hash_] = program
        if len(self._by_hash) > self._keep:
            self._by_hash.popitem(last=False)
        return program

    async def live(self, session: AsyncSession) -> Live:
        """The journeys that take entries, as this transaction sees them."""
        versions = await programs.list_live(session)
        if versions != self._versions:
            journeys = {
                v.journey: LiveJourney(await self.by_hash(session, v.hash), v.version, v.since) for v in versions
            }
            self._live = Live(Routes(j.program for j in journeys.values()), journeys)
            self._versions = versions
        return self._live
