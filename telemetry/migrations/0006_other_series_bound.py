"""A bound to the series of one node outside the catalogue, and when each was looked up last."""

import django.db.models.functions.datetime
from django.db import migrations, models

from telemetry.models.series import MAX_OTHER_SERIES

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
UNBOUND = """
DROP TRIGGER other_series_bound ON telemetry_otherseries;
DROP FUNCTION telemetry_bound_other_series();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0005_rolling_tries")]

    operations = [
        migrations.AddField(
            model_name="otherseries",
            name="seen_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.RunSQL([(BOUND, None)], UNBOUND),
    ]
