"""Close a month: rate every home, draft its statement and, if asked to, issue it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import closing, desk_log
from billing.models import CloseItem
from billing.self_checks import BooksBroken


class Command(BaseCommand):
    help = "Closes a month, or goes on with it. May be stopped and started again at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", help="as 2026-04")
        parser.add_argument("--batch", type=int, default=closing.BATCH, help=f"homes at a time ({closing.BATCH})")
        parser.add_argument("--issue", action="store_true", help="review and issue all that can be drafted")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            month = date.fromisoformat(f"{options['month']}-01")
        except ValueError:
            raise CommandError(f"{options['month']!r} is not a month: write it like 2026-04") from None
        try:
            with desk_log.by_way(desk_log.Way.COMMAND):
                close = closing.begin(month)
                desk_log.record("close_begun", f"{month:%B %Y} is being closed.", subject=f"{month:%Y-%m}")
                found = closing.run(close, issues=options["issue"], size=options["batch"], say=self._say)
        except (closing.MonthNotOver, BooksBroken) as error:
            raise CommandError(str(error)) from error
        self._say(found)
        for item in close.items.filter(stage=CloseItem.Stage.HELD).select_related("home"):
            self.stdout.write(f"  held: {item.home} from {item.start}: {item.problem}; {item.remedy}")

    def _say(self, progress: closing.Progress) -> None:
        self.stdout.write(str(progress))
        self.stdout.flush()
