#!/bin/sh
# Make Temporal's two databases in PostgreSQL, or bring their tables up to date; SQL_* says where.
set -eu
for part in temporal visibility; do
  database=temporal
  [ "$part" = visibility ] && database=temporal_visibility
  temporal-sql-tool --db "$database" create # nothing happens to what is there already
  temporal-sql-tool --db "$database" setup-schema -v 0.0
  temporal-sql-tool --db "$database" update-schema \
    -d "${SCHEMA_FOLDER:-/etc/temporal/schema}/postgresql/v12/$part/versioned"
done
