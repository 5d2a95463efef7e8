"""What the store knows of why a message came, put before `journeys.reasons`. Reads and changes nothing."""

from collections.abc import Mapping, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from api.parts import ProgramOf
from journeys.attending import DIGEST
from journeys.attention import digest_id, is_merged, merged_into
from journeys.composing import Reach
from journeys.reasons import Began, Came, Drafted, Reasons, reasons_for
from store.queries import assignments, journal, reasons
from store.queries.reasons import About

_NOT_GONE = frozenset({"failed", "skipped"})


async def read(
    session: AsyncSession, delivery: str, *, program_of: ProgramOf, reach: Mapping[str, Reach]
) -> Sequence[Reasons]:
    """Why this message came; of several that went in one, why each did. Empty where nothing is known."""
    found: list[Reasons] = []
    for about in await _parts(session, delivery):
        try:
            found.append(reasons_for(await _came(session, about, program_of=program_of, reach=reach)))
        except LookupError:  # no version has its program any more
            continue
    return found


async def _parts(session: AsyncSession, delivery: str) -> Sequence[About]:
    """The message, or all that went with it: a digest carries the link of the message that leads it."""
    about = await reasons.find(session, delivery)
    if about is None:
        return []
    digest = about if about.message == DIGEST else await _digest_of(session, about)
    if digest is None:
        return [about]
    parts = await reasons.list_parts(session, digest, reason=merged_into(digest.id))
    lead = [part for part in parts if digest_id(part.id) == digest.id]
    return [*lead, *(part for part in parts if part not in lead)]


async def _digest_of(session: AsyncSession, about: About) -> About | None:
    """The digest in which a message went, if it did."""
    if is_merged(about.reason):
        return await reasons.find(session, (about.reason or "").partition(": ")[2])
    led = await reasons.find(session, digest_id(about.id))
    return None if led is None or led.status in _NOT_GONE else led


async def _came(session: AsyncSession, about: About, *, program_of: ProgramOf, reach: Mapping[str, Reach]) -> Came:
    began = None
    if about.event_type is not None and about.event_source is not None and about.event_time is not None:
        began = Began(about.event_type, about.event_source, about.event_time)
    draft = None
    if about.origin is not None:
        draft = Drafted(
            about.origin,
            about.model,
            about.written_by,
            about.decided_by,
            about.decided_at,
            about.subject or "",
            about.body or "",
            about.approved_despite,
        )
    known = reach.get(about.channel or "")
    return Came(
        program=await program_of(session, about.program),
        node=about.node,
        message=about.message,
        began=began,
        entered_at=about.entered_at,
        sent_at=about.sent_at,
        channel=about.channel,
        journal=await journal.list_journal(session, about.enrolment),
        splits=[each.split for each in await assignments.list_assignments(session, about.enrolment)],
        address_field=None if known is None else known.address_field,
        is_about_another=about.is_about_another,
        draft=draft,
    )
