"""The meter adds up, the registers are the powers, and the home always wins."""

from __future__ import annotations

import numpy as np
import pytest

from telemetry.catalogue import BY_NAME, COLUMNS, Kind
from telemetry.simulator.faults import FaultKind
from telemetry.simulator.fleet import BATTERY_JOULES, ONE_WAY_EFFICIENCY, USABLE_AMPERES

WATT_HOUR = 3600.0
STEPS = [60.0] * 200 + [10.0, 7.0, 2.0, 2.031, 900.0] * 40 + [300.0] * 500


@pytest.fixture(scope="module")
def lived(make_fleet, make_fault):
    """Snapshots of almost three summer days with two outages and an oven, in steps of many lengths."""
    fleet = make_fleet(
        make_fault(FaultKind.GRID_OUTAGE, 60, 300),
        make_fault(FaultKind.GRID_OUTAGE, 700, 1300, hostname="xfra-00005"),
        make_fault(FaultKind.OVEN, 20, 90, hostname="xfra-00001"),
    )
    before = fleet.snapshot()
    snapshots = []
    for step in STEPS:
        fleet.step(step)
        snapshots.append(fleet.snapshot())
    return before, snapshots


def column(snapshots, name):
    return np.array([snapshot.node[name] for snapshot in snapshots])


def test_registers_are_the_exact_integral_of_the_powers(lived):
    before, snapshots = lived
    steps = np.array(STEPS)[:, None]
    site, battery = column(snapshots, "site_power_watts"), column(snapshots, "battery_power_watts")
    flows = {
        "site_import": np.maximum(site, 0),
        "site_export": np.maximum(-site, 0),
        "node": column(snapshots, "node_power_watts"),
        "battery_in": np.maximum(battery, 0),
        "battery_out": np.maximum(-battery, 0),
        "solar": column(snapshots, "solar_power_watts"),
    }
    for register, watts in flows.items():
        name = f"{register}_energy_joules"
        joules = column(snapshots, name) - before.node[name]
        np.testing.assert_allclose(joules, np.cumsum(watts * steps, axis=0), atol=WATT_HOUR / 1000, rtol=0)


def test_gpu_energy_is_the_integral_of_board_power(lived):
    before, snapshots = lived
    watts = np.nan_to_num(np.array([snapshot.gpu["power_watts"] for snapshot in snapshots]))
    joules = snapshots[-1].gpu["energy_joules"] - before.gpu["energy_joules"]
    np.testing.assert_allclose(joules, (watts * np.array(STEPS)[:, None, None]).sum(axis=0), atol=0.01, rtol=0)


def test_every_counter_is_monotonic(lived):
    _, snapshots = lived
    for kind, tables in ((Kind.NODE, "node_table"), (Kind.GPU, "gpu_table")):
        for one in COLUMNS[kind]:
            if one.shape == "counter":
                values = np.array([getattr(snapshot, tables)[one.code] for snapshot in snapshots])
                for series in values.reshape(len(values), -1).T:
                    assert (np.diff(series[~np.isnan(series)]) >= 0).all(), one.name


def test_the_parts_sum_to_the_meter_to_the_last_bit(lived):
    for snapshot in lived[1]:
        node = snapshot.node
        parts = node["home_power_watts"] + node["node_power_watts"] + node["battery_power_watts"]
        assert (node["site_power_watts"] == parts - np.nan_to_num(node["solar_power_watts"])).all()
        assert (node["home_power_watts"] == snapshot.circuit_table.sum(axis=0)).all()
        assert node["main_amperes"] * 240 == pytest.approx(node["site_power_watts"], abs=1e-6)


def test_the_service_is_never_overloaded_by_anything_but_the_home(lived):
    for snapshot in lived[1]:
        own = snapshot.node["home_power_watts"] / 240
        assert (snapshot.node["main_amperes"] <= np.maximum(USABLE_AMPERES, own)).all()
        assert (snapshot.node["node_power_watts"] <= snapshot.node["node_power_limit_watts"]).all()


def test_the_battery_holds_what_went_in_less_its_losses(lived):
    before, snapshots = lived
    after = snapshots[-1].node
    into = after["battery_in_energy_joules"] - before.node["battery_in_energy_joules"]
    out_of = after["battery_out_energy_joules"] - before.node["battery_out_energy_joules"]
    change = (after["battery_charge_ratio"] - before.node["battery_charge_ratio"]) * BATTERY_JOULES
    np.testing.assert_allclose(change, into * ONE_WAY_EFFICIENCY - out_of / ONE_WAY_EFFICIENCY, atol=1.0)
    ratios = column(snapshots, "battery_charge_ratio")
    assert ratios.min() >= 0 and ratios.max() <= 1


def test_the_battery_carries_the_home_but_not_the_node(lived):
    dark = [snapshot for snapshot in lived[1] if snapshot.node["grid_up"][2] == 0]
    assert len(dark) > 150
    for snapshot in dark:
        node = {name: values[2] for name, values in snapshot.node.items()}
        assert node["site_power_watts"] == node["node_power_watts"] == 0
        assert node["curtailed_outage"] == 1
        assert np.isnan(snapshot.gpu_table[:, 2]).all()
    assert max(-snapshot.node["battery_power_watts"][2] for snapshot in dark) > 300


def test_everything_stays_within_what_the_catalogue_believes(lived):
    for snapshot in lived[1][::5]:
        for values, columns in ((snapshot.node, BY_NAME[Kind.NODE]), (snapshot.gpu, BY_NAME[Kind.GPU])):
            assert values.keys() == columns.keys()
            for name, array in values.items():
                known = array[~np.isnan(array)]
                assert (known >= columns[name].low).all() and (known <= columns[name].high).all(), name


def test_a_gpu_is_coherent_with_itself(make_fleet, make_fault):
    fleet = make_fleet(make_fault(FaultKind.HOST_PAUSE))
    for _ in range(30):
        fleet.step(60)
    gpu = fleet.snapshot().gpu
    for other in ("utilization_ratio", "temperature_celsius", "tensor_active_ratio", "dram_active_ratio"):
        # Slots 0 to 9 serve the same kind of work; other work draws less at the same utilisation.
        assert np.corrcoef(gpu["power_watts"][:, :10].ravel(), gpu[other][:, :10].ravel())[0, 1] > 0.9, other
    memory = gpu["memory_used_bytes"] + gpu["memory_free_bytes"] + gpu["memory_reserved_bytes"]
    assert (memory == gpu["memory_total_bytes"]).all()
