"""Make homes with nodes and print their tokens: one with a ready agent configuration, or many for a load test."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DataError, IntegrityError, transaction

from homes.models.places import validate_timezone
from homes.provisioning import Plan, provision

AGENT_CONFIGURATION = """\
global:
  scrape_interval: 5s
scrape_configs:
  - job_name: dcgm
    static_configs: [{{targets: ["127.0.0.1:9400"]}}]
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:9100"]}}]
remote_write:
  - url: {url}/api/v1/write
    authorization:
      credentials: {token}
    queue_config:
      batch_send_deadline: 1s
"""


class Command(BaseCommand):
    help = "Makes a home with a node and prints its token and a Prometheus agent configuration."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("hostname", nargs="?", help="the node's serial name, such as xfra-00042")
        parser.add_argument("--timezone", default="America/Phoenix", help="IANA time zone of the home")
        parser.add_argument("--utility", default="", help="the electric utility")
        parser.add_argument("--provider", default="", help="the internet provider")
        parser.add_argument("--site-group", default="")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="this portal as the node reaches it")
        parser.add_argument("--count", type=int, help="make this many nodes, xfra-00000 onwards")
        parser.add_argument("--json", type=Path, help="with --count: write {hostname: token} here")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_timezone(options["timezone"])
            if options["count"] is not None:
                self._many(options)
            elif options["hostname"]:
                self._one(options)
            else:
                raise CommandError("name the node, or give --count N --json FILE")
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except IntegrityError as error:
            said = f"a node of that name exists (for another token: manage.py node_token HOSTNAME --issue): {error}"
            raise CommandError(said) from error
        except DataError as error:
            raise CommandError(f"a name is too long: {error}") from error
        except OSError as error:
            raise CommandError(f"cannot write what was to be shown only now, so nothing was made: {error}") from error

    def _one(self, options: dict[str, Any]) -> None:
        with transaction.atomic():  # with its token shown, or not at all
            _, token = provision(self._plan(options["hostname"], options))
            self.stdout.write(f"token: {token}\n\n# prometheus --enable-feature=agent --config.file=agent.yml")
            self.stdout.write(AGENT_CONFIGURATION.format(url=options["url"].rstrip("/"), token=token))
            self.stdout.flush()

    def _many(self, options: dict[str, Any]) -> None:
        if options["json"] is None or options["count"] < 1:
            raise CommandError("--count N (at least 1) needs --json FILE for the tokens")
        tokens = {}
        with transaction.atomic():  # all of them with their tokens written down, or none
            for i in range(options["count"]):
                node, token = provision(self._plan(f"xfra-{i:05d}", options))
                tokens[node.hostname] = token
            options["json"].touch(0o600)
            options["json"].chmod(0o600)
            try:
                options["json"].write_text(json.dumps(tokens, indent=1))
                self.stdout.write(f"{len(tokens)} nodes; tokens in {options['json']}")
                self.stdout.flush()
            except OSError:
                options["json"].unlink(missing_ok=True)  # tokens of nodes that are not made
                raise

    @staticmethod
    def _plan(hostname: str, options: dict[str, Any]) -> Plan:
        return Plan(
            hostname=hostname,
            timezone=options["timezone"],
            utility=options["utility"],
            provider=options["provider"],
            site_group=options["site_group"],
        )
