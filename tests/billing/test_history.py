"""A simulated fleet's past, of which telemetry mostly has quarter-hours: days of readings that nobody has to doubt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from billing import meter_feed
from billing.intervals.quality import Quality
from billing.models import Channel, Quarantine
from billing.readings import usage_of_many
from homes.access import acting_as_system
from homes.provisioning import Plan, provision
from telemetry import registers
from telemetry.backfill import Backfill
from telemetry.register_marks import Changes
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.history import generate_history
from telemetry.simulator.profiles import profiles_for
from tests.cast import needs_database

pytestmark = needs_database
DAYS = 3


def _marks(cursor: str, limit: int = 0) -> Changes:
    """The test's transaction never ends, so its own marks are handed over as if they were committed."""
    with connection.cursor() as sql:
        sql.execute("DELETE FROM telemetry_register_mark RETURNING node_id, hour")
        return Changes(tuple(sql.fetchall()), cursor + "x", True)


@pytest.fixture(autouse=True)
def _as_system(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registers, "registers_changed_since", _marks)
    with acting_as_system():
        yield


def test_the_past_becomes_readings_that_add_up_to_the_registers() -> None:
    # In the afternoon in Phoenix: about midnight the last day is not read to its end, or the first not from its begin.
    now = datetime.now(UTC).replace(hour=20, minute=7, second=0, microsecond=0) - timedelta(days=1)
    start, hostnames = now - timedelta(days=DAYS), ["past-00001", "past-00002"]
    nodes = [provision(Plan(hostname, "America/Phoenix", "Utility", "Cable"))[0] for hostname in hostnames]
    backfill = Backfill([node.pk for node in nodes], np.arange(1, 33).reshape(2, 16), 16)
    fleet = Fleet(profiles_for(hostnames, 5), 5, start, [])
    history = generate_history(
        fleet, int(now.timestamp() * 1000), days=DAYS, fine_days=1, raw_minutes=5, coarse_step_seconds=180
    )
    for block in history:
        backfill.take(block)
    backfill.finish()
    while meter_feed.follow(now=now):
        pass
    zone = nodes[0].home.zone
    first, last = (at.astimezone(zone).date() for at in (start + timedelta(days=1), now))
    for node, usage in zip(nodes, usage_of_many([node.home for node in nodes], first, last), strict=True):
        assert usage.is_complete(Channel.NODE, Channel.SITE_IMPORT, Channel.BATTERY_IN, Channel.BATTERY_OUT)
        assert usage.count(Channel.NODE, Quality.ROLLED) > 0
        assert usage.count(Channel.NODE, Quality.ESTIMATED) == 0
        edges = [int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) for day in (first, last)]
        (around,) = registers.read_around([node.pk], edges)
        moved = np.diff(np.floor(around.before_joules / 3600), axis=1)[:, 0]
        for i, channel in enumerate(registers.ENERGY_REGISTERS):
            if not np.isnan(moved[i]):
                assert int(usage.wh_of(Channel(channel)).sum()) == int(moved[i]), channel
    assert not Quarantine.objects.exists()
