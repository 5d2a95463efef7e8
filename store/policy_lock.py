"""Turns and the giving of another policy, on PostgreSQL: who gives one learns of every turn that went by the old one.

Theory of operation. A turn reads the policy, and only its commit shows what it waits for by it. So each transaction
of a turn holds a lock that all turns share, from before it reads the policy to its end (`is_shared`, a part of the
statement that takes or holds the enrolment: it costs no statement of its own). Another policy is written under the
same lock alone (`hold_alone`): what was under way has committed by then, and whoever asks afterwards reads the new one.
Whom the old one lets wait is looked for in transactions that begin later. So it is where deliveries are held no
longer: who lets them go holds this lock alone, too.

The lock comes before the enrolment's row, so that who holds the row waits for nobody here. Where a turn starts another
journey it holds the learner before either, as a batch does, which asks for nothing here: she waits for this lock at
most as long as who gives a policy does (`PATIENCE`). What that statement sees of other tables was so before it waited;
`store.queries.turns` says what is done about it. A later attempt on a channel's queue asks for no lock: what it puts
off by the old policy, a message that was sent again by hand, is looked at again when its instant comes.

On SQLite one writes at a time, and there is nothing to do.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import connection_of

_LOCK = (0x7761_796D, 1)
"""Two numbers, and so none of those that are made of one (`store.queries.attention`, `store.migrate`)."""

PATIENCE = "2s"
"""How long a new policy waits for turns. Others wait behind it meanwhile, and a turn may be frozen: a policy is given
all the same, and should that turn ever commit, its enrolment waits by the old one until it is woken. Deliveries go
again all the same, too: a message that such a turn lets wait for that is the sweeper's, a quarter of an hour later.
"""

_NOT_IN_TIME = "55P03"


class _Shared(FunctionElement[bool]):
    """A condition that holds once the lock is had."""

    inherit_cache = True
    name = "is_shared"
    type = Boolean()


@compiles(_Shared)
def _nothing(_element: _Shared, _compiler: SQLCompiler, **_: Any) -> str:
    return "1 = 1"


@compiles(_Shared, "postgresql")
def _share(_element: _Shared, _compiler: SQLCompiler, **_: Any) -> str:
    return f"(SELECT true FROM pg_advisory_xact_lock_shared({_LOCK[0]}, {_LOCK[1]}))"  # noqa: S608 - numbers of ours


def is_shared() -> ColumnElement[bool]:
    """True; for the `where` of the statement by which a turn holds its enrolment. The policy that later statements of
    the transaction read is the one until it ends.
    """
    return _Shared()


async def hold_alone(session: AsyncSession) -> None:
    """Hold the policy until this transaction ends, once no turn that has read it is under way; or, after `PATIENCE`,
    go on without holding it, though one may be.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    core = await connection_of(session)
    try:
        async with core.begin_nested():
            await core.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            await core.execute(select(func.pg_advisory_xact_lock(*_LOCK)))
            await core.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_IN_TIME:
            raise
