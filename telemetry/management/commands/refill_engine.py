"""Hand the raw samples that Postgres has to the engine of SAMPLES_URL: for a new one, or one that lost some."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry.store import raw_store
from telemetry.store.client import EngineAway, EngineRefused
from telemetry.store.refill import refill


class Command(BaseCommand):
    help = "Hands the raw samples that Postgres has to the engine; what it has already stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hours", type=int, help="how far back (as long as raw samples are kept)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SAMPLES_URL:
            raise CommandError("SAMPLES_URL is not set: there is no engine")
        now = int(time.time())
        hours = settings.RAW_RETENTION_HOURS if options["hours"] is None else options["hours"]
        try:
            for hour, samples in refill(raw_store(), now // 3600 * 3600 - hours * 3600, now + 600):
                self.stdout.write(f"{datetime.fromtimestamp(hour, UTC):%Y-%m-%d %H:%M} {samples:,} samples")
        except (EngineAway, EngineRefused) as error:
            raise CommandError(str(error)) from error
