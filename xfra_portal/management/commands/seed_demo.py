"""A demo to look at: simulated homes with 35 days of history, and people to sign in as. Idempotent once it finished."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from xfra_portal import demo
from xfra_portal.local.files import write_json, write_private


class Command(BaseCommand):
    help = "Seeds simulated homes, their history and demo logins. Does nothing where they exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", type=Path, required=True, help="write logins and node tokens here")
        parser.add_argument("--url", default="http://127.0.0.1:8000")
        parser.add_argument("--homes", type=int, default=24)
        parser.add_argument("--days", type=float, default=35)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--state", type=Path, help="leave the simulator's state here")
        half = "this file is there while the database holds half a demo and nothing else"
        parser.add_argument("--half", type=Path, help=half)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PROFILE == "production":
            raise CommandError("demo data does not belong into a production database")
        target: Path = options["json"]
        if demo.exists():
            self._refresh(target, options["url"])
            return
        half: Path | None = options["half"]
        if half and not demo.anybody():
            write_private(half, "")
        target.unlink(missing_ok=True)
        seeded = self._seed(options)
        write_json(target, {"url": options["url"], **seeded.as_json()})  # last: with it the demo is finished
        if half:
            half.unlink(missing_ok=True)

    def _seed(self, options: dict[str, Any]) -> demo.Seeded:
        began = time.monotonic()
        seeded = demo.seed_people_and_homes(options["homes"], options["seed"])
        for share in demo.seed_history(seeded, options["days"], options["seed"], options["state"]):
            self._tell(f"history {share:4.0%}", began)
        for done in demo.seed_billing(seeded, options["seed"]):
            self._tell(f"billing: {done}", began)
        return seeded

    def _tell(self, done: str, began: float) -> None:
        self.stdout.write(f"  {done}  ({time.monotonic() - began:.0f} s)")
        self.stdout.flush()

    def _refresh(self, target: Path, url: str) -> None:
        """The address may have changed; the rest was written when the demo was finished."""
        if not target.exists():
            raise CommandError(
                f"the demo was interrupted while it was made, or {target} with its tokens is gone; start over with"
                " `make clean`, or with an empty database"
            )
        write_json(target, {**json.loads(target.read_text(encoding="utf-8")), "url": url})
