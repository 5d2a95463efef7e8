"""The words of a digest's parts; what a turn must know besides its enrolment, read once that is held."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WORDS = {"draft": sa.String(), "undrafted": sa.Text()}
_BESIDE = """
CREATE OR REPLACE FUNCTION beside_enrolment(its_id text, its_learner text, its_journey text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (
    SELECT jsonb_build_array(
      her.source_id, her.profile, her.profile_times, its.pauses,
      EXISTS (SELECT FROM deliveries WHERE enrolment = its_id AND leg >= 1000 AND status IN ('queued', 'deferred'))
    )
    FROM (SELECT) AS one
    LEFT JOIN learners AS her ON her.id = its_learner
    LEFT JOIN journeys AS its ON its.name = its_journey
  );
END
$$
"""
"""Volatile, so that it sees what was committed until it is called, and not what the statement saw that calls it: that
may have waited since (`store.queries.turns`). 1000 is `journeys.resending.AGAIN`.
"""


def upgrade() -> None:
    """Forward. 0003 made the columns of the bids itself for a few hours: they may be there."""
    connection = op.get_bind()
    there = {column["name"] for column in sa.inspect(connection).get_columns("bids")}
    for name, type_ in _WORDS.items():
        if name not in there:
            op.add_column("bids", sa.Column(name, type_, nullable=True))
    if connection.dialect.name == "postgresql":
        op.execute(_BESIDE)
