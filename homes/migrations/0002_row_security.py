"""What belongs to a home, and who people are, is guarded by Postgres itself."""

from django.db import migrations

from homes import row_security, rules


class Migration(migrations.Migration):
    dependencies = [
        ("homes", "0001_initial"),
        ("sessions", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("usersessions", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(row_security.FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(row_security.APPEND_ONLY_FUNCTION, migrations.RunSQL.noop),
        row_security.guard("homes_home", column="id", old=row_security.IS_DESK),
        row_security.guard("homes_homeaddress", allowed="xfra_addressed_homes"),
        row_security.guard("homes_membership"),
        row_security.guard("homes_battery"),
        row_security.guard_rows("homes_operatorcontact", row_security.IN_A_GROUP_OF_MINE),
        row_security.guard("homes_internetline"),
        row_security.guard("homes_node"),
        row_security.guard("homes_gpu", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_inventoryevent", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_workorder", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard("homes_nodecredential", column="node_id", allowed="xfra_visible_nodes"),
        row_security.guard_rows(
            "homes_party", f"{row_security.IS_DESK} OR id IN (SELECT xfra_named_parties())", old=row_security.IS_DESK
        ),
        row_security.guard_rows(
            "homes_user",
            row_security.KNOWN_PEOPLE,
            old=row_security.ITSELF_OR_SIGNING_IN,
            new=row_security.ITSELF_OR_SIGNING_IN,
        ),
        row_security.guard_rows("homes_appsession", row_security.IS_SYSTEM),
        # Whoever brings a session's key is found by the system: homes.sessions.
        row_security.guard_rows("django_session", row_security.IS_SYSTEM),
        row_security.guard_own("mfa_authenticator"),
        row_security.guard_own("usersessions_usersession"),
        row_security.guard_own("account_emailaddress"),
        row_security.guard_rows("account_emailconfirmation", row_security.IS_SYSTEM),
        row_security.guard_rows("homes_user_groups", row_security.IS_SYSTEM),
        row_security.guard_rows("homes_user_user_permissions", row_security.IS_SYSTEM),
        row_security.guard_rows(
            "homes_operatorrole", f"{row_security.IS_SYSTEM} OR user_id = (SELECT xfra_user_id())"
        ),
        # As parameters None: a % in a function's body is its own.
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in rules.STATEMENTS],
    ]
