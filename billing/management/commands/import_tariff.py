"""Import a tariff: OpenEI URDB JSON, with the fields of ours that rating needs, in the file or beside it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import desk_log, tariff_book
from billing.tariffs import UnsupportedTariff, check, start_of


class Command(BaseCommand):
    help = "Adds a version to the tariff book; with --publish it is frozen, if rating understands all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--fields", type=Path, help="a JSON file of our own fields, merged over the document's")
        parser.add_argument("--utility", default="", help="instead of the document's")
        parser.add_argument("--name", default="", help="instead of the document's")
        parser.add_argument("--valid-from", type=date.fromisoformat, help="local day (default: the startdate)")
        parser.add_argument("--publish", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        document = self._read(options["file"])
        if options["fields"]:
            document |= self._read(options["fields"])
        utility = options["utility"] or str(document.get("utility") or "")
        name = options["name"] or str(document.get("name") or "")
        valid_from = options["valid_from"] or self._start(document)
        if not utility or not name:
            raise CommandError("the document names no utility or no tariff: give --utility and --name")
        problems = check(document)
        for problem in problems:
            self.stderr.write(f"{problem.field}: {problem.message}. {problem.remedy}")
        if problems and options["publish"]:
            raise CommandError(f"{options['file']} cannot be published: {len(problems)} problems, nothing was added")
        version = tariff_book.add_version(utility, name, document, valid_from, label=str(document.get("label") or ""))
        if options["publish"]:
            try:
                tariff_book.publish(version)
            except UnsupportedTariff as error:
                raise CommandError(str(error)) from error
        state = "published" if options["publish"] else "a draft"
        words = f"{version.tariff}, version {version.version}, from {valid_from}: {state}"
        with desk_log.by_way(desk_log.Way.COMMAND):
            kind = "tariff_published" if options["publish"] else "tariff_imported"
            desk_log.record(kind, f"{words}.", subject=version.sha256[:12])
        self.stdout.write(words)

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} cannot be read: {error}") from error
        if isinstance(found, dict) and isinstance(found.get("items"), list) and len(found["items"]) == 1:
            found = found["items"][0]  # as URDB's own API answers
        if not isinstance(found, dict):
            raise CommandError(f"{file} is not one tariff")
        return found

    @staticmethod
    def _start(document: dict[str, Any]) -> date:
        found = start_of(document)
        if found is None:
            raise CommandError("the document has no startdate like 2026-04-01: give --valid-from")
        return found
