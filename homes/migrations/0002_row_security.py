"""What belongs to a home is guarded by Postgres itself. Reversing drops the functions with the policies."""

from django.db import migrations

from homes import row_security


class Migration(migrations.Migration):
    dependencies = [("homes", "0001_initial")]

    operations = [
        migrations.RunSQL(row_security.FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(row_security.APPEND_ONLY_FUNCTION, migrations.RunSQL.noop),
        row_security.guard("homes_home", column="id"),
        row_security.guard("homes_homeaddress", allowed="xfra_addressed_homes"),
        row_security.guard("homes_membership"),
        row_security.guard("homes_battery"),
        row_security.guard("homes_internetline"),
        row_security.guard("homes_node"),
        row_security.guard("homes_gpu", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_inventoryevent", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_workorder", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_nodecredential", column="node_id", allowed="xfra_visible_nodes"),
    ]
