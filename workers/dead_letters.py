"""Dead letters: replayed once the cause is mended, or discarded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from store.database import Database
from store.queries import dead_letters
from store.tables import DeadLetter
from workers.ingest import Ingest, Taken
from workers.records import Incoming, Record, record_of, translate


@dataclass(frozen=True)
class DeadLetters:
    """What can be done about records that could not be used."""

    database: Database
    ingest: Ingest
    translate: Callable[[Record], Sequence[Incoming]] = translate

    async def replay(self, letter: str) -> Taken | None:
        """Take the record in again; where it can be used now, the letter goes. None: there is no such letter.

        Safe to repeat: what was taken in before is a duplicate. A letter of which nothing could be read stays what it
        is, and answers its own reason.
        """
        async with self.database.read() as session:
            found = await dead_letters.find(session, letter)
        if found is None:
            return None
        record = record_of(found)
        said = [Incoming(record.refusal)] if record.refusal else self.translate(record)
        incoming = [replace(one, record=None) for one in said]
        taken = await self.ingest.take(incoming)
        refused = next((one for one in taken if one.status == "rejected"), None)
        if refused is None:
            await self.discard(letter)
        return refused or taken[0]

    async def discard(self, letter: str) -> bool:
        """Let it go for good; False where it is not there."""
        async with self.database.write() as session:
            return await dead_letters.remove(session, letter)

    async def find(self, letter: str) -> DeadLetter | None:
        """One dead letter with its original."""
        async with self.database.read() as session:
            return await dead_letters.find(session, letter)
