"""Who has a month issued, and the log of what people did at the desk; with what Postgres refuses about it."""

import django.db.models.deletion
from django.db import migrations, models

from billing.rules import desk_actions


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0005_questions'),
        ('homes', '0002_row_security'),
    ]

    operations = [
        migrations.AddField(
            model_name='close',
            name='issuing_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='homes.party'),
        ),
        migrations.CreateModel(
            name='DeskAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(max_length=30)),
                ('subject', models.CharField(blank=True, max_length=60)),
                ('what', models.CharField(max_length=400)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='homes.party')),
                ('home', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='homes.home')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['home', '-id'], name='desk_action_of_home')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('kind', ''), _negated=True), models.Q(('what', ''), _negated=True)), name='desk_action_says_what')],
            },
        ),
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in desk_actions.everything_sql()],
    ]
