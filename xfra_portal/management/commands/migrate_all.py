"""Bring the database and the static files to this version: migrate as the owner, make partitions, collect."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from telemetry.partitions import ensure_partitions


class Command(BaseCommand):
    help = "Migrates as the owner's role, makes the partitions ahead, and collects static files."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        if lacking := _lacking():
            raise CommandError(
                f"The database lacks {', '.join(lacking[:3])}{' and more' if len(lacking) > 3 else ''}, although every"
                " migration is applied: an earlier version made it, whose migrations have been rewritten since. A demo"
                " starts over with `make clean`."
            )
        ensure_partitions()
        if settings.PROFILE != "test":
            collect_static_files()


def _lacking() -> list[str]:
    """Columns that models have and the database has not."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        there = set(cursor.fetchall())
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    wanted = {(model._meta.db_table, field.column) for model in models for field in model._meta.local_concrete_fields}
    return sorted(f"{table}.{column}" for table, column in wanted - there)


def collect_static_files() -> None:
    """Collect, hash and compress, unless nothing changed since the last time: compressing takes seconds."""
    stamp = Path(settings.STATIC_NAMES_ROOT) / "fingerprint"
    fingerprint = _fingerprint()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(fingerprint)


def _fingerprint() -> str:
    """Names, sizes and times of every file that would be collected."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            about = Path(storage.path(name)).stat()
            digest.update(f"{name} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()
