"""The partitioned tables, the feed of changed registers for billing, and their guards."""

from django.db import migrations

from homes.row_security import append_only, guard, guard_whole
from telemetry import register_marks, tables

TABLES = (*tables.everything_sql(), register_marks.TABLE_SQL)
GUARDED = (
    *tables.GUARDED,
    register_marks.TABLE,
    "telemetry_circuit",
    "telemetry_otherseries",
    "telemetry_nodestatusrow",
    "telemetry_nodestatespan",
)


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("homes", "0002_row_security")]

    operations = [
        # As parameters None: a % in a function's body is its own.
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in TABLES],
        *[guard(table, column="node_id", allowed="xfra_visible_nodes") for table in GUARDED],
        guard_whole(tables.FLEET_TABLE),
        migrations.RunSQL(append_only("homes_inventoryevent"), migrations.RunSQL.noop),
    ]
