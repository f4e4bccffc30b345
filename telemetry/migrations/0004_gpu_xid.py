"""Since when a GPU tells of its XID."""

import django.db.models.deletion
from django.db import migrations, models

from homes.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("homes", "0002_row_security"), ("telemetry", "0003_register_marks")]

    operations = [
        migrations.CreateModel(
            name="GpuXid",
            fields=[
                (
                    "gpu",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="homes.gpu",
                    ),
                ),
                ("code", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="homes.node"
                    ),
                ),
            ],
        ),
        guard("telemetry_gpuxid", column="node_id", allowed="xfra_visible_nodes"),
    ]
