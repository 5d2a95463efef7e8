"""What Alembic runs. The connection is handed over by `store.migrate`; `alembic` itself is not called by hand."""

from alembic import context
from sqlmodel import SQLModel

from store import tables

assert tables.Learner.metadata is SQLModel.metadata, "the tables are imported, so that the metadata is complete"


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("migrations are run by `waymark db upgrade`")
    context.configure(connection=connection, target_metadata=SQLModel.metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


_run()
