"""How many hard findings stood against a draft when somebody approved it; who had it written in place of another."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Forward. What was approved before stays without: nobody has kept it."""
    op.add_column("drafts", sa.Column("approved_despite", sa.Integer(), nullable=True))
    op.add_column("drafts", sa.Column("wanted_by", sa.Text(), nullable=True))
