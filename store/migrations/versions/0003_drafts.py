"""Drafted messages: their texts, what they cost, which of them a delivery brought; and lists of enrolments in order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.add_column("deliveries", sa.Column("draft", sa.String(), nullable=True))
    op.add_column("deliveries", sa.Column("undrafted", sa.Text(), nullable=True))
    op.create_table(
        "drafts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("based_on", sa.String(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("prompt", JSON, nullable=False),
        sa.Column("findings", JSON, nullable=False, server_default="[]"),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("written_by", sa.Text(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.Column("taken_back_by", sa.Text(), nullable=True),
        sa.Column("taken_back_at", INSTANT, nullable=True),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_drafts_order", "drafts", ["journey", "message", "key", "state"], unique=False)
    op.create_index("ix_drafts_key", "drafts", ["key", "state"], unique=False)
    op.create_index("ix_drafts_state", "drafts", ["state", "created_at", "id"], unique=False)
    op.create_index("ix_enrolments_journey", "enrolments", ["journey", "id"], unique=False)
    op.create_index("ix_enrolments_status", "enrolments", ["status", "id"], unique=False)
    is_held = sa.text("depends_on = 'journey'")
    op.create_index("ix_enrolments_held", "enrolments", ["journey"], sqlite_where=is_held, postgresql_where=is_held)
    op.create_table(
        "draft_spending",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "journey"),
    )
