"""Recompute issued statements with the program that is in every proof bundle: a second opinion on every cent."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.documents.bundle import files
from billing.documents.verifier.bundle import Bundle
from billing.documents.verifier.command import verify
from billing.models import Statement
from billing.statement_content import load


class Command(BaseCommand):
    help = "Recompute issued statements from their proof bundles, by the stand-alone verifier"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--after", type=int, default=0, help="only statements with numbers above this")

    def handle(self, *args: Any, **options: Any) -> None:
        numbers = Statement.objects.issued().filter(number__gt=options["after"]).order_by("number")
        count, wrong = 0, 0
        for number, pk in numbers.values_list("number", "pk").iterator():
            (statement,) = load([pk])
            findings = verify(Bundle(files(statement))).found
            count, wrong = count + 1, wrong + bool(findings)
            for finding in findings:
                self.stderr.write(f"statement {number}: {finding}")
        if wrong:
            raise CommandError(
                f"{wrong} of {count} statements are not what their readings, tariffs and agreements make"
            )
        self.stdout.write(f"{count} statements: every cent is as the readings, tariffs and agreements make it")
