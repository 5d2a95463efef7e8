"""Learners as they are at an instant, for whoever looks at them: what an event said ahead of its taking effect is in
the row already, but not in the profile yet.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.profile import as_of, is_ahead
from store.queries import events
from store.queries.learners import LearnerState


async def as_they_are(
    session: AsyncSession, states: Collection[LearnerState], *, now: datetime
) -> dict[str, LearnerState]:
    """These learners by our id, with their profiles as they are at `now`: to be looked at, never to be kept. The log is
    read only of those about whom something lies ahead.
    """
    early = {state.id: state.source_id for state in states if is_ahead(state.times, now)}
    logs = await events.list_of(session, early, new=()) if early else {}
    return {
        state.id: replace(state, profile=as_of((each.event for each in logs[state.id]), now))
        if state.id in early
        else state
        for state in states
    }
