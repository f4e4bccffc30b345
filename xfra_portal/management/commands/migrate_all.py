"""Bring the database and the static files to this version: migrate as the owner, make partitions, collect."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from telemetry.partitions import ensure_partitions


class Command(BaseCommand):
    help = "Migrates as the owner's role, makes the partitions ahead, and collects static files."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        ensure_partitions()
        if settings.PROFILE != "test":
            call_command("collectstatic", interactive=False, verbosity=0)
