"""What a fleet needs: the arithmetic by hand, and what is measured is what the tables weigh."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from homes.models import Node
from telemetry import capacity, measured_costs, rollups, sealing, storage
from telemetry.batch import Batch
from telemetry.capacity import Costs, Fleet, Kept, Part
from telemetry.catalogue import Kind
from telemetry.stream import shard_of
from telemetry.tables import SAMPLE_TABLES, SEALED_TABLE
from tests.telemetry.messages import batch, gpu, series
from xfra_portal.management.commands import capacity as command

HOUR, DAY = 3600, 86_400
COSTS = Costs(
    raw=10, sealed=1.5, other=95, bucket={60: 2, 900: 4, 3600: 5}, slab=3, mark=150, span=140, latest=1000, stream=10,
    wire=30, forwarded=20, cpu_seconds_per_million=7,
)  # fmt: skip
FLEET = Fleet(nodes=100, interval_seconds=5, series=700, other_series=50)
KEPT = Kept(
    rows=2 * HOUR, raw=4 * DAY, rollups={60: 21 * DAY, 900: 428 * DAY, 3600: 4014 * DAY}, slabs={86_400: 4014 * DAY},
    marks=60 * DAY, spans=3650 * DAY,
)  # fmt: skip


def test_a_fleet_by_hand() -> None:
    assert FLEET.samples_per_second == 100 * 750 / 5 == 15_000
    parts = capacity.disk(FLEET, KEPT, COSTS)
    assert {(part.name, part.resolution_seconds): part.bytes for part in parts} == {
        ("raw", 5): 14_000 * 2 * HOUR * 10,
        ("raw, sealed", 5): 14_000 * 94 * HOUR * 1.5,
        ("other families", 5): 1000 * 96 * HOUR * 95,
        ("rollup", 60): 70_000 * 21 * 1440 * 2,
        ("rollup", 900): 70_000 * 428 * 96 * 4,
        ("rollup", 3600): 70_000 * 4014 * 24 * 5,
        ("rollup, fleet", 86_400): 70_000 * 4014 * 3,
        ("register marks", 3600): 100 * 60 * 24 * 150,
        ("node states", None): 100 * 3650 * 24 * 140,
        ("latest state", None): 100 * 1000,
        ("Postgres' log", None): 1 << 30,
    }
    assert capacity.cores(FLEET, COSTS) == 1  # 0.105 / 0.7
    assert capacity.cores(replace(FLEET, nodes=9_990), COSTS) == 15
    assert capacity.cores(replace(FLEET, nodes=10_010), COSTS) == 16
    assert capacity.stream_bytes(FLEET, COSTS, 60) == 15_000 * 10 * 60
    assert capacity.redis_bytes(1000, 24, 0.5) == 2 * (1024 + capacity.REDIS_BASE_BYTES)
    assert capacity.bits_per_second(FLEET, COSTS.wire) == 15_000 * 30 * 8
    volume = capacity.volume_bytes([Part("a", None, None, 3, 20), Part("b", None, None, 1, 30)], 0.1)
    assert volume == pytest.approx(100)


def test_a_slow_fleet_has_no_more_buckets_than_samples() -> None:
    slow = replace(FLEET, interval_seconds=300, other_series=0)
    buckets = {
        part.resolution_seconds: part.items for part in capacity.disk(slow, KEPT, COSTS) if part.name == "rollup"
    }
    assert buckets == {60: 70_000 * 21 * 288, 900: 70_000 * 428 * 96, 3600: 70_000 * 4014 * 24}


def test_raw_that_goes_before_it_is_sealed() -> None:
    parts = {part.name: part for part in capacity.disk(FLEET, replace(KEPT, raw=HOUR), COSTS)}
    assert (parts["raw"].kept_seconds, parts["raw, sealed"].items) == (HOUR, 0)


def test_how_long_things_are_kept_follows_the_settings(settings: Any) -> None:
    settings.RAW_RETENTION_HOURS, settings.SEAL_AFTER_HOURS = 100, 5
    decade = (3650 + 364) * DAY
    assert command.kept() == Kept(
        8 * HOUR,
        124 * HOUR,
        {60: 21 * DAY, 900: 428 * DAY, 3600: decade},
        {3600: decade, 21_600: decade, 86_400: decade},
        60 * DAY,
        3650 * DAY,
    )


def said(**options: Any) -> str:
    out = StringIO()
    call_command("capacity", **{"nodes": 1000, "interval": 5.0, **options}, stdout=out)
    return out.getvalue()


def test_the_command_says_it(settings: Any) -> None:
    text = said(other=290)
    for part in ("1,000 nodes of 710 + 290 other series every 5 s", "200,000 /s", "cores        5:", "50.4 Mbit/s"):
        assert part in text
    raw = next(line for line in text.splitlines() if line.startswith("raw "))
    assert raw.split() == ["raw", "5", "s", "5", "h", "2,556,000,000", "10.0", "23.8", "GiB"]
    assert "to engine" not in text
    settings.SAMPLES_URL = "http://vm:8428"
    assert "to engine    28.8 Mbit/s" in said(other=290)
    for wrong in ({"nodes": 0}, {"interval": 0.0}, {"series": -1}):
        with pytest.raises(CommandError):
            said(**wrong)


AT = (int(time.time()) // DAY * DAY - DAY // 2) * 1000
"""Yesterday noon: far from a border of partitions."""
SECONDS = 1200
GPUS, METRICS = 16, ("GPU_TEMP_CELSIUS", "BOARD_POWER_WATTS", "MEMORY_TEMP_CELSIUS")
SAMPLES = GPUS * len(METRICS) * SECONDS + 1
VACUUMED = 64 << 10
"""So many bytes of maps a vacuum may add to a table between one look and the next."""
BUCKETS = GPUS * len(METRICS) * SECONDS // 60 + 1


def much(node: Node) -> Batch:
    instants = [AT + 1000 * second for second in range(SECONDS)]
    parts = [
        gpu(slot, f"DCGM_FI_DEV_{name}", [(at, float(at // 1000 % (50 + slot))) for at in instants], node.hostname)
        for slot in range(GPUS)
        for name in METRICS
    ]
    return batch(node.pk, *parts, series("xfra_sound_decibels", [(AT, 40.0)]))


def weight(table: str, second: int) -> int:
    """What Postgres says of the table's partition that begins then."""
    return weight_of(f"{table}_{datetime.fromtimestamp(second, UTC):%Y%m%d%H}")


