"""The partitioned tables, the feed of changed registers for billing, their guards, and a bound to what a node may add."""

from django.db import migrations

from homes.row_security import IS_SYSTEM, append_only, guard, guard_rows, guard_whole
from telemetry import register_marks, tables
from telemetry.models.series import FREED_DAYS, MAX_CIRCUITS, MAX_GPUS, MAX_OTHER_SERIES

TABLES = (*tables.everything_sql(), register_marks.TABLE_SQL, tables.IDENTITIES_SQL)
GUARDED = (
    *tables.GUARDED,
    register_marks.TABLE,
    "telemetry_circuit",
    "telemetry_gpuxid",
    "telemetry_nodeclock",
    "telemetry_otherseries",
    "telemetry_nodestatusrow",
    "telemetry_nodestatespan",
)



def bound(table: str, most: int, what: str, counted: str = "true") -> str:
    """SQL that lets a node have at most so many rows of a table, of those that are counted."""
    return f"""
CREATE FUNCTION telemetry_bound_{table}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM {table} WHERE node_id IN (SELECT node_id FROM added) AND {counted}
             GROUP BY node_id HAVING count(*) > {most})
  THEN RAISE EXCEPTION 'a node has at most {most} {what}' USING ERRCODE = 'check_violation'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER bound AFTER INSERT ON {table}
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION telemetry_bound_{table}();
"""


_LATELY = f"now() - interval '{FREED_DAYS} days'"
BOUNDS = (
    bound("telemetry_otherseries", MAX_OTHER_SERIES, "series outside the catalogue"),
    bound("telemetry_circuit", MAX_CIRCUITS, "circuits", f"seen_at > {_LATELY}"),
    bound("homes_gpu", MAX_GPUS, "GPUs", f"(gone_at IS NULL OR gone_at > {_LATELY})"),
)


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("homes", "0002_row_security")]

    operations = [
        # As parameters None: a % in a function's body is its own.
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in (*TABLES, *BOUNDS)],
        *[guard(table, column="node_id", allowed="xfra_visible_nodes") for table in GUARDED],
        guard_whole(tables.FLEET_TABLE),
        guard_rows(tables.IDENTITIES_TABLE, IS_SYSTEM),
        migrations.RunSQL(append_only("homes_inventoryevent"), migrations.RunSQL.noop),
    ]
