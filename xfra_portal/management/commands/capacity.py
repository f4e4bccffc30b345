"""What a fleet of so many nodes needs: disk by table and resolution, cores, Redis' memory, network."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry import capacity, fleet_rollups, measured_costs, register_marks, states
from telemetry.capacity import Costs, Fleet, Kept, Part
from telemetry.partitions import retention_seconds
from telemetry.tables import DAY, FLEET_TABLE, PARTITION_SECONDS, ROLLUP_TABLES, SAMPLE_TABLES, SEALED_TABLE

SERIES: Final = 710
"""What the simulator's nodes send: 16 GPUs of 40 metrics, panel, battery, coolant, enclosure, internet and workload.
dcgm-exporter's default list is 20 metrics a GPU, which makes 390."""


class Command(BaseCommand):
    help = "Prints what a fleet needs, from the retention settings and measured costs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--nodes", type=int, required=True)
        parser.add_argument("--interval", type=float, required=True, help="seconds between two samples of a series")
        parser.add_argument("--series", type=int, default=SERIES, help=f"of a node, within the catalogue ({SERIES})")
        parser.add_argument("--other", type=int, default=0, help="further series of a node, as node_exporter's (0)")
        parser.add_argument("--bridge", type=float, default=10, help="minutes without Postgres to bridge (10)")
        parser.add_argument("--measure", action="store_true", help="weigh this database's tables (reads all of them)")

    def handle(self, *args: Any, **options: Any) -> None:
        fleet = Fleet(options["nodes"], options["interval"], options["series"], options["other"])
        if fleet.nodes < 1 or fleet.interval_seconds <= 0 or min(fleet.series, fleet.other_series) < 0:
            raise CommandError("a fleet has a node at least, sends at an interval above 0, and no negative series")
        costs = Costs()
        if options["measure"]:
            costs, missing = measured_costs.measure(costs)
            if missing:
                self.stdout.write(f"too little data here to measure: {', '.join(missing)}\n\n")
        for line in report(fleet, costs, options["bridge"] * 60):
            self.stdout.write(line)


def kept() -> Kept:
    """As the settings say: a partition is sealed, or goes, when all of it is old enough."""

    def longest(table: str) -> float:
        return retention_seconds(table) + PARTITION_SECONDS[table]

    rollups = {resolution: longest(table) for resolution, table in ROLLUP_TABLES.items()}
    rows = settings.SEAL_AFTER_HOURS * 3600 + max(PARTITION_SECONDS[table] for table in SAMPLE_TABLES.values())
    slabs = dict.fromkeys(fleet_rollups.RESOLUTIONS, longest(FLEET_TABLE))
    marks, spans = register_marks.KEPT_DAYS * DAY, states.KEPT_DAYS * DAY
    return Kept(rows, longest(SEALED_TABLE), rollups, slabs, marks, spans)


def report(fleet: Fleet, costs: Costs, bridge_seconds: float) -> list[str]:
    per_node = f"{fleet.series}{f' + {fleet.other_series} other' if fleet.other_series else ''} series"
    parts = capacity.disk(fleet, kept(), costs)
    total = sum(part.bytes for part in parts)
    return [
        f"{fleet.nodes:,} nodes of {per_node} every {fleet.interval_seconds:g} s",
        f"samples      {fleet.samples_per_second:,.0f} /s",
        f"cores        {capacity.cores(fleet, costs)}: {costs.cpu_seconds_per_million:g} CPU s per million samples,"
        f" {capacity.BUSY_RATIO:.0%} busy; pages and sockets on top",
        f"network in   {capacity.bits_per_second(fleet, costs.wire) / 1e6:,.1f} Mbit/s",
        *_engine(fleet, costs),
        *_redis(fleet, costs, bridge_seconds),
        "",
        f"{'Postgres':16} {'every':>8} {'kept':>8} {'items':>18} {'bytes each':>11} {'disk':>12}",
        *map(_line, parts),
        f"{'together':16} {'':>8} {'':>8} {'':>18} {'':>11} {_size(total):>12}",
        f"volume       {_size(capacity.volume_bytes(parts, settings.DISK_FREE_RATIO))}, of which"
        f" {settings.DISK_FREE_RATIO:.0%} stays free (XFRA_DISK_FREE_RATIO)",
    ]


def _engine(fleet: Fleet, costs: Costs) -> list[str]:
    if not settings.SAMPLES_URL:
        return []
    mbits = capacity.bits_per_second(fleet, costs.forwarded) / 1e6
    return [f"to engine    {mbits:,.1f} Mbit/s; what it keeps and needs is its own affair"]


def _redis(fleet: Fleet, costs: Costs, bridge_seconds: float) -> list[str]:
    stream = capacity.stream_bytes(fleet, costs, bridge_seconds)
    needed = capacity.redis_bytes(stream, settings.INGEST_DEAD_LETTER_BYTES, settings.REDIS_MEMORY_RATIO)
    held = settings.INGEST_STREAM_BYTES / capacity.stream_bytes(fleet, costs, 1)
    return [
        f"Redis        maxmemory {_size(needed)}, to bridge {bridge_seconds / 60:g} min without Postgres with"
        f" XFRA_INGEST_STREAM_BYTES={math.ceil(stream)}",
        f"             as it is set now ({_size(settings.INGEST_STREAM_BYTES)}) the stream holds {_time(held)}",
    ]


def _line(part: Part) -> str:
    every, span = (_time(seconds) if seconds else "" for seconds in (part.resolution_seconds, part.kept_seconds))
    each = f"{part.bytes_each:,.1f}" if part.bytes_each < 1000 else _size(part.bytes_each)
    return f"{part.name:16} {every:>8} {span:>8} {part.items:18,.0f} {each:>11} {_size(part.bytes):>12}"


def _time(seconds: float) -> str:
    for name, unit in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * unit or (seconds >= unit and seconds % unit == 0):
            return f"{seconds / unit:.3g} {name}" if seconds < 1000 * unit else f"{seconds / unit:,.0f} {name}"
    return f"{seconds:.3g} s"


def _size(size: float) -> str:
    for name, unit in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 1024:,.1f} KiB"
