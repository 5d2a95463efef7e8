"""Bearer keys: looked up by the SHA-256 of their text."""

from sqlalchemy import select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables import ApiKey


async def find_name(session: AsyncSession, digest: str) -> str | None:
    """The name under which a key was made; None where there is no such key."""
    query = select(col(ApiKey.name)).where(col(ApiKey.digest) == digest)
    return (await (await session.connection()).execute(query)).scalar()
