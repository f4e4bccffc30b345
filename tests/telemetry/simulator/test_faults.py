"""A fault changes exactly what it should, where it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from telemetry.simulator.faults import Fault, FaultKind
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.profiles import profiles_for
from telemetry.simulator.scenario import default_scenario, parse_fault

HOME = 2


@pytest.fixture
def compare(make_fleet, make_fault):
    """Snapshots without and with a fault of the third home, 30 minutes in."""

    def run(kind, **details):
        with_fault = make_fleet(make_fault(kind, **details))
        without = make_fleet()
        for _ in range(30):
            with_fault.step(60)
            without.step(60)
        return without.snapshot(), with_fault.snapshot()

    return run


def changed(before, after):
    """Names of the columns that differ, after making sure that no other home has changed."""
    names = set()
    for old, new in ((before.node, after.node), (before.gpu, after.gpu), (before.circuit, after.circuit)):
        for name in old:
            differs = ~((old[name] == new[name]) | (np.isnan(old[name]) & np.isnan(new[name])))
            differs = differs.reshape(len(differs), -1).any(axis=1)
            assert not np.delete(differs, HOME).any(), name
            if differs[HOME]:
                names.add(name)
    return names


def test_tamper_is_an_open_tilted_noisy_box(compare):
    assert changed(*compare(FaultKind.TAMPER)) == {"enclosure_open", "enclosure_tilt_degrees", "sound_decibels"}


def test_an_xid_sticks_to_one_gpu(compare):
    before, after = compare(FaultKind.XID, code=31)
    assert changed(before, after) == {"xid"}
    assert after.gpu["xid"][HOME].tolist() == [31.0 if gpu == 5 else 0.0 for gpu in range(16)]


def test_a_lost_gpu_shows_xid_79_and_then_nothing(make_fleet, make_fault):
    fleet = make_fleet(make_fault(FaultKind.GPU_LOST, begin=1))
    fleet.step(60)
    assert fleet.snapshot().gpu["xid"][HOME, 5] == 79
    fleet.step(60)
    gone = np.isnan(fleet.snapshot().gpu_table).all(axis=0)
    assert gone.sum() == 1 and gone[HOME, 5]


def test_ecc_errors_count_on_one_gpu(compare):
    before, after = compare(FaultKind.ECC)
    assert changed(before, after) == {
        "xid",
        "ecc_single_bit_volatile",
        "ecc_single_bit_aggregate",
        "ecc_double_bit_volatile",
        "ecc_double_bit_aggregate",
        "rows_remapped_uncorrectable",
    }
    assert after.gpu["ecc_double_bit_volatile"].sum() == 1


def test_a_silent_node_sends_nothing(compare):
    _, after = compare(FaultKind.SILENT)
    assert after.silent.tolist() == [home == HOME for home in range(8)]
    assert np.isnan(after.node_table[:, HOME]).all() and np.isnan(after.gpu_table[:, HOME]).all()


def test_internet_trouble_touches_the_line_and_what_runs_over_it(compare):
    names = changed(*compare(FaultKind.INTERNET_TROUBLE))
    assert names and all(name.startswith("internet_") or "_latency_" in name or "_requests_" in name for name in names)


def test_an_internet_outage_idles_the_node_but_not_the_home(compare):
    before, after = compare(FaultKind.INTERNET_OUTAGE)
    names = changed(before, after)
    assert not any(name.startswith("home_power") or name in before.circuit for name in names)
    assert after.node["internet_home_up"][HOME] == 0 and np.isnan(after.node["internet_home_latency_seconds"][HOME])
    assert after.gpu["utilization_ratio"][HOME].max() == 0


def test_the_oven_wins_against_the_node(compare):
    before, after = compare(FaultKind.OVEN)
    assert after.circuit["oven"][HOME] > 4000
    assert after.node["curtailed_headroom"][HOME] == 1
    assert after.node["node_power_watts"][HOME] < 0.9 * before.node["node_power_watts"][HOME]
    assert (after.gpu["throttle_reasons"][HOME].astype(int) & 0x4).all()


def test_heat_slows_the_node(make_fleet, make_fault):
    fleet = make_fleet(make_fault(FaultKind.HEAT, 0, 400))
    for _ in range(300):
        fleet.step(60)
    after = fleet.snapshot()
    assert after.node["curtailed_thermal"][HOME] == 1
    assert (after.gpu["throttle_reasons"][HOME].astype(int) & 0x20).all()
    assert after.gpu["throttled_sw_therm_seconds"][HOME].min() > 60
    assert after.gpu["sm_clock_hertz"][HOME].max() < 2.4e9


def test_a_pause_leaves_the_gpus_idle_and_counts_as_a_new_desired_state(compare):
    before, after = compare(FaultKind.HOST_PAUSE)
    assert after.node["curtailed_host_pause"][HOME] == 1
    assert after.gpu["power_watts"][HOME].max() <= 40
    assert after.node["desired_state_version"][HOME] == before.node["desired_state_version"][HOME] + 1


def test_a_demo_shows_one_of_everything_at_any_season_and_hour():
    hostnames = [f"xfra-{number:05d}" for number in range(1, 25)]
    for now_at in (datetime(2026, 1, 5, 4, tzinfo=UTC), datetime(2026, 8, 9, 22, tzinfo=UTC)):
        faults = default_scenario(hostnames, now_at, seed=3)
        fleet = Fleet(profiles_for(hostnames, 3), 3, now_at - timedelta(hours=6), faults)
        fleet.fast_forward(now_at.timestamp())
        now = fleet.snapshot()
        slow = np.flatnonzero(now.node["curtailed_thermal"] > 0).tolist()
        assert set(slow) >= {4, 9}
        assert now.node["curtailed_headroom"][6] == 1 and now.circuit["oven"][6] > 0
        assert now.node["curtailed_host_pause"][8] == 1
        assert np.isnan(now.gpu["power_watts"][13]).sum() == 1
        assert now.node["coolant_leak"][17] == 1
        assert now.silent[20] and now.silent.sum() == 1
        assert now.node["curtailed_thermal"][0] == now.node["curtailed_headroom"][0] == 0
        assert (now.gpu["utilization_ratio"][0] > 0.1).all()
        outages = [f for f in faults if f.hostname == hostnames[0] and f.kind is FaultKind.GRID_OUTAGE]
        assert [2 <= (now_at - outage.start_at).days <= 3 for outage in outages] == [True]


def test_faults_on_the_command_line():
    now_at = datetime(2026, 8, 9, tzinfo=UTC)
    fault = parse_fault("xfra-00003:xid=94:20", now_at)
    assert fault == Fault("xfra-00003", FaultKind.XID, now_at, now_at + timedelta(minutes=20), code=94)
    with pytest.raises(ValueError, match="grid_outage"):
        parse_fault("xfra-00003:meteor", now_at)
