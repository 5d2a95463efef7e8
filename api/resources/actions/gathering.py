"""On whom an action acts: the items it is made of, and who could not be among them, found before it is done.

To add a kind: its word in `schemas.ActionKind`, a `Gather` here with a line in `GATHERS`, and what is done to one item
in `workers.actions`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from api.problems import Unfit
from api.resources.actions.choosing import STEERED, choose
from api.resources.actions.schemas import Acting, Entrant
from api.resources.enrolments.refusals import raised
from journeys.events import Json
from journeys.expressions import Facts, Scope, check, holds, learner_facts
from journeys.program import Expression
from store.queries import enrolling, learners, profiles
from store.queries.actions import NewItem
from store.queries.enrolling import Refused, Running, Wish
from store.queries.learners import LearnerState

PAGE = 500
"""How many learners are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The items, and what of the wish is kept: `options` for the performer, `filter` to be shown."""

    items: Sequence[NewItem]
    options: Mapping[str, Json]
    filter: Mapping[str, Json] = field(default_factory=dict[str, Json])


Gather = Callable[[AsyncSession, Acting, datetime], Awaitable[Gathered]]
"""Finds on whom this acts, and, for a dry run, who could not be done at this instant. Raises Unfit, NotThere ..."""


async def gather_entrants(session: AsyncSession, wanted: Acting, now: datetime) -> Gathered:
    """The learners who are to enter a journey."""
    if wanted.filter.journey is None:
        raise Unfit("journey_missing", "say in `filter.journey` which journey they are to enter")
    if (wanted.filter.expression is None) == (wanted.learners is None):
        raise Unfit("who", "say who is to enter: an expression in `filter.expression`, or `learners` one by one")
    running = await enrolling.find_running(session, wanted.filter.journey)
    if isinstance(running, enrolling.Refused):
        raise raised(running)
    if wanted.learners is not None:
        items = await _named(session, wanted.learners)
        shown: dict[str, Json] = {"journey": wanted.filter.journey, "learners": len(items)}
    else:
        expression = _checked(wanted.filter.expression or "")
        items = await _qualifying(session, expression, now)
        shown = {"journey": wanted.filter.journey, "expression": expression.text}
    if wanted.dry_run:
        items = await _judged(session, running, items, wanted, now)
    options: dict[str, Json] = {
        "journey": wanted.filter.journey, "key": wanted.key, "data": dict(wanted.data), "force": wanted.force,
    }  # fmt: skip
    return Gathered(items, options, shown)


async def gather_enrolments(session: AsyncSession, wanted: Acting, now: datetime) -> Gathered:
    """The enrolments that are to be steered."""
    chosen = await choose(session, wanted, now)
    return Gathered(chosen.items, chosen.options, chosen.filter)


GATHERS: Mapping[str, Gather] = {"enrol": gather_entrants, **dict.fromkeys(STEERED, gather_enrolments)}
"""By the action's word."""


def _checked(text: str) -> Expression:
    """The expression, which sees the learner alone; raises Unfit with everything that is wrong with it."""
    checked = check(text, scope=Scope.STEP)
    if checked.expression is None:
        problems: list[dict[str, Json]] = [
            {
                "path": "filter.expression", "code": f.code, "detail": f.detail, "line": f.line, "column": f.column,
                "allowed": list(f.allowed), "suggestion": f.suggestion,
            }
            for f in checked.findings
        ]  # fmt: skip
        raise Unfit("invalid_expression", f"filter.expression: {checked.findings[0].detail}", problems=problems)
    others = sorted({path.split(".")[0] for path in checked.expression.reads} - {"learner"})
    if others:
        raise Unfit("invalid_expression", f"filter.expression: it sees `learner` alone, not `{others[0]}`")
    return checked.expression


async def _named(session: AsyncSession, given: Sequence[Entrant]) -> Sequence[NewItem]:
    """Those who are named, in their order; whom nobody knows is told."""
    known: dict[str, str] = {}
    names = sorted({entrant.learner for entrant in given})
    for start in range(0, len(names), PAGE):
        known |= await learners.resolve(session, names[start : start + PAGE])
    items: list[NewItem] = []
    for entrant in given:
        learner = known.get(entrant.learner)
        if learner is None:
            detail = "no learner has this id: she exists from her first event on"
            items.append(NewItem(None, code="learner_not_found", detail=detail))
            continue
        options: dict[str, Json] = {}
        if entrant.key is not None:
            options["key"] = entrant.key
        if entrant.data is not None:
            options["data"] = dict(entrant.data)
        items.append(NewItem(learner, options))
    return items


async def _qualifying(session: AsyncSession, expression: Expression, now: datetime) -> Sequence[NewItem]:
    """Those for whom it holds now, in order of our id."""
    items: list[NewItem] = []
    after = ""
    while page := await learners.list_states(session, after=after, limit=PAGE):
        after = page[-1].id
        as_they_are = await profiles.as_they_are(session, page, now=now)
        items += [NewItem(state.id) for state in as_they_are.values() if holds(expression, _facts(state)).holds]
    return items


def _facts(state: LearnerState) -> Facts:
    return Facts(learner=learner_facts(state.profile, source_id=state.source_id))


async def _judged(
    session: AsyncSession, running: Running, items: Sequence[NewItem], wanted: Acting, now: datetime
) -> Sequence[NewItem]:
    """The items as they would turn out now; of two of one learner and key the second could not."""
    judged: list[NewItem] = []
    seen: set[tuple[str, str]] = set()
    for start in range(0, len(items), PAGE):
        part = items[start : start + PAGE]
        ids = {item.target for item in part if item.target is not None}
        known = await learners.find_states(session, ids)
        states = await profiles.as_they_are(session, known.values(), now=now)
        last = await enrolling.list_last_of_all(session, running.program.journey, ids)
        for item in part:
            key = str(item.options.get("key", wanted.key))
            refused = None
            if item.target is not None:
                wish = Wish(key, _data(item, wanted), is_forced=wanted.force)
                state, before = states[item.target], last.get((item.target, key))
                refused = enrolling.judge(running.program, state, before, wish=wish, now=now)
                refused = refused or (_TWICE if (item.target, key) in seen else None)
                seen.add((item.target, key))
            judged.append(item if refused is None else replace(item, code=refused.code, detail=refused.detail))
    return judged


_TWICE = Refused("already_active", "she stands here before, with the same key")


def _data(item: NewItem, wanted: Acting) -> Mapping[str, Json]:
    data = item.options.get("data")
    return data if isinstance(data, dict) else wanted.data
