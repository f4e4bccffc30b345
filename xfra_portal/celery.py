"""The Celery application. Work is woken, not carried: messages name what to look at, state lives in our stores."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import after_task_publish, beat_init, worker_init

from xfra_portal import pulse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")

app = Celery("xfra_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _work_as_system(**kwargs: Any) -> None:
    from homes import access  # only once Django is set up

    access.start_as_system()


@beat_init.connect
def _tell_that_beat_runs(**kwargs: Any) -> None:
    """From its first moment, so that nobody waits for the first task to be due, and with each that it sends."""
    pulse.tell()
    after_task_publish.connect(pulse.tell)


app.conf.beat_schedule = {
    "wake": {"task": "telemetry.tasks.wake", "schedule": 5.0, "options": {"expires": 5, "queue": "ingest"}},
    "watch-silence": {"task": "telemetry.tasks.watch_silence", "schedule": 5.0, "options": {"expires": 5}},
    "watch-room": {"task": "telemetry.tasks.watch_room", "schedule": 5.0, "options": {"expires": 5}},
    "roll-up": {"task": "telemetry.tasks.roll_up", "schedule": 10.0, "options": {"expires": 10}},
    "seal": {"task": "telemetry.tasks.seal", "schedule": 60.0, "options": {"expires": 60}},
    "follow-meters": {"task": "billing.tasks.follow_meters", "schedule": 180.0, "options": {"expires": 180}},
    "continue-closes": {"task": "billing.tasks.continue_closes", "schedule": 10.0, "options": {"expires": 10}},
    "send-notices": {"task": "billing.tasks.send_notices", "schedule": 30.0, "options": {"expires": 30}},
    "pursue-payouts": {"task": "billing.tasks.pursue_payouts", "schedule": 300.0, "options": {"expires": 300}},
    "find-corrections": {"task": "billing.tasks.find_corrections", "schedule": 21600.0, "options": {"expires": 3600}},
    "check-books": {"task": "billing.tasks.check_books", "schedule": 3600.0, "options": {"expires": 600}},
    "keep-partitions": {"task": "telemetry.tasks.keep_partitions", "schedule": 3600.0, "options": {"expires": 600}},
    "clear-sessions": {"task": "xfra_portal.tasks.clear_sessions", "schedule": 3600.0, "options": {"expires": 600}},
}
