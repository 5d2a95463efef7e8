"""The whole language: chance, holdout, answers, what a wait depends on, and acting on many."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Forward."""
    op.add_column("journeys", sa.Column("pauses", JSON, nullable=False, server_default="[]"))
    op.add_column("enrolments", sa.Column("depends_on", sa.Text(), nullable=True))
    op.add_column("enrolments", sa.Column("goal_at", INSTANT, nullable=True))
    ended_badly = sa.text("status IN ('failed', 'skipped')")
    op.create_index(
        "ix_deliveries_ended_badly", "deliveries", ["updated_at", "journey"],
        sqlite_where=ended_badly, postgresql_where=ended_badly,
    )  # fmt: skip
    op.drop_index("ix_enrolments_due", "enrolments")
    is_running = sa.text("status <> 'ended'")
    op.create_index("ix_enrolments_due", "enrolments", ["due_at"], sqlite_where=is_running, postgresql_where=is_running)
    op.add_column("inbox", sa.Column("data", JSON, nullable=True))
    op.create_table(
        "assignments",
        sa.Column("enrolment", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("enrolment", "split"),
    )
    op.create_table(
        "actions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("filter", JSON, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("paced_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_actions_state", "actions", ["state"], unique=False)
    op.create_table(
        "action_items",
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("options", JSON, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("enrolment", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("action", "number"),
    )
    op.create_index("ix_action_items_state", "action_items", ["action", "state", "number"], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("enrolment", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reply", JSON, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.String(), nullable=True),
        sa.Column("attempt_until", INSTANT, nullable=True),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("enrolment", "node", "visit"),
    )
    op.create_index("ix_requests_status", "requests", ["status", "id"], unique=False)
    op.create_index("ix_deliveries_recipient_sent", "deliveries", ["recipient", "sent_at"], unique=False)
    op.create_table(
        "bids",
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("enrolment", sa.String(), nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("eligible_at", INSTANT, nullable=False),
        sa.Column("asks_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("awarded_at", INSTANT, nullable=True),
        sa.Column("is_put_off", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("wanted_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("delivery"),
    )
    op.create_index("ix_bids_recipient", "bids", ["recipient"], unique=False)
    is_wanted = sa.text("wanted_at IS NOT NULL")
    op.create_index("ix_bids_wanted", "bids", ["wanted_at"], sqlite_where=is_wanted, postgresql_where=is_wanted)
