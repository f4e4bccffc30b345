"""Simulates nodes: pushes remote-write as they would, or serves their metrics to a real Prometheus."""

from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from telemetry.simulator.nodes_file import read_nodes
from telemetry.simulator.program import Options, Program


class Command(BaseCommand):
    help = "Simulate XFRA nodes. Everything they report is simulated."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=Path, help="JSON with hostnames and tokens")
        parser.add_argument("--hostname", action="append", default=[], help="serve this node without a token")
        parser.add_argument(
            "--push", metavar="URL", help="portal that receives remote-write, e.g. http://127.0.0.1:8000"
        )
        parser.add_argument("--serve", type=int, metavar="PORT", help="serve /metrics for a Prometheus to scrape")
        parser.add_argument("--host", default="127.0.0.1", help="address to serve on")
        parser.add_argument("--interval", type=float, default=2.0, help="seconds between two samples of a node")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--state", type=Path, metavar="DIR", help="keep the fleet here between two runs")
        parser.add_argument("--generation", choices=("legacy", "base_units", "mixed"), default="mixed")
        parser.add_argument("--fault", action="append", default=[], metavar="HOSTNAME:KIND[=XID][:MINUTES]")
        parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop after this long")
        parser.add_argument("--calm", action="store_true", help="nothing goes wrong unless --fault says so")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            program = Program(self._options(options), self._say)
        except (ValueError, OSError, KeyError) as error:
            raise CommandError(str(error)) from error

        def stop(signal_number: int, frame: FrameType | None) -> None:
            program.stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        program.run()

    def _say(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()

    @staticmethod
    def _options(options: dict[str, Any]) -> Options:
        tokens = read_nodes(options["nodes"]) if options["nodes"] else {}
        tokens |= {hostname: "" for hostname in options["hostname"] if hostname not in tokens}
        if not tokens:
            raise ValueError("name the nodes with --nodes FILE or --hostname NAME")
        if options["push"] is None and options["serve"] is None:
            raise ValueError("nothing to do: give --push URL or --serve PORT")
        if options["push"] and not all(tokens.values()):
            raise ValueError("pushing needs a token for every node: use --nodes FILE")
        if options["interval"] <= 0:
            raise ValueError("--interval must be positive")
        return Options(
            tokens=tokens,
            seed=options["seed"],
            generation=options["generation"],
            push_url=options["push"],
            serve_port=options["serve"],
            host=options["host"],
            interval_s=options["interval"],
            state_dir=options["state"],
            faults=options["fault"],
            calm=options["calm"],
            duration_s=options["duration"],
        )
