"""The inbox: which triggers of an enrolment's program have fired."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.events import Json
from store.inserting import insert_new
from store.tables import InboxRow


@dataclass(frozen=True, slots=True)
class FiredTrigger:
    """The event at place `event` of the log fired this trigger of the enrolment's program, at the event's time; `data`
    is what the trigger keeps of it.
    """

    enrolment: str
    program: str
    trigger: str
    event: int
    event_type: str
    at: datetime
    data: Json = None


async def record(session: AsyncSession, fired: Sequence[FiredTrigger]) -> None:
    """Put these into inboxes; what is there already stays as it is."""
    if not fired:
        return
    rows = [
        {
            "enrolment": f.enrolment, "program": f.program, "trigger": f.trigger, "event": f.event,
            "event_type": f.event_type, "at": f.at, "data": f.data,
        }
        for f in fired
    ]  # fmt: skip
    await (await session.connection()).execute(insert_new(session, InboxRow), rows)


async def forget_read(session: AsyncSession, enrolment: str, program: str) -> None:
    """Take out what was read for this program: what fired may be put there again."""
    read = delete(InboxRow).where(
        col(InboxRow.enrolment) == enrolment, col(InboxRow.program) == program, col(InboxRow.read_at).is_not(None)
    )
    await (await session.connection()).execute(read)


async def empty(session: AsyncSession, enrolments: Collection[str]) -> None:
    """Take everything out of the inboxes of enrolments that no turn has begun."""
    if enrolments:
        await (await session.connection()).execute(delete(InboxRow).where(col(InboxRow.enrolment).in_(enrolments)))
