"""Seal every second factor under the present secret key, so that a former one is not needed any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from homes import accounts


class Command(BaseCommand):
    help = "Seals second factors anew under SECRET_KEY. Do this before a key leaves SECRET_KEY_FALLBACKS."

    def handle(self, *args: Any, **options: Any) -> None:
        resealed, lost = accounts.reseal()
        self.stdout.write(f"{resealed} second factors are sealed under the present key.")
        if lost:
            raise CommandError(
                f"{lost} cannot be opened with SECRET_KEY or SECRET_KEY_FALLBACKS; they stay as they are."
            )
