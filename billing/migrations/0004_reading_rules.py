"""What Postgres refuses about readings, and who sees them."""

from django.db import migrations

from billing.rules import readings
from homes.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_readings"), ("homes", "0002_row_security")]

    operations = [
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in readings.everything_sql()],
        *[guard(table) for table in readings.GUARDED],
    ]
