"""A demo to look at: simulated homes with 35 days of history, and people to sign in as. Idempotent."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from xfra_portal import demo


class Command(BaseCommand):
    help = "Seeds simulated homes, their history and demo logins. Does nothing where they exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", type=Path, required=True, help="write logins and node tokens here")
        parser.add_argument("--url", default="http://127.0.0.1:8000")
        parser.add_argument("--homes", type=int, default=24)
        parser.add_argument("--days", type=float, default=35)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--state", type=Path, help="leave the simulator's state here")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PROFILE == "production":
            raise CommandError("demo data does not belong into a production database")
        target: Path = options["json"]
        if demo.exists():
            self._refresh(target, options["url"])
            return
        began = time.monotonic()
        seeded = demo.seed_people_and_homes(options["homes"], options["seed"])
        target.write_text(json.dumps({"url": options["url"], **seeded.as_json()}, indent=1))
        target.chmod(0o600)
        for share in demo.seed_history(seeded, options["days"], options["seed"], options["state"]):
            self.stdout.write(f"  history {share:4.0%}  ({time.monotonic() - began:.0f} s)")
            self.stdout.flush()
        for done in demo.seed_billing(seeded, options["seed"]):
            self.stdout.write(f"  billing: {done}  ({time.monotonic() - began:.0f} s)")
            self.stdout.flush()

    def _refresh(self, target: Path, url: str) -> None:
        """The address may have changed; the rest was written when the homes were made."""
        if not target.exists():
            raise CommandError(f"the demo exists but {target} with its tokens is gone; start over with `make clean`")
        known = json.loads(target.read_text())
        target.write_text(json.dumps({**known, "url": url}, indent=1))
