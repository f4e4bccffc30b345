"""The feed of changed registers, for billing."""

from django.db import migrations

from homes.row_security import guard
from telemetry import register_marks


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_tables")]

    operations = [
        migrations.RunSQL([(register_marks.TABLE_SQL, None)], migrations.RunSQL.noop),
        guard(register_marks.TABLE, column="node_id", allowed="xfra_visible_nodes"),
    ]
