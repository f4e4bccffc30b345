"""Questions about statements, and keys of writes that may be repeated; with what Postgres refuses about them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from billing.rules import questions


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0004_reading_rules'),
        ('homes', '0002_row_security'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='KeyedRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200)),
                ('sha256', models.CharField(max_length=64)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('answer', models.JSONField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'key'), name='keyed_request_once'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__isnull', True)), models.Q(('finished_at__isnull', False), ('status__isnull', False)), _connector='OR'), name='keyed_request_answered_when_finished')],
            },
        ),
        migrations.CreateModel(
            name='StatementQuestion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('line', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('text', models.CharField(max_length=2000)),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('answer', models.CharField(blank=True, max_length=2000)),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('answered_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='homes.party')),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='homes.party')),
                ('home', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='questions', to='homes.home')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='questions', to='billing.statement')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('answered_at__isnull', True)), fields=['id'], name='question_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='question_asks_something'), models.CheckConstraint(condition=models.Q(models.Q(('answer', ''), ('answered_at__isnull', True), ('answered_by__isnull', True)), models.Q(models.Q(('answer', ''), _negated=True), ('answered_at__isnull', False)), _connector='OR'), name='question_answered_whole')],
            },
        ),
        *[migrations.RunSQL([(sql, None)], migrations.RunSQL.noop) for sql in questions.everything_sql()],
    ]
