"""Same seed, same fleet; a pause is survived; history agrees with itself at every resolution."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from telemetry.catalogue import BY_NAME, COLUMNS, Kind, Shape
from telemetry.simulator import persistence
from telemetry.simulator.faults import FaultKind
from telemetry.simulator.history import generate_history


def same(one, other):
    tables = ("node_table", "gpu_table", "circuit_table")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in tables)


def test_the_seed_decides_everything(make_fleet):
    fleets = [make_fleet(seed=7), make_fleet(seed=7), make_fleet(seed=8)]
    for fleet in fleets:
        for _ in range(50):
            fleet.step(60)
    first, again, other = (fleet.snapshot() for fleet in fleets)
    assert same(first, again) and not same(first, other)


def test_a_home_is_the_same_in_every_fleet(make_fleet):
    alone, together = make_fleet(hostnames=["xfra-00004"]), make_fleet()
    for fleet in (alone, together):
        for _ in range(20):
            fleet.step(60)
    assert np.array_equal(alone.snapshot().node_table[:, 0], together.snapshot().node_table[:, 3], equal_nan=True)


def test_a_saved_fleet_goes_on_as_if_nothing_had_happened(make_fleet, make_fault, tmp_path):
    fleet = make_fleet(make_fault(FaultKind.HOST_PAUSE))
    for _ in range(25):
        fleet.step(61.5)
    persistence.save(fleet, tmp_path)
    loaded = persistence.load(tmp_path, fleet.profiles, fleet.seed)
    assert loaded is not None and loaded.at_s == fleet.at_s
    assert same(loaded.snapshot(), fleet.snapshot())
    for _ in range(25):
        fleet.step(60)
        loaded.step(60)
    assert same(loaded.snapshot(), fleet.snapshot())
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.npz"]


def test_another_seed_does_not_take_over_a_saved_fleet(make_fleet, tmp_path):
    fleet = make_fleet()
    persistence.save(fleet, tmp_path)
    assert persistence.load(tmp_path, fleet.profiles, seed=99) is None
    assert persistence.load(tmp_path / "nothing", fleet.profiles, fleet.seed) is None


def test_registers_go_on_through_a_gap(make_fleet):
    fleet = make_fleet()
    fleet.step(60)
    before = fleet.snapshot().node
    fleet.fast_forward(fleet.at_s + 5 * 86400 + 17.5)
    after = fleet.snapshot().node
    days = (after["node_energy_joules"] - before["node_energy_joules"]) / 3.6e6 / 5
    assert (days > 100).all() and (days < 340).all()


@pytest.fixture(scope="module")
def history(make_fleet, make_fault):
    """One day and a bit: {(resolution, kind): [blocks]}; the third home is silent for 70 minutes in the last hours."""
    fleet = make_fleet(make_fault(FaultKind.SILENT, 1440 + 100, 1440 + 170), make_fault(FaultKind.GPU_LOST, 600, 5000))
    until_ms = round(fleet.at_s * 1000) + (1440 + 205) * 60_000 + 30_000
    blocks = defaultdict(list)
    for block in generate_history(fleet, until_ms, days=1.1, fine_days=0.5, raw_minutes=40, raw_step_seconds=10):
        blocks[block.resolution_seconds, block.kind].append(block)
    assert fleet.at_s * 1000 == until_ms
    return blocks


def joined(blocks, name, field):
    return np.concatenate([getattr(block.columns[name], field) for block in blocks])


def times(blocks):
    return np.concatenate([block.at_ms for block in blocks])


def test_blocks_are_complete_and_in_order(history):
    assert len(history) == 4 * len(Kind)
    for (resolution, kind), blocks in history.items():
        at_ms = times(blocks)
        assert (np.diff(at_ms) > 0).all()
        if resolution:
            assert (at_ms % (resolution * 1000) == 0).all() and (np.diff(at_ms) == resolution * 1000).all()
        for block in blocks:
            assert block.columns.keys() == BY_NAME[kind].keys()
            for column in COLUMNS[kind]:
                stats = block.columns[column.name]
                assert stats.last.shape == (len(block.at_ms), 8, len(block.subjects))
                assert stats.last.dtype == (np.float64 if column.shape is Shape.COUNTER else np.float32)


@pytest.mark.parametrize(("fine", "coarse"), [(60, 900), (900, 3600)])
@pytest.mark.parametrize(("kind", "gauge"), [(Kind.NODE, "site_power_watts"), (Kind.GPU, "power_watts")])
def test_resolutions_agree(history, fine, coarse, kind, gauge):
    counter = "node_energy_joules" if kind is Kind.NODE else "energy_joules"
    fine_blocks, coarse_blocks = history[fine, kind], history[coarse, kind]
    at_ms = times(fine_blocks)
    for position, start in enumerate(times(coarse_blocks).tolist()):
        inside = (at_ms >= start) & (at_ms < start + coarse * 1000)
        if inside.sum() != coarse / fine:
            continue
        count = joined(fine_blocks, gauge, "count")[inside]
        average = np.nan_to_num(joined(fine_blocks, gauge, "average")[inside].astype(float))
        total = joined(coarse_blocks, gauge, "count")[position]
        assert (count.sum(axis=0) == total).all()
        known = total > 0
        weighed = (average * count).sum(axis=0)[known] / total[known]
        np.testing.assert_allclose(joined(coarse_blocks, gauge, "average")[position][known], weighed, rtol=1e-5)
        assert np.isnan(joined(coarse_blocks, gauge, "average")[position][~known]).all()
        increase = np.nan_to_num(joined(fine_blocks, counter, "increase")[inside]).sum(axis=0)
        np.testing.assert_allclose(
            np.nan_to_num(joined(coarse_blocks, counter, "increase")[position]), increase, rtol=1e-9, atol=1e-3
        )


def test_energy_of_history_is_average_power_times_time(history):
    blocks = history[3600, Kind.NODE]
    watts, joules = joined(blocks, "node_power_watts", "average"), joined(blocks, "node_energy_joules", "increase")
    full = (joined(blocks, "node_power_watts", "count") == 60)[1:-4]
    assert full.sum() > 100
    np.testing.assert_allclose(joules[1:-4][full], watts[1:-4][full] * 3600.0, rtol=1e-5)


def test_silence_is_absent_not_zero(history):
    blocks = history[60, Kind.NODE]
    count = joined(blocks, "site_power_watts", "count")[:, :, 0]
    silent = count[:, 2] == 0
    assert silent.sum() == 70 and (np.delete(count, 2, axis=1) > 0).all()
    for field in ("minimum", "maximum", "average", "last"):
        assert (np.isnan(joined(blocks, "site_power_watts", field)[:, 2, 0]) == silent).all()
    # What was used during the silence shows in the first bucket after it.
    increase = joined(blocks, "node_energy_joules", "increase")[:, 2, 0]
    assert np.isnan(increase[silent]).all()
    assert increase[np.flatnonzero(silent)[-1] + 1] > 40 * np.nanmedian(increase)


def test_the_last_hour_comes_as_instants(history):
    (*_, last) = history[0, Kind.GPU]
    assert last.columns["power_watts"].minimum is None
    at_ms = times(history[0, Kind.GPU])
    assert (np.diff(at_ms)[1:] == 10_000).all() and len(at_ms) >= 235
