"""What an enrolment waits for and what comes then, as the learner's own calendar says it."""

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.calendar import said_locally, where_she_is
from journeys.outlook import Outlook, outlook
from journeys.permitting import policy_of
from store.queries import installation, programs, turns
from store.tables import Enrolment


async def tell(session: AsyncSession, row: Enrolment) -> tuple[Outlook, str]:
    """The outlook of an enrolment, and the zone (IANA) in which its instants are said."""
    learner = await turns.find_person(session, row.learner)
    policy = policy_of(await installation.find_policy(session))
    where = where_she_is({} if learner is None else learner.profile, policy)
    run = codec.run_from_json(row.run)
    text = await programs.find_program(session, row.program)
    if text is None:
        return Outlook("Its program is not in this database."), where.zone.key
    program = codec.program_from_json(text)
    return outlook(program, run, said=lambda at: said_locally(at, where)), where.zone.key
