"""Which enrolments are to be steered, and which could not be: what is said for a dry run, and kept for the doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from api.problems import NotThere, Unfit
from api.resources.actions.schemas import Acting
from journeys import codec
from journeys.durations import parse_duration
from journeys.events import Json
from journeys.moving import Refused, move
from journeys.program import Program
from store.queries import choosing, journeys, listing, programs
from store.queries.actions import NewItem
from store.queries.choosing import Chosen, Wanted

STEERED = ("pause", "resume", "withdraw", "move")

CONCERNED: Mapping[str, Sequence[str]] = {
    "pause": ("active",),
    "resume": ("paused",),
    "withdraw": ("active", "paused"),
    "move": ("active", "paused"),
}
"""The statuses that an action concerns where nothing is said."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """The items, and what is kept of the wish."""

    items: Sequence[NewItem]
    options: Mapping[str, Json]
    filter: Mapping[str, Json]


async def choose(session: AsyncSession, wanted: Acting, now: datetime) -> ChosenItems:
    """The enrolments that match; for a dry run each is judged. Raises Unfit, NotThere."""
    given = wanted.filter
    if given.expression is not None or wanted.learners is not None:
        raise Unfit("who", f"`{wanted.action}` concerns enrolments: choose them by `filter`, not by an expression")
    if given.journey is None and given.learner is None:
        raise Unfit("who", "say in `filter.journey` or `filter.learner` whom it concerns")
    learner = None if given.learner is None else await listing.resolve_learner(session, given.learner)
    if given.learner is not None and learner is None:
        raise NotThere("learner_not_found", "no learner has this id: she exists from her first event on")
    statuses = CONCERNED[wanted.action] if given.status is None else (given.status,)
    looked_for = Wanted(statuses, given.journey, learner, given.version, given.step)
    target = await _target(session, wanted)
    trying = _Trying(session, target, wanted, now)
    items = [await trying.item(one) for one in await _find(session, looked_for, _longer_than(wanted), now)]
    shown: dict[str, Json] = {
        "journey": given.journey, "learner": learner, "status": given.status, "version": given.version,
        "step": given.step, "waiting_longer_than": given.waiting_longer_than,
    }  # fmt: skip
    options: dict[str, Json] = {}
    if wanted.action == "resume":
        options["catch_up"] = wanted.catch_up
    if wanted.action == "move":
        options |= {"version": wanted.version, "map": dict(wanted.map)}
    return ChosenItems(items, options, {name: value for name, value in shown.items() if value is not None})


async def _target(session: AsyncSession, wanted: Acting) -> Program | None:
    """The version to move to."""
    if wanted.action != "move":
        return None
    if wanted.filter.journey is None or wanted.version is None:
        raise Unfit("version_missing", "say which journey in `filter.journey`, and in `version` to which version of it")
    version = await journeys.find_version(session, wanted.filter.journey, wanted.version)
    if version is None:
        raise NotThere("version_not_found", "there is no such version: GET /v1/journeys/{journey}/versions lists them")
    return replace(codec.program_from_json(version.program), hash=version.hash)


def _longer_than(wanted: Acting) -> timedelta | None:
    text = wanted.filter.waiting_longer_than
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Unfit("bad_duration", f"filter.waiting_longer_than: {error}") from None


async def _find(
    session: AsyncSession, wanted: Wanted, longer_than: timedelta | None, now: datetime
) -> Sequence[Chosen]:
    found: list[Chosen] = []
    after = ""
    while page := await choosing.list_enrolments(session, wanted, after=after, limit=PAGE):
        after = page[-1].id
        found += [one for one in page if longer_than is None or _has_waited(one, longer_than, now)]
    return found


def _has_waited(one: Chosen, longer_than: timedelta, now: datetime) -> bool:
    hold = codec.run_from_json(one.run).hold
    return hold is not None and now - hold.since > longer_than


@dataclass(frozen=True)
class _Trying:
    """For a dry run: what would become of each now."""

    session: AsyncSession
    target: Program | None
    wanted: Acting
    now: datetime
    programs: dict[str, Program] = field(default_factory=dict[str, Program])

    async def item(self, one: Chosen) -> NewItem:
        if not self.wanted.dry_run:
            return NewItem(one.id)
        if self.wanted.action == "pause" and one.status == "paused":
            return NewItem(one.id, code="already_paused", detail="the enrolment is paused already")
        if self.wanted.action == "resume" and one.status != "paused":
            return NewItem(one.id, code="not_paused", detail="the enrolment is not paused by hand")
        if self.target is None:
            return NewItem(one.id)
        if one.version == self.wanted.version:
            return NewItem(one.id, code="same_version", detail=f"it is in version {one.version} already")
        run = codec.run_from_json(one.run)
        moved = move(await self._program(one.program), self.target, run, self.wanted.map, at=self.now)
        if isinstance(moved, Refused):
            return NewItem(one.id, code="cannot_be_moved", detail="; ".join(moved.reasons))
        return NewItem(one.id)

    async def _program(self, hash_: str) -> Program:
        known = self.programs.get(hash_)
        if known is None:
            text = await programs.find_program(self.session, hash_)
            assert text is not None, "the program of an enrolment is kept"
            known = self.programs[hash_] = replace(codec.program_from_json(text), hash=hash_)
        return known