def weight_of(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [table])
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("system")
def test_what_is_measured_is_what_the_tables_weigh(node: Node, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    costs, missing = measured_costs.measure(COSTS)
    assert (costs, len(missing)) == (COSTS, 8), "nothing is said of empty tables"
    storage.write([much(node)], shard_of(node.pk))
    rollups.roll_up_dirty()
    monkeypatch.setattr(measured_costs, "LEAST_SAMPLES", BUCKETS)
    costs, missing = measured_costs.measure(COSTS)
    assert missing == ["sealed", "other", "slab", "rollup of 900 s", "rollup of 3600 s"]
    part, day, week = (AT // 1000 // span * span for span in (3 * HOUR, DAY, 7 * DAY))
    raw = weight(SAMPLE_TABLES[Kind.GPU], part) + weight(SAMPLE_TABLES[Kind.NODE], part)
    assert costs.raw * SAMPLES == pytest.approx(raw, abs=VACUUMED)
    assert costs.bucket[60] * BUCKETS == pytest.approx(weight("telemetry_rollup_1m", week), abs=VACUUMED)
    assert (costs.other, costs.bucket[900]) == (COSTS.other, COSTS.bucket[900])
    assert costs.latest == weight_of("telemetry_latest")

    sealing.seal(now=part + 3 * HOUR + settings.SEAL_AFTER_HOURS * HOUR)
    costs, missing = measured_costs.measure(COSTS)
    assert "raw" in missing
    assert costs.sealed * SAMPLES == pytest.approx(weight(SEALED_TABLE, day), abs=VACUUMED)
