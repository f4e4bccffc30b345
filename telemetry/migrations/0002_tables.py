"""The partitioned tables, the feed of changed registers for billing, their guards, and a bound to what a node may add."""

from django.db import migrations

from homes.row_security import append_only, guard, guard_whole
from telemetry import register_marks, tables
from telemetry.models.series import MAX_OTHER_SERIES

TABLES = (*tables.everything_sql(), register_marks.TABLE_SQL)
GUARDED = (
    *tables.GUARDED,
    register_marks.TABLE,
    "telemetry_circuit",
    "telemetry_gpuxid",
    "telemetry_otherseries",
    "telemetry_nodestatusrow",
    "telemetry_nodestatespan",
)

BOUND = f"""
CREATE FUNCTION telemetry_bound_other_series() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM telemetry_otherseries WHERE node_id IN (SELECT node_id FROM added)
             GROUP BY node_id HAVING count(*) > {MAX_OTHER_SERIES})
  THEN RAISE EXCEPTION 'a node has at most {MAX_OTHER_SERIES} series outside the catalogue'
    USING ERRCODE = 'check_violation'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER other_series_bound AFTER INSERT ON telemetry_otherseries
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION telemetry_bound_other_series();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("homes", "0002_row_security")]

    operations = [
        # As parameters None: a % in a function's body is its own.
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in (*TABLES, BOUND)],
        *[guard(table, column="node_id", allowed="xfra_visible_nodes") for table in GUARDED],
        guard_whole(tables.FLEET_TABLE),
        migrations.RunSQL(append_only("homes_inventoryevent"), migrations.RunSQL.noop),
    ]
