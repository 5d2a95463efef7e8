"""A learner as she is at an instant: what an event said ahead of its taking effect is not in her profile yet, but when
it will be is known.
"""

from dataclasses import replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.profile import ahead, as_of, is_ahead
from store.queries import events
from store.queries.turns import Person


async def as_she_is(session: AsyncSession, person: Person, *, now: datetime) -> Person:
    """The person with her profile as it is at `now`; her log is read only where something lies ahead."""
    times = {field: datetime.fromisoformat(at) for field, at in person.profile_times.items()}
    if not is_ahead(times, now):
        return person
    happened = (await events.list_of(session, {person.id: person.source_id}, new=()))[person.id]
    log = [each.event for each in happened]
    given = {field: value for field, value in person.profile.items() if field not in times}
    return replace(person, profile=as_of(log, now, given=given), ahead=ahead(log, now))
