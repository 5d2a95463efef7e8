"""What an enrolment waits for and what comes then, as the learner's own calendar says it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.calendar import said_locally, where_she_is
from journeys.outlook import Outlook, Said, outlook
from journeys.permitting import policy_of
from store.queries import installation, programs, turns
from store.tables import Enrolment


@dataclass(frozen=True, slots=True)
class Told:
    """The outlook of an enrolment, and the zone (IANA) in which its instants are `said`."""

    outlook: Outlook
    zone: str
    said: Said


async def tell(session: AsyncSession, row: Enrolment) -> Told:
    """What comes next for an enrolment, as her own calendar says it."""
    learner = await turns.find_person(session, row.learner)
    policy = policy_of(await installation.find_policy(session))
    where = where_she_is({} if learner is None else learner.profile, policy)

    def said(at: datetime) -> str:
        return said_locally(at, where)

    text = await programs.find_program(session, row.program)
    if text is None:
        return Told(Outlook("Its program is not in this database."), where.zone.key, said)
    run = codec.run_from_json(row.run)
    return Told(outlook(codec.program_from_json(text), run, said=said), where.zone.key, said)
