"""The partitioned tables and their guards."""

from django.db import migrations

from homes.row_security import append_only, guard, guard_whole
from telemetry import tables


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("homes", "0002_row_security")]

    operations = [
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in tables.everything_sql()],
        *[guard(table, column="node_id", allowed="xfra_visible_nodes") for table in tables.GUARDED],
        guard_whole(tables.FLEET_TABLE),
        *[
            guard(table, column="node_id", allowed="xfra_visible_nodes")
            for table in ("telemetry_circuit", "telemetry_otherseries", "telemetry_nodestatusrow", "telemetry_nodestatespan")
        ],
        migrations.RunSQL(append_only("homes_inventoryevent"), migrations.RunSQL.noop),
    ]
