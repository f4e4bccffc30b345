"""Bring the database and the static files to this version: migrate as the owner, make partitions, collect."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand

from telemetry.partitions import ensure_partitions


class Command(BaseCommand):
    help = "Migrates as the owner's role, makes the partitions ahead, and collects static files."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        ensure_partitions()
        if settings.PROFILE != "test":
            collect_static_files()


def collect_static_files() -> None:
    """Collect, hash and compress, unless nothing changed since the last time: compressing takes seconds."""
    stamp = Path(settings.STATIC_ROOT) / ".fingerprint"
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
