"""Which of two transactions PostgreSQL refuses where each waits for the other: the one that looks for a deadlock while
there is one. Each looks once, so long after it began to wait.
"""

from sqlalchemy import Connection, event, text
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database


def look_in_five_seconds(database: Database) -> None:
    """Every transaction from now on; by itself it would be one, in which a busy machine may not get as far as to let
    the other one wait, too.
    """

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL deadlock_timeout = '5s'")

    event.listen(database.engine.sync_engine, "begin", begun)


async def be_patient(session: AsyncSession) -> None:
    """This transaction looks when the other one has long looked, and so is not the one that is refused."""
    await (await session.connection()).execute(text("SET LOCAL deadlock_timeout = '20s'"))
