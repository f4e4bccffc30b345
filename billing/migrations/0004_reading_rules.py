"""What Postgres refuses about readings, and who sees them: whoever sees the home reads, the desk and the system write."""

from django.db import migrations

from billing.rules import readings, row_security

SEEN = "home_id IN (SELECT xfra_visible_homes())"


def guard(apps, editor):
    for table in readings.GUARDED:
        editor.execute(row_security.guard_sql(table, SEEN))
    editor.execute(row_security.guard_sql("billing_feedcursor", row_security.NOBODY_ELSE))


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_readings"), ("homes", "0002_row_security")]

    operations = [
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in readings.everything_sql()],
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
