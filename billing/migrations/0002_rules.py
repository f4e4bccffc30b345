"""What Postgres refuses and to whom it shows what; and the reporting thresholds as the law has them."""

from datetime import date

from django.db import migrations

from billing.rules import desk_actions, ledger, payouts, questions, readings, row_security, runs, statements, tariffs

SEEN = "home_id IN (SELECT xfra_visible_homes())"
RULES = (*tariffs.everything_sql(), *runs.everything_sql(), *statements.everything_sql(), *ledger.everything_sql(),
         *payouts.everything_sql(), *row_security.everything_sql(), *readings.everything_sql(),
         # Whoever sees the home sees its readings; the desk and the system write.
         *(row_security.guard_sql(table, SEEN) for table in readings.GUARDED),
         row_security.guard_sql("billing_feedcursor", row_security.NOBODY_ELSE),
         *questions.everything_sql(), *desk_actions.everything_sql())
THRESHOLDS = (
    (date(1954, 1, 1), 60_000, "26 U.S.C. 6041(a) before its amendment by Public Law 119-21"),
    (date(2026, 1, 1), 200_000, "Public Law 119-21, section 70433: payments made after 31 December 2025"),
)


def add_thresholds(apps, editor):
    threshold = apps.get_model("billing", "TaxThreshold")
    threshold.objects.using(editor.connection.alias).bulk_create(
        threshold(form=form, valid_from=valid_from, cents=cents, source=source)
        for form in ("1099-MISC", "1099-NEC")
        for valid_from, cents, source in THRESHOLDS
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("homes", "0002_row_security")]

    operations = [
        migrations.RunPython(add_thresholds, migrations.RunPython.noop),
        # As parameters None: a % in a function's body is its own.
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in RULES],
    ]
