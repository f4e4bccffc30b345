"""How often a rollup was tried in vain; and expired partitions go without anybody queueing behind their lock."""

from django.db import migrations

from telemetry import tables


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0004_gpu_xid")]

    operations = [
        migrations.RunSQL(tables.ROLLING_TRIES_SQL, migrations.RunSQL.noop),
        migrations.RunSQL([(tables.DROP_PARTITION_SQL, None)], migrations.RunSQL.noop),
    ]
