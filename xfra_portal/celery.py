"""The Celery application. Work is woken, not carried: messages name what to look at, state lives in our stores."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
os.environ.setdefault("XFRA_ACCESS", "system")

app = Celery("xfra_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
